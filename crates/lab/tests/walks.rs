//! Random walks from fixed seeds; a failing one prints the command that replays it.

mod stores;

use stores::On;

const SEEDS: u64 = 20;
/// A walk there takes several times as long.
const SEEDS_ON_POSTGRES: u64 = 4;
const STEPS: u64 = 50;
/// Worlds at the same time.
const AT_ONCE: u64 = 2;

/// Walks from every `AT_ONCE`-th seed and returns those that stumbled.
fn walk_from(first: u64, (on, seeds): (On, u64)) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let seeds = (first..=seeds).step_by(usize::try_from(AT_ONCE).unwrap());
    seeds
        .filter_map(|seed| {
            let open = on.open()?;
            let walked = runtime.block_on(lab::walk::walk(seed, STEPS, &*open));
            walked.err().map(|stumbled| format!("{on:?}: {stumbled}"))
        })
        .collect()
}

#[test]
fn nothing_that_must_hold_breaks_on_a_random_walk() {
    walk_all(On::Sqlite, SEEDS);
}

#[test]
fn nor_on_postgresql() {
    walk_all(On::Postgres, SEEDS_ON_POSTGRES);
}

fn walk_all(on: On, seeds: u64) {
    let stumbled: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=AT_ONCE)
            .map(|first| scope.spawn(move || walk_from(first, (on, seeds))))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(stumbled.is_empty(), "{}", stumbled.join("\n\n"));
}
