//! Two slots: the release goes to the idle one, routers turn to it once it is proved, and back.

use std::time::Duration;

use deliver::rollout::{Arms, HostFacts, Plan, Refusal, Wanted, arms, owed, place, start};
use deliver::rollout::{Start, UNDO_DEADLINE, Unfinished};
use model::deliver::{
    Command, DesiredState, HeldReason, Host, IfRunning, JudgeIdle, Proof, RingHost, Rollout,
    RolloutState, Slot, WarmEnd,
};
use model::judge::{Reason, VerdictState};
use model::{Fact, Labels};

use crate::fleet::*;
use crate::invariants::{facts, is_let_off, is_retired, proves};

/// Blue serves 1.1 on 3 and 5, green is idle with 1 and 4, and 2 is the router.
fn slots() -> Setup {
    Setup {
        hosts: 5,
        max_unavailable: 5,
        slots: true,
        ..Setup::default()
    }
}

fn is_routed_to(world: &World, host: &RingHost, slot: Option<Slot>) -> bool {
    let Some(facts) = facts(world, host) else {
        return false;
    };
    let (Some(desired), Some(reported)) = (&facts.desired, &facts.reported) else {
        return false;
    };
    let (state, proof) = match slot {
        Some(_) => (DesiredState::Running, Proof::Converged),
        None => (DesiredState::Stopped, Proof::Stopped),
    };
    facts.unknown_since.is_none()
        && (desired.state, desired.slot) == (state, slot)
        && reported.proof == proof
        && reported.generation_seen == desired.generation
        && (slot.is_none() || reported.generation_applied == desired.generation)
}

/// What must hold at every turn of a rollout with two slots.
pub(crate) fn check(world: &World, answer: &Plan) {
    let next = &answer.next;
    let Some(swap) = &next.swap else {
        return;
    };
    for ask in &answer.ask {
        let is = |hosts: &[RingHost]| hosts.iter().any(|host| host.id == ask.host);
        if is(&swap.live) {
            let back = next.previous.clone().map(Wanted::Release);
            let allowed = ask.what == Wanted::Stopped || Some(&ask.what) == back.as_ref();
            assert!(allowed, "the slot that serves is asked for the release");
            let is_forward = matches!(
                next.state,
                RolloutState::Planned | RolloutState::Ring { .. } | RolloutState::Held { .. }
            );
            assert!(!is_forward, "the slot that serves is asked for anything");
        } else if !is(next.routers()) {
            let serves = next.routers().iter().any(|router| {
                router.is_changed()
                    && !is_let_off(world, router)
                    && !is_routed_to(world, router, swap.from)
            });
            let allowed = ask.what != Wanted::Stopped || swap.is_back || !serves;
            assert!(allowed, "the slot that serves is stopped");
        } else if ask.what == Wanted::Routed(next.release.clone(), swap.to) {
            assert_slot_is_proved(world, next);
        } else if let Some(previous) = next.previous.as_ref().filter(|_| swap.from.is_some()) {
            let stands =
                |host: &&RingHost| !is_retired(world, host) && proves(world, host, previous.number);
            assert!(
                swap.live.iter().any(|host| stands(&host)),
                "turned back to nobody"
            );
        }
    }
}

fn assert_slot_is_proved(world: &World, next: &Rollout) {
    let slot = &next.rings[0].hosts;
    let has_proved =
        |host: &&RingHost| !is_retired(world, host) && proves(world, host, next.release.number);
    assert!(
        slot.iter().any(|host| has_proved(&host)),
        "swapped to nobody"
    );
    let missing = slot
        .iter()
        .find(|host| !is_let_off(world, host) && !has_proved(host));
    assert!(missing.is_none(), "swapped before {missing:?}");
}

fn what(plan: &Plan) -> Vec<Wanted> {
    plan.ask.iter().map(|ask| ask.what.clone()).collect()
}

fn previous(world: &World) -> Wanted {
    Wanted::Release(world.rollout.previous.clone().unwrap())
}

fn routed(world: &World, slot: Slot) -> Wanted {
    let release = match slot {
        Slot::Green => world.rollout.release.clone(),
        Slot::Blue => world.rollout.previous.clone().unwrap(),
    };
    Wanted::Routed(release, slot)
}

/// Brings green to the release, judged good; the router is asked.
fn judged() -> (World, Plan) {
    let mut world = World::new(&slots());
    world.turn();
    world.proves(1);
    world.proves(4);
    let answer = world.bake_and_pass();
    (world, answer)
}

