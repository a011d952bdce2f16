//! Hosts that a person let off: not waited for, and still owed the release.

use deliver::rollout::ExcludeRefusal;
use model::deliver::{Command, HeldReason, Proof, RingSize, RolloutState};

use crate::fleet::*;

fn one_ring(hosts: usize) -> World {
    World::new(&Setup {
        hosts,
        rings: vec![ring("everyone", RingSize::Rest)],
        ..Setup::default()
    })
}

#[test]
fn an_excluded_host_is_waited_for_no_longer_and_uses_up_no_budget() {
    let mut world = one_ring(3);
    world.get(3).unknown_since = Some(t0());
    assert_eq!(asked(&world.turn()), [3], "it takes the whole budget");
    assert!(matches!(world.held(), Some(HeldReason::WaitingFor { .. })));

    world.exclude(3).unwrap();
    let answer = world.turn();
    assert_eq!(asked(&answer), [1]);
    assert_eq!(told(&answer), ["rollout_resumed"]);
    assert_eq!(asked(&world.proves(1)), [2]);
    world.proves(2);
    let answer = world.after(BAKE);
    assert_eq!(told(&answer), ["ring_passed", "rollout_done"]);
    let done = &answer.facts[1].1.to_body();
    assert_eq!(done["hosts"], 2, "it is none of those that are live");
}

#[test]
fn an_excluded_host_has_its_order_waiting_for_it() {
    let mut world = one_ring(2);
    world.get(2).unknown_since = Some(t0());
    world.exclude(2).unwrap();
    let answer = world.turn();
    assert_eq!(
        asked(&answer),
        [1, 2],
        "it costs nothing and is asked as well"
    );
    world.proves(1);
    world.after(BAKE);
    assert!(world.is_done());
    let desired = world.get(2).desired.clone().unwrap();
    assert_eq!(desired.release, world.rollout.release.number);
}

#[test]
fn an_excluded_host_that_proves_the_release_counts_again() {
    let mut world = one_ring(2);
    world.get(2).unknown_since = Some(t0());
    world.exclude(2).unwrap();
    world.turn();
    world.is_back(2);
    world.proves(2);
    world.proves(1);
    let answer = world.after(BAKE);
    assert_eq!(answer.facts[1].1.to_body()["hosts"], 2);
}

#[test]
fn an_excluded_host_that_is_blocked_stops_nobody() {
    let mut world = one_ring(3);
    world.turn();
    let answer = world.answers(1, Proof::Blocked);
    assert_eq!(told(&answer), ["rollout_held"]);
    world.exclude(1).unwrap();
    assert_eq!(asked(&world.turn()), [2]);
}

#[test]
fn the_last_host_of_a_ring_that_has_something_to_show_is_not_excluded() {
    let mut world = World::new(&Setup::default());
    world.get(1).unknown_since = Some(t0());
    world.turn();
    let refusal = world.exclude(1).unwrap_err();
    assert!(matches!(refusal, ExcludeRefusal::LastOfRing { .. }));
    assert!(refusal.to_string().contains("`staff`"), "{refusal}");
    assert!(refusal.hint().contains("sleepwell hosts retire web-1"));
    let mut world = one_ring(1);
    world.exclude(1).unwrap_err();
}

#[test]
fn a_host_of_a_ring_that_has_passed_may_be_excluded() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.settle();
    world.bake_and_pass();
    world.goes_silent(1);
    world.exclude(1).unwrap();
    for _ in 0..2 {
        world.settle();
        world.bake_and_pass();
    }
    assert!(world.is_done());
}

#[test]
fn a_rollout_that_is_over_and_a_stranger_are_refused() {
    let mut world = one_ring(2);
    assert!(matches!(
        world.exclude(3),
        Err(ExcludeRefusal::NoMember { .. })
    ));
    world.rollout.state = RolloutState::Done { at: t0() };
    assert!(matches!(world.exclude(1), Err(ExcludeRefusal::Over { .. })));
}

#[test]
fn an_undo_waits_for_an_excluded_host_only_while_it_is_heard_of() {
    let mut world = one_ring(2);
    world.turn();
    world.settle();
    world.goes_silent(2);
    world.exclude(2).unwrap();
    let answer = world.order(Command::Undo);
    assert_eq!(asked(&answer), [1, 2], "both are asked back");
    let mut heard = world.clone();
    world.proves(1);
    assert!(world.is_undone(), "the silent one is owed its way back");

    heard.is_back(2);
    heard.proves(1);
    assert!(!heard.is_undone(), "it says that it runs the bad release");
    heard.proves(2);
    assert!(heard.is_undone());
}
