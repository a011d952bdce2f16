//! A fleet in memory that does what it is asked, when the test lets it.

use std::collections::BTreeMap;
use std::time::Duration;

use deliver::rollout::{
    Ask, DesiredFacts, ExcludeRefusal, Gates, HostFacts, JudgeFacts, Plan, Start, Wanted, exclude,
    plan, seen, start,
};
use model::act::{Do, Procedure, When};
use model::deliver::definition::ArtifactSpec;
use model::deliver::{
    ArtifactFormat, AtDeadline, BlueGreen, Command, Definition, DesiredState, EnvironmentPlan,
    Excluded, FreezeRule, GateFacts, HeldReason, Host, IfRunning, JudgeIdle, Order, Owner, Phase,
    Proof, Release, ReleaseNumber, Reported, RingHost, RingSize, RingSpec, Rollout, RolloutState,
    Run,
};
use model::judge::{Control, Evidence, LastLook, Reason, Verdict, VerdictState};
use model::observe::{Level, Signal, SignalKind};
use model::{ChangeId, Digest, EntryId, Fact, HostId, Kind, Labels, Timestamp, VerdictId};

use crate::invariants;

pub(crate) const BAKE: Duration = Duration::from_secs(60);
pub(crate) const DEADLINE: Duration = Duration::from_secs(600);
pub(crate) const WATCH: Duration = Duration::from_secs(3_600);
pub(crate) const WARMUP: Duration = Duration::from_secs(10);

pub(crate) fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub(crate) fn t0() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

pub(crate) fn host_id(n: usize) -> HostId {
    HostId::new(Timestamp::UNIX_EPOCH, n as u128)
}

/// Returns `web-n` with the labels `role: web` and `n: <n>`.
pub(crate) fn host(n: usize) -> Host {
    Host {
        id: host_id(n),
        name: format!("web-{n}").parse().unwrap(),
        labels: Labels::new([("role", "web".to_owned()), ("n", n.to_string())]).unwrap(),
        machine_id: String::new(),
        boot_id: String::new(),
        agent_version: String::new(),
        expected_since: t0(),
        retired_at: None,
        let_in_by: None,
        last_seen: t0(),
        silent_noted: false,
        speakers: Default::default(),
        clock_off: None,
        program: Default::default(),
    }
}

pub(crate) fn ring(name: &str, hosts: RingSize) -> RingSpec {
    RingSpec {
        name: name.parse().unwrap(),
        hosts,
        bake: BAKE,
        deadline: DEADLINE,
        at_deadline: AtDeadline::Go,
    }
}

pub(crate) fn release(number: u64, environment: EnvironmentPlan) -> Release {
    let version = format!("1.{number}");
    Release {
        service: "shop".parse().unwrap(),
        number: ReleaseNumber(number),
        digest: Digest::of(version.as_bytes()),
        version: version.parse().unwrap(),
        size_bytes: 1,
        config_digest: Digest::of(b"config"),
        definition: definition(environment),
        created_at: t0(),
        created_by: "jonas".into(),
    }
}

fn definition(environment: EnvironmentPlan) -> Definition {
    let signal = Signal {
        level: Level::Business,
        kind: SignalKind::Count {
            bad: "pay_total{result=\"failed\"}".into(),
            total: "pay_total".into(),
        },
        critical: true,
        advisory: false,
        margin: 0.5,
        tolerated: 0.005,
        min_requests: 500,
        owner: None,
    };
    Definition {
        service: "shop".parse().unwrap(),
        depends_on: Vec::new(),
        owner: Owner::default(),
        artifact: ArtifactSpec {
            keep: 3,
            path: "shop".into(),
            format: ArtifactFormat::File,
        },
        run: Run {
            exec: vec!["./shop".into()],
            env: BTreeMap::new(),
            ports: vec![8101],
            stop_timeout: secs(10),
            hooks: Default::default(),
            drain: None,
        },
        health: None,
        metrics: None,
        environments: [("production".parse().unwrap(), environment)].into(),
        signals: [("payment_errors".to_owned(), signal)].into(),
        procedures: vec![Procedure {
            name: "undo".into(),
            when: When {
                verdict: VerdictState::Fail,
            },
            actions: vec![Do::Undo, Do::NotifyOwner],
            otherwise: None,
        }],
        compatibility: Default::default(),
    }
}

