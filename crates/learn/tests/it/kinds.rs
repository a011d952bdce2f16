//! Latencies and means in words.

use learn::sentence::{Tense, paragraphs, reason, verdict};
use model::judge::{
    Band, Control, Counts, LatencyEvidence, MeanEvidence, MetricEvidence, Reason,
    ThresholdEvidence, Verdict, VerdictState,
};
use model::observe::{Unit, Worse};

use crate::fixture::{self, at, metric};

fn threshold(slower_than: f64, bad: (u64, u64), odds_at_least: Option<f64>) -> ThresholdEvidence {
    let metric = metric();
    ThresholdEvidence {
        slower_than,
        quantiles: vec![0.9],
        log_e: 6.0,
        log_e_pass: -2.0,
        cleared: Some(false),
        canary: Counts {
            bad: bad.0,
            total: 2_000,
        },
        control: Counts {
            bad: bad.1,
            total: 14_000,
        },
        odds_ratio: Some(3.1),
        odds_at_least,
        odds_at_most: None,
        dispersion: metric.dispersion,
        psi_leading: 3.0,
    }
}

fn latency(name: &str) -> MetricEvidence {
    let leading = threshold(0.25, (420, 1_100), Some(1.8));
    MetricEvidence {
        metric: name.to_owned(),
        kind: "latency".to_owned(),
        canary: leading.canary,
        control: leading.control,
        odds_ratio: leading.odds_ratio,
        odds_at_least: leading.odds_at_least,
        odds_at_most: None,
        latency: Some(LatencyEvidence {
            unit: Unit::S,
            thresholds: vec![threshold(0.1, (900, 5_600), None), leading],
            leading: 1,
            band: Band {
                alpha: 0.05,
                canary_half_width: Some(0.06),
                control_half_width: Some(0.02),
                points: vec![],
            },
        }),
        ..metric()
    }
}

fn mean() -> MetricEvidence {
    MetricEvidence {
        metric: "order_value".to_owned(),
        kind: "mean".to_owned(),
        canary: Counts {
            bad: 0,
            total: 1_900,
        },
        control: Counts {
            bad: 0,
            total: 13_000,
        },
        odds_ratio: None,
        odds_at_least: None,
        odds_at_most: None,
        mean: Some(MeanEvidence {
            worse: Worse::Lower,
            canary: Some(24.0),
            control: Some(30.0),
            batches: 21,
            worse_by_at_least: Some(5.234_56),
            worse_by_at_most: Some(7.1),
        }),
        ..metric()
    }
}

fn of(metrics: Vec<MetricEvidence>) -> Verdict {
    let mut verdict = fixture::of(VerdictState::Fail, Reason::Harm);
    verdict.evidence.metrics = metrics;
    verdict
}

#[test]
fn a_slow_release_is_said_by_the_threshold_that_shows_most() {
    let slow = of(vec![latency("checkout_time")]);
    assert_eq!(
        verdict(&slow),
        "Bad: requests slower than 250 ms are 3.1 times as likely on the canary (at least 1.8 times, 99 %), after 31 looks and 2,000 requests."
    );
    assert_eq!(
        reason(&slow, Tense::Was),
        "requests slower than 250 ms were 3.1 times as likely on the canary (at least 1.8 times, 99 %)"
    );
}

#[test]
fn a_watched_release_is_compared_with_the_time_before_it() {
    let mut slow = of(vec![latency("checkout_time")]);
    slow.evidence.control = Control::Before;
    for metric in &mut slow.evidence.metrics {
        metric.odds_at_least = None;
    }
    assert_eq!(
        verdict(&slow),
        "Bad: requests slower than 250 ms are 3.1 times as likely as before the release, after 31 looks and 2,000 requests."
    );
    let paragraphs = paragraphs(&slow, at(31));
    assert!(
        paragraphs[0]
            .contains("slower than 250 ms 21.0 % since it got worse, 7.9 % before the release"),
        "{paragraphs:?}"
    );
    assert!(paragraphs[1].ends_with("compared with the time before the release."));
    slow.evidence.metrics = vec![MetricEvidence {
        odds_ratio: None,
        odds_at_least: None,
        control: Counts { bad: 0, total: 700 },
        ..metric()
    }];
    assert!(
        reason(&slow, Tense::Was).contains("payment errors were worse than before the release: ")
    );
}

#[test]
fn of_several_latencies_the_one_that_is_meant_is_named() {
    let mut calm = latency("search_time");
    calm.log_e = 0.0;
    assert_eq!(
        reason(&of(vec![latency("checkout_time"), calm]), Tense::Is),
        "requests slower than 250 ms (checkout time) are 3.1 times as likely on the canary (at least 1.8 times, 99 %)"
    );
}

#[test]
fn the_detail_of_a_latency_names_every_threshold() {
    assert_eq!(
        paragraphs(&of(vec![latency("checkout_time")]), at(31))[0],
        "checkout_time: 2,000 requests on the canary, 14,000 on the control; slower than 100 ms 45.0 % on the canary, 40.0 % on the control; slower than 250 ms 21.0 % on the canary, 7.9 % on the control, odds at least 1.8 times; spread 1.4, measured over 720 looks in windows of up to 5 min; evidence of harm 6.2."
    );
}

#[test]
fn a_mean_is_said_in_its_own_unit() {
    let low = of(vec![mean()]);
    assert_eq!(
        reason(&low, Tense::Is),
        "order value is 20.0 % lower on the canary, 24 against 30 (by at least 5.235, 99 %)"
    );
    assert_eq!(
        paragraphs(&low, at(31))[0],
        "order_value: 24 over 1,900 events on the canary, 30 over 13,000 events on the control; 21 whole minutes; worse by at least 5.235, 99 %; evidence of harm 6.2."
    );
    let mut early = mean();
    let mean = early.mean.as_mut().unwrap();
    (mean.batches, mean.worse_by_at_least, mean.worse_by_at_most) = (7, None, None);
    let text = &paragraphs(&of(vec![early]), at(31))[0];
    assert!(
        text.contains("; 7 whole minutes; nothing is claimed before the twentieth; "),
        "{text}"
    );
}

#[test]
fn histograms_that_cannot_be_compared_say_so() {
    let verdict_of = fixture::of(VerdictState::Undecided, Reason::BucketMismatch);
    assert_eq!(
        verdict(&verdict_of),
        "Undecided: the histograms of the canary and the control have no bucket bound in common."
    );
}
