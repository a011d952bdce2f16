//! Asking within the budget, proof, bake, and the end.

use deliver::rollout::{arms, change_state};
use model::deliver::{Command, DesiredState, Phase, Proof, RingSize, RolloutState};
use model::judge::{Reason, VerdictState};
use model::observe::ChangeState;

use crate::fleet::*;

fn one_ring(hosts: usize, max_unavailable: u32) -> World {
    World::new(&Setup {
        hosts,
        rings: vec![ring("everyone", RingSize::Rest)],
        max_unavailable,
        ..Setup::default()
    })
}

#[test]
fn rollout_goes_ring_by_ring_to_done() {
    let mut world = World::new(&Setup::default());
    let first = world.turn();
    assert_eq!(told(&first), ["ring_started"]);
    assert_eq!(asked(&first), [1]);
    assert_eq!(world.phase(), Some(Phase::Proving));
    assert_eq!(told(&world.proves(1)), ["ring_proved"]);
    assert_eq!(world.phase(), Some(Phase::Baking));
    let second = world.bake_and_pass();
    assert_eq!(told(&second), ["ring_passed", "ring_started"]);
    assert_eq!(asked(&second), [2]);
    world.proves(2);
    assert_eq!(asked(&world.bake_and_pass()), [3]);
    assert_eq!(world.phase(), Some(Phase::Releasing));
    assert_eq!(asked(&world.proves(3)), [4]);
    world.proves(4);
    assert_eq!(told(&world.after(BAKE)), ["ring_passed", "rollout_done"]);
    assert_eq!(change_state(&world.rollout.state), ChangeState::Done);
    let how: Vec<_> = world
        .rollout
        .rings
        .iter()
        .map(|r| r.passed_how.as_deref())
        .collect();
    assert_eq!(how, [Some("pass"), Some("pass"), Some("no control left")]);
    let body = world.facts.last().unwrap().to_body();
    assert_eq!(
        (&body["hosts"], &body["after_ms"]),
        (&4.into(), &180_000.into())
    );
}

#[test]
fn budget_counts_hosts_under_way_and_silent_ones() {
    let mut world = one_ring(6, 3);
    assert_eq!(asked(&world.turn()), [1, 2, 3]);
    assert_eq!(asked(&world.proves(2)), [4]);
    // One that was not asked yet falls silent: it finds its order when it returns, and nobody else
    // may be asked for it.
    assert_eq!(asked(&world.goes_silent(6)), [6]);
    assert_eq!(asked(&world.proves(1)), NOBODY);
    assert_eq!(asked(&world.proves(3)), [5]);
}

#[test]
fn host_that_falls_silent_in_a_passed_ring_takes_budget_and_keeps_the_rollout_from_done() {
    let mut world = World::new(&Setup {
        max_unavailable: 2,
        ..Setup::default()
    });
    world.turn();
    world.proves(1);
    world.bake_and_pass();
    world.proves(2);
    world.goes_silent(1);
    assert_eq!(asked(&world.bake_and_pass()), [3], "one of two is taken");
    world.proves(3);
    world.proves(4);
    assert_eq!(world.after(BAKE).facts, []);
    assert!(world.held().is_some());
    assert_eq!(
        told(&world.is_back(1)),
        ["rollout_resumed", "ring_passed", "rollout_done"]
    );
}

#[test]
fn drift_in_a_passed_ring_keeps_the_rollout_from_done() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    world.bake_and_pass();
    world.proves(2);
    world.bake_and_pass();
    world.proves(3);
    world.proves(4);
    world.answers(2, Proof::Drifted);
    assert_eq!(world.after(BAKE).facts, []);
    assert_eq!(world.phase(), Some(Phase::Proving));
    assert_eq!(told(&world.proves(2)), ["ring_passed", "rollout_done"]);
}

#[test]
fn proof_of_an_older_order_counts_for_nothing() {
    let mut world = one_ring(1, 1);
    world.turn();
    let now = world.now;
    world.get(1).reported = Some(reported(Proof::Converged, 1, now));
    assert_eq!(world.turn().facts, []);
    // It says so itself: the new order is recorded, the old release runs.
    let mut report = reported(Proof::Converged, 2, now);
    report.generation_applied = 1;
    world.get(1).reported = Some(report);
    assert_eq!(world.turn().facts, []);
    assert_eq!(told(&world.proves(1)), ["ring_proved"]);
}

#[test]
fn host_that_cannot_tell_is_never_proved() {
    for proof in [
        Proof::Unknown,
        Proof::Pending,
        Proof::Drifted,
        Proof::Stopped,
    ] {
        let mut world = one_ring(1, 1);
        world.turn();
        assert_eq!(world.answers(1, proof).facts, [], "{proof}");
    }
}

