//! What a server takes: its program, its memory with 8 agents, 100,000 journal entries and an hour of samples,
//! and the time until it is ready on such a store.

use std::time::Duration;

use anyhow::Result;
use model::observe::{Sample, Series};
use model::{Entry, EntryId, Fact, Kind, Labels, Subject, Timestamp};
use store::{Durability, Store, Tx};

use crate::figures::{median, seconds, size, time, title};
use crate::fleet::{Fleet, memory_of, now};

const ENTRIES: u64 = 100_000;
const AGENTS: usize = 8;
const SERIES: usize = 20;
/// What is older than an hour when it comes is refused, and handing it all in takes a while.
const HOUR_S: u64 = 59 * 60;
const RUNS: usize = 5;

pub(crate) async fn run() -> Result<()> {
    title("what a server takes: 8 agents, 100,000 entries, an hour of 20 series of each host");
    let mut fleet = Fleet::new()?;
    let program = std::fs::metadata(fleet.program())?.len();
    size("the program", program, "40 MB");
    std::fs::create_dir_all(fleet.data())?;
    let store = Store::open_sqlite(&fleet.data().join("sleepwell.db"), Durability::Full)?;
    fill(&store).await?;
    drop(store);
    let (_, pid) = fleet.start_server()?;
    fleet.start_agents(AGENTS)?;
    fleet.ship("1")?;
    fleet.settled()?;
    samples(&fleet)?;
    size("memory of the server", memory_of(pid)?, "80 MB");
    let mut starts = vec![];
    for _ in 0..RUNS {
        fleet.stop_server()?;
        let (took, _) = fleet.start_server()?;
        starts.push(seconds(took));
    }
    time("from start to ready", median(starts), None, Some("0.5 s"));
    Ok(())
}

/// Writes and seals the entries.
async fn fill(store: &Store) -> Result<()> {
    let begun = Timestamp::from_millis(1_767_690_000_000);
    for thousand in 0..ENTRIES / 1_000 {
        let write = move |tx: &mut Tx<'_>| {
            for n in 0..1_000 {
                let n = thousand * 1_000 + n;
                let at = begun + Duration::from_secs(n);
                let fact = Fact::ServerStarted {
                    version: n.to_string(),
                };
                let entry = Entry {
                    id: EntryId::new(at, u128::from(n)),
                    at,
                    subject: Subject::Server,
                    kind: Kind::Action,
                    actor: "bench".to_owned(),
                    causes: vec![],
                    body: fact.to_body(),
                };
                store::journal::append(tx, &entry)?;
            }
            store::journal::seal(tx, 1_000)
        };
        store.write(write).await?;
    }
    Ok(())
}

/// Hands in an hour of samples for each host, a minute at a time.
fn samples(fleet: &Fleet) -> Result<()> {
    let now = now();
    for n in 1..=AGENTS {
        let agent = fleet.agent(n)?;
        for minute in 0..HOUR_S / 60 {
            let series: Vec<Series> = (0..SERIES)
                .map(|i| series(i, now, HOUR_S - minute * 60))
                .collect::<Result<_>>()?;
            agent.samples(&wire::remote_write::encode(&series), now)?;
        }
    }
    Ok(())
}

/// Returns a minute of a counter, from that many seconds ago on.
fn series(i: usize, now: Timestamp, ago_s: u64) -> Result<Series> {
    let name = format!("requests_{i}_total");
    let labels = Labels::new([
        ("__name__", name.as_str()),
        ("service", "svc"),
        ("environment", "production"),
        ("release", "1"),
        ("ring", "everyone"),
    ]);
    let samples = (0..60).filter(|second| *second < ago_s).map(|second| {
        let ago = ago_s - second;
        Sample {
            at: now - Duration::from_secs(ago),
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            value: (HOUR_S - ago) as f64 * 3.0,
        }
    });
    Ok(Series {
        labels: labels.map_err(anyhow::Error::msg)?,
        samples: samples.collect(),
    })
}