fn done() -> World {
    let (mut world, _) = judged();
    world.proves(2);
    assert!(world.is_done());
    world
}

/// The slot before is stopped, since its time is over.
fn cold() -> World {
    let mut world = done();
    world.after(KEEP_WARM);
    world.settle();
    world
}

#[test]
fn only_the_idle_slot_is_asked_and_then_the_router() {
    let mut world = World::new(&slots());
    let answer = world.turn();
    assert_eq!(asked(&answer), [1, 4]);
    assert_eq!(world.rollout.rings[0].name.as_str(), "green");
    assert_eq!(world.proves(1).ask, []);
    assert_eq!(world.proves(4).ask, [], "it bakes first");
    let answer = world.bake_and_pass();
    assert_eq!(asked(&answer), [2]);
    assert_eq!(what(&answer), [routed(&world, Slot::Green)]);
    assert_eq!(told(&answer), ["ring_passed", "ring_started"]);

    let answer = world.proves(2);
    let expected = ["ring_proved", "swapped", "ring_passed", "rollout_done"];
    assert_eq!(told(&answer), expected);
    assert_eq!(
        world.rollout.rings[1].passed_how.as_deref(),
        Some("swapped")
    );
    assert_eq!(world.rollout.warm_until(), Some(world.now + KEEP_WARM));
}

#[test]
fn the_first_release_goes_to_blue_and_nothing_is_kept_warm() {
    let mut world = World::new(&Setup {
        is_first: true,
        ..slots()
    });
    assert_eq!(asked(&world.turn()), [3, 5]);
    world.settle();
    world.after(BAKE);
    world.settle();
    assert!(world.is_done());
    assert_eq!(world.rollout.warm_until(), None);
}

#[test]
fn the_next_release_goes_to_the_other_slot() {
    let first = done().rollout;
    let next = slots().start(8, &release(3, slots().environment()), Some(&first));
    let swap = next.swap.unwrap();
    assert_eq!((swap.to, swap.from), (Slot::Blue, Some(Slot::Green)));
    assert_eq!(next.rings[0].name.as_str(), "blue");
    let live: Vec<_> = swap.live.iter().map(|host| host.id).collect();
    assert_eq!(live, [host_id(1), host_id(4)]);
}

#[test]
fn a_slot_that_fails_its_proof_is_never_swapped_to() {
    let mut world = World::new(&slots());
    world.turn();
    world.proves(1);
    world.answers(4, Proof::Reverted);
    world.judge(VerdictState::Fail, Reason::Harm);
    assert_eq!(world.turn().ask, []);
    let answer = world.order(Command::Undo);
    assert_eq!(asked(&answer), [1, 4]);
    assert_eq!(what(&answer), [Wanted::Stopped, Wanted::Stopped]);
    world.settle();
    assert!(world.is_undone());
    assert!(
        !world
            .facts
            .iter()
            .any(|f| matches!(f, Fact::SwappedBack { .. }))
    );
}

#[test]
fn the_router_is_not_asked_while_a_host_of_the_slot_is_missing() {
    let mut world = World::new(&slots());
    world.turn();
    world.settle();
    world.order(Command::Hold);
    world.after(BAKE);
    world.judge(VerdictState::Pass, Reason::Cleared);
    world.goes_silent(4);
    let answer = world.order(Command::Go);
    assert_eq!(answer.ask, []);
    assert!(matches!(world.held(), Some(HeldReason::WaitingFor { .. })));
    assert_eq!(asked(&world.is_back(4)), [2]);
}

#[test]
fn a_slot_falling_silent_between_its_verdict_and_the_swap_keeps_the_router() {
    let (mut world, _) = judged();
    // As if the freeze before the router had come first.
    world.rollout.rings[1].hosts[0].touched = false;
    world.get(2).desired = World::new(&slots()).get(2).desired.clone();
    world.get(4).unknown_since = Some(t0());
    assert_eq!(world.turn().ask, []);
    assert!(
        matches!(world.held(), Some(HeldReason::WaitingFor { hosts, .. }) if *hosts == names(&["web-4"]))
    );
    assert_eq!(asked(&world.is_back(4)), [2]);
}

#[test]
fn a_silent_router_holds_it() {
    let (mut world, _) = judged();
    world.goes_silent(2);
    match world.held() {
        Some(HeldReason::WaitingFor { hosts, proved, of }) => {
            assert_eq!((hosts, *proved, *of), (&names(&["web-2"]), 2, 3));
        }
        other => panic!("{other:?}"),
    }
    world.is_back(2);
    world.proves(2);
    assert!(world.is_done());
}

