//! What a rehearsal foretells, and that it is what then happens.

use std::collections::BTreeMap;

use deliver::rollout::{Rehearsed, rehearse};
use model::deliver::{HeldReason, RingSize};
use proptest::prelude::*;

use crate::fleet::*;

fn steps(rehearsed: &Rehearsed) -> Vec<(usize, usize)> {
    let numbers: BTreeMap<_, usize> = (1..=99).map(|n| (host_id(n), n)).collect();
    let asks = rehearsed.asks.iter();
    asks.map(|ask| (ask.step, numbers[&ask.host])).collect()
}

#[test]
fn hosts_are_named_ring_by_ring_and_as_many_at_once_as_the_budget_allows() {
    let world = World::new(&Setup {
        hosts: 5,
        max_unavailable: 2,
        ..Setup::default()
    });
    let rehearsed = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap();
    assert_eq!(
        steps(&rehearsed),
        [(1, 1), (2, 2), (3, 3), (3, 4), (4, 5)],
        "staff, canary, then everyone two at a time"
    );
    assert_eq!(rehearsed.held, None);
}

#[test]
fn no_ring_passes_before_its_bake_is_over() {
    let world = World::new(&Setup::default());
    let rehearsed = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap();
    let times: Vec<_> = rehearsed
        .rings
        .iter()
        .map(|ring| (ring.begins_at.unwrap(), ring.passes_at.unwrap()))
        .collect();
    let after = |bakes: u32| t0() + BAKE * bakes;
    assert_eq!(
        times,
        [(t0(), after(1)), (after(1), after(2)), (after(2), after(3))]
    );
    assert_eq!(rehearsed.done_at, Some(after(3)));
}

#[test]
fn a_silent_host_holds_it_and_the_rest_is_foretold_all_the_same() {
    let mut world = World::new(&Setup::default());
    world.get(4).unknown_since = Some(t0());
    let rehearsed = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap();
    let hosts = names(&["web-4"]);
    let expected = HeldReason::WaitingFor {
        hosts,
        proved: 0,
        of: 4,
    };
    assert_eq!(rehearsed.held, Some(expected));
    assert_eq!(steps(&rehearsed), [(1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(rehearsed.done_at, Some(t0() + BAKE * 3));
}

#[test]
fn a_host_that_is_asked_already_is_not_asked_again() {
    let mut world = World::new(&Setup::default());
    let release = world.rollout.release.number;
    world.get(2).desired.as_mut().unwrap().release = release;
    let rehearsed = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap();
    assert_eq!(steps(&rehearsed), [(1, 1), (2, 3), (3, 4)]);
    assert_eq!(rehearsed.rings[1].begins_at, None);
    assert!(rehearsed.done_at.is_some());
}

#[test]
fn a_rehearsal_that_would_not_end_is_refused() {
    let world = World::new(&Setup {
        hosts: 800,
        ..Setup::default()
    });
    let refused = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap_err();
    assert_eq!(refused.hosts, 800);
    let world = World::new(&Setup {
        hosts: 800,
        max_unavailable: 100,
        ..Setup::default()
    });
    assert!(rehearse(&world.rollout, &world.hosts, world.gates(), t0()).is_ok());
}

proptest! {
    /// The order foretold is the order in which the planner asks when the hosts do what they are asked.
    #[test]
    fn what_is_foretold_happens(
        hosts in 1usize..12,
        max_unavailable in 1u32..5,
        sizes in prop::collection::vec(1u32..4, 0..3),
        judged: bool,
        is_first: bool,
    ) {
        let mut rings: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(n, size)| ring(&format!("r{n}"), RingSize::Count(*size)))
            .collect();
        rings.push(ring("rest", RingSize::Rest));
        let mut world = World::new(&Setup { hosts, rings, max_unavailable, is_first, judged, auto_undo: true, slots: false });
        let rehearsed = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap();
        let mut happened = Vec::new();
        while !world.is_done() {
            loop {
                let plan = world.turn();
                happened.extend(asked(&plan));
                if plan.ask.is_empty() {
                    break;
                }
                for n in asked(&plan) {
                    world.obey(n);
                }
            }
            if !world.is_done() {
                world.now = world.now + BAKE;
                world.judge(model::judge::VerdictState::Pass, model::judge::Reason::Cleared);
            }
        }
        let foretold: Vec<usize> = steps(&rehearsed).iter().map(|(_, n)| *n).collect();
        prop_assert_eq!(foretold, happened);
        prop_assert_eq!(rehearsed.done_at, Some(world.now));
    }
}
