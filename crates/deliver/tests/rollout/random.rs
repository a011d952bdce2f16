//! Random worlds: hosts come, go, lie and fall back; verdicts and orders arrive at any time.
//!
//! What is checked at every turn is in [`crate::invariants`]; here are the worlds, and what must be
//! true at their end.

use std::collections::BTreeMap;

use deliver::rollout::{HostFacts, change_state};
use model::HostId;
use model::deliver::{Command, Proof, Reported, RingHost, RingSize, RingSpec};
use model::judge::{Reason, VerdictState};
use model::observe::ChangeState;
use proptest::prelude::*;

use crate::fleet::*;

#[derive(Clone, Debug)]
enum Happening {
    Time(u64),
    Obeys(usize),
    AllObey,
    FallsSilent(usize),
    Returns(usize),
    /// Its facts are gone, or there again.
    Vanishes(usize),
    Retires(usize),
    /// A person says that it is not to be waited for, if that is allowed.
    IsExcluded(usize),
    /// Says this about the order that many generations ago.
    Says(usize, Proof, u64),
    LosesOrder(usize),
    Crashes(usize),
    FailsACheck(usize),
    /// The judge's loop stops, or goes on.
    JudgeStops,
    JudgeReturns,
    Verdict(VerdictState, usize),
    Order(Command),
}

fn proof() -> impl Strategy<Value = Proof> {
    prop_oneof![
        Just(Proof::Converged),
        Just(Proof::Pending),
        Just(Proof::Reverted),
        Just(Proof::Drifted),
        Just(Proof::Stopped),
        Just(Proof::Blocked),
        Just(Proof::Unknown),
    ]
}

