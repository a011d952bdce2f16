//! Walks on which every part is stopped at every named place; a failing one prints the command that replays
//! it. `SEEDS=10000 cargo test -p lab --test stops` walks from more seeds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use lab::OpenStore;
use lab::failpoint::Failpoint;
use lab::stops::Walked;

const SEEDS: u64 = 200;
const STEPS: u64 = 20;
/// Worlds at the same time.
const AT_ONCE: u64 = 2;

fn seeds() -> u64 {
    let asked = std::env::var("SEEDS").ok();
    asked.map_or(SEEDS, |text| text.parse().expect("SEEDS is a number"))
}

fn walk(seed: u64, open: &OpenStore) -> Result<Walked, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let walked = runtime.block_on(lab::stops::walk(seed, STEPS, open));
    walked.map_err(|stumbled| stumbled.to_string())
}

/// Walks from every `AT_ONCE`-th seed.
fn walk_from(first: u64) -> Vec<Result<Walked, String>> {
    let seeds = (first..=seeds()).step_by(usize::try_from(AT_ONCE).unwrap());
    seeds.map(|seed| walk(seed, &lab::sqlite)).collect()
}

#[test]
fn nothing_that_must_hold_breaks_wherever_a_part_is_stopped() {
    let walks: Vec<Result<Walked, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=AT_ONCE)
            .map(|first| scope.spawn(move || walk_from(first)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.flatten().collect()
    });
    let mut stops: BTreeMap<Failpoint, u32> = BTreeMap::new();
    let mut stumbled = vec![];
    for walked in walks {
        match walked {
            Ok(walked) => {
                for (point, times) in walked.stops {
                    *stops.entry(point).or_default() += times;
                }
            }
            Err(why) => stumbled.push(why),
        }
    }
    assert!(stumbled.is_empty(), "{}", stumbled.join("\n\n"));
    let never: Vec<String> = Failpoint::all()
        .iter()
        .filter(|point| !stops.contains_key(point))
        .map(ToString::to_string)
        .collect();
    assert!(
        seeds() < SEEDS || never.is_empty(),
        "never stopped at: {}",
        never.join(", ")
    );
}

/// Opens a store that has lost, from its third opening on, what was committed since the one before.
fn forgetful() -> Box<OpenStore> {
    let openings = AtomicU32::new(0);
    Box::new(move |folder: &Path| {
        let (database, kept) = (folder.join("sleepwell.db"), folder.join("kept"));
        match openings.fetch_add(1, Ordering::SeqCst) {
            0 => {}
            1 => copy(&database, &kept),
            _ => copy(&kept, &database),
        }
        lab::sqlite(folder)
    })
}

/// Copies a database with what belongs to it.
fn copy(from: &Path, to: &Path) {
    for end in ["", "-wal", "-shm"] {
        let name = |path: &Path| format!("{}{end}", path.display());
        let _ = std::fs::remove_file(name(to));
        if std::fs::exists(name(from)).unwrap() {
            std::fs::copy(name(from), name(to)).unwrap();
        }
    }
}

#[test]
fn a_store_that_forgets_what_it_committed_is_found() {
    let found = (1..=20).any(|seed| {
        let said = walk(seed, &*forgetful()).err().unwrap_or_default();
        said.contains("was accepted and is lost")
            && said.contains(&format!("lab -- stops --seed {seed} --steps {STEPS}"))
    });
    assert!(found, "no walk found that commits were lost");
}

#[test]
fn the_same_seed_stops_at_the_same_places() {
    let walks = [walk(7, &lab::sqlite), walk(7, &lab::sqlite)];
    let [one, other] = walks.map(|walked| walked.unwrap());
    assert_eq!(one.stops, other.stops);
    assert_eq!(one.alerts, other.alerts);
    assert!(!one.stops.is_empty());
}
