//! Customers of the shop: payments with valid cards at every host that serves it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::Client;
use model::HostName;
use model::deliver::Proof;
use runtime::Random;

use super::wait::pause;

/// How long a payment may take before the customer gives up.
const PATIENCE: Duration = Duration::from_secs(2);
/// Payments between two rests; with the rest that is about 250 a second at each host.
const BATCH: usize = 5;

/// Pays until it is dropped.
pub(crate) struct Load(Arc<AtomicBool>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Ports = Arc<Mutex<BTreeMap<HostName, u16>>>;

impl Load {
    pub(crate) fn start(client: &Client) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ports = Ports::default();
        look(client, &ports);
        let hosts: Vec<HostName> = ports.lock().unwrap().keys().cloned().collect();
        for host in hosts {
            let (over, ports) = (Arc::clone(&over), Arc::clone(&ports));
            std::thread::spawn(move || customers(&host, &ports, &over));
        }
        let (watched, client) = (Arc::clone(&over), client.clone());
        std::thread::spawn(move || {
            while !watched.load(Ordering::Relaxed) {
                look(&client, &ports);
                pause();
            }
        });
        Self(over)
    }
}

/// Finds out where the shop listens; a server that does not answer leaves things as they were.
fn look(client: &Client, ports: &Ports) {
    for host in client.hosts(&[]).unwrap_or_default() {
        let port = host.services.iter().find_map(|service| {
            let reported = service.reported.as_ref()?;
            (reported.proof != Proof::Stopped).then_some(reported.port?)
        });
        if let Some(port) = port {
            ports.lock().unwrap().insert(host.name, port);
        }
    }
}

fn customers(host: &HostName, ports: &Ports, over: &AtomicBool) {
    let mut connection: Option<(u16, BufReader<TcpStream>)> = None;
    while !over.load(Ordering::Relaxed) {
        let port = ports.lock().unwrap()[host];
        for _ in 0..BATCH {
            let open = connection.take().filter(|(at, _)| *at == port);
            connection = pay(open.map(|(_, stream)| stream), port)
                .ok()
                .map(|stream| (port, stream));
        }
        pause();
    }
}

fn pay(open: Option<BufReader<TcpStream>>, port: u16) -> std::io::Result<BufReader<TcpStream>> {
    let mut stream = match open {
        Some(stream) => stream,
        None => BufReader::new(TcpStream::connect(("127.0.0.1", port))?),
    };
    stream.get_ref().set_read_timeout(Some(PATIENCE))?;
    let body = format!("card={}&amount=1999", card(Random::System.u128()));
    write!(
        stream.get_mut(),
        "POST /pay HTTP/1.1\r\nhost: shop\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(stream)
}

/// Makes a valid card number: the last of 16 digits makes the Luhn sum a multiple of ten.
fn card(random: u128) -> String {
    let mut digits: Vec<u128> = (0..15).map(|n| random / 10u128.pow(n) % 10).collect();
    let sum: u128 = (0..)
        .zip(&digits)
        .map(|(n, digit)| match (n % 2, digit * 2) {
            (0, doubled) if doubled > 9 => doubled - 9,
            (0, doubled) => doubled,
            _ => *digit,
        })
        .sum();
    digits.push((10 - sum % 10) % 10);
    digits.iter().map(ToString::to_string).collect()
}
