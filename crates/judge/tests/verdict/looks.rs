//! What a look may bring: impossible, repeated and late batches, and a restart between any two.

use super::*;

#[test]
fn impossible_counts_are_refused_named_and_survived() {
    let impossible = |s| Look {
        metrics: counted("errors", (11, 10), (0, 90)),
        ..quiet(s)
    };
    let mut test = errors_only();
    run(&mut test, 400, quiet);
    let before = test.look(&quiet(401)).evidence.metrics;
    assert_state(&test.look(&impossible(402)), Pass, "cleared");
    assert_state(&test.look(&impossible(403)), Pass, "cleared");
    let refused = test.look(&impossible(404));
    assert_state(&refused, Undecided, "no_data");
    assert_eq!((test.refused(), refused.evidence.metrics), (3, before));
    let why = "signal `errors`: more bad events than events on the canary".to_owned();
    let (from, to) = (at(401), at(404));
    assert_eq!(refused.evidence.excluded, [Excluded { from, to, why }]);
    assert_state(&test.look(&quiet(405)), Pass, "cleared");
}

#[test]
fn a_signal_of_another_test_is_named() {
    let mut test = errors_only();
    let judgement = test.look(&Look {
        metrics: counted("logins", (1, 10), (0, 90)),
        ..quiet(1)
    });
    let why = &judgement.evidence.excluded[0].why;
    assert_eq!(why, "signal `logins` is not part of this test");
}

#[test]
fn the_same_batch_counts_once() {
    let mut test = errors_only();
    run(&mut test, 9, quiet);
    let once = test.look(&quiet(10));
    let saved = test.clone();
    for repeated in [10, 10, 7] {
        assert_eq!(test.look(&quiet(repeated)).evidence, once.evidence);
    }
    assert_eq!(test, saved);
}

#[test]
fn a_late_batch_counts_and_a_clock_set_back_does_not() {
    let mut test = errors_only();
    let events = |j: &Judgement| j.evidence.metrics[0].canary.total;
    assert_eq!(events(&test.look(&quiet(20))), 10);
    assert_eq!(events(&test.look(&quiet(15))), 20);
    let refused = test.look(&quiet(14));
    assert_eq!(events(&refused), 20);
    let why = "the clock was set back by more than 5s".to_owned();
    let (from, to) = (at(14), at(20));
    assert_eq!(refused.evidence.excluded, [Excluded { from, to, why }]);
    assert_eq!(test.refused(), 1);
    let crash = Look {
        conditions: vec![condition(2, 0, false)],
        ..quiet(1)
    };
    assert_state(&test.look(&crash), Fail, "crashing");
}

#[test]
fn the_same_looks_have_the_same_digest() {
    let digest =
        |look: &dyn Fn(i64) -> Look| run(&mut errors_only(), 5, look).evidence.inputs_digest;
    let one_more = |s| Look {
        metrics: counted("errors", (0, 10), (0, if s == 3 { 91 } else { 90 })),
        ..quiet(s)
    };
    assert_eq!(digest(&quiet), digest(&quiet));
    assert_ne!(digest(&quiet), digest(&one_more));
}

#[test]
fn other_signals_are_another_definition() {
    let definition = |margin| {
        let mut test = start(&[("errors", Signal { margin, ..signal() })], 1);
        test.look(&quiet(1)).evidence.definition
    };
    assert_eq!(definition(0.5), definition(0.5));
    assert_ne!(definition(0.5), definition(0.25));
}

/// Looks of three rings with pseudo-random counts, a repeated, a late and an impossible batch.
fn eventful(s: i64) -> Look {
    let draw = |salt: u64, end: u64| {
        (s as u64 + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40 & (end - 1)
    };
    let mut metrics = counted("errors", (draw(1, 4), 20), (draw(2, 4), 60));
    metrics.extend(counted(
        "slow",
        (draw(3, 8), 16 + draw(4, 16)),
        (draw(5, 8), 64),
    ));
    if s % 17 == 0 {
        metrics.extend(counted("errors", (21, 20), (0, 60)));
    }
    let repeated_or_late = i64::from(s % 13 == 0) + 2 * i64::from(s % 29 == 0);
    Look {
        ring: (s / 100) as usize,
        metrics,
        unattributed: draw(6, 2),
        ..quiet(s - repeated_or_late)
    }
}

fn eventful_test() -> Test {
    let host = |salt: u64| -> Vec<Counts> {
        let bad = |i: u64| (i + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61;
        (0..900)
            .map(|i| Counts {
                bad: bad(i),
                total: 30,
            })
            .collect()
    };
    let history = History {
        hosts: (0..5).map(|h| host(1_000 * h)).collect(),
        quarters: vec![],
    };
    let other = Signal {
        critical: false,
        margin: 0.1 + 0.2,
        ..signal()
    };
    let signals = [("errors".to_owned(), signal()), ("slow".to_owned(), other)].into();
    Test::start(&signals, 3, &[("errors".to_owned(), history)].into(), at(0))
}

#[test]
fn a_test_resumed_from_json_at_any_look_goes_on_with_the_same_bits() {
    let (mut whole, mut resumed) = (eventful_test(), eventful_test());
    for s in 1..=300 {
        let json = serde_json::to_string(&resumed).unwrap();
        resumed = serde_json::from_str(&json).unwrap();
        assert_eq!(
            resumed.look(&eventful(s)),
            whole.look(&eventful(s)),
            "look {s}"
        );
        assert_eq!(resumed, whole, "look {s}");
    }
    assert!(whole.refused() > 10);
    let phi = whole.look(&eventful(301)).evidence.metrics[0]
        .dispersion
        .phi;
    assert!(phi > 1.0 && phi.fract() != 0.0, "{phi}");
}

#[test]
fn a_test_is_small_enough_to_save_every_second() {
    let mut test = eventful_test();
    run(&mut test, 300, eventful);
    let bytes = serde_json::to_string(&test).unwrap().len();
    assert!(bytes < 20_000, "{bytes}");
}

/// Weighted by the shares of the budget, the signals' evidence is the change's.
#[test]
fn the_change_has_the_weighted_mean_of_its_signals() {
    let mut test = eventful_test();
    let evidence = run(&mut test, 250, eventful).evidence;
    let weights: Vec<f64> = evidence.metrics.iter().map(|m| m.weight).collect();
    assert!((weights[0] - 0.7).abs() < 1e-15 && (weights[1] - 0.3).abs() < 1e-15);
    let mean: f64 = evidence
        .metrics
        .iter()
        .map(|m| m.weight * m.log_e.exp())
        .sum();
    assert!((evidence.log_e - mean.ln()).abs() < 1e-12);
}

#[test]
fn any_counts_are_answered() {
    let extremes = [0, 1, 2, 999_999_999, 1_000_000_000, 1_000_000_001, u64::MAX];
    let mut test = errors_only();
    let mut second = 0;
    for bad in extremes {
        for total in extremes {
            second += 1;
            let judgement = test.look(&Look {
                metrics: counted("errors", (bad, total), (total.min(7), total)),
                unattributed: u64::MAX,
                ring: usize::MAX,
                ..quiet(second)
            });
            assert!(judgement.evidence.log_e.is_finite());
        }
    }
}