#[test]
fn the_only_router_can_neither_be_excluded_nor_retired_unseen() {
    let (mut world, _) = judged();
    assert!(world.exclude(2).is_err());
    world.get(2).retired = true;
    world.turn();
    assert!(
        matches!(world.held(), Some(HeldReason::WaitingFor { hosts, .. }) if *hosts == names(&["web-2"]))
    );
}

#[test]
fn a_slot_without_a_host_left_is_not_swapped_to() {
    let mut world = World::new(&slots());
    world.turn();
    (world.get(1).retired, world.get(4).retired) = (true, true);
    world.after(DEADLINE);
    assert!(matches!(world.held(), Some(HeldReason::WaitingFor { hosts, .. }) if hosts.len() == 2));
}

#[test]
fn a_warm_undo_turns_the_router_first_and_stops_the_slot_after_that() {
    let mut world = done();
    let answer = world.order(Command::Undo);
    assert_eq!(asked(&answer), [2], "blue runs, so it is asked at once");
    assert_eq!(what(&answer), [routed(&world, Slot::Blue)]);
    assert_eq!(told(&answer), ["watch_ended", "warm_ended", "undo_started"]);

    let answer = world.proves(2);
    assert_eq!(asked(&answer), [1, 4]);
    assert_eq!(what(&answer), [Wanted::Stopped, Wanted::Stopped]);
    assert_eq!(told(&answer), ["swapped_back"]);
    world.proves(1);
    assert_eq!(told(&world.proves(4)), ["rollout_undone"]);
    assert!(world.is_undone());
}

#[test]
fn a_cold_undo_starts_the_slot_before_and_proves_it_first() {
    let mut world = cold();
    let answer = world.order(Command::Undo);
    assert_eq!(asked(&answer), [3, 5]);
    assert_eq!(what(&answer), [previous(&world), previous(&world)]);
    assert_eq!(world.proves(3).ask, [], "the other one is on its way");
    assert_eq!(asked(&world.proves(5)), [2]);
    assert_eq!(asked(&world.proves(2)), [1, 4]);
    world.settle();
    assert!(world.is_undone());
}

#[test]
fn a_cold_undo_waits_a_minute_for_the_last_host_and_for_ever_for_the_first() {
    let mut world = cold();
    world.order(Command::Undo);
    let answer = world.after(UNDO_DEADLINE);
    assert_eq!(answer.ask, []);
    assert_eq!(told(&answer), ["rollout_stuck"]);
    let stuck = RolloutState::Stuck {
        hosts: names(&["web-3", "web-5"]),
        since: world.now - UNDO_DEADLINE,
    };
    assert_eq!(world.rollout.state, stuck);
    assert_eq!(asked(&world.proves(3)), [2], "one stands by now");
    world.proves(2);
    world.proves(1);
    world.proves(4);
    assert!(
        !world.is_undone(),
        "web-5 was stopped and is owed its release"
    );
    world.proves(5);
    assert!(world.is_undone());
}

#[test]
fn a_silent_host_of_a_warm_slot_is_no_reason_to_wait() {
    let mut world = done();
    world.goes_silent(3);
    assert_eq!(asked(&world.order(Command::Undo)), [2]);
}

#[test]
fn a_router_that_does_not_turn_back_keeps_the_slot_running() {
    let mut world = done();
    world.goes_silent(2);
    world.order(Command::Undo);
    let answer = world.after(UNDO_DEADLINE);
    assert_eq!(answer.ask, []);
    assert!(
        matches!(&world.rollout.state, RolloutState::Stuck { hosts, .. } if *hosts == names(&["web-2"]))
    );
    world.is_back(2);
    assert_eq!(asked(&world.proves(2)), [1, 4]);
}

#[test]
fn an_undo_told_again_asks_only_whom_it_waits_for() {
    let mut world = done();
    world.order(Command::Undo);
    world.answers(2, Proof::Blocked);
    world.after(UNDO_DEADLINE);
    let answer = world.order(Command::Undo);
    assert_eq!(asked(&answer), [2]);
    world.proves(2);
    world.settle();
    assert!(world.is_undone());

    let mut world = cold();
    world.order(Command::Undo);
    world.answers(3, Proof::Blocked);
    world.answers(5, Proof::Blocked);
    world.after(UNDO_DEADLINE);
    let answer = world.order(Command::Undo);
    assert_eq!(asked(&answer), [3, 5], "the router has nobody to turn to");
}

