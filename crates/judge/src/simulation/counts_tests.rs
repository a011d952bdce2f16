//! False alarms, delays and false passes as the specification promises them; looks are seconds.

use super::*;

/// Returns the delays of the runs that failed, sorted.
fn failures(world: World, runs: u64, history_s: usize, looks: u64) -> Vec<u64> {
    let run = |seed| world.fails(seed, history_s, (1, looks));
    let mut delays: Vec<u64> = (1..=runs).filter_map(run).collect();
    delays.sort_unstable();
    delays
}

/// One in a hundred, and two standard errors of that many runs.
fn allowed(runs: u64) -> f64 {
    0.01 * runs as f64 + 2.0 * (0.01 * 0.99 * runs as f64).sqrt()
}

#[track_caller]
fn assert_rarely_fails(world: World, runs: u64, history_s: usize, looks: u64) {
    let alarms = failures(world, runs, history_s, looks).len();
    assert!(alarms as f64 <= allowed(runs), "{alarms} of {runs}");
}

#[test]
fn a_harmless_change_rarely_fails() {
    assert_rarely_fails(World::even(1_000.0, 0.01, 0.01), 300, 3_600, 10_800);
}

#[test]
fn a_harmless_change_of_a_good_service_rarely_fails() {
    assert_rarely_fails(World::even(1_000.0, 0.001, 0.001), 300, 3_600, 10_800);
}

#[test]
fn a_harmless_change_on_noisy_hosts_rarely_fails() {
    let world = World {
        noise: 0.2,
        swing: 0.0,
        ..World::even(2_000.0, 0.05, 0.05)
    };
    assert_rarely_fails(world, 200, 3_600, 10_800);
}

#[test]
fn noise_nobody_accounts_for_raises_false_alarms() {
    let world = World {
        noise: 0.2,
        swing: 0.0,
        ..World::even(2_000.0, 0.05, 0.05)
    };
    let calm = World {
        noise: 0.0,
        ..world
    };
    let blind = |seed| {
        let history = calm.history(seed, 3_600);
        let mut test = SignalTest::new(&signal(0.5, 0.0), 1.0, 1, &history);
        first(&mut test, world.run(seed, 1), 10_800, harmful)
    };
    let alarms = (1..=100).filter_map(blind).count();
    assert!(alarms > 10, "the scenario above proves nothing: {alarms}");
}

#[test]
fn five_times_the_errors_are_found_within_half_a_minute() {
    let delays = failures(World::even(1_000.0, 0.01, 0.05), 300, 3_600, 3_600);
    assert_eq!(delays.len(), 300);
    assert!(delays[150] <= 27, "median {} s", delays[150]);
    assert!(delays[270] <= 64, "90 % within {} s", delays[270]);
}

#[test]
fn twice_the_errors_are_found_within_minutes() {
    let delays = failures(World::even(1_000.0, 0.01, 0.02), 200, 3_600, 3_600);
    assert!(delays.len() >= 198);
    assert!(delays[100] <= 220, "median {} s", delays[100]);
}

/// Minutes as looks, so that 12 h of a run are few.
fn passes(world: World, margin: f64, tolerated: f64, runs: u64) -> Vec<u64> {
    let run = |seed| {
        let history = World::history(World::even(1_000.0, 0.01, 0.01), 1, 3_600);
        let mut test = SignalTest::new(&signal(margin, tolerated), 1.0, 1, &history);
        let batches = world.run(seed, 60);
        first(&mut test, batches, 720, |t| {
            t.is_cleared(0) && t.is_enough(0)
        })
    };
    let mut delays: Vec<u64> = (1..=runs).filter_map(run).collect();
    delays.sort_unstable();
    delays
}

#[test]
fn a_good_change_passes_early() {
    let world = World {
        swing: 0.0,
        ..World::even(1_000.0, 0.01, 0.01)
    };
    let delays = passes(world, 0.5, 0.0, 300);
    assert_eq!(delays.len(), 300);
    assert!(delays[150] <= 12, "median {} min", delays[150]);
}

