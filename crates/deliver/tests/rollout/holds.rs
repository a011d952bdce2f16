//! Waiting for hosts: when it is said, what it says, how often.

use model::deliver::{HeldReason, Phase, Proof, RingSize};

use crate::fleet::*;

fn everyone(hosts: usize, max_unavailable: u32) -> World {
    World::new(&Setup {
        hosts,
        rings: vec![ring("everyone", RingSize::Rest)],
        max_unavailable,
        ..Setup::default()
    })
}

fn waiting_for(hosts: &[&str], proved: usize, of: usize) -> Option<HeldReason> {
    let hosts = names(hosts);
    Some(HeldReason::WaitingFor { hosts, proved, of })
}

#[test]
fn nobody_is_waited_for_while_somebody_is_on_the_way() {
    let mut world = everyone(3, 3);
    world.turn();
    world.goes_silent(3);
    assert_eq!(world.phase(), Some(Phase::Proving));
    world.proves(1);
    assert_eq!(world.phase(), Some(Phase::Proving));
    world.proves(2);
    assert_eq!(world.held().cloned(), waiting_for(&["web-3"], 2, 3));
}

#[test]
fn another_silent_host_is_news_and_a_returning_one_is_not() {
    let mut world = everyone(4, 4);
    world.turn();
    world.proves(1);
    world.proves(2);
    world.goes_silent(3);
    assert_eq!(told(&world.goes_silent(4)), ["rollout_held"]);
    assert_eq!(
        world.held().cloned(),
        waiting_for(&["web-3", "web-4"], 2, 4)
    );
    assert_eq!(told(&world.goes_silent(1)), ["rollout_held"]);
    assert_eq!(
        world.held().cloned(),
        waiting_for(&["web-1", "web-3", "web-4"], 1, 4)
    );
    assert_eq!(world.is_back(1).facts, []);
    world.is_back(4);
    assert_eq!(world.proves(4).facts, []);
    assert_eq!(world.held().cloned(), waiting_for(&["web-3"], 3, 4));
}

#[test]
fn host_that_comes_and_goes_without_proving_anything_is_told_once() {
    let mut world = everyone(2, 2);
    world.turn();
    world.proves(1);
    assert_eq!(told(&world.goes_silent(2)), ["rollout_held"]);
    for _ in 0..10 {
        assert_eq!(world.is_back(2).facts, []);
        assert_eq!(world.goes_silent(2).facts, []);
    }
}

#[test]
fn silent_host_of_a_later_ring_is_named_when_it_uses_up_the_budget() {
    let mut world = World::new(&Setup::default());
    world.get(4).unknown_since = Some(t0());
    assert_eq!(asked(&world.turn()), NOBODY);
    assert_eq!(world.held().cloned(), waiting_for(&["web-4"], 0, 4));
    // Its turn has not come: it is not asked, and as soon as it is back the first ring goes on.
    let answer = world.is_back(4);
    assert_eq!(asked(&answer), [1]);
    assert_eq!(told(&answer), ["ring_started", "rollout_resumed"]);
}

#[test]
fn blocked_host_is_named_with_its_reason_and_goes_on_by_itself() {
    let mut world = everyone(3, 2);
    world.turn();
    assert_eq!(told(&world.answers(1, Proof::Blocked)), ["rollout_held"]);
    let reason = HeldReason::Blocked {
        host: "web-1".parse().unwrap(),
        why: "disk full".into(),
    };
    assert_eq!(world.held(), Some(&reason));
    assert_eq!(asked(&world.proves(2)), NOBODY, "web-3 keeps what works");
    world.get(1).reported.as_mut().unwrap().why = "disk still full".into();
    assert_eq!(world.turn().facts, []);
    let answer = world.answers(1, Proof::Pending);
    assert_eq!(told(&answer), ["rollout_resumed"]);
    assert_eq!(asked(&answer), [3]);
}

#[test]
fn block_of_an_older_order_holds_nothing() {
    let mut world = everyone(2, 1);
    let now = world.now;
    world.get(1).reported = Some(reported(Proof::Blocked, 1, now));
    world.turn();
    assert_eq!(world.turn().facts, []);
    assert!(world.held().is_none());
}
