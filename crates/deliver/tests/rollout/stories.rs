//! The product's stories, as far as the planner goes.

use deliver::rollout::{STALLED_AFTER, UNDO_DEADLINE};
use model::deliver::{Command, HeldReason, Phase, Proof, RingSize, RolloutState};
use model::judge::{Reason, VerdictState};

use crate::fleet::*;

/// Story 1: eight hosts, the eighth cannot be reached.
#[test]
fn eighth_server_is_waited_for_by_name_for_weeks() {
    let mut world = World::new(&Setup {
        hosts: 8,
        rings: vec![ring("everyone", RingSize::Rest)],
        max_unavailable: 2,
        ..Setup::default()
    });
    world.get(8).unknown_since = Some(t0());
    assert_eq!(asked(&world.turn()), [1, 8], "its order waits for it");
    for n in 1..=6 {
        assert_eq!(asked(&world.proves(n)), [n + 1]);
    }
    assert_eq!(world.phase(), Some(Phase::Proving));
    let answer = world.proves(7);
    assert_eq!(told(&answer), ["rollout_held"]);
    let seven_of_eight = HeldReason::WaitingFor {
        hosts: names(&["web-8"]),
        proved: 7,
        of: 8,
    };
    assert_eq!(world.held(), Some(&seven_of_eight));

    // A verdict does not make it green, and neither do three weeks or an impatient person.
    world.judge(VerdictState::Pass, Reason::Cleared);
    assert_eq!(world.after(secs(21 * 86_400)).facts, []);
    assert_eq!(world.order(Command::Go).facts, []);
    assert_eq!(world.held(), Some(&seven_of_eight));

    // It comes back with the old program, which is a proof of nothing.
    assert_eq!(world.is_back(8).facts, []);
    assert_eq!(world.held(), Some(&seven_of_eight));
    assert_eq!(told(&world.proves(8)), ["ring_proved", "rollout_resumed"]);
    assert_eq!(told(&world.after(BAKE)), ["ring_passed", "rollout_done"]);
    assert!(world.is_done());
}

#[test]
fn silent_host_that_uses_up_the_budget_stops_everybody_and_is_named() {
    let mut world = World::new(&Setup {
        hosts: 8,
        rings: vec![ring("everyone", RingSize::Rest)],
        ..Setup::default()
    });
    world.get(8).unknown_since = Some(t0());
    assert_eq!(asked(&world.turn()), [8]);
    assert_eq!(
        world.held(),
        Some(&HeldReason::WaitingFor {
            hosts: names(&["web-8"]),
            proved: 0,
            of: 8
        })
    );
    world.is_back(8);
    let answer = world.proves(8);
    assert_eq!(told(&answer), ["rollout_resumed"]);
    assert_eq!(asked(&answer), [1]);
}

/// Story 2: a canary makes payments worse; 31 seconds later it is undone.
#[test]
fn bad_canary_is_undone_at_once_and_only_where_it_was() {
    let mut world = World::new(&Setup {
        hosts: 8,
        ..Setup::default()
    });
    let began = world.now;
    world.turn();
    world.proves(1);
    assert_eq!(asked(&world.bake_and_pass()), [2]);
    world.proves(2);
    world.now = world.now + secs(31);
    world.judge(VerdictState::Fail, Reason::Harm);
    let frozen = world.turn();
    assert_eq!((asked(&frozen), frozen.facts.len()), (vec![], 0));

    let undo = world.order(Command::Undo);
    assert_eq!(asked(&undo), [1, 2]);
    assert_eq!(told(&undo), ["undo_started"]);
    world.now = world.now + secs(2);
    world.obey(1);
    assert_eq!(told(&world.proves(2)), ["rollout_undone"]);
    assert!(world.is_undone());
    let body = world.facts.last().unwrap().to_body();
    let since_it_began = world.now.since(began).as_millis() as u64;
    assert_eq!(
        (&body["hosts"], &body["after_ms"]),
        (&2.into(), &since_it_began.into())
    );
    assert_eq!(world.get(3).desired.as_ref().unwrap().generation, 1);
}

#[test]
fn host_cut_off_in_the_middle_of_an_undo_is_named_and_brought_back() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    world.bake_and_pass();
    world.proves(2);
    world.goes_silent(2);
    assert_eq!(asked(&world.order(Command::Undo)), [1, 2]);
    world.proves(1);
    assert_eq!(told(&world.after(UNDO_DEADLINE)), ["rollout_stuck"]);
    assert!(matches!(&world.rollout.state,
        RolloutState::Stuck { hosts, .. } if *hosts == names(&["web-2"])));
    assert_eq!(world.after(secs(86_400)).facts, []);
    world.is_back(2);
    assert_eq!(told(&world.proves(2)), ["rollout_undone"]);
}

#[test]
fn host_that_runs_another_program_is_named_after_a_while() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.answers(1, Proof::Drifted);
    assert_eq!(world.phase(), Some(Phase::Proving));
    let wake_at = world.last.as_ref().unwrap().wake_at.unwrap();
    assert_eq!(wake_at, world.now + STALLED_AFTER);
    world.now = wake_at;
    assert_eq!(told(&world.turn()), ["rollout_held"]);
    assert_eq!(told(&world.proves(1)), ["ring_proved", "rollout_resumed"]);
}
