//! Latencies and means from outside, alone and beside counts.

use super::*;

const BOUNDS: [f64; 6] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

fn latency() -> Signal {
    Signal {
        kind: SignalKind::Latency {
            buckets: "pay_seconds_bucket".to_owned(),
            unit: Unit::S,
        },
        critical: false,
        margin: 0.25,
        min_requests: 200,
        ..signal()
    }
}

fn mean() -> Signal {
    Signal {
        kind: SignalKind::Mean {
            sum: "order_value_sum".to_owned(),
            count: "order_value_count".to_owned(),
            worse: Worse::Lower,
        },
        critical: false,
        margin: 0.25,
        ..signal()
    }
}

fn histogram(at_most: [u64; 6], total: u64) -> Histogram {
    Histogram {
        at_most: at_most.to_vec(),
        total,
    }
}

/// What a thousand requests of the control looked like before.
fn before() -> Histogram {
    histogram([100, 480, 760, 910, 960, 995], 1_000)
}

/// Two hosts that differ by no more than chance, for an hour.
fn calm(_: f64) -> History {
    let host = |salt: u64| -> Vec<Counts> {
        let bad = |i: u64| (i + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62;
        let counts = |i| Counts {
            bad: bad(i),
            total: 30,
        };
        (0..3_600).map(counts).collect()
    };
    History {
        hosts: vec![host(0), host(5_000)],
        quarters: vec![],
    }
}

fn latency_test() -> Test {
    let mut test = start(&[("pay_time", latency())], 1);
    assert_eq!(test.awaiting_thresholds(), ["pay_time"]);
    test.choose_thresholds("pay_time", &BOUNDS, &before(), calm);
    test
}

fn timed(canary: Histogram, control: Histogram) -> BTreeMap<String, Batch> {
    [("pay_time".to_owned(), Batch::Latency { canary, control })].into()
}

/// A second whose canary is as fast as the control.
fn fast() -> BTreeMap<String, Batch> {
    timed(
        histogram([10, 48, 76, 91, 96, 99], 100),
        histogram([70, 336, 532, 637, 672, 693], 700),
    )
}

/// A second whose canary is slower.
fn slow() -> BTreeMap<String, Batch> {
    timed(
        histogram([6, 30, 58, 80, 90, 97], 100),
        histogram([70, 336, 532, 637, 672, 693], 700),
    )
}

fn with(metrics: BTreeMap<String, Batch>) -> impl Fn(i64) -> Look {
    move |s| Look {
        metrics: metrics.clone(),
        ..quiet(s)
    }
}

#[test]
fn slow_requests_fail_a_change_and_say_above_what() {
    let mut test = latency_test();
    let failed = run(&mut test, 30, with(slow()));
    assert_state(&failed, Fail, "harm");
    let metric = &failed.evidence.metrics[0];
    assert_eq!(metric.kind, "latency");
    let latency = metric.latency.as_ref().unwrap();
    let bounds: Vec<f64> = latency.thresholds.iter().map(|t| t.slower_than).collect();
    assert_eq!(bounds, [0.1, 0.25, 0.5, 1.0, 2.5]);
    let leading = latency.led_by().unwrap();
    assert!(latency.thresholds.iter().all(|t| t.log_e <= leading.log_e));
    assert_eq!(
        (metric.canary, metric.odds_ratio, metric.odds_at_least),
        (leading.canary, leading.odds_ratio, leading.odds_at_least)
    );
    assert!(leading.odds_at_least.is_some_and(|odds| odds > 1.0));
    assert_eq!(leading.dispersion.source, "aa");
}

#[test]
fn the_evidence_of_a_latency_is_the_mean_over_its_thresholds() {
    let evidence = run(&mut latency_test(), 10, with(slow())).evidence;
    let metric = &evidence.metrics[0];
    let thresholds = &metric.latency.as_ref().unwrap().thresholds;
    let sum: f64 = thresholds.iter().map(|t| t.log_e.exp()).sum();
    let mean = (sum / thresholds.len() as f64).ln();
    assert!((metric.log_e - mean).abs() < 1e-9 * mean.abs());
}

#[test]
fn a_release_as_fast_as_before_passes_at_p50_p90_and_p95() {
    let mut test = latency_test();
    let passed = run(&mut test, 400, with(fast()));
    assert_state(&passed, Pass, "cleared");
    let latency = passed.evidence.metrics[0].latency.clone().unwrap();
    let cleared: Vec<Option<bool>> = latency.thresholds.iter().map(|t| t.cleared).collect();
    let yes = Some(true);
    assert_eq!(
        cleared,
        [yes, None, yes, yes, None],
        "p75 and p99 show harm only"
    );
}

#[test]
fn one_threshold_that_is_not_cleared_holds_the_ring() {
    let mut test = latency_test();
    // Only requests above half a second, p90, are more.
    let slower = timed(
        histogram([10, 48, 76, 89, 96, 99], 100),
        histogram([70, 336, 532, 637, 672, 693], 700),
    );
    let judgement = run(&mut test, 100, with(slower));
    let latency = judgement.evidence.metrics[0].latency.clone().unwrap();
    assert_eq!(latency.thresholds[0].cleared, Some(true));
    assert_eq!(latency.thresholds[2].cleared, Some(false));
    assert_ne!(judgement.state, Pass);
}

#[test]
fn the_picture_has_both_sides_at_every_bound() {
    let evidence = run(&mut latency_test(), 10, with(slow())).evidence;
    let band = evidence.metrics[0].latency.clone().unwrap().band;
    assert_eq!(band.points.len(), BOUNDS.len());
    assert_eq!(band.points[1].canary, Some(0.3));
    assert_eq!(band.points[1].control, Some(0.48));
    let (canary, control) = (band.canary_half_width, band.control_half_width);
    assert!(canary > control, "fewer requests are less sure");
    assert!((canary.unwrap() - 0.0858).abs() < 1e-4);
}

#[test]
fn without_thresholds_nothing_is_claimed_and_nothing_passes() {
    let few = histogram([10, 48, 76, 91, 96, 99], 100);
    let mut test = start(&[("pay_time", latency())], 1);
    test.choose_thresholds("pay_time", &BOUNDS, &few, calm);
    assert_eq!(test.awaiting_thresholds(), ["pay_time"]);
    assert_eq!(test.bounds("pay_time"), None);
    let unbound = timed(
        Histogram {
            at_most: vec![],
            total: 0,
        },
        Histogram {
            at_most: vec![],
            total: 0,
        },
    );
    let judgement = run(&mut test, 2 * DEADLINE_S, with(unbound));
    assert_state(&judgement, Undecided, "not_enough_traffic");
    assert_eq!(judgement.evidence.metrics[0].latency, None);
}

#[test]
fn thresholds_are_chosen_once() {
    let mut test = latency_test();
    let bounds = test.bounds("pay_time");
    test.choose_thresholds("pay_time", &[1.0], &histogram([0; 6], 1_000), calm);
    assert_eq!(test.bounds("pay_time"), bounds);
}

#[test]
fn histograms_without_a_bound_in_common_are_undecided() {
    let mismatch = [("pay_time".to_owned(), Batch::Mismatch)].into();
    let mut test = start(&[("pay_time", latency())], 1);
    let judgement = run(&mut test, 2 * DEADLINE_S, with(mismatch));
    assert_state(&judgement, Undecided, "bucket_mismatch");
}

#[test]
fn a_mismatch_that_ended_is_forgotten() {
    let mut test = start(&[("pay_time", latency())], 1);
    let mismatch = [("pay_time".to_owned(), Batch::Mismatch)].into();
    let judgement = run(&mut test, 10, with(mismatch));
    assert_state(&judgement, Undecided, "bucket_mismatch");
    test.choose_thresholds("pay_time", &BOUNDS, &before(), calm);
    let later = |s| with(fast())(s + 10);
    assert_state(&run(&mut test, 5, later), Undecided, "collecting");
}

#[test]
fn a_batch_of_another_kind_is_refused() {
    let mut test = latency_test();
    let counts = counted("pay_time", (0, 10), (0, 90));
    let judgement = run(&mut test, 3, with(counts));
    assert_eq!(test.refused(), 3);
    let why = &judgement.evidence.excluded[0].why;
    assert_eq!(why, "signal `pay_time`: a batch of another kind of signal");
}

/// A second in which the canary's orders are worth this much, the control's 30 each.
fn worth(each: f64) -> impl Fn(i64) -> Look {
    move |s| {
        let total = |each: f64, events: u64| Total {
            sum: each * events as f64 * (1.0 + 0.1 * ((s * 7) % 5 - 2) as f64),
            events,
        };
        let batch = Batch::Mean {
            canary: total(each, 10),
            control: total(30.0, 70),
        };
        Look {
            metrics: [("order_value".to_owned(), batch)].into(),
            ..quiet(s)
        }
    }
}

#[test]
fn a_mean_that_got_worse_fails_after_twenty_minutes() {
    let mut test = start(&[("order_value", mean())], 1);
    let early = run(&mut test, 19 * 60, worth(24.0));
    assert_eq!(early.evidence.log_e, 0.0);
    let failed = run(
        &mut start(&[("order_value", mean())], 1),
        21 * 60,
        worth(24.0),
    );
    assert_state(&failed, Fail, "harm");
    let metric = &failed.evidence.metrics[0];
    assert_eq!((metric.kind.as_str(), metric.odds_ratio), ("mean", None));
    let mean = metric.mean.as_ref().unwrap();
    assert!((mean.canary.unwrap() - 24.0).abs() < 0.1, "{mean:?}");
    assert!((mean.control.unwrap() - 30.0).abs() < 0.1, "{mean:?}");
    let least = mean.worse_by_at_least.unwrap();
    assert!((5.0..6.0).contains(&least), "{least}");
    assert!(mean.worse_by_at_most.unwrap() >= least);
}

#[test]
fn a_mean_that_stayed_passes_after_twenty_minutes() {
    let mut test = start(&[("order_value", mean())], 1);
    let in_time = |s| Look {
        deadline: Duration::from_secs(7_200),
        ..worth(30.0)(s)
    };
    assert_state(&run(&mut test, 19 * 60, in_time), Undecided, "collecting");
    let later = |s| in_time(s + 19 * 60);
    assert_state(&run(&mut test, 90, later), Pass, "cleared");
}

/// Looks of three rings with all kinds, pseudo-random.
fn all_kinds(s: i64) -> Look {
    let draw = |salt: u64, end: u64| {
        (s as u64 + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40 & (end - 1)
    };
    let side = |salt: u64, times: u64| {
        let mut sum = 0;
        let mut next = |i: u64| {
            sum += draw(salt + i, 8) * times;
            sum
        };
        let at_most = [1, 2, 3, 4, 5, 6].map(&mut next);
        histogram(at_most, next(7))
    };
    let total = |salt: u64, events: u64| Total {
        sum: 0.1 * draw(salt, 1_024) as f64,
        events,
    };
    let mut metrics = timed(side(10, 1), side(20, 7));
    metrics.extend(counted("errors", (draw(1, 4), 20), (draw(2, 4), 60)));
    let orders = Batch::Mean {
        canary: total(30, draw(31, 4)),
        control: total(40, 20),
    };
    metrics.insert("order_value".to_owned(), orders);
    Look {
        ring: (s / 1_500) as usize,
        metrics,
        ..quiet(s)
    }
}

fn test_of_all_kinds() -> Test {
    let signals = [
        ("errors", signal()),
        ("pay_time", latency()),
        ("order_value", mean()),
    ];
    start(&signals, 3)
}

#[test]
fn a_test_of_all_kinds_resumed_at_any_look_goes_on_with_the_same_bits() {
    let (mut whole, mut resumed) = (test_of_all_kinds(), test_of_all_kinds());
    for s in 1..=4_000 {
        if s % 7 == 0 || s < 100 {
            let json = serde_json::to_string(&resumed).unwrap();
            resumed = serde_json::from_str(&json).unwrap();
        }
        if s == 3 {
            for test in [&mut whole, &mut resumed] {
                test.choose_thresholds("pay_time", &BOUNDS, &before(), calm);
            }
        }
        let judged = whole.look(&all_kinds(s));
        assert_eq!(resumed.look(&all_kinds(s)), judged, "look {s}");
        assert_eq!(resumed, whole, "look {s}");
    }
    let evidence = whole.look(&all_kinds(4_001)).evidence;
    assert_eq!(evidence.metrics[1].mean.as_ref().unwrap().batches, 66);
    let weights: Vec<f64> = evidence.metrics.iter().map(|m| m.weight).collect();
    for (weight, share) in weights.iter().zip([0.7, 0.15, 0.15]) {
        assert!((weight - share).abs() < 1e-15, "{weights:?}");
    }
    let json = serde_json::to_string(&evidence).unwrap();
    let back: model::judge::Evidence = serde_json::from_str(&json).unwrap();
    assert_eq!(back.metrics.len(), 3, "every number survives");
    assert!(serde_json::to_string(&whole).unwrap().len() < 30_000);
}

#[test]
fn a_test_saved_before_there_were_kinds_goes_on() {
    let mut test = errors_only();
    run(&mut test, 10, quiet);
    let json = serde_json::to_string(&test).unwrap();
    let old = json.replace("\"grid\":\"Errors\",", "");
    assert_ne!(old, json);
    assert_eq!(serde_json::from_str::<Test>(&old).unwrap(), test);
}