/// Is what a test chooses about its rollout.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) hosts: usize,
    pub(crate) rings: Vec<RingSpec>,
    pub(crate) max_unavailable: u32,
    pub(crate) is_first: bool,
    pub(crate) judged: bool,
    pub(crate) auto_undo: bool,
    /// Two slots instead of rings, see [`slotted`]; three hosts at least.
    pub(crate) slots: bool,
}

/// Returns a host with the labels of its part: 1 (and then every even one) is green, 2 and 7 are routers, 3 (and
/// then every odd one) is blue.
pub(crate) fn slotted(n: usize) -> Host {
    let labels = match n {
        2 | 7 => Labels::new([("role", "router")]),
        1 | 4 | 6 => Labels::new([("role", "web"), ("slot", "green")]),
        _ => Labels::new([("role", "web"), ("slot", "blue")]),
    };
    Host {
        labels: labels.unwrap(),
        ..host(n)
    }
}

impl Default for Setup {
    /// One staff host, one canary, the rest; one at a time.
    fn default() -> Self {
        Self {
            hosts: 4,
            rings: vec![
                ring("staff", RingSize::Count(1)),
                ring("canary", RingSize::Count(1)),
                ring("everyone", RingSize::Rest),
            ],
            max_unavailable: 1,
            is_first: false,
            judged: true,
            auto_undo: true,
            slots: false,
        }
    }
}

impl Setup {
    pub(crate) fn environment(&self) -> EnvironmentPlan {
        EnvironmentPlan {
            hosts: Labels::new([("role", "web")]).unwrap(),
            expected: None,
            max_unavailable: Some(self.max_unavailable),
            rings: if self.slots {
                slot_rings()
            } else {
                self.rings.clone()
            },
            blue_green: self.slots.then(blue_green),
            warmup: WARMUP,
            watch: WATCH,
            freeze: Vec::new(),
            if_running: IfRunning::default(),
            redeploy: None,
        }
    }

    pub(crate) fn release(&self) -> Release {
        let mut release = release(2, self.environment());
        if !self.judged {
            release.definition.signals.clear();
        }
        if !self.auto_undo {
            release.definition.procedures.clear();
        }
        release
    }

    pub(crate) fn rollout(&self) -> Rollout {
        let before = (!self.is_first).then(|| self.start(6, &release(1, self.environment()), None));
        self.start(7, &self.release(), before.as_ref())
    }

    /// Begins the rollout of a release; `before` is the one that is live.
    pub(crate) fn start(
        &self,
        change: u64,
        release: &Release,
        before: Option<&Rollout>,
    ) -> Rollout {
        let of = if self.slots { slotted } else { host };
        let hosts: Vec<Host> = (1..=self.hosts).map(of).collect();
        let new = Start {
            change: ChangeId(change),
            release,
            previous: before.map(|before| before.release.clone()),
            brought_by: before,
            environment: "production".parse().unwrap(),
            hosts: &hosts,
            redeploy: false,
            by: "jonas".into(),
            now: t0(),
        };
        start(new).unwrap().0
    }
}

pub(crate) const KEEP_WARM: Duration = Duration::from_secs(1_800);

pub(crate) fn blue_green() -> BlueGreen {
    let label = |name, value| Labels::new([(name, value)]).unwrap();
    BlueGreen {
        blue: label("slot", "blue"),
        green: label("slot", "green"),
        router: label("role", "router"),
        keep_warm: KEEP_WARM,
        judge: JudgeIdle::Traffic,
    }
}

