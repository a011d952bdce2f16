//! shop 1.1 on its way to eight hosts: web-1 is the canary, the rest follows.

use std::collections::BTreeMap;
use std::time::Duration;

use learn::change::{HostNow, ViewInput};
use model::api::change::PartView;
use model::deliver::rollout::RingHost;
use model::deliver::{
    AtDeadline, EnvironmentPlan, Proof, ReleaseNumber, ReleaseRef, Reported, Ring, RingSize,
    RingSpec, Rollout, RolloutState,
};
use model::judge::{
    Control, Counts, Dispersion, Evidence, MetricEvidence, Reason, Verdict, VerdictState,
};
use model::observe::change::{Change, ChangeKind, ChangeState};
use model::observe::signal::{Level, Signal, SignalKind};
use model::{
    ChangeId, Digest, Entry, EntryId, Fact, HostId, HostName, Kind, Labels, Subject, Timestamp,
    VerdictId,
};

/// 14:03:00 UTC.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_763_733_780_000);
pub(crate) const CHANGE: ChangeId = ChangeId(7);

pub(crate) fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

pub(crate) fn name(host: usize) -> HostName {
    format!("web-{host}").parse().unwrap()
}

pub(crate) fn host_id(host: usize) -> HostId {
    HostId::new(Timestamp::UNIX_EPOCH, host as u128)
}

pub(crate) fn release(number: u64) -> ReleaseRef {
    ReleaseRef {
        number: ReleaseNumber(number),
        version: format!("1.{}", number - 1).parse().unwrap(),
        digest: Digest::of(&number.to_le_bytes()),
        redeploy: None,
    }
}

/// Release 2, which is version 1.1; the one before is release 1, version 1.0.
pub(crate) fn new() -> ReleaseRef {
    release(2)
}

pub(crate) fn old() -> ReleaseRef {
    release(1)
}

pub(crate) fn metric() -> MetricEvidence {
    MetricEvidence {
        metric: "payment_errors".to_owned(),
        kind: "count".to_owned(),
        critical: true,
        advisory: false,
        weight: 0.7,
        log_e: 6.2,
        log_e_pass: -7.0,
        log_e_abs: -3.0,
        cleared: false,
        canary: Counts {
            bad: 61,
            total: 1_540,
        },
        control: Counts {
            bad: 148,
            total: 13_870,
        },
        odds_ratio: Some(3.8),
        odds_at_least: Some(1.5),
        odds_at_most: Some(10.0),
        dispersion: Dispersion {
            phi: 1.4,
            source: "aa".to_owned(),
            batches: 720,
            widest_s: 300,
        },
        psi_leading: 3.0,
        trace: vec![(0, 0.0), (1, 0.2)],
        latency: None,
        mean: None,
    }
}

pub(crate) fn verdict() -> Verdict {
    Verdict {
        id: VerdictId::new(at(31), 7),
        change: CHANGE,
        ring: 0,
        state: VerdictState::Fail,
        reason: Reason::Harm,
        at: at(31),
        evidence: Evidence {
            started: at(1),
            looks: 31,
            alpha: 0.01,
            rule: "global".to_owned(),
            log_e: 5.84,
            beside: None,
            needed: 4.605,
            metrics: vec![metric()],
            control: Control::Hosts { hosts: 7 },
            excluded: Vec::new(),
            unattributed: 0,
            definition: Digest::of(b"signals"),
            judge_version: "1".to_owned(),
            inputs_digest: Digest::of(b"inputs"),
        },
    }
}

pub(crate) fn of(state: VerdictState, reason: Reason) -> Verdict {
    Verdict {
        state,
        reason,
        ..verdict()
    }
}

/// The verdict of the demo: 25 times as likely, at least 10 times.
pub(crate) fn plain_fail() -> Verdict {
    let mut verdict = verdict();
    verdict.evidence.looks = 9;
    verdict.evidence.started = at(3);
    let metric = &mut verdict.evidence.metrics[0];
    metric.canary = Counts { bad: 12, total: 98 };
    metric.control = Counts {
        bad: 17,
        total: 3_120,
    };
    metric.odds_ratio = Some(25.47);
    metric.odds_at_least = Some(10.0);
    metric.odds_at_most = None;
    verdict
}

pub(crate) fn entry(
    n: u64,
    seconds: u64,
    kind: Kind,
    actor: &str,
    causes: &[u64],
    fact: &Fact,
) -> Entry {
    Entry {
        id: entry_id(n),
        at: at(seconds),
        subject: Subject::Change(CHANGE),
        kind,
        actor: actor.to_owned(),
        causes: causes.iter().map(|&n| entry_id(n)).collect(),
        body: fact.to_body(),
    }
}

pub(crate) fn entry_id(n: u64) -> EntryId {
    EntryId::new(START, n.into())
}

/// A rollout, its hosts and its entries, to be changed and looked at.
pub(crate) struct World {
    pub(crate) change: Change,
    pub(crate) rollout: Rollout,
    pub(crate) hosts: BTreeMap<HostId, HostNow>,
    pub(crate) signals: BTreeMap<String, Signal>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) parts: Vec<PartView>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) now: Timestamp,
}