fn verdict() -> impl Strategy<Value = VerdictState> {
    prop_oneof![
        6 => Just(VerdictState::Pass),
        2 => Just(VerdictState::Marginal),
        1 => Just(VerdictState::Fail),
        2 => Just(VerdictState::Undecided),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![1 => Just(Command::Undo), 3 => Just(Command::Hold), 8 => Just(Command::Go)]
}

fn happening() -> impl Strategy<Value = Happening> {
    let host = 1..=7_usize;
    let time = prop_oneof![0..5_u64, Just(60), Just(130), Just(605)];
    prop_oneof![
        6 => time.prop_map(Happening::Time),
        6 => host.clone().prop_map(Happening::Obeys),
        6 => Just(Happening::AllObey),
        2 => host.clone().prop_map(Happening::FallsSilent),
        3 => host.clone().prop_map(Happening::Returns),
        1 => host.clone().prop_map(Happening::Vanishes),
        1 => host.clone().prop_map(Happening::Retires),
        1 => host.clone().prop_map(Happening::IsExcluded),
        2 => (host.clone(), proof(), 0..3_u64).prop_map(|(n, p, g)| Happening::Says(n, p, g)),
        1 => host.clone().prop_map(Happening::LosesOrder),
        1 => host.clone().prop_map(Happening::Crashes),
        1 => host.prop_map(Happening::FailsACheck),
        1 => Just(Happening::JudgeStops),
        2 => Just(Happening::JudgeReturns),
        6 => (verdict(), 0..2_usize).prop_map(|(v, r)| Happening::Verdict(v, r)),
        2 => command().prop_map(Happening::Order),
    ]
}

fn rings() -> impl Strategy<Value = Vec<RingSpec>> {
    prop_oneof![
        Just(vec![ring("everyone", RingSize::Rest)]),
        Just(Setup::default().rings),
        Just(vec![
            ring("half", RingSize::Percent(50)),
            ring("everyone", RingSize::Rest),
        ]),
        Just(vec![
            ring("one", RingSize::Count(1)),
            ring("two", RingSize::Count(2)),
        ]),
    ]
}

prop_compose! {
    fn setup()(
        hosts in 1..=7_usize,
        rings in rings(),
        max_unavailable in 1..=3_u32,
        is_first in prop::bool::weighted(0.2),
        judged in prop::bool::weighted(0.8),
        auto_undo in any::<bool>(),
        slots in prop::bool::weighted(0.3),
    ) -> Setup {
        let slots = slots && hosts >= 3;
        Setup { hosts, rings, max_unavailable, is_first, judged, auto_undo, slots }
    }
}

/// Is a world with a place for the facts that are gone for the moment.
struct Random {
    world: World,
    gone: BTreeMap<HostId, HostFacts>,
}

impl Random {
    fn new(setup: &Setup) -> Self {
        Self {
            world: World::new(setup),
            gone: BTreeMap::new(),
        }
    }

    fn happens(&mut self, what: &Happening) {
        let now = self.world.now;
        match *what {
            Happening::Time(s) => self.world.now = now + secs(s),
            Happening::Obeys(n) => self.world.obey(n),
            Happening::AllObey => (1..=7).for_each(|n| self.world.obey(n)),
            Happening::FallsSilent(n) => self.with(n, |host| host.unknown_since = Some(now)),
            Happening::Returns(n) => self.with(n, |host| host.unknown_since = None),
            Happening::Vanishes(n) => self.vanish_or_appear(n),
            Happening::IsExcluded(n) => drop(self.world.exclude(n)),
            Happening::Retires(n) => self.with(n, |host| host.retired = true),
            Happening::Says(n, proof, ago) => self.with(n, |host| {
                let newest = host.desired.as_ref().map_or(0, |d| d.generation);
                host.reported = Some(reported(proof, newest.saturating_sub(ago), now));
            }),
            Happening::LosesOrder(n) => self.with(n, |host| host.desired = None),
            Happening::Crashes(n) => self.with_report(n, |report| report.unexpected_exits += 1),
            Happening::FailsACheck(n) => self.with_report(n, |report| report.failed_checks += 1),
            Happening::JudgeStops => self.world.judge_looks = false,
            Happening::JudgeReturns => self.world.judge_looks = true,
            Happening::Verdict(state, back) => {
                let ring = self.world.ring().unwrap_or(0).saturating_sub(back);
                self.world.judge_ring(ring, state, reason(state));
            }
            Happening::Order(command) => return drop(self.world.order(command)),
        }
        self.world.turn();
    }

    fn with(&mut self, n: usize, change: impl FnOnce(&mut HostFacts)) {
        if let Some(host) = self.world.hosts.get_mut(&host_id(n)) {
            change(host);
        }
    }

    fn with_report(&mut self, n: usize, change: impl FnOnce(&mut Reported)) {
        self.with(n, |host| {
            if let Some(report) = &mut host.reported {
                change(report);
            }
        });
    }

    fn vanish_or_appear(&mut self, n: usize) {
        let id = host_id(n);
        match (self.world.hosts.remove(&id), self.gone.remove(&id)) {
            (Some(here), _) => drop(self.gone.insert(id, here)),
            (None, Some(gone)) => drop(self.world.hosts.insert(id, gone)),
            (None, None) => {}
        }
    }

    fn are_retired(&self, hosts: &[RingHost]) -> bool {
        let is_retired = |host: &RingHost| {
            let known = self.world.hosts.get(&host.id).or(self.gone.get(&host.id));
            known.is_some_and(|facts| facts.retired)
        };
        hosts.iter().all(is_retired)
    }

    /// Everybody is there again and does as asked.
    fn heal(&mut self) {
        self.world.judge_looks = true;
        self.world.hosts.append(&mut self.gone);
        for host in self.world.hosts.values_mut() {
            host.unknown_since = None;
        }
        self.world.settle();
    }
}

fn reason(state: VerdictState) -> Reason {
    match state {
        VerdictState::Pass => Reason::Cleared,
        VerdictState::Marginal => Reason::Suspicion,
        VerdictState::Fail => Reason::Harm,
        VerdictState::Undecided => Reason::Collecting,
    }
}

fn run(setup: &Setup, happenings: &[Happening]) -> Random {
    let mut random = Random::new(setup);
    random.world.turn();
    for what in happenings {
        random.happens(what);
    }
    random
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever happened, an undo brings back every host that was asked, once all are there.
    #[test]
    fn undo_always_ends_with_every_touched_host_back(
        setup in setup(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut random = run(&setup, &happenings);
        prop_assume!(!has_nobody_to_turn_back_to(&random));
        random.world.order(Command::Undo);
        random.heal();
        prop_assert!(random.world.is_undone(), "{:?}", random.world.rollout.state);
    }

    /// Whatever happened, a release that was not taken back arrives, once the hosts are there and the
    /// people and the judge say yes; also one that failed where a person may say so.
    #[test]
    fn rollout_arrives_once_everything_is_well(
        setup in setup(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut random = run(&setup, &happenings);
        // What fails in the watch behind its end has arrived; what follows is the order of a procedure.
        let is_done = random.world.is_done();
        let stops = random.world.rollout.failed.is_some() && setup.auto_undo && !is_done;
        let arrives = !stops && !is_taken_back(&random.world) && (is_done || !lacks_a_part(&random));
        for _ in 0..random.world.rollout.rings.len() + 3 {
            random.heal();
            random.world.order(Command::Go);
            random.heal();
            random.world.bake_and_pass();
        }
        prop_assert_eq!(random.world.is_done(), arrives, "{:?}", random.world.rollout.state);
    }
}

/// Tells whether a slot or its routers are retired to the last one: a swap waits for a person then.
fn lacks_a_part(random: &Random) -> bool {
    let rollout = &random.world.rollout;
    rollout.swap.is_some()
        && rollout
            .rings
            .iter()
            .any(|ring| random.are_retired(&ring.hosts))
}

/// Tells whether every host of the slot before is retired.
fn has_nobody_to_turn_back_to(random: &Random) -> bool {
    let swap = random.world.rollout.swap.as_ref();
    swap.is_some_and(|swap| swap.from.is_some() && random.are_retired(&swap.live))
}

fn is_taken_back(world: &World) -> bool {
    match change_state(&world.rollout.state) {
        ChangeState::Undoing | ChangeState::Stuck | ChangeState::Undone => true,
        ChangeState::Planned
        | ChangeState::Running
        | ChangeState::Held
        | ChangeState::Done
        | ChangeState::Superseded => false,
    }
}