fn slot_rings() -> Vec<RingSpec> {
    let swap = RingSpec {
        bake: Duration::ZERO,
        deadline: Duration::ZERO,
        ..ring("swap", RingSize::Match(blue_green().router))
    };
    vec![ring("idle", RingSize::Rest), swap]
}

/// Is a rollout, its hosts and the judge's last word, at one point in time.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) rollout: Rollout,
    pub(crate) hosts: BTreeMap<HostId, HostFacts>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) last_look: Option<LastLook>,
    /// Looks once before each turn; a test may stop it.
    pub(crate) judge_looks: bool,
    pub(crate) now: Timestamp,
    /// Of all turns.
    pub(crate) facts: Vec<Fact>,
    pub(crate) last: Option<Plan>,
    /// The server's.
    pub(crate) freezes: Vec<FreezeRule>,
    /// What was shipped together with it.
    pub(crate) parts: Vec<Rollout>,
    pub(crate) gate: Option<GateFacts>,
    /// Kept by the invariants: a failed verdict was seen that nobody went past.
    pub(crate) has_failed: bool,
    verdicts: u128,
    /// The newest generation of any host; none is used twice, even where an order was lost.
    generation: u64,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        let rollout = setup.rollout();
        let hosts = (1..=setup.hosts)
            .map(|n| (host_id(n), running_previous(n, &rollout)))
            .collect();
        Self::of(rollout, hosts)
    }

    pub(crate) fn of(rollout: Rollout, hosts: BTreeMap<HostId, HostFacts>) -> Self {
        Self {
            rollout,
            hosts,
            verdict: None,
            last_look: None,
            judge_looks: true,
            now: t0(),
            facts: Vec::new(),
            last: None,
            freezes: Vec::new(),
            parts: Vec::new(),
            gate: None,
            has_failed: false,
            verdicts: 0,
            generation: 1,
        }
    }

    /// Goes on where another world of the same hosts was.
    pub(crate) fn set_generation_above(&mut self, other: &World) {
        self.generation = other.generation;
        self.now = other.now;
    }

    /// Asks for one plan, checks it, and stores it as the engine would.
    pub(crate) fn turn(&mut self) -> Plan {
        if self.judge_looks {
            self.judge_looks_now();
        }
        let answer = self.plan_at(self.now);
        invariants::check(self, &answer);
        for ask in &answer.ask {
            self.store(ask);
        }
        self.rollout = answer.next.clone();
        self.facts
            .extend(answer.facts.iter().map(|(_, fact)| fact.clone()));
        invariants::check_rest(self, &answer);
        self.last = Some(answer.clone());
        answer
    }

    /// Asks for one plan and stores it without checking it: in a large fleet, the checks take longest.
    pub(crate) fn follow(&mut self) -> Plan {
        self.judge_looks_now();
        let answer = self.plan_at(self.now);
        for ask in &answer.ask {
            self.store(ask);
        }
        self.rollout = answer.next.clone();
        answer
    }

    pub(crate) fn judge_looks_now(&mut self) {
        self.last_look = Some(LastLook {
            at: self.now,
            seen: seen(&self.rollout, &self.hosts),
        });
    }

    pub(crate) fn gates(&self) -> Gates<'_> {
        Gates {
            freezes: &self.freezes,
            parts: &self.parts,
            compatibility: self.gate.as_ref(),
        }
    }

    /// Returns the plan at a point in time, without following it.
    pub(crate) fn plan_at(&self, at: Timestamp) -> Plan {
        let judge = JudgeFacts {
            verdict: self.verdict.as_ref(),
            last_look: self.last_look.as_ref(),
        };
        plan(&self.rollout, &self.hosts, judge, self.gates(), at)
    }

    fn store(&mut self, ask: &Ask) {
        self.generation += 1;
        let generation = self.generation;
        let (release, state) = match &ask.what {
            Wanted::Release(release) | Wanted::Routed(release, _) => {
                (release, DesiredState::Running)
            }
            Wanted::Stopped => (&self.rollout.release, DesiredState::Stopped),
        };
        let slot = match &ask.what {
            Wanted::Routed(_, slot) => Some(*slot),
            Wanted::Release(_) | Wanted::Stopped => None,
        };
        let host = self.hosts.get_mut(&ask.host).unwrap();
        host.desired = Some(DesiredFacts {
            release: release.number,
            redeploy: release.redeploy,
            generation,
            state,
            slot,
        });
    }

    pub(crate) fn after(&mut self, time: Duration) -> Plan {
        self.now = self.now + time;
        self.turn()
    }

    pub(crate) fn get(&mut self, n: usize) -> &mut HostFacts {
        self.hosts.get_mut(&host_id(n)).unwrap()
    }

    /// Lets the host do what it is asked, if it is there, without a turn.
    pub(crate) fn obey(&mut self, n: usize) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(&host_id(n)) else {
            return;
        };
        if let (Some(desired), None) = (&host.desired, host.unknown_since) {
            let proof = match desired.state {
                DesiredState::Running => Proof::Converged,
                DesiredState::Stopped => Proof::Stopped,
            };
            let (generation, redeploy) = (desired.generation, desired.redeploy);
            if !host.reported.as_ref().is_some_and(|r| {
                (r.proof, r.generation_seen, r.generation_applied)
                    == (proof, generation, generation)
            }) {
                host.reported = Some(Reported {
                    redeploy,
                    ..reported(proof, generation, now)
                });
            }
        }
    }

    /// Lets one host obey and looks.
    pub(crate) fn proves(&mut self, n: usize) -> Plan {
        self.obey(n);
        self.turn()
    }

    /// Lets the host give an unproved answer to its newest order, and looks.
    pub(crate) fn answers(&mut self, n: usize, proof: Proof) -> Plan {
        let now = self.now;
        let host = self.get(n);
        let generation = host.desired.as_ref().unwrap().generation;
        let mut answer = reported(proof, generation, now);
        answer.generation_applied = generation - 1;
        answer.why = "disk full".into();
        host.reported = Some(answer);
        self.turn()
    }

    pub(crate) fn goes_silent(&mut self, n: usize) -> Plan {
        self.get(n).unknown_since = Some(t0());
        self.turn()
    }

    /// Says that the host is not to be waited for, without a turn.
    pub(crate) fn exclude(&mut self, n: usize) -> Result<(), ExcludeRefusal> {
        let word = Excluded {
            by: "anna".into(),
            at: self.now,
        };
        self.rollout = exclude(&self.rollout, host_id(n), word)?;
        Ok(())
    }

    pub(crate) fn is_back(&mut self, n: usize) -> Plan {
        self.get(n).unknown_since = None;
        self.turn()
    }

    /// Lets every host obey until nobody is asked any more.
    pub(crate) fn settle(&mut self) {
        loop {
            for n in 1..=self.hosts.len() {
                self.obey(n);
            }
            if self.turn().ask.is_empty() {
                return;
            }
        }
    }

    /// Gives a verdict about the ring in hand, without a turn.
    pub(crate) fn judge(&mut self, state: VerdictState, reason: Reason) {
        let ring = self.ring().unwrap_or(0);
        self.judge_ring(ring, state, reason);
    }

    pub(crate) fn judge_ring(&mut self, ring: usize, state: VerdictState, reason: Reason) {
        self.verdicts += 1;
        self.verdict = Some(Verdict {
            id: VerdictId::new(self.now, self.verdicts),
            change: self.rollout.change,
            ring,
            state,
            reason,
            at: self.now,
            evidence: evidence(self.now),
        });
    }

    /// Bakes the ring in hand and lets it pass.
    pub(crate) fn bake_and_pass(&mut self) -> Plan {
        self.now = self.now + BAKE;
        self.judge(VerdictState::Pass, Reason::Cleared);
        self.turn()
    }

    pub(crate) fn order(&mut self, command: Command) -> Plan {
        self.give(command);
        self.turn()
    }

    /// Gives an order and follows it as [`World::follow`] does.
    pub(crate) fn follow_order(&mut self, command: Command) -> Plan {
        self.give(command);
        let plan = self.follow();
        if plan.order_done {
            self.rollout.order = None;
        }
        plan
    }

    fn give(&mut self, command: Command) {
        self.rollout.order = Some(Order {
            command,
            by: "anna".into(),
            entry: EntryId::new(self.now, 1),
            at: self.now,
        });
    }

    pub(crate) fn ring(&self) -> Option<usize> {
        match self.rollout.state {
            RolloutState::Ring { ring, .. } | RolloutState::Held { ring, .. } => Some(ring),
            _ => None,
        }
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        match self.rollout.state {
            RolloutState::Ring { phase, .. } => Some(phase),
            _ => None,
        }
    }

    pub(crate) fn held(&self) -> Option<&HeldReason> {
        match &self.rollout.state {
            RolloutState::Held { reason, .. } => Some(reason),
            _ => None,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.rollout.state, RolloutState::Done { .. })
    }

    pub(crate) fn is_undone(&self) -> bool {
        matches!(self.rollout.state, RolloutState::Undone { .. })
    }
}

