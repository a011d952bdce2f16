//! Random walks from fixed seeds; a failing one prints the command that replays it.

const SEEDS: u64 = 20;
const STEPS: u64 = 50;
/// Worlds at the same time.
const AT_ONCE: u64 = 2;

/// Walks from every `AT_ONCE`-th seed and returns those that stumbled.
fn walk_from(first: u64) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let seeds = (first..=SEEDS).step_by(usize::try_from(AT_ONCE).unwrap());
    seeds
        .filter_map(|seed| {
            let walked = runtime.block_on(lab::walk::walk(seed, STEPS, &lab::sqlite));
            walked.err().map(|stumbled| stumbled.to_string())
        })
        .collect()
}

#[test]
fn nothing_that_must_hold_breaks_on_a_random_walk() {
    let stumbled: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=AT_ONCE)
            .map(|first| scope.spawn(move || walk_from(first)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(stumbled.is_empty(), "{}", stumbled.join("\n\n"));
}
