//! The watch behind the last ring.

use deliver::rollout::{replaced, watched_since};
use model::deliver::{Command, RingSize, WatchEnd};
use model::judge::{Reason, VerdictState};
use model::{ChangeId, Fact};

use crate::fleet::*;

/// Returns a world whose rollout is done just now.
fn live() -> World {
    let mut world = World::new(&Setup {
        hosts: 2,
        rings: vec![ring("everyone", RingSize::Rest)],
        max_unavailable: 2,
        ..Setup::default()
    });
    world.turn();
    world.settle();
    world.after(BAKE);
    assert!(world.is_done());
    world
}

fn ended(world: &World) -> Option<WatchEnd> {
    world.rollout.watch.as_ref().unwrap().ended
}

#[test]
fn a_finished_rollout_stays_watched_and_the_watch_ends_quietly() {
    let mut world = live();
    assert_eq!(watched_since(&world.rollout), Some(world.now));
    assert_eq!(world.rollout.watched_until(), Some(world.now + WATCH));
    assert_eq!(world.after(WATCH - secs(1)).facts, []);
    let end = world.after(secs(1));
    assert_eq!(told(&end), ["watch_ended"]);
    assert_eq!(ended(&world), Some(WatchEnd::Quiet));
    assert!(world.is_done());
    assert_eq!(watched_since(&world.rollout), None);
    assert_eq!(world.after(WATCH).facts, []);
}

#[test]
fn an_environment_without_a_watch_has_none() {
    let mut world = World::new(&Setup {
        hosts: 1,
        rings: vec![ring("everyone", RingSize::Rest)],
        ..Setup::default()
    });
    world.rollout.plan.watch = secs(0);
    world.turn();
    world.settle();
    world.after(BAKE);
    assert!(world.is_done());
    assert_eq!(world.rollout.watch, None);
}

#[test]
fn a_failed_verdict_ends_the_watch_and_the_undo_takes_its_usual_way() {
    let mut world = live();
    world.judge(VerdictState::Fail, Reason::Harm);
    let verdict = world.verdict.as_ref().unwrap().id;
    assert_eq!(told(&world.after(secs(9))), ["watch_ended"]);
    assert_eq!(ended(&world), Some(WatchEnd::Failed { verdict }));
    assert!(world.is_done(), "what follows is a procedure's matter");
    let undo = world.order(Command::Undo);
    assert_eq!(told(&undo), ["undo_started"]);
    assert_eq!(asked(&undo), [1, 2]);
    world.settle();
    assert!(world.is_undone());
}

#[test]
fn an_order_that_is_faster_than_the_planner_ends_the_watch_by_the_verdict() {
    let mut world = live();
    world.judge(VerdictState::Fail, Reason::Harm);
    let verdict = world.verdict.as_ref().unwrap().id;
    let undo = world.order(Command::Undo);
    assert_eq!(told(&undo), ["watch_ended", "undo_started"]);
    assert_eq!(ended(&world), Some(WatchEnd::Failed { verdict }));
}

#[test]
fn a_person_who_undoes_it_ends_the_watch() {
    let mut world = live();
    let undo = world.order(Command::Undo);
    assert_eq!(told(&undo), ["watch_ended", "undo_started"]);
    assert_eq!(ended(&world), Some(WatchEnd::Undone));
}

#[test]
fn a_failure_somebody_went_past_does_not_end_the_watch() {
    let mut world = World::new(&Setup {
        hosts: 2,
        rings: vec![ring("everyone", RingSize::Rest)],
        auto_undo: false,
        ..Setup::default()
    });
    world.turn();
    world.judge(VerdictState::Fail, Reason::Harm);
    world.turn();
    world.order(Command::Go);
    world.settle();
    world.after(BAKE);
    assert!(world.is_done());
    assert_eq!(world.after(secs(60)).facts, []);
    assert_eq!(ended(&world), None);
}

#[test]
fn another_release_ends_the_watch_and_one_that_ended_stays_as_it_was() {
    let mut world = live();
    let by = ChangeId(8);
    let (next, facts) = replaced(&world.rollout, by).unwrap();
    let how = WatchEnd::Replaced { by };
    assert_eq!(facts, [Fact::WatchEnded { how }]);
    assert_eq!(next.watch.unwrap().ended, Some(how));
    world.after(WATCH);
    assert_eq!(replaced(&world.rollout, by), None);
}
