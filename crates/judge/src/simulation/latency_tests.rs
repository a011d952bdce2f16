//! False alarms and delays of latencies and means as the specification has them.
//!
//! `SLEEPWELL_JUDGE_RUNS=3000 cargo test --release -p judge simulation::latency` repeats them at full size.

use model::Timestamp;
use model::observe::Worse;

use super::*;
use crate::look::Total;
use crate::mean::MeanTest;

/// Returns how many runs are made: `usual`, or what the environment asks for.
fn runs(usual: u64) -> u64 {
    let asked = std::env::var("SLEEPWELL_JUDGE_RUNS").ok();
    asked.and_then(|runs| runs.parse().ok()).unwrap_or(usual)
}

/// Returns the minutes after which the runs failed, sorted.
fn failures(world: World, runs: u64) -> Vec<u64> {
    let run = |seed| world.fails(seed);
    let mut delays: Vec<u64> = (1..=runs).filter_map(run).collect();
    delays.sort_unstable();
    delays
}

/// One in a hundred, and two standard errors of that many runs.
fn allowed(runs: u64) -> f64 {
    0.01 * runs as f64 + 2.0 * (0.01 * 0.99 * runs as f64).sqrt()
}

#[track_caller]
fn assert_rarely_fails(world: World) {
    let runs = runs(150);
    let alarms = failures(world, runs).len();
    assert!(alarms as f64 <= allowed(runs), "{alarms} of {runs}");
}

/// Ten per cent above the table's median, for chance, and a minute for whole minutes.
#[track_caller]
fn assert_found_in(world: World, median: u64) {
    let runs = runs(60);
    let delays = failures(world, runs);
    let found = delays.get(runs as usize / 2).copied();
    let most = median as f64 * 1.1 + 1.0;
    assert!(
        found.is_some_and(|found| found as f64 <= most),
        "median {found:?} min of {} found in {runs}",
        delays.len()
    );
}

#[test]
fn a_release_as_fast_as_before_rarely_fails() {
    assert_rarely_fails(EVEN);
}

#[test]
fn a_release_as_fast_as_before_on_noisy_hosts_rarely_fails() {
    assert_rarely_fails(World {
        noise: 0.03,
        ..EVEN
    });
}

#[test]
fn ten_per_cent_more_are_found_in_a_quarter_of_an_hour() {
    assert_found_in(World { ratio: 1.1, ..EVEN }, 13);
}

#[test]
fn thirty_per_cent_more_are_found_in_minutes() {
    assert_found_in(World { ratio: 1.3, ..EVEN }, 2);
}

#[test]
fn one_request_of_twenty_at_three_times_is_found_in_twenty_minutes() {
    let tail = World {
        ratio: 3.0,
        of: 0.05,
        noise: 0.0,
    };
    assert_found_in(tail, 20);
}

#[test]
fn a_release_as_fast_as_before_passes_within_the_hour() {
    let start = latency(1, &calm(3_600));
    let passed = |seed| {
        let (mut test, mut minutes) = (start.clone(), EVEN.minutes(seed));
        (1..=LOOKS).find(|_| {
            let (canary, control) = minutes();
            test.add(&canary, &control, 0);
            test.is_cleared(0)
        })
    };
    let mut delays: Vec<u64> = (1..=40)
        .map(|seed| passed(seed).unwrap_or(u64::MAX))
        .collect();
    delays.sort_unstable();
    assert!(delays[20] <= 60, "median {} min", delays[20]);
}

/// A log-normal slower by a factor moves the odds at each threshold; the least of them decides.
#[test]
fn a_release_slower_by_the_margin_rarely_passes() {
    let start = latency(1, &calm(3_600));
    // At p50 odds of 1.25 are a shift of 0.14 deviations; further out the odds are higher.
    let world = World {
        ratio: (0.1398 * SPREAD).exp(),
        ..EVEN
    };
    let runs = runs(60);
    let passed = |seed: &u64| {
        let (mut test, mut minutes) = (start.clone(), world.minutes(*seed));
        (1..=LOOKS).any(|_| {
            let (canary, control) = minutes();
            test.add(&canary, &control, 0);
            test.is_cleared(0)
        })
    };
    let passed = (1..=runs).filter(passed).count();
    assert!(passed as f64 <= allowed(runs), "{passed} of {runs}");
}

fn minute(n: u64) -> Timestamp {
    Timestamp::from_millis(n as i64 * 60_000)
}

/// Returns the minutes after which the runs failed by their mean log latency, sorted.
fn mean_failures(ratio: f64, noise: f64, runs: u64) -> Vec<u64> {
    let run = |seed| {
        let mut random = Random::new(seed);
        let mut test = MeanTest::new(Worse::Higher, 0.25, 0.01, 1);
        (1..=LOOKS).find(|&n| {
            let mut side = |shift: f64| {
                // The mean of a minute's logs, which is normal.
                let mean = 4.6
                    + shift
                    + random.noise(noise).ln()
                    + random.deviation(SPREAD / 200f64.sqrt());
                Total {
                    sum: mean * 200.0,
                    events: 200,
                }
            };
            let arms = (side(ratio.ln()), side(0.0));
            test.add(arms, 0, (minute(n - 1), minute(n)));
            test.log_e() >= needed()
        })
    };
    let mut delays: Vec<u64> = (1..=runs).filter_map(run).collect();
    delays.sort_unstable();
    delays
}

/// The table allows itself 1.6 % with noise; the approximation holds for many batches only.
#[test]
fn an_equal_mean_rarely_fails() {
    let runs = runs(1_500);
    for noise in [0.0, 0.03] {
        let alarms = mean_failures(1.0, noise, runs).len();
        assert!(alarms as f64 <= 1.6 * allowed(runs), "{alarms} of {runs}");
    }
}

#[test]
fn a_mean_ten_per_cent_up_fails_at_the_first_batch_that_may() {
    let delays = mean_failures(1.1, 0.03, 300);
    assert_eq!(delays[150], 20);
    assert!(delays[270] <= 24, "90 % within {} min", delays[270]);
}