#[test]
fn the_undo_of_a_first_release_turns_the_router_away_before_it_stops() {
    let mut world = World::new(&Setup {
        is_first: true,
        ..slots()
    });
    world.turn();
    world.settle();
    world.after(BAKE);
    world.settle();
    let answer = world.order(Command::Undo);
    assert_eq!(
        (asked(&answer), what(&answer)),
        (vec![2], vec![Wanted::Stopped])
    );
    let answer = world.proves(2);
    assert_eq!(asked(&answer), [3, 5]);
    world.settle();
    assert!(world.is_undone());
}

#[test]
fn the_slot_before_is_stopped_when_its_time_is_over() {
    let mut world = done();
    assert_eq!(world.after(KEEP_WARM - secs(1)).ask, []);
    let answer = world.after(secs(1));
    assert_eq!(asked(&answer), [3, 5]);
    assert_eq!(what(&answer), [Wanted::Stopped, Wanted::Stopped]);
    assert_eq!(told(&answer), ["warm_ended"]);
    assert_eq!(world.rollout.warm_until(), None);
    assert!(world.is_done());
}

#[test]
fn it_is_stopped_at_once_where_nobody_wants_it_kept() {
    let (mut world, _) = judged();
    let slots = world.rollout.plan.blue_green.as_mut().unwrap();
    slots.keep_warm = Duration::ZERO;
    let answer = world.proves(2);
    assert!(world.is_done());
    assert_eq!(asked(&answer), [3, 5]);
}

#[test]
fn it_is_kept_while_a_bad_verdict_stands() {
    let mut world = done();
    world.judge_ring(1, VerdictState::Fail, Reason::Harm);
    world.turn();
    assert_eq!(world.after(KEEP_WARM).ask, []);
    assert_eq!(asked(&world.order(Command::Undo)), [2]);
}

#[test]
fn another_release_ends_its_time() {
    let world = done();
    let by = model::ChangeId(8);
    let (next, facts) = deliver::rollout::replaced(&world.rollout, by).unwrap();
    assert_eq!(next.warm_until(), None);
    let how = WarmEnd::Replaced { by };
    let slot = Slot::Blue;
    assert!(facts.contains(&Fact::WarmEnded { slot, how }));
    assert_eq!(deliver::rollout::replaced(&next, by), None);
}

#[test]
fn the_slots_are_compared_and_routers_belong_to_neither() {
    let (mut world, _) = judged();
    world.settle();
    let now = world.now + WARMUP;
    let ids = |list: &[(model::HostId, model::Timestamp)]| -> Vec<model::HostId> {
        list.iter().map(|(id, _)| *id).collect()
    };
    let Arms {
        canary,
        control,
        warming,
    } = arms(&world.rollout, &world.hosts, now);
    assert_eq!(ids(&canary), [host_id(1), host_id(4)]);
    assert_eq!(ids(&control), [host_id(3), host_id(5)]);
    assert_eq!(warming, []);
    let cold = cold();
    let arms = arms(&cold.rollout, &cold.hosts, cold.now + WARMUP);
    assert_eq!(ids(&arms.control), []);
    assert_eq!(ids(&arms.canary), [host_id(1), host_id(4)]);
}

#[test]
fn without_traffic_it_is_held_unless_proof_is_enough() {
    let run = |judge| {
        let mut world = World::new(&slots());
        world.rollout.plan.blue_green.as_mut().unwrap().judge = judge;
        world.turn();
        world.settle();
        world.judge(VerdictState::Undecided, Reason::NoData);
        world.after(DEADLINE);
        world
    };
    let traffic = run(JudgeIdle::Traffic);
    assert!(
        matches!(traffic.held(), Some(HeldReason::Verdict { reason, .. }) if reason == "no_data")
    );
    let proof = run(JudgeIdle::Proof);
    let how = proof.rollout.rings[0].passed_how.as_deref();
    assert_eq!(how, Some("unjudged, by proof"));
    assert_eq!(asked(proof.last.as_ref().unwrap()), [2]);
}

#[test]
fn harm_counts_where_proof_is_enough() {
    let mut world = World::new(&slots());
    world.rollout.plan.blue_green.as_mut().unwrap().judge = JudgeIdle::Proof;
    world.turn();
    world.settle();
    world.judge(VerdictState::Fail, Reason::Harm);
    world.after(DEADLINE);
    assert_eq!(world.ring(), Some(0));
    assert!(world.rollout.failed.is_some());
}

