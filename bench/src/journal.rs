//! Journalled transactions a second: 16 writers, each of whose transactions appends one entry, durable
//! when it returns. The floor is one `fdatasync` after the other of the same bytes.

#![expect(clippy::disallowed_methods, reason = "it measures time that passes")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use model::{Entry, EntryId, Fact, Kind, Subject, Timestamp};
use store::{Durability, Store, Tx};

use crate::figures::{median, rate, skipped, title};

const WRITERS: u64 = 16;
const RUNS: usize = 5;
const RUN: Duration = Duration::from_secs(3);
/// What an entry and its indexes come to on disk, about.
const ENTRY_BYTES: usize = 512;

pub(crate) async fn run() -> Result<()> {
    // Beside the checkout, since a temporary folder may be in memory.
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(std::env::current_dir()?)?;
    title(&format!(
        "journalled transactions a second, {WRITERS} writers, median of {RUNS} runs of {} s",
        RUN.as_secs()
    ));
    let floor = median(
        (0..RUNS)
            .map(|_| floor(folder.path()))
            .collect::<Result<_>>()?,
    );
    rate("floor: fdatasync one by one", floor, None);
    let sqlite = Store::open_sqlite(&folder.path().join("db"), Durability::Full)?;
    rate("SQLite", measured(&sqlite).await?, Some(floor));
    match testdb::durable_database() {
        Some(url) => {
            let postgres = Store::open_postgres(&url, Durability::Full)?;
            rate("PostgreSQL", measured(&postgres).await?, Some(floor));
        }
        None => skipped("PostgreSQL", "it is not installed"),
    }
    Ok(())
}

fn floor(folder: &Path) -> Result<f64> {
    let mut file = File::create(folder.join("floor"))?;
    let bytes = [7u8; ENTRY_BYTES];
    let begun = Instant::now();
    let mut count = 0.0;
    while begun.elapsed() < RUN {
        file.write_all(&bytes)?;
        file.sync_data()?;
        count += 1.0;
    }
    Ok(count / begun.elapsed().as_secs_f64())
}

async fn measured(store: &Store) -> Result<f64> {
    let mut figures = Vec::new();
    for run in 0..RUNS as u64 {
        figures.push(one_run(store, run).await?);
    }
    Ok(median(figures))
}

async fn one_run(store: &Store, run: u64) -> Result<f64> {
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut written = 0u64;
                while begun.elapsed() < RUN {
                    let entry = entry(run, writer, written);
                    let append = move |tx: &mut Tx<'_>| store::journal::append(tx, &entry);
                    store.write(append).await?;
                    written += 1;
                }
                Ok::<_, store::Error>(written)
            })
        })
        .collect();
    let mut all = 0;
    for writer in writers {
        all += writer.await??;
    }
    // Sealing has to keep up: it is part of the price.
    while store.write(|tx| store::journal::seal(tx, 2_000)).await? == 2_000 {}
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    Ok(all as f64 / begun.elapsed().as_secs_f64())
}

fn entry(run: u64, writer: u64, n: u64) -> Entry {
    let now = Timestamp::from_millis(1_767_690_000_000);
    let fact = Fact::ServerStarted {
        version: format!("{run}.{writer}.{n}"),
    };
    let id = u128::from(run) << 56 | u128::from(writer) << 48 | u128::from(n);
    Entry {
        id: EntryId::new(now, id),
        at: now,
        subject: Subject::Server,
        kind: Kind::Action,
        actor: "bench".to_owned(),
        causes: vec![],
        body: fact.to_body(),
    }
}
