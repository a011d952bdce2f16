//! The server is killed again and again while alerts come in and pages go out: no alert that was answered
//! with 200 is lost, although nobody sends it again, and what comes twice was on its way when a server died.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use client::Client;
use model::limit;
use runtime::Random;
use serde_json::{Value, json};

use crate::harness::wait::{Deadline, pause, until_true};
use crate::harness::world::World;

/// Alerts that are answered with 200 before the storm ends.
const ALERTS: usize = 1_000;
const BATCH: usize = 10;
/// Each service has as many kinds of alerts as fit below its limit of incidents.
const SERVICES: usize = 20;
const KILLS: usize = 8;
const SEED: u64 = 3;
/// Between two kills, drawn from the seed.
const MOMENT_MS: std::ops::Range<f64> = 50.0..700.0;

/// Sends alerts, each once, and keeps the titles of the pages that are owed for those that were accepted.
struct Storm {
    client: Client,
    accepted: Arc<Mutex<BTreeSet<String>>>,
    is_over: Arc<AtomicBool>,
}

impl Storm {
    fn blow(&self) {
        for batch in 0.. {
            if self.is_over.load(Ordering::SeqCst) || self.accepted.lock().unwrap().len() >= ALERTS
            {
                return;
            }
            let numbers = batch * BATCH..(batch + 1) * BATCH;
            let named = |n: usize| (format!("queue-{}", n % SERVICES), format!("Stuck{n}"));
            let alert = |n: usize| {
                let (service, name) = named(n);
                json!({ "labels": { "alertname": name, "service": service } })
            };
            let alerts: Value = numbers.clone().map(alert).collect();
            let body = alerts.to_string();
            let path = "/alertmanager/api/v2/alerts";
            match self
                .client
                .raw("POST", path, &[], Some(body.as_bytes()), 9_999)
            {
                Ok(_) => self.accepted.lock().unwrap().extend(numbers.map(|n| {
                    let (service, name) = named(n);
                    format!("{service}: {name} fires")
                })),
                // Nobody knows whether it was taken; it is not sent again.
                Err(_) => pause(),
            }
        }
    }
}

/// Is every delivery of one page: its title, and whether each said that it may be a repeat.
type Deliveries = BTreeMap<String, Vec<(String, bool)>>;

fn deliveries(world: &World) -> Deliveries {
    let mut pages = Deliveries::new();
    for body in world.inbox.webhooks() {
        let page: Value = serde_json::from_str(&body).unwrap();
        let text = |key: &str| page[key].as_str().unwrap().to_owned();
        let marked = page["may_be_repeat"].as_bool().unwrap();
        pages
            .entry(text("id"))
            .or_default()
            .push((text("title"), marked));
    }
    pages
}

#[test]
fn no_accepted_alert_is_lost_and_only_what_was_on_its_way_comes_twice() {
    let mut world = World::with_receiver();
    let storm = Storm {
        client: world.sender_of_alerts(),
        accepted: Arc::default(),
        is_over: Arc::default(),
    };
    let (accepted, is_over) = (Arc::clone(&storm.accepted), Arc::clone(&storm.is_over));
    let blowing = std::thread::spawn(move || storm.blow());
    let random = Random::seeded(SEED);
    for _ in 0..KILLS {
        let span = MOMENT_MS.end - MOMENT_MS.start;
        let moment = Deadline::in_millis((MOMENT_MS.start + random.unit() * span) as u64);
        while !moment.is_over() {
            pause();
        }
        let url = world.kill_server();
        world.restart_server(&url);
    }
    until_true("all alerts to be accepted", 60, || {
        accepted.lock().unwrap().len() >= ALERTS
    });
    is_over.store(true, Ordering::SeqCst);
    blowing.join().unwrap();

    let owed = accepted.lock().unwrap().clone();
    until_true("every accepted alert to be paged", 60, || {
        let pages = deliveries(&world);
        let told: BTreeSet<&String> = pages.values().flatten().map(|(title, _)| title).collect();
        owed.iter().all(|title| told.contains(title))
    });
    world.journal_is_whole(); // the server has ended, so nothing more comes

    let pages = deliveries(&world);
    let mut titles = BTreeMap::<&str, &str>::new();
    let mut repeats = 0;
    for (id, times) in &pages {
        let title = times[0].0.as_str();
        if let Some(other) = titles.insert(title, id) {
            panic!("`{title}` was paged as {other} and as {id}");
        }
        repeats += times.len() - 1;
        assert!(
            times.len() <= KILLS + 1,
            "{title} came {} times",
            times.len()
        );
        let unmarked = times.iter().filter(|(_, marked)| !marked).count();
        assert!(unmarked <= 1, "a repeat of {title} does not say so");
    }
    assert!(
        repeats <= KILLS * limit::SENDS_IN_FLIGHT,
        "{repeats} repeats"
    );
}