impl World {
    pub(crate) fn new(state: RolloutState) -> World {
        World {
            change: change(),
            rollout: rollout(state),
            hosts: (1..=8).map(|n| (host_id(n), host(n))).collect(),
            signals: BTreeMap::from([("payment_errors".to_owned(), signal())]),
            verdict: None,
            parts: Vec::new(),
            entries: Vec::new(),
            now: at(60),
        }
    }

    pub(crate) fn input(&self) -> ViewInput<'_> {
        ViewInput {
            change: &self.change,
            rollout: &self.rollout,
            hosts: &self.hosts,
            signals: &self.signals,
            verdict: self.verdict.as_ref(),
            parts: &self.parts,
            entries: &self.entries,
            now: self.now,
        }
    }

    pub(crate) fn sentence(&self) -> String {
        learn::change::sentence(&self.input())
    }

    /// These hosts were asked to run 1.1 and prove it.
    pub(crate) fn run_new(&mut self, hosts: std::ops::RangeInclusive<usize>) {
        for n in hosts {
            self.touch(n);
            let host = self.hosts.get_mut(&host_id(n)).unwrap();
            host.wanted = Some(new());
            host.running = Some(new());
        }
    }

    pub(crate) fn touch(&mut self, n: usize) {
        let rings = self.rollout.rings.iter_mut();
        let host = rings
            .flat_map(|ring| &mut ring.hosts)
            .find(|host| host.id == host_id(n));
        host.unwrap().touched = true;
    }

    pub(crate) fn silence(&mut self, n: usize) {
        let host = self.hosts.get_mut(&host_id(n)).unwrap();
        host.unknown_since = Some(START - Duration::from_secs(113));
    }

    pub(crate) fn report(&mut self, n: usize, proof: Proof, why: &str) {
        let host = self.hosts.get_mut(&host_id(n)).unwrap();
        let reported = host.reported.as_mut().unwrap();
        reported.proof = proof;
        why.clone_into(&mut reported.why);
    }
}

fn change() -> Change {
    Change {
        id: CHANGE,
        kind: ChangeKind::Deploy,
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        title: "shop 1.1".to_owned(),
        by: "jonas".to_owned(),
        state: ChangeState::Running,
        started_at: START,
        updated_at: START,
    }
}

fn rollout(state: RolloutState) -> Rollout {
    let spec = |name: &str, hosts| RingSpec {
        name: name.parse().unwrap(),
        hosts,
        bake: Duration::from_secs(30),
        deadline: Duration::from_secs(900),
        at_deadline: AtDeadline::Go,
    };
    Rollout {
        change: CHANGE,
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: new(),
        previous: Some(old()),
        plan: EnvironmentPlan {
            hosts: Labels::default(),
            expected: Some(8),
            max_unavailable: Some(1),
            rings: vec![
                spec("canary", RingSize::Count(1)),
                spec("rest", RingSize::Rest),
            ],
            warmup: Duration::from_secs(10),
            watch: Duration::ZERO,
            freeze: Vec::new(),
            if_running: model::deliver::IfRunning::default(),
            redeploy: None,
            blue_green: None,
        },
        rings: vec![ring("canary", 1..=1), ring("rest", 2..=8)],
        state,
        started_at: START,
        started_by: "jonas".to_owned(),
        order: None,
        auto_undo: true,
        judged: true,
        failed: None,
        no_way_back: None,
        overruled: None,
        freeze_override: None,
        last_entry: None,
        queued: None,
        together: None,
        watch: None,
        swap: None,
    }
}

fn ring(ring_name: &str, hosts: std::ops::RangeInclusive<usize>) -> Ring {
    Ring {
        name: ring_name.parse().unwrap(),
        hosts: hosts
            .map(|n| RingHost {
                id: host_id(n),
                name: name(n),
                touched: false,
                excluded: None,
                left_by_another: false,
            })
            .collect(),
        proved_at: None,
        passed_at: None,
        passed_how: None,
    }
}

/// A host that proves 1.0.
pub(crate) fn host(n: usize) -> HostNow {
    HostNow {
        name: name(n),
        unknown_since: None,
        reported: Some(Reported {
            service: "shop".parse().unwrap(),
            generation_seen: 1,
            generation_applied: 1,
            symlink_release: None,
            processes: Vec::new(),
            observed: None,
            redeploy: None,
            slot: None,
            port: Some(8080),
            healthy: Some(true),
            proof: Proof::Converged,
            why: String::new(),
            since: START,
            started_at: Some(START),
            unexpected_exits: 0,
            failed_checks: 0,
        }),
        wanted: Some(old()),
        running: Some(old()),
    }
}

pub(crate) fn signal() -> Signal {
    Signal {
        level: Level::Business,
        kind: SignalKind::Count {
            bad: "pay_total{result=\"failed\"}".to_owned(),
            total: "pay_total".to_owned(),
        },
        critical: true,
        advisory: false,
        margin: 0.5,
        tolerated: 0.005,
        min_requests: 500,
        owner: None,
    }
}
