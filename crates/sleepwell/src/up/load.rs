//! The demo's customers: payments with valid cards, spread evenly over every host that serves the shop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use client::Client;
use model::HostName;
use model::deliver::Proof;
use runtime::Random;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two payments at one host: 200 a second, so that a ring of one host is judged in seconds.
const PACE: Duration = Duration::from_millis(5);
/// Between two looks at which host serves where.
const ROUTES: Duration = Duration::from_millis(200);

/// Is what the customers saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Paid, or declined by the bank.
    pub(super) answered: AtomicU64,
    /// Valid cards the shop could not charge.
    pub(super) failed: AtomicU64,
    /// No answer: a connection refused or broken.
    pub(super) lost: AtomicU64,
}

/// Sends payments until it is dropped.
pub(super) struct Load {
    router: JoinHandle<()>,
    pub(super) seen: Arc<Seen>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.router.abort();
    }
}

impl Load {
    pub(super) fn start(client: Client) -> Self {
        let seen = Arc::new(Seen::default());
        Self {
            router: tokio::spawn(route(client, Arc::clone(&seen))),
            seen,
        }
    }
}

/// Is where each host serves now. A customer whose host does not answer is sent to another one, as a load
/// balancer would.
type Routes = watch::Receiver<BTreeMap<HostName, u16>>;

/// Keeps one stream of customers per host that serves.
async fn route(client: Client, seen: Arc<Seen>) {
    let (sender, routes) = watch::channel(BTreeMap::new());
    let mut hosts_with_customers = BTreeSet::new();
    let mut streams = tokio::task::JoinSet::new(); // aborted with us
    loop {
        let asked = client.clone();
        let hosts = tokio::task::spawn_blocking(move || asked.hosts(&[])).await;
        // A server that does not answer changes nothing about who serves.
        if let Ok(Ok(hosts)) = hosts {
            let serving = hosts.into_iter().filter_map(|host| {
                let reported = host
                    .services
                    .into_iter()
                    .find_map(|service| service.reported)?;
                (reported.proof != Proof::Stopped).then_some((host.name, reported.port?))
            });
            let serving: BTreeMap<HostName, u16> = serving.collect();
            for name in serving.keys() {
                if hosts_with_customers.insert(name.clone()) {
                    streams.spawn(customers(name.clone(), routes.clone(), Arc::clone(&seen)));
                }
            }
            sender.send_replace(serving);
        }
        tokio::time::sleep(ROUTES).await;
    }
}

/// Is an open connection and the port it leads to.
type Connection = (u16, BufReader<TcpStream>);

async fn customers(host: HostName, routes: Routes, seen: Arc<Seen>) {
    let mut connection: Option<Connection> = None;
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        pace.tick().await;
        let Some(open) = connect(&host, &routes, connection.take()).await else {
            seen.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let (port, stream) = open;
        let counter = match pay(stream).await {
            Ok((status, stream)) => {
                connection = Some((port, stream));
                match status {
                    // 402: the bank declined the card, which is nobody's fault here.
                    200..300 | 402 => &seen.answered,
                    _ => &seen.failed,
                }
            }
            Err(_) => &seen.lost,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns a connection to the host, or to another one where it does not take any; an open one is used
/// again while it leads to where the host serves.
async fn connect(host: &HostName, routes: &Routes, open: Option<Connection>) -> Option<Connection> {
    let (own, others) = {
        let routes = routes.borrow();
        let others: Vec<u16> = routes
            .iter()
            .filter(|(name, _)| *name != host)
            .map(|(_, port)| *port)
            .collect();
        (routes.get(host).copied(), others)
    };
    if open.as_ref().is_some_and(|(port, _)| Some(*port) == own) {
        return open;
    }
    for port in own.into_iter().chain(others) {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
            return Some((port, BufReader::new(stream)));
        }
    }
    None
}

/// Pays once and returns the status.
async fn pay(mut stream: BufReader<TcpStream>) -> std::io::Result<(u16, BufReader<TcpStream>)> {
    let body = format!("card={}&amount=1999", card(Random::System.u128()));
    let request = format!(
        "POST /pay HTTP/1.1\r\nhost: shop\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes()).await?;
    let (mut status, mut length) = (0, 0);
    for n in 0.. {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if n == 0 {
            status = line
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .unwrap_or(0);
        } else if line.trim().is_empty() {
            break;
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok((status, stream))
}

/// Makes a valid card number of 16 digits: the last one makes the Luhn sum a multiple of ten.
fn card(random: u128) -> String {
    let digits: Vec<u32> = (0..15u32)
        .map(|i| u32::try_from(random / 10u128.pow(i) % 10).unwrap_or(0))
        .collect();
    let sum: u32 = (0..)
        .zip(&digits)
        .map(|(i, digit)| match (i % 2, digit * 2) {
            (0, doubled) if doubled > 9 => doubled - 9,
            (0, doubled) => doubled,
            _ => *digit,
        })
        .sum();
    let check = (10 - sum % 10) % 10;
    digits
        .iter()
        .chain([&check])
        .map(ToString::to_string)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook form: from the right, every second digit doubled.
    fn luhn(card: &str) -> u32 {
        let digits = card.chars().rev().map(|c| c.to_digit(10).unwrap());
        let doubled = digits
            .enumerate()
            .map(|(i, d)| if i % 2 == 1 { d * 2 } else { d });
        doubled.map(|d| if d > 9 { d - 9 } else { d }).sum()
    }

    #[test]
    fn every_card_is_valid() {
        for n in 0..1_000u128 {
            let card = card(n * 7_919_919_919_919);
            assert_eq!((card.len(), luhn(&card) % 10), (16, 0), "{card}");
        }
    }
}
