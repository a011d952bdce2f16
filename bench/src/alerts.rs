//! 10,000 alerts until the last of them is accepted: through the API, each durable when it is answered. The
//! floor is as many bytes, written and pressed onto the disk once for each request.

#![expect(clippy::disallowed_methods, reason = "it measures time that passes")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use metrics::Metrics;
use model::api::token::TokenView;
use model::{Role, Timestamp};
use runtime::{Clock, Ids, Random, Wakes};
use serde_json::json;
use store::{Durability, Store, Tx};
use tower::ServiceExt;
use web::{App, Blobs, Hooks};

use crate::figures;

const ALERTS: usize = 10_000;
const BATCH: usize = 100;
/// Requests at the same time, as from a few servers of Prometheus.
const SENDERS: usize = 4;
/// No service has more alerts than it may.
const SERVICES: usize = 10;
const RUNS: usize = 5;
/// What an alert, its entry and their indexes come to on disk, about.
const ALERT_BYTES: usize = 2_048;
const NOW: Timestamp = Timestamp::from_millis(1_767_690_000_000);

pub(crate) async fn run() -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(std::env::current_dir()?)?;
    figures::title(&format!(
        "{ALERTS} alerts accepted, {SENDERS} senders of {BATCH} at a time, median of {RUNS} runs"
    ));
    let floors: Result<Vec<f64>> = (0..RUNS).map(|_| floor(folder.path())).collect();
    let floor = figures::median(floors?);
    figures::time("floor: the bytes, synced", floor, None, None);
    let mut found = vec![];
    for run in 0..RUNS {
        let database = folder.path().join(format!("db{run}"));
        let store = Store::open_sqlite(&database, Durability::Full)?;
        found.push(one_run(store, folder.path()).await?);
    }
    let seconds = figures::median(found);
    figures::time("SQLite", seconds, Some(floor), Some("1.5 s"));
    let postgres = "PostgreSQL, one run";
    match testdb::durable_database() {
        Some(url) => {
            let store = Store::open_postgres(&url, Durability::Full)?;
            let seconds = one_run(store, folder.path()).await?;
            figures::time(postgres, seconds, Some(floor), None);
        }
        None => figures::skipped(postgres, "it is not installed"),
    }
    Ok(())
}

fn floor(folder: &Path) -> Result<f64> {
    let mut file = File::create(folder.join("floor"))?;
    let bytes = vec![7u8; ALERT_BYTES * BATCH];
    let begun = Instant::now();
    for _ in 0..ALERTS / BATCH {
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

async fn one_run(store: Store, folder: &Path) -> Result<f64> {
    let random = Random::seeded(1);
    let ids = Ids::new(random.clone());
    let secret = token(&store, &ids, &random).await?;
    let router = web::router(app(store.clone(), (ids, random), folder)?);
    let begun = Instant::now();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| tokio::spawn(send(router.clone(), secret.clone(), sender)))
        .collect();
    for sender in senders {
        sender.await??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let last = store.read(|tx| store::alert::list(tx, &store::alert::Filter::default(), 1));
    let last = last.await?.pop().context("there are alerts")?;
    ensure!(last.id.0 == ALERTS as u64, "{} were kept", last.id.0);
    Ok(seconds)
}

/// Posts every `SENDERS`-th batch.
async fn send(router: Router, secret: String, sender: usize) -> Result<()> {
    for batch in (sender..ALERTS / BATCH).step_by(SENDERS) {
        let alert = |n: usize| {
            json!({
                "labels": {
                    "alertname": "HighErrorRate", "service": format!("shop-{}", n % SERVICES),
                    "instance": format!("10.0.{}.{}:9100", n / 256, n % 256), "severity": "page",
                    "job": "node", "cluster": "demo",
                },
                "annotations": { "summary": "3.2 % of payments fail", "runbook": "https://wiki.example.test/pay" },
                "startsAt": NOW, "generatorURL": "http://rules.example.test/graph?g0.expr=up",
            })
        };
        let alerts: serde_json::Value = (batch * BATCH..(batch + 1) * BATCH).map(alert).collect();
        let request = Request::post("/api/v2/alerts")
            .header(header::AUTHORIZATION, format!("Bearer {secret}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(alerts.to_string()))?;
        let Ok(answer) = router.clone().oneshot(request).await;
        ensure!(answer.status() == 200, "answered with {}", answer.status());
    }
    Ok(())
}

async fn token(store: &Store, ids: &Ids, random: &Random) -> Result<String> {
    let secret = random.secret("swt_");
    let token = TokenView {
        id: ids.token(NOW),
        name: "prometheus".to_owned(),
        role: Role::Ingest,
        host: None,
        created_at: NOW,
        expires_at: None,
        used_at: None,
        revoked_at: None,
        for_host: None,
    };
    let hash = store::token::hash(&secret);
    let keep = store.write(move |tx: &mut Tx<'_>| store::token::insert(tx, &token, hash));
    keep.await?;
    Ok(secret)
}

fn app(store: Store, (ids, random): (Ids, Random), folder: &Path) -> Result<App> {
    Ok(App {
        store,
        metrics: Metrics::memory(metrics::Limits::default()),
        blobs: Blobs::open(&folder.join("blobs"))?,
        clock: Clock::manual(NOW),
        ids,
        random,
        wakes: Wakes::default(),
        streams: web::streams(),
        shutdown: None,
        hooks: Hooks::default(),
        pin: None,
        supervisor: None,
        public_url: "http://127.0.0.1:7700".into(),
        command: "sleepwell".into(),
    })
}
