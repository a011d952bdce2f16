//! A service of a few lines, and an agent around it, for this crate's tests.
//!
//! `tiny serve PORT MODE`: `MODE` is `ok`, `sick` (health answers 500), `hang` (never answers), `crash`
//! (ends at once) or `stubborn` (healthy, ignores SIGTERM because the shell in front of it does).
//! `tiny exec-service …` is the helper; `tiny agent BASE URL HELPER` runs an agent until it is killed, and with
//! `systemd` behind it one whose services are units.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

fn main() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words[..] {
        ["serve", port, mode] => serve(port.parse().expect("a port"), mode),
        ["exec-service", ..] => panic!("{}", agent::exec_service(&arguments[1..])),
        ["agent", base, url, helper] => run_agent(base, url, helper, agent::Supervisor::BuiltIn),
        ["agent", base, url, helper, "systemd"] => {
            let systemd = agent::Systemd::find().expect("systemd runs here");
            run_agent(base, url, helper, agent::Supervisor::Systemd(systemd));
        }
        _ => panic!("usage: tiny serve PORT MODE"),
    }
}

fn serve(port: u16, mode: &str) {
    if mode == "crash" {
        std::process::exit(3);
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let mut held = Vec::new();
    for stream in listener.incoming().flatten() {
        if mode == "hang" {
            held.push(stream);
        } else {
            answer(stream, mode);
        }
    }
}

fn answer(mut stream: TcpStream, mode: &str) {
    let mut line = String::new();
    let _ = BufReader::new(&stream).read_line(&mut line);
    let (status, body) = match (mode, line.starts_with("GET /metrics ")) {
        (_, true) => (
            "200 OK",
            "# TYPE pay_total counter\npay_total{result=\"ok\"} 7\n",
        ),
        ("sick", _) => ("500 Oops", ""),
        _ => ("200 OK", ""),
    };
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}

fn run_agent(base: &str, url: &str, helper: &str, supervisor: agent::Supervisor) {
    let mut config = agent::Config::new(url, base, "web-1".parse().expect("a name"));
    config.disk_reserve_bytes = 0;
    config.supervisor = supervisor;
    config.exec_helper = vec![helper.to_owned(), "exec-service".to_owned()];
    let stop = agent::Stop::default();
    agent::join(&config, &model::Secret::new("join")).expect("it joins");
    agent::run(config, &stop).expect("it runs");
}