#[test]
fn whoever_comes_while_the_routers_turn_waits_for_their_answer() {
    let wish = |world: &World| {
        let newer = release(3, slots().environment()).to_ref();
        let unfinished = Unfinished {
            rollout: &world.rollout,
            verdict: None,
        };
        place(&newer, &[unfinished], IfRunning::Supersede).unwrap()
    };
    let mut before = World::new(&slots());
    before.turn();
    assert_eq!(wish(&before).supersedes, [before.rollout.change]);
    let (turning, _) = judged();
    assert_eq!(wish(&turning).behind, Some(turning.rollout.change));
}

#[test]
fn the_same_release_again_turns_the_routers_all_the_same() {
    let first = done().rollout;
    let again = slots().start(8, &slots().release(), Some(&first));
    let hosts = (1..=5)
        .map(|n| (host_id(n), done().hosts[&host_id(n)].clone()))
        .collect();
    let mut world = World::of(again, hosts);
    world.set_generation_above(&done());
    assert_eq!(asked(&world.turn()), [3, 5]);
    world.settle();
    assert_eq!(asked(&world.bake_and_pass()), [2]);
}

#[test]
fn a_late_host_is_owed_what_its_part_is() {
    let rollout = done().rollout;
    let part = |n: usize| {
        let late = Host {
            id: host_id(40 + n),
            ..slotted(n)
        };
        let owed = owed(&rollout, &[late], |_| false);
        owed.into_iter()
            .next()
            .map(|ask| (ask.what, ask.ring.to_string()))
    };
    let release = rollout.release.clone();
    let green = (Wanted::Release(release.clone()), "green".to_owned());
    let router = (Wanted::Routed(release, Slot::Green), "swap".to_owned());
    assert_eq!(part(1), Some(green));
    assert_eq!(part(2), Some(router));
    assert_eq!(part(3), None, "blue is idle");
}

/// Begins a rollout on hosts with other labels; `before` is what is live.
fn begin(change: impl Fn(&mut Vec<Host>), before: Option<&Rollout>) -> Result<Rollout, Refusal> {
    let mut hosts: Vec<Host> = (1..=5).map(slotted).collect();
    change(&mut hosts);
    let release = release(9, slots().environment());
    let new = Start {
        change: model::ChangeId(9),
        release: &release,
        previous: before.map(|before| before.release.clone()),
        brought_by: before,
        environment: "production".parse().unwrap(),
        hosts: &hosts,
        redeploy: false,
        by: "jonas".into(),
        now: t0(),
    };
    start(new).map(|(rollout, _)| rollout)
}

#[test]
fn a_host_whose_part_is_not_clear_is_refused_by_name() {
    let with = |n: usize, labels: &[(&str, &str)]| {
        let labels = Labels::new(labels.iter().copied()).unwrap();
        begin(|hosts| hosts[n - 1].labels = labels.clone(), None)
            .unwrap_err()
            .to_string()
    };
    let neither = with(4, &[("role", "web")]);
    assert!(
        neither.starts_with("`web-4`") && neither.contains("neither slot"),
        "{neither}"
    );
    let router = with(2, &[("role", "web"), ("slot", "green")]);
    assert!(
        router.starts_with("no enrolled host carries the labels"),
        "{router}"
    );
    let gone = begin(
        |hosts| hosts.retain(|host| host.id != host_id(3) && host.id != host_id(5)),
        None,
    );
    let gone = gone.unwrap_err().to_string();
    assert!(
        gone.contains("slot blue, to which the release goes"),
        "{gone}"
    );
}

#[test]
fn what_came_another_way_serves_where_it_runs() {
    let rings = Setup {
        hosts: 5,
        ..Setup::default()
    };
    let everywhere = rings.rollout();
    let refusal = begin(|_| {}, Some(&everywhere)).unwrap_err();
    assert!(matches!(refusal, Refusal::NoIdleSlot { .. }), "{refusal}");
    let mut on_blue = everywhere.clone();
    for ring in &mut on_blue.rings {
        ring.hosts
            .retain(|h| [host_id(3), host_id(5)].contains(&h.id));
    }
    let swap = begin(|_| {}, Some(&on_blue)).unwrap().swap.unwrap();
    assert_eq!((swap.to, swap.from), (Slot::Green, Some(Slot::Blue)));
}

#[test]
fn the_fixture_has_blue_serving_and_green_idle() {
    let world = World::new(&slots());
    let runs = |n: usize| -> Option<&HostFacts> {
        let host = &world.hosts[&host_id(n)];
        host.desired.is_some().then_some(host)
    };
    assert_eq!(
        [1, 2, 3, 4, 5].map(|n| runs(n).is_some()),
        [false, true, true, false, true]
    );
}
