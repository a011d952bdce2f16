//! Freezes in a rollout's way.

use deliver::rollout::{OverrideRefusal, override_freeze, rehearse};
use model::Timestamp;
use model::deliver::freeze::Window;
use model::deliver::{Command, FreezeOverride, FreezeRule, HeldReason, Phase, RingSize};
use proptest::prelude::*;

use crate::fleet::*;

fn hours(hours: u64) -> std::time::Duration {
    secs(hours * 3_600)
}

/// Returns a freeze of the whole hours after the beginning, so many of them.
fn freeze(name: &str, from: u64, to: u64) -> FreezeRule {
    let zone = model::time::Zone::utc();
    // The world begins at 22:13:20; its hours begin there.
    let wall = |hours_later| zone.wall(t0() + hours(hours_later)).to_string();
    FreezeRule {
        name: name.parse().unwrap(),
        window: Window::read(&wall(from), &wall(to)).unwrap(),
        zone,
    }
}

fn until(rule: &str, at: Timestamp) -> HeldReason {
    let rule = rule.parse().unwrap();
    HeldReason::Frozen { rule, until: at }
}

/// Returns the end of [`freeze`]: rules know whole minutes.
fn end(hours_later: u64) -> Timestamp {
    t0() + hours(hours_later) - secs(20)
}

fn overridden(world: &World, seconds: u64) -> FreezeOverride {
    FreezeOverride {
        by: "anna".into(),
        reason: "cards are refused".into(),
        at: world.now,
        until: world.now + secs(seconds),
    }
}

#[test]
fn a_rollout_begins_by_itself_when_the_freeze_is_over() {
    let mut world = World::new(&Setup::default());
    world.freezes = vec![freeze("night", 0, 2)];
    let plan = world.turn();
    assert_eq!(
        (asked(&plan).as_slice(), told(&plan)),
        (&NOBODY[..], vec!["rollout_held".to_owned()])
    );
    assert_eq!(world.held(), Some(&until("night", end(2))));
    assert_eq!(plan.wake_at, Some(end(2)));
    world.now = end(2);
    let plan = world.turn();
    assert_eq!(asked(&plan), [1]);
    assert_eq!(told(&plan), ["ring_started", "rollout_resumed"]);
}

#[test]
fn a_ring_that_was_asked_goes_on_and_the_next_one_waits() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.freezes = vec![freeze("night", 0, 2)];
    world.proves(1);
    assert_eq!(world.phase(), Some(Phase::Baking));
    let plan = world.bake_and_pass();
    assert!(world.rollout.rings[0].passed_at.is_some());
    assert_eq!(asked(&plan), NOBODY);
    assert_eq!(world.held(), Some(&until("night", end(2))));
}

#[test]
fn a_ring_is_not_asked_further_once_a_freeze_begins() {
    let mut world = World::new(&Setup {
        rings: vec![ring("everyone", RingSize::Rest)],
        ..Setup::default()
    });
    assert_eq!(asked(&world.turn()), [1]);
    world.freezes = vec![freeze("night", 0, 2)];
    assert_eq!(asked(&world.proves(1)), NOBODY);
    assert_eq!(world.held(), Some(&until("night", end(2))));
}

#[test]
fn a_freeze_of_the_file_counts_like_one_of_the_server() {
    let mut world = World::new(&Setup::default());
    world.rollout.plan.freeze = vec![freeze("own", 0, 3)];
    world.freezes = vec![freeze("night", 0, 2)];
    world.turn();
    assert_eq!(world.held(), Some(&until("own", end(3))), "it ends last");
}

#[test]
fn an_undo_waits_for_no_freeze() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    world.freezes = vec![freeze("night", 0, 2)];
    assert_eq!(asked(&world.order(Command::Undo)), [1]);
    world.proves(1);
    assert!(world.is_undone());
}

#[test]
fn a_word_against_freezes_counts_until_its_end() {
    let mut world = World::new(&Setup::default());
    world.freezes = vec![freeze("night", 0, 20)];
    world.turn();
    world.rollout = override_freeze(&world.rollout, overridden(&world, 90)).unwrap();
    assert_eq!(asked(&world.turn()), [1]);
    world.proves(1);
    // The first ring passes after 60 s, within it; the second after another 60 s, behind it.
    assert_eq!(asked(&world.bake_and_pass()), [2]);
    world.proves(2);
    assert_eq!(asked(&world.bake_and_pass()), NOBODY);
    assert_eq!(world.held(), Some(&until("night", end(20))));
}

#[test]
fn a_word_without_reason_or_end_is_not_taken() {
    let world = World::new(&Setup::default());
    let word = overridden(&world, 60);
    let refused = |word: FreezeOverride| override_freeze(&world.rollout, word).unwrap_err();
    let silent = FreezeOverride {
        reason: "  ".into(),
        ..word.clone()
    };
    assert_eq!(refused(silent), OverrideRefusal::NoReason);
    let long = overridden(&world, 24 * 3_600 + 1);
    assert_eq!(refused(long), OverrideRefusal::TooLong);
    assert_eq!(refused(overridden(&world, 0)), OverrideRefusal::TooLong);
    let mut over = world.rollout.clone();
    over.state = model::deliver::RolloutState::Done { at: t0() };
    let change = over.change;
    assert_eq!(
        override_freeze(&over, word).unwrap_err(),
        OverrideRefusal::Over { change }
    );
}

#[test]
fn a_rehearsal_goes_on_behind_the_freeze_it_names() {
    let mut world = World::new(&Setup::default());
    world.freezes = vec![freeze("night", 0, 2)];
    let rehearsed = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap();
    assert_eq!(rehearsed.held, Some(until("night", end(2))));
    assert_eq!(rehearsed.done_at, Some(end(2) + BAKE * 3));
}

proptest! {
    /// Whenever freezes are in force: nobody new is asked, and an undo is done all the same.
    #[test]
    fn nobody_is_asked_for_a_release_in_a_freeze(
        windows in prop::collection::vec((0u64..6, 1u64..4), 1..4),
        steps in prop::collection::vec((1u64..5_000, 0usize..5), 1..40),
        undo: bool,
    ) {
        let mut world = World::new(&Setup { max_unavailable: 2, ..Setup::default() });
        for (n, (from, length)) in windows.iter().enumerate() {
            world.freezes.push(freeze(&format!("f{n}"), *from, from + length));
        }
        for (seconds, host) in steps {
            let plan = world.after(secs(seconds));
            let frozen = deliver::freeze::in_force(&world.freezes, world.now);
            prop_assert!(plan.ask.is_empty() || frozen.is_none(), "asked at {}", world.now);
            world.obey(host + 1);
            world.judge(model::judge::VerdictState::Pass, model::judge::Reason::Cleared);
        }
        if undo {
            world.order(Command::Undo);
            world.settle();
            prop_assert!(world.is_undone());
        }
    }
}
