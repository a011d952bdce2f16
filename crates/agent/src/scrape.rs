//! Reads the services' own metrics and sends them on, with the labels that say whose they are.
//!
//! One tick is one remote-write body for all services that are due. While the server does not answer,
//! bodies are kept up to `limit::UNSENT_SAMPLES_BYTES`; then the oldest go, and are counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::Client;
use model::observe::{Sample, Series};
use model::{Labels, ServiceName, Timestamp, limit};

use crate::Stop;
use crate::config::backoff;
use crate::hub::Target;
use crate::link::Away;
use crate::worker::Shared;

/// How soon a service that became healthy is noticed, and how often the queue is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// The longest one exposition may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Holds what the server has not taken yet, oldest first.
#[derive(Default)]
pub(crate) struct Unsent(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    bodies: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
}

impl Unsent {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, body: Vec<u8>) {
        let mut queue = self.queue();
        queue.bytes += body.len();
        queue.bodies.push_back(body);
        queue.trim();
    }

    fn take(&self) -> Option<Vec<u8>> {
        let mut queue = self.queue();
        let body = queue.bodies.pop_front()?;
        queue.bytes -= body.len();
        Some(body)
    }

    /// Puts a body back that could not be sent.
    fn put_back(&self, body: Vec<u8>) {
        let mut queue = self.queue();
        queue.bytes += body.len();
        queue.bodies.push_front(body);
        queue.trim();
    }

    /// Returns how many bodies were dropped since it was last asked.
    fn dropped(&self) -> u64 {
        std::mem::take(&mut self.queue().dropped)
    }
}

impl Queue {
    fn trim(&mut self) {
        while self.bytes > limit::UNSENT_SAMPLES_BYTES {
            let Some(body) = self.bodies.pop_front() else {
                return;
            };
            self.bytes -= body.len();
            self.dropped += 1;
        }
    }
}

/// Scrapes until the agent stops.
pub(crate) fn run(shared: &Shared, stop: &Stop) {
    let mut due: BTreeMap<ServiceName, u64> = BTreeMap::new();
    let mut clients = BTreeMap::new();
    while !stop.is_stopped() {
        let targets = shared.hub.board().targets.clone();
        due.retain(|service, _| targets.contains_key(service));
        clients.retain(|url, _| targets.values().any(|target| target.url == *url));
        let now_ms = shared.clock.monotonic_ms();
        let mut series = Vec::new();
        for (service, target) in &targets {
            let at = due.entry(service.clone()).or_insert(now_ms);
            if *at > now_ms {
                continue;
            }
            *at = next_due(*at, now_ms, target.interval);
            let client = clients
                .entry(target.url.clone())
                .or_insert_with(|| Client::new(&target.url, None).with_timeout(PATIENCE));
            let now = shared.steady();
            series.extend(scrape(client, service, target, now));
        }
        if !series.is_empty() {
            shared.unsent.push(wire::remote_write::encode(&series));
        }
        let now_ms = shared.clock.monotonic_ms();
        let next = due.values().min().map(|at| at.saturating_sub(now_ms));
        stop.wait(next.map_or(LOOK, Duration::from_millis).min(LOOK));
    }
}

/// Returns when a service is due again; ticks that were missed are left out.
fn next_due(at_ms: u64, now_ms: u64, interval: Duration) -> u64 {
    let interval = u64::try_from(interval.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let missed = now_ms.saturating_sub(at_ms) / interval;
    at_ms.saturating_add(interval.saturating_mul(missed + 1))
}

/// Sends until the agent stops.
pub(crate) fn run_sender(shared: &Shared, stop: &Stop) {
    let mut failures = 0;
    while !stop.is_stopped() {
        let dropped = shared.unsent.dropped();
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "the oldest samples were dropped: the server takes none"
            );
        }
        if matches!(shared.link.away(), Some(Away::Token | Away::Untrusted)) {
            stop.wait(shared.config.timings.retry.1);
            continue;
        }
        let Some(body) = shared.unsent.take() else {
            stop.wait(LOOK);
            continue;
        };
        if shared.link.away() == Some(Away::Another) {
            continue; // the series of this host are the other's
        }
        match shared.client.samples(&body, shared.steady()) {
            Ok(()) => failures = 0,
            Err(e) if is_final(&e) => tracing::warn!("the server refused samples: {e}"),
            Err(e) => {
                tracing::debug!("samples are kept: {e}");
                shared.link.failed(&e);
                shared.unsent.put_back(body);
                stop.wait(backoff(failures, shared.config.timings.retry));
                failures += 1;
            }
        }
    }
}

