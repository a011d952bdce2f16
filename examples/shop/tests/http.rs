//! The shop as its customers and its metrics' reader see it, over real connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use shop::Server;
use shop::release::{Release, V1_0, V1_1, V1_2};

const PAY: &str = "POST /pay HTTP/1.1\r\nHost: shop\r\nContent-Length: 33\r\n\r\n\
                   card=4242424242924241&amount=1999";

/// Starts a shop that ends with the test's process.
fn start(release: Release) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0", release).unwrap();
    let address = server.local_addr().unwrap();
    thread::spawn(move || server.serve());
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// Sends bytes on a connection of their own and returns all that comes back until it closes.
fn talk(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    let answer = talk(address, &request);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n"),
        "{path}: {answer}"
    );
    answer
}

/// Sums the samples whose line begins like this.
fn sum(metrics: &str, beginning: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(beginning));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[test]
fn each_release_names_itself() {
    for release in [V1_0, V1_1, V1_2] {
        let address = start(release);
        let version = release.version;
        let health = format!("{{\"status\":\"ok\",\"version\":\"{version}\"}}\n");
        assert!(get(address, "/healthz").ends_with(&health));
        assert!(get(address, "/").contains(&format!("release {version}")));
        let info = format!("shop_info{{version=\"{version}\"}} 1\n");
        assert!(get(address, "/metrics").contains(&info));
        assert!(get(address, "/products?page=1").contains(r#"{"id":"lamp","#));
    }
}

#[test]
fn one_connection_carries_many_payments_and_each_is_counted() {
    let address = start(V1_1);
    let paid = PAY.replace("924241", "424242");
    let declined = PAY.replace("924241", "424241");
    let last = PAY.replace("Host: shop", "Connection: close");
    let answers = talk(
        address,
        &[&paid, &declined, &paid, &last]
            .map(String::as_str)
            .concat(),
    );
    let codes: Vec<_> = answers
        .lines()
        .filter_map(|line| line.strip_prefix("HTTP/1.1 "))
        .collect();
    let expected = [
        "200 OK",
        "402 Payment Required",
        "200 OK",
        "500 Internal Server Error",
    ];
    assert_eq!(codes, expected);
    assert!(answers.ends_with("{\"result\":\"failed\"}\n"));

    let metrics = get(address, "/metrics");
    let result = |result| sum(&metrics, &format!("pay_total{{result=\"{result}\"}}"));
    assert_eq!(["paid", "declined", "failed"].map(result), [2.0, 1.0, 1.0]);
    let buckets = "http_request_duration_seconds_bucket{route=\"/pay\",le=\"+Inf\"}";
    assert_eq!(sum(&metrics, buckets), 4.0);
    assert_eq!(
        sum(&metrics, "http_requests_total{route=\"/pay\",code=\"500\"}"),
        1.0
    );
}

#[test]
fn all_results_are_there_before_the_first_payment() {
    let metrics = get(start(V1_0), "/metrics");
    for result in ["paid", "declined", "failed"] {
        let line = format!("pay_total{{result=\"{result}\"}} 0\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[test]
fn a_scrape_between_payments_sees_one_moment() {
    let address = start(V1_1);
    let customers: Vec<_> = (0..3)
        .map(|_| thread::spawn(move || talk(address, &format!("{}GET /", PAY.repeat(100)))))
        .collect();
    loop {
        let done = customers.iter().all(thread::JoinHandle::is_finished);
        let metrics = get(address, "/metrics");
        let payments = sum(&metrics, "pay_total{");
        assert_eq!(
            payments,
            sum(&metrics, "http_requests_total{route=\"/pay\"")
        );
        if done || payments >= 300.0 {
            return assert_eq!(payments, 300.0);
        }
    }
}

#[test]
fn what_is_not_understood_is_refused_with_a_remedy() {
    let address = start(V1_0);
    let long = "x".repeat(9 << 10);
    for (request, code, remedy) in [
        ("GET /nowhere HTTP/1.1", 404, "no such page"),
        ("DELETE /pay HTTP/1.1", 405, "Allow: POST"),
        ("POST /metrics HTTP/1.1", 405, "Allow: GET"),
        ("POST /pay HTTP/1.1", 400, "card=<16 digits>&amount=<cents>"),
        ("HELLO", 400, "METHOD PATH"),
        ("GET / HTTP/2", 400, "METHOD PATH"),
        ("GET / HTTP/1.1\r\nno colon", 400, "colon"),
        ("POST /pay HTTP/1.1\r\nContent-Length: -1", 400, "no number"),
        (
            "POST /pay HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
            400,
            "two",
        ),
        ("POST /pay HTTP/1.1\r\nContent-Length: 4097", 413, "4 KiB"),
        (
            "POST /pay HTTP/1.1\r\nContent-Length: 99999999999999999999",
            413,
            "4 KiB",
        ),
        (
            "POST /pay HTTP/1.1\r\nTransfer-Encoding: chunked",
            501,
            "Content-Length",
        ),
        (&format!("GET /{long} HTTP/1.1"), 431, "8 KiB"),
    ] {
        let mut lines: Vec<&str> = request.split("\r\n").collect();
        lines.insert(1, "Connection: close");
        let answer = talk(address, &format!("{}\r\n\r\n", lines.join("\r\n")));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code} ")),
            "{request}: {answer}"
        );
        assert!(answer.contains(remedy), "{request}: {answer}");
    }
    for form in [
        "card=1&amount=5",
        "amount=5",
        "card=4242424242424242&amount=0",
        "card",
    ] {
        let length = form.len();
        let request = format!(
            "POST /pay HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{form}"
        );
        assert!(
            talk(address, &request).starts_with("HTTP/1.1 400 "),
            "{form}"
        );
    }
    assert_eq!(sum(&get(address, "/metrics"), "pay_total{"), 0.0);
}

#[test]
fn slow_clients_block_nobody() {
    let address = start(V1_0);
    let slow: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(b"GET / HT").unwrap();
            stream
        })
        .collect();
    get(address, "/healthz");
    drop(slow);
}

#[test]
fn a_full_shop_says_so_and_takes_the_next_one_when_somebody_leaves() {
    let address = start(V1_0);
    let mut seats: Vec<_> = (0..256).map(|_| connect(address)).collect();
    let health = "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n";
    let mut refused = connect(address);
    let mut answer = String::new();
    refused.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    seats.truncate(200);
    // The threads of those who left notice it one by one.
    let mut answers = std::iter::repeat_with(|| {
        let mut stream = connect(address);
        let mut answer = String::new();
        let sent = stream.write_all(health.as_bytes());
        let read = sent.and_then(|()| stream.read_to_string(&mut answer));
        read.is_ok() && answer.starts_with("HTTP/1.1 200 ")
    });
    assert!(answers.by_ref().take(10_000).any(|served| served));
}
