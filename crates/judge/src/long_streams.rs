//! The watch behind the last ring, on seeded streams of an hour: how rarely it speaks falsely, and how soon
//! it finds harm that begins late.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Timestamp;
use model::deliver::AtDeadline;
use model::judge::{Control, Counts, Reason, VerdictState};
use model::observe::{Level, Signal, SignalKind, Unit};

use crate::random::Random;
use crate::{Arms, Batch, Histogram, History, HostCondition, Judgement, Look, Test, Watch};

const HOUR: u64 = 3_600;
const PER_LOOK: f64 = 200.0;
const USUAL: f64 = 0.005;

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(0) + Duration::from_secs(second)
}

fn errors(tolerated: f64) -> Signal {
    Signal {
        level: Level::Service,
        kind: SignalKind::Count {
            bad: "errors".to_owned(),
            total: "requests".to_owned(),
        },
        critical: true,
        advisory: false,
        margin: 0.5,
        tolerated,
        min_requests: 500,
        owner: None,
    }
}

/// Returns an hour of eight calm hosts.
fn history(share: f64) -> History {
    let mut random = Random::new(77);
    let mut host = || (0..HOUR).map(|_| random.counts(25.0, share)).collect();
    History {
        hosts: (0..8).map(|_| host()).collect(),
        quarters: vec![],
    }
}

fn named(signal: Signal) -> BTreeMap<String, Signal> {
    BTreeMap::from([("payment_errors".to_owned(), signal)])
}

fn watch(signal: Signal, share: f64) -> Watch {
    let signals = named(signal);
    let history = BTreeMap::from([("payment_errors".to_owned(), history(share))]);
    Test::start(&signals, 3, &history, at(0)).watch(&signals, at(0))
}

fn look(second: u64, batch: Option<Batch>) -> Look {
    Look {
        at: at(second),
        ring: 2,
        metrics: batch
            .map(|batch| ("payment_errors".to_owned(), batch))
            .into_iter()
            .collect(),
        control_hosts: 0,
        canary_hosts: 8,
        conditions: vec![],
        ring_proved_at: Some(at(0)),
        bake: Duration::ZERO,
        deadline: Duration::ZERO,
        at_deadline: AtDeadline::Go,
        first_release: false,
        unattributed: 0,
        beside: Vec::new(),
        excluded: vec![],
    }
}

fn counts(canary: Counts) -> Option<Batch> {
    Some(Batch::Counts(Arms {
        canary,
        control: Counts::default(),
    }))
}

/// Returns after how many looks of an hour the watch spoke, when this share of requests is bad.
fn spoke(watch: &Watch, seed: u64, share: impl Fn(u64) -> f64) -> Option<u64> {
    let (mut watch, mut random) = (watch.clone(), Random::new(seed));
    (1..=HOUR).find(|&second| {
        let batch = counts(random.counts(PER_LOOK, share(second)));
        watch.look(&look(second, batch)).state == VerdictState::Fail
    })
}

#[test]
fn a_healthy_hour_is_hardly_ever_called_bad() {
    let watch = watch(errors(0.0), USUAL);
    let alarms = (1..=150).filter_map(|seed| spoke(&watch, seed, |_| USUAL));
    assert_eq!(alarms.collect::<Vec<u64>>(), [0; 0]);
}

#[test]
fn a_busy_evening_with_nearly_twice_the_odds_is_no_harm() {
    let watch = watch(errors(0.0), USUAL);
    let alarms = (1..=50).filter_map(|seed| spoke(&watch, seed, |_| USUAL * 1.9));
    assert_eq!(alarms.collect::<Vec<u64>>(), [0; 0]);
}

#[test]
fn harm_that_begins_after_fifty_minutes_is_found_in_seconds() {
    let watch = watch(errors(0.0), USUAL);
    let begins = 3_000;
    let late = |second| if second < begins { USUAL } else { 8.0 * USUAL };
    for seed in 1..=20 {
        let found = spoke(&watch, seed, late).expect("eight times as many errors are found");
        assert!((begins..begins + 30).contains(&found), "{found}");
    }
}

#[test]
fn what_is_shown_is_what_was_counted_since_it_went_wrong() {
    let mut watch = watch(errors(0.0), USUAL);
    let mut random = Random::new(3);
    let mut last: Option<Judgement> = None;
    for second in 1..=1_000 {
        let share = if second < 900 { USUAL } else { 8.0 * USUAL };
        let judged = watch.look(&look(second, counts(random.counts(PER_LOOK, share))));
        let is_bad = judged.state == VerdictState::Fail;
        last = Some(judged);
        if is_bad {
            break;
        }
    }
    let judged = last.unwrap();
    assert_eq!(
        (judged.state, judged.reason),
        (VerdictState::Fail, Reason::Harm)
    );
    assert_eq!(judged.evidence.control, Control::Before);
    let metric = &judged.evidence.metrics[0];
    let ratio = metric.odds_ratio.unwrap();
    assert!((5.0..12.0).contains(&ratio), "{ratio}");
    assert!(metric.control.total > 700_000, "an hour of eight hosts");
    assert!(judged.evidence.log_e >= judged.evidence.needed);
}