/// Tells whether sending the same body again cannot help.
fn is_final(error: &client::Error) -> bool {
    error.status().is_some_and(|status| {
        (400..500).contains(&status) && !matches!(status, 401 | 403 | 404 | 408 | 429)
    })
}

fn scrape(client: &Client, service: &ServiceName, target: &Target, now: Timestamp) -> Vec<Series> {
    match read(client) {
        Ok(samples) => label(samples, service, target, now),
        Err(why) => {
            tracing::debug!(service.name = %service, "no metrics: {why}");
            up(service, target, now, 0.0).into_iter().collect()
        }
    }
}

fn read(client: &Client) -> Result<Vec<wire::exposition::Sample>, String> {
    let bytes = client
        .get_bytes("", limit::SCRAPE_BYTES)
        .map_err(|e| crate::install::chain(&e))?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    wire::exposition::parse(&text).map_err(|e| e.to_string())
}

/// Makes series of samples, `up` first; those whose labels no series can have are left out.
fn label(
    samples: Vec<wire::exposition::Sample>,
    service: &ServiceName,
    target: &Target,
    now: Timestamp,
) -> Vec<Series> {
    let own = own_labels(service, target);
    let labelled = samples.into_iter().filter_map(|sample| {
        let at = sample.at_ms.map_or(now, Timestamp::from_millis);
        // What the service says of itself under one of our names is kept under another, as in Prometheus.
        let theirs = sample.labels.into_iter().map(|(name, value)| {
            let ours = own.iter().any(|(own, _)| *own == name);
            (
                if ours {
                    format!("exported_{name}")
                } else {
                    name
                },
                value,
            )
        });
        series(&sample.name, theirs, &own, at, sample.value)
    });
    up(service, target, now, 1.0)
        .into_iter()
        .chain(labelled)
        .collect()
}

fn up(service: &ServiceName, target: &Target, now: Timestamp, value: f64) -> Option<Series> {
    series("up", [], &own_labels(service, target), now, value)
}

fn own_labels(service: &ServiceName, target: &Target) -> [(&'static str, String); 4] {
    [
        ("service", service.to_string()),
        ("environment", target.environment.to_string()),
        ("release", target.version.to_string()),
        ("ring", target.ring.to_string()),
    ]
}

fn series(
    name: &str,
    theirs: impl IntoIterator<Item = (String, String)>,
    own: &[(&str, String)],
    at: Timestamp,
    value: f64,
) -> Option<Series> {
    let mut labels = Labels::new(theirs).ok()?;
    for (name, value) in own {
        labels.insert(*name, value).ok()?;
    }
    labels.insert("__name__", name).ok()?;
    Some(Series {
        labels,
        samples: vec![Sample { at, value }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            environment: "production".parse().unwrap(),
            ring: "staff".parse().unwrap(),
            version: "1.0".parse().unwrap(),
            url: "http://127.0.0.1:1/metrics".to_owned(),
            interval: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_services_own_word_for_our_label_is_kept_beside_it() {
        let sample = wire::exposition::Sample {
            name: "pay_total".to_owned(),
            labels: vec![("release".to_owned(), "mine".to_owned())],
            value: 3.0,
            at_ms: None,
        };
        let now = Timestamp::from_millis(5);
        let series = label(vec![sample], &"shop".parse().unwrap(), &target(), now);
        assert_eq!(series.len(), 2);
        assert_eq!(series[0].labels.get("__name__"), "up");
        let labels = &series[1].labels;
        assert_eq!(labels.get("release"), "1.0");
        assert_eq!(labels.get("exported_release"), "mine");
        assert_eq!(
            series[1].samples,
            [Sample {
                at: now,
                value: 3.0
            }]
        );
    }

    #[test]
    fn unsent_samples_stay_within_their_limit_and_the_oldest_go() {
        let unsent = Unsent::default();
        let third = limit::UNSENT_SAMPLES_BYTES / 3;
        for mark in 0..5 {
            unsent.push(vec![mark; third]);
        }
        assert_eq!(unsent.dropped(), 2);
        let oldest = unsent.take().unwrap();
        assert_eq!(oldest[0], 2);
        unsent.put_back(oldest);
        assert_eq!((unsent.dropped(), unsent.take().unwrap()[0]), (0, 2));
    }

    #[test]
    fn missed_ticks_are_left_out() {
        let second = Duration::from_secs(1);
        assert_eq!(next_due(1_000, 1_100, second), 2_000);
        assert_eq!(next_due(1_000, 7_900, second), 8_000);
    }
}