#[test]
fn bake_counts_from_the_first_proof_and_a_blip_does_not_restart_it() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    let proved_at = world.now;
    world.now = world.now + secs(10);
    world.answers(1, Proof::Pending);
    assert_eq!(world.phase(), Some(Phase::Proving));
    world.now = world.now + secs(10);
    world.proves(1);
    assert_eq!(world.phase(), Some(Phase::Baking));
    assert_eq!(world.last.as_ref().unwrap().wake_at, Some(proved_at + BAKE));
    world.judge(VerdictState::Pass, Reason::Cleared);
    assert_eq!(world.turn().facts, [], "a pass does not shorten the bake");
    world.now = proved_at + BAKE;
    assert_eq!(told(&world.turn()), ["ring_passed", "ring_started"]);
}

#[test]
fn ring_does_not_pass_while_one_of_its_hosts_is_not_proved() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    world.answers(1, Proof::Pending);
    assert_eq!(world.bake_and_pass().facts, []);
    assert_eq!(told(&world.proves(1)), ["ring_passed", "ring_started"]);
}

#[test]
fn retired_host_is_waited_for_no_longer() {
    let mut world = one_ring(3, 2);
    world.turn();
    world.proves(1);
    world.proves(2);
    world.goes_silent(3);
    assert!(world.held().is_some());
    world.get(3).retired = true;
    assert_eq!(told(&world.turn()), ["ring_proved", "rollout_resumed"]);
    assert_eq!(told(&world.after(BAKE)), ["ring_passed", "rollout_done"]);
    let body = world.facts.last().unwrap().to_body();
    assert_eq!(body["hosts"], 2);
}

#[test]
fn ring_whose_hosts_were_all_retired_is_passed_over() {
    let mut world = World::new(&Setup::default());
    world.get(1).retired = true;
    let answer = world.turn();
    assert_eq!(told(&answer), ["ring_passed", "ring_started"]);
    assert_eq!(asked(&answer), [2]);
}

#[test]
fn host_whose_order_was_lost_is_asked_again() {
    let mut world = one_ring(2, 1);
    world.turn();
    world.get(1).desired = None;
    assert_eq!(asked(&world.turn()), [1]);
}

#[test]
fn host_whose_order_was_lost_is_asked_once_by_a_plan_that_goes_on_to_the_next_ring() {
    let mut world = World::new(&Setup {
        max_unavailable: 2,
        ..Setup::default()
    });
    world.turn();
    world.proves(1);
    world.bake_and_pass();
    world.proves(2);
    world.get(1).desired = None;
    assert_eq!(asked(&world.bake_and_pass()), [1, 3]);
}

#[test]
fn host_without_any_facts_is_silent_and_never_asked() {
    let mut world = one_ring(2, 2);
    world.hosts.remove(&host_id(2));
    assert_eq!(asked(&world.turn()), [1]);
    world.proves(1);
    assert!(world.held().is_some(), "web-2 is waited for");
    assert!(!world.rollout.rings[0].hosts[1].touched);
}

#[test]
fn host_that_already_proves_the_release_is_not_asked_again() {
    let mut world = one_ring(2, 1);
    world.get(1).desired.as_mut().unwrap().release = world.rollout.release.number;
    assert_eq!(asked(&world.turn()), [2]);
    world.proves(2);
    assert_eq!(world.phase(), Some(Phase::Baking));
}

#[test]
fn host_that_was_stopped_at_the_same_release_is_asked_to_run_it() {
    let mut world = one_ring(1, 1);
    let release = world.rollout.release.number;
    let desired = world.get(1).desired.as_mut().unwrap();
    desired.release = release;
    desired.state = DesiredState::Stopped;
    assert_eq!(asked(&world.turn()), [1]);
}

#[test]
fn ring_that_was_not_begun_is_not_proved_by_what_runs_there_already() {
    let mut world = one_ring(1, 1);
    world.get(1).desired.as_mut().unwrap().release = world.rollout.release.number;
    assert_eq!(told(&world.order(Command::Hold)), ["rollout_held"]);
    let answer = world.order(Command::Go);
    assert_eq!(
        told(&answer),
        ["rollout_resumed", "ring_started", "ring_proved"]
    );
}