#[test]
fn a_share_that_is_tolerated_is_no_harm_however_much_it_grew() {
    let rare = 0.000_1;
    let grown = |_| 0.004;
    assert_eq!(spoke(&watch(errors(0.005), rare), 1, grown), None);
    assert!(spoke(&watch(errors(0.0), rare), 1, grown).is_some());
}

#[test]
fn an_advisory_signal_is_watched_and_fails_nothing() {
    let advisory = Signal {
        advisory: true,
        critical: false,
        ..errors(0.0)
    };
    assert_eq!(spoke(&watch(advisory, USUAL), 1, |_| 0.5), None);
}

#[test]
fn without_a_past_nothing_is_compared_and_a_crash_is_still_seen() {
    let signals = named(errors(0.0));
    let mut watch = Test::start(&signals, 1, &BTreeMap::new(), at(0)).watch(&signals, at(0));
    assert!(!watch.compares());
    assert_eq!(spoke(&watch, 1, |_| 0.5), None);
    let mut crash = look(1, None);
    crash.conditions = vec![HostCondition {
        host: "web-3".parse().unwrap(),
        unexpected_exits: 2,
        failed_checks: 0,
        unhealthy_after: 3,
        reverted: false,
    }];
    let crashing = Reason::Crashing {
        host: "web-3".parse().unwrap(),
        exits: 2,
    };
    assert_eq!(watch.look(&crash).reason, crashing);
    // It is sticky: a process that was started again does not make up for it.
    let later = watch.look(&look(2, None));
    assert_eq!((later.state, later.reason), (VerdictState::Fail, crashing));
}

#[test]
fn the_control_of_the_rings_is_a_past_too() {
    let signals = named(errors(0.0));
    let mut test = Test::start(&signals, 1, &BTreeMap::new(), at(0));
    let control = Counts {
        bad: 50,
        total: 10_000,
    };
    let arms = Arms {
        canary: Counts::default(),
        control,
    };
    let mut first = look(1, Some(Batch::Counts(arms)));
    first.control_hosts = 4;
    test.look(&first);
    let watch = test.watch(&signals, at(2));
    assert!(watch.compares());
    assert!(spoke(&watch, 1, |_| 0.1).is_some());
    assert_eq!(spoke(&watch, 1, |_| 0.005), None);
}

#[test]
fn requests_that_turn_slow_are_found_at_the_thresholds_of_the_test() {
    let latency = Signal {
        kind: SignalKind::Latency {
            buckets: "seconds_bucket".to_owned(),
            unit: Unit::S,
        },
        ..errors(0.0)
    };
    let signals = named(latency);
    let mut test = Test::start(&signals, 1, &BTreeMap::new(), at(0));
    let before = Histogram {
        at_most: vec![5_000, 9_000, 9_900],
        total: 10_000,
    };
    let slower = |bound: f64| if bound < 0.2 { 0.5 } else { 0.05 };
    test.choose_thresholds("payment_errors", &[0.1, 0.3, 1.0], &before, |bound| {
        history(slower(bound))
    });
    let spoke = |share: [u64; 3]| {
        let mut watch = test.watch(&signals, at(1));
        (2..600).find(|&second| {
            let canary = Histogram {
                at_most: share.to_vec(),
                total: 200,
            };
            let control = Histogram::default();
            let batch = Batch::Latency { canary, control };
            watch.look(&look(second, Some(batch))).state == VerdictState::Fail
        })
    };
    assert_eq!(spoke([100, 180, 198]), None);
    let found = spoke([30, 100, 150]).expect("much slower requests are found");
    assert!(found < 30, "{found}");
}

#[test]
fn a_watch_read_back_between_any_two_looks_gives_the_same_bits() {
    let (mut kept, mut random) = (watch(errors(0.0), USUAL), Random::new(9));
    let mut whole = kept.clone();
    for second in 1..=200 {
        let look = look(second, counts(random.counts(PER_LOOK, 0.02)));
        let json = serde_json::to_string(&kept).unwrap();
        kept = serde_json::from_str(&json).unwrap();
        assert_eq!(kept.look(&look), whole.look(&look));
        // The same batch again is the same batch.
        assert_eq!(kept.look(&look), whole.look(&look));
    }
    assert_eq!(kept, whole);
}