/// Is what [`asked`] returns for a plan without asks.
pub(crate) const NOBODY: [usize; 0] = [];

/// Returns the numbers of the hosts that are asked, in order.
pub(crate) fn asked(plan: &Plan) -> Vec<usize> {
    let numbers: BTreeMap<HostId, usize> = (1..=99).map(|n| (host_id(n), n)).collect();
    plan.ask.iter().map(|ask| numbers[&ask.host]).collect()
}

/// Returns the names of the facts, as they stand in the journal.
pub(crate) fn told(plan: &Plan) -> Vec<String> {
    let name = |(_, fact): &(Kind, Fact)| fact.to_body()["fact"].as_str().unwrap().to_owned();
    plan.facts.iter().map(name).collect()
}

pub(crate) fn names(names: &[&str]) -> Vec<model::HostName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn running_previous(n: usize, rollout: &Rollout) -> HostFacts {
    let is = |hosts: &[RingHost]| hosts.iter().any(|host| host.id == host_id(n));
    let swap = rollout.swap.as_ref();
    let slot = swap
        .filter(|_| is(rollout.routers()))
        .and_then(|swap| swap.from);
    let is_idle = swap.is_some_and(|swap| slot.is_none() && !is(&swap.live));
    let previous = rollout.previous.as_ref().filter(|_| !is_idle);
    let desired = previous.map(|previous| DesiredFacts {
        release: previous.number,
        redeploy: previous.redeploy,
        generation: 1,
        state: DesiredState::Running,
        slot,
    });
    HostFacts {
        id: host_id(n),
        name: format!("web-{n}").parse().unwrap(),
        unknown_since: None,
        retired: false,
        reported: desired
            .as_ref()
            .map(|_| reported(Proof::Converged, 1, t0() - secs(3_600))),
        desired,
    }
}

pub(crate) fn reported(proof: Proof, generation: u64, since: Timestamp) -> Reported {
    Reported {
        service: "shop".parse().unwrap(),
        generation_seen: generation,
        generation_applied: generation,
        symlink_release: None,
        processes: Vec::new(),
        observed: None,
        redeploy: None,
        slot: None,
        port: None,
        healthy: None,
        proof,
        why: String::new(),
        since,
        started_at: Some(since),
        unexpected_exits: 0,
        failed_checks: 0,
    }
}

fn evidence(started: Timestamp) -> Evidence {
    Evidence {
        started,
        looks: 1,
        alpha: 0.01,
        rule: "global".into(),
        log_e: 0.0,
        beside: None,
        needed: 4.6,
        metrics: Vec::new(),
        control: Control::None,
        excluded: Vec::new(),
        unattributed: 0,
        definition: Digest::of(b""),
        judge_version: String::new(),
        inputs_digest: Digest::of(b""),
    }
}
