//! Calls against a server of a few lines that answers one request with what the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use client::{Client, Error};
use model::api::deliver::HostView;
use model::{ChangeId, Digest, Secret, limit};

/// Answers one request and returns what came: head and body.
fn server(answer: &'static str) -> (String, JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let length = head
            .lines()
            .filter_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .next()
            .unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        (head, body)
    });
    (url, thread)
}

/// Answers one request after the other, each over a connection of its own, and returns their first lines.
fn server_of(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move |body: String| {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut head = lines
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty());
        let first = head.next().unwrap();
        head.for_each(drop);
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}");
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        first
    };
    let thread = std::thread::spawn(move || answers.into_iter().map(answer).collect());
    (url, thread)
}

#[test]
fn all_hosts_are_asked_for_page_by_page() {
    let at = model::Timestamp::UNIX_EPOCH;
    let host = |n: usize| HostView {
        id: model::HostId::new(at, n as u128),
        name: format!("web-{n}").parse().unwrap(),
        labels: model::Labels::default(),
        agent_version: String::new(),
        program: Default::default(),
        last_seen: at,
        unknown_since: None,
        troubles: vec![],
        services: vec![],
    };
    let page = |hosts: std::ops::Range<usize>| {
        let hosts: Vec<HostView> = hosts.map(host).collect();
        serde_json::to_string(&hosts).unwrap()
    };
    let full = limit::LIST_ITEMS;
    let (url, thread) = server_of(vec![page(0..full), page(full..full + 3)]);
    let hosts = client(&url).hosts(&[("drifted", "true")]).unwrap();
    assert_eq!(hosts.len(), full + 3);
    let asked = thread.join().unwrap();
    assert_eq!(
        asked,
        [
            "GET /api/v1/deliver/hosts?drifted=true HTTP/1.1",
            "GET /api/v1/deliver/hosts?drifted=true&after=web-499 HTTP/1.1",
        ]
    );
}

fn client(url: &str) -> Client {
    Client::new(url, Some(Secret::new("s3cret")))
}

#[test]
fn the_token_is_sent_and_never_printed() {
    let (url, thread) = server("HTTP/1.1 204 No Content\r\n\r\n");
    let client = client(&url);
    client.order(ChangeId(7), "undo").unwrap();
    let (head, body) = thread.join().unwrap();
    assert!(
        head.starts_with("POST /api/v1/act/changes/chg-7/undo HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("authorization: Bearer s3cret"), "{head}");
    assert_eq!(body, b"{}");
    assert!(!format!("{client:?}").contains("s3cret"));
}

#[test]
fn an_upload_streams_with_its_length_and_its_digest() {
    let (url, thread) = server("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
    let digest = Digest::of(b"hello");
    let service = "shop".parse().unwrap();
    client(&url)
        .upload_artifact(&service, digest, &mut &b"hello"[..], 5)
        .unwrap();
    let (head, body) = thread.join().unwrap();
    let line = format!("PUT /api/v1/deliver/artifacts/{digest}?service=shop HTTP/1.1\r\n");
    assert!(head.starts_with(&line), "{head}");
    assert!(!head.to_lowercase().contains("chunked"), "{head}");
    assert_eq!(body, b"hello");
}

#[test]
fn samples_are_a_remote_write_body() {
    let (url, thread) = server("HTTP/1.1 204 No Content\r\n\r\n");
    client(&url)
        .samples(b"\x00", model::Timestamp::UNIX_EPOCH)
        .unwrap();
    let (head, _) = thread.join().unwrap();
    let head = head.to_lowercase();
    for header in [
        "content-encoding: snappy",
        "x-prometheus-remote-write-version: 0.1.0",
    ] {
        assert!(head.contains(header), "{head}");
    }
}

#[test]
fn not_modified_is_no_wish() {
    let (url, _thread) = server("HTTP/1.1 304 Not Modified\r\n\r\n");
    let sync = model::api::agent::Sync {
        boot_id: "b".into(),
        run_id: "r".into(),
        agent_version: "0".into(),
        epoch_seen: 1,
        revision_seen: 1,
        wait_ms: 0,
        reported: vec![],
        refused: vec![],
        disk_free_bytes: 0,
        now: model::Timestamp::UNIX_EPOCH,
        monotonic_ms: 0,
        steady: None,
        program: None,
    };
    assert_eq!(client(&url).sync(&sync).unwrap(), None);
}

#[test]
fn a_download_of_another_length_is_refused() {
    for (answer, why) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
            "only 3 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabcdefghi",
            "more than 5 bytes",
        ),
    ] {
        let (url, _thread) = server(answer);
        let mut sink = Vec::new();
        let client = client(&url);
        let download = client.artifact(Digest::of(b""), 0, 5).unwrap();
        let error = download.copy_to(&mut sink).unwrap_err();
        assert!(matches!(&error, Error::BadAnswer { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_download_goes_on_where_it_was_cut_or_begins_anew() {
    for (answer, starts_at, rest) in [
        (
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 3-4/5\r\ncontent-length: 2\r\n\r\nde",
            3,
            "de",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde",
            0,
            "abcde",
        ),
    ] {
        let (url, thread) = server(answer);
        let client = client(&url);
        let download = client.artifact(Digest::of(b""), 3, 5).unwrap();
        assert_eq!(download.starts_at(), starts_at);
        let mut sink = Vec::new();
        download.copy_to(&mut sink).unwrap();
        assert_eq!(sink, rest.as_bytes());
        let (head, _) = thread.join().unwrap();
        assert!(
            head.to_lowercase().contains("range: bytes=3-\r\n"),
            "{head}"
        );
    }
}

#[test]
fn another_part_than_was_asked_for_is_refused() {
    for range in ["content-range: bytes 0-4/5\r\n", ""] {
        let answer =
            format!("HTTP/1.1 206 Partial Content\r\n{range}content-length: 5\r\n\r\nabcde");
        let (url, _thread) = server(answer.leak());
        let error = client(&url).artifact(Digest::of(b""), 3, 5).unwrap_err();
        assert!(matches!(&error, Error::BadAnswer { .. }), "{error:?}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let (url, _thread) =
        server("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
    let error = client(&url).me().unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }), "{error:?}");
}

#[test]
fn a_missing_thing_is_false_and_a_refusal_is_an_error() {
    let (url, _thread) = server("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    assert!(!client(&url).artifact_known(Digest::of(b"")).unwrap());
    let (url, _thread) = server("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        client(&url)
            .artifact_known(Digest::of(b""))
            .unwrap_err()
            .status(),
        Some(401)
    );
}

#[test]
fn a_server_that_never_answers_is_unreachable_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = client(&url)
        .with_timeout(Duration::from_millis(100))
        .me()
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[test]
fn an_answer_that_is_not_json_is_named() {
    let (url, _thread) = server("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\noops");
    let error = client(&url).hosts(&[("service", "a b")]).unwrap_err();
    assert!(error.to_string().contains("makes no sense"), "{error}");
}

#[test]
fn an_answer_over_its_limit_is_refused() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
    let (url, _thread) = server(answer);
    assert_eq!(client(&url).get_bytes("/metrics", 3).unwrap(), b"abc");
    let (url, _thread) = server(answer);
    let error = client(&url).get_bytes("/metrics", 2).unwrap_err();
    assert!(error.to_string().ends_with("it is over 2 bytes"), "{error}");
}
