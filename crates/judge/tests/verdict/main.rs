//! The judge from outside.

mod kinds;
mod looks;
mod states;
mod together;

use std::collections::BTreeMap;
use std::time::Duration;

use judge::{Arms, Batch, Histogram, History, HostCondition, Judgement, Look, Test, Total};
use model::Timestamp;
use model::deliver::AtDeadline;
use model::judge::VerdictState::{Fail, Marginal, Pass, Undecided};
use model::judge::{Control, Counts, Excluded, Reason, VerdictState, f64Eq};
use model::observe::{Level, Signal, SignalKind, Unit, Worse};

const BAKE_S: i64 = 60;
const DEADLINE_S: i64 = 600;
/// The dispersion assumed without history.
const PHI: f64 = 2.0;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
}

fn signal() -> Signal {
    Signal {
        level: Level::Service,
        kind: SignalKind::Count {
            bad: "errors_total".to_owned(),
            total: "requests_total".to_owned(),
        },
        critical: true,
        advisory: false,
        margin: 0.5,
        tolerated: 0.005,
        min_requests: 500,
        owner: None,
    }
}

fn start(signals: &[(&str, Signal)], rings: usize) -> Test {
    let signals = signals
        .iter()
        .map(|(name, s)| ((*name).to_owned(), s.clone()))
        .collect();
    Test::start(&signals, rings, &BTreeMap::new(), at(0))
}

fn errors_only() -> Test {
    start(&[("errors", signal())], 1)
}

/// Is a look at a ring that was proved at the start, with a quiet second in both arms.
fn quiet(seconds: i64) -> Look {
    Look {
        at: at(seconds),
        ring: 0,
        metrics: counted("errors", (0, 10), (0, 90)),
        control_hosts: 9,
        canary_hosts: 1,
        conditions: Vec::new(),
        ring_proved_at: Some(at(0)),
        bake: Duration::from_secs(BAKE_S as u64),
        deadline: Duration::from_secs(DEADLINE_S as u64),
        at_deadline: AtDeadline::Go,
        first_release: false,
        unattributed: 0,
        beside: Vec::new(),
        excluded: Vec::new(),
    }
}

fn counted(name: &str, canary: (u64, u64), control: (u64, u64)) -> BTreeMap<String, Batch> {
    let counts = |(bad, total)| Counts { bad, total };
    let arms = Arms {
        canary: counts(canary),
        control: counts(control),
    };
    BTreeMap::from([(name.to_owned(), Batch::Counts(arms))])
}

fn condition(exits: u32, failed_checks: u32, reverted: bool) -> HostCondition {
    HostCondition {
        host: "web-1".parse().unwrap(),
        unexpected_exits: exits,
        failed_checks,
        unhealthy_after: 3,
        reverted,
    }
}

/// Looks once a second, from second 1, and returns the last answer.
fn run(test: &mut Test, seconds: i64, look: impl Fn(i64) -> Look) -> Judgement {
    let answers = (1..=seconds).map(|s| test.look(&look(s)));
    answers.last().expect("at least one look")
}

#[track_caller]
fn assert_state(judgement: &Judgement, state: VerdictState, word: &str) {
    assert_eq!((judgement.state, judgement.reason.word()), (state, word));
}