#[test]
fn first_release_needs_no_verdict_and_says_so() {
    let mut world = World::new(&Setup {
        is_first: true,
        ..Setup::default()
    });
    world.turn();
    world.proves(1);
    world.judge(VerdictState::Undecided, Reason::NoControl);
    assert_eq!(world.turn().facts, []);
    assert_eq!(told(&world.after(BAKE)), ["ring_passed", "ring_started"]);
    assert_eq!(
        world.rollout.rings[0].passed_how.as_deref(),
        Some("unjudged")
    );
}

#[test]
fn release_without_signals_needs_no_verdict_and_says_so() {
    let mut world = World::new(&Setup {
        judged: false,
        ..Setup::default()
    });
    world.turn();
    world.proves(1);
    assert_eq!(told(&world.after(BAKE)), ["ring_passed", "ring_started"]);
    assert_eq!(
        world.rollout.rings[0].passed_how.as_deref(),
        Some("unjudged, no signals")
    );
}

fn all_at_once() -> World {
    let mut world = one_ring(6, 1);
    world.rollout.plan.max_unavailable = None;
    world
}

#[test]
fn without_a_budget_everybody_is_asked_at_once_and_nobody_is_left_to_judge_by() {
    let mut world = all_at_once();
    assert_eq!(asked(&world.turn()), [1, 2, 3, 4, 5, 6]);
    world.settle();
    assert_eq!(world.phase(), Some(Phase::Baking));
    assert_eq!(told(&world.after(BAKE)), ["ring_passed", "rollout_done"]);
    assert_eq!(
        world.rollout.rings[0].passed_how.as_deref(),
        Some("unjudged, no control")
    );
}

#[test]
fn a_host_that_crashes_fails_a_rollout_to_all_at_once() {
    let mut world = all_at_once();
    world.turn();
    world.settle();
    let host = "web-3".parse().unwrap();
    world.judge(VerdictState::Fail, Reason::Crashing { host, exits: 2 });
    assert_eq!(world.after(BAKE).facts, []);
    assert_eq!(told(&world.order(Command::Undo)), ["undo_started"]);
    assert_eq!(asked(world.last.as_ref().unwrap()), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_budget_as_large_as_the_only_ring_leaves_no_control_either() {
    for (budget, how) in [(6, "unjudged, no control"), (5, "no control left")] {
        let mut world = one_ring(6, budget);
        world.turn();
        world.settle();
        world.after(BAKE);
        let passed = world.rollout.rings[0].passed_how.as_deref();
        assert_eq!(passed, Some(how), "{budget}");
    }
}

#[test]
fn arms_follow_the_proof_and_the_warm_up() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.goes_silent(4);
    world.proves(1);
    let of = |world: &World| arms(&world.rollout, &world.hosts, world.now);
    let old = t0() - secs(3_600) + WARMUP;
    assert_eq!(of(&world).warming, [(host_id(1), t0())]);
    assert_eq!(of(&world).canary, []);
    assert_eq!(of(&world).control, [(host_id(2), old), (host_id(3), old)]);

    world.now = world.now + WARMUP;
    assert_eq!(of(&world).warming, []);
    assert_eq!(of(&world).canary, [(host_id(1), t0() + WARMUP)]);

    // A process whose start is not known never leaves its warm-up.
    world.get(2).reported.as_mut().unwrap().started_at = None;
    assert_eq!(of(&world).warming, [(host_id(2), world.now)]);
    assert_eq!(of(&world).control, [(host_id(3), old)]);

    // What is asked and not proved is in no arm.
    world.answers(1, Proof::Drifted);
    assert_eq!(of(&world).canary, []);
}

#[test]
fn first_release_has_no_control() {
    let mut world = World::new(&Setup {
        is_first: true,
        ..Setup::default()
    });
    world.turn();
    world.proves(1);
    world.now = world.now + WARMUP;
    let arms = arms(&world.rollout, &world.hosts, world.now);
    assert_eq!((arms.canary.len(), arms.control.len()), (1, 0));
}

#[test]
fn each_state_has_its_word() {
    let at = t0();
    let since = at;
    let words = [
        (RolloutState::Planned, "planned"),
        (
            RolloutState::Ring {
                ring: 0,
                phase: Phase::Baking,
                since,
            },
            "running",
        ),
        (RolloutState::Undoing { since }, "undoing"),
        (RolloutState::Undone { at }, "undone"),
        (
            RolloutState::Stuck {
                hosts: vec![],
                since,
            },
            "stuck",
        ),
        (
            RolloutState::Superseded {
                by: model::ChangeId(8),
                at,
            },
            "superseded",
        ),
        (RolloutState::Done { at }, "done"),
    ];
    for (state, word) in words {
        assert_eq!(change_state(&state).to_string(), word);
    }
}