/// Returns the share of bad events whose odds are `ratio` times those of `share`.
fn at_odds(share: f64, ratio: f64) -> f64 {
    let odds = share / (1.0 - share) * ratio;
    odds / (1.0 + odds)
}

#[test]
fn a_change_worse_by_the_margin_rarely_passes() {
    let world = World {
        swing: 0.0,
        ..World::even(1_000.0, 0.01, at_odds(0.01, 1.5))
    };
    let runs = 500;
    assert!(passes(world, 0.5, 0.0, runs).len() as f64 <= allowed(runs));
}

#[test]
fn a_change_at_both_bounds_rarely_passes() {
    let world = World {
        swing: 0.0,
        ..World::even(1_000.0, at_odds(0.005, 1.0 / 1.5), 0.005)
    };
    let runs = 500;
    assert!(passes(world, 0.5, 0.005, runs).len() as f64 <= allowed(runs));
}

#[test]
fn a_service_without_errors_passes_after_some_requests() {
    for (history, needed) in [(3_600, 1_540), (0, 3_080)] {
        let history = World::even(1_000.0, 0.01, 0.01).history(1, history);
        let mut test = SignalTest::new(&signal(0.5, 0.005), 1.0, 1, &history);
        let clean = World::even(600.0, 0.0, 0.0).run(1, 1);
        let cleared = |t: &SignalTest| t.is_cleared(0) && t.is_enough(0);
        let seconds = first(&mut test, clean, 3_600, cleared).unwrap() as f64;
        let expected = f64::from(needed) / 10.0;
        assert!(
            (seconds / expected - 1.0).abs() < 0.15,
            "{seconds} s, not {expected}"
        );
    }
}

/// Returns the median delay in seconds when only the last ring is bad, after ten clean minutes in each
/// ring before it.
fn median_in_last_ring(rings: usize, share: f64, worse: f64) -> u64 {
    let (clean, bad) = (
        World::even(1_000.0, share, share),
        World::even(1_000.0, share, worse),
    );
    let history = clean.history(1, 3_600);
    let run = |seed| {
        let mut test = SignalTest::new(&signal(0.5, 0.0), 1.0, rings, &history);
        let (mut before, mut after) = (clean.run(seed, 1), bad.run(seed + 1_000, 1));
        for ring in 0..rings - 1 {
            for look in 0..600 {
                test.count(&before(), ring, Timestamp::UNIX_EPOCH, look);
            }
        }
        let found = (1..=7_200).find(|&look| {
            test.count(&after(), rings - 1, Timestamp::UNIX_EPOCH, look);
            harmful(&test)
        });
        found.unwrap_or(u64::MAX)
    };
    let mut delays: Vec<u64> = (1..=150).map(run).collect();
    delays.sort_unstable();
    delays[75]
}

/// The third ring's evidence has an eighth of the weight: it needs log(800) where a fresh test needs
/// log(100), 1.45 times as much.
#[test]
fn harm_of_the_third_ring_alone_is_found_nearly_as_fast_as_by_a_fresh_test() {
    for (share, worse) in [(0.01, 0.015), (0.05, 0.075), (0.01, 0.05)] {
        let fresh = median_in_last_ring(1, share, worse);
        let third = median_in_last_ring(3, share, worse);
        assert!(
            third as f64 <= 1.5 * fresh as f64,
            "{third} s, {fresh} s by a fresh test"
        );
    }
}

#[test]
fn splitting_a_batch_keeps_the_error_rate() {
    let run = |seed, step_s: u32| {
        let mut test = SignalTest::new(&signal(0.5, 0.0), 1.0, 1, &History::default());
        let batches = World::even(300.0, 0.05, 0.05).run(seed, step_s);
        first(&mut test, batches, u64::from(3_600 / step_s), harmful)
    };
    for step_s in [1, 20, 60] {
        let alarms = (1..=300).filter_map(|seed| run(seed, step_s)).count();
        assert!(alarms as f64 <= allowed(300), "{alarms} with {step_s} s");
    }
}
