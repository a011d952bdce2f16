//! An agent is killed; its service does not notice, and the agent that comes back knows it.

use model::ChangeId;
use model::api::change::RingState;
use model::observe::ChangeState;

use crate::harness::definition::{CANARY_THEN_REST, Definition};
use crate::harness::process;
use crate::harness::wait::until_true;
use crate::harness::world::{World, story, times};

/// Checks that a service is one process and the same as before.
fn lives_on(world: &World, n: usize, pid: u32) {
    let stands: Vec<u32> = process::of_folder(&world.base(n).join("svc"));
    assert_eq!(stands, [pid], "{:?}", process::names(&stands));
}

fn ends_with_the_same_process(world: &World, change: ChangeId, pid: u32) {
    let view = world.ends(change, ChangeState::Done);
    assert_eq!(times(&view, "host_exit"), 0, "{}", story(&view));
    assert_eq!(
        world.service_pid(1),
        pid,
        "it was adopted, not started again"
    );
    lives_on(world, 1, pid);
}

#[test]
fn killed_in_the_middle_of_a_release_it_adopts_what_it_started() {
    let mut world = World::with_lasting_services(2);
    world.define(&Definition::gated());
    world.close(1, "1.0");
    let change = world.begin("1.0"); // its only canary
    world.ring_is(change, 0, RingState::Proving);
    let folder = world.base(1).join("svc");
    until_true("the service to start", 10, || {
        process::of_folder(&folder).len() == 1
    });
    let pid = process::of_folder(&folder)[0];
    world.kill_agent(1);
    lives_on(&world, 1, pid);
    world.open(1, "1.0");
    world.run_agent(1);
    ends_with_the_same_process(&world, change, pid);
}

#[test]
fn killed_while_baking_it_adopts_the_service_and_the_rollout_ends_done() {
    let mut world = World::with_lasting_services(2);
    let longer = CANARY_THEN_REST.replace("bake: 1s", "bake: 4s");
    world.define(&Definition::gated().with_rings(&longer));
    let change = world.begin("1.0");
    world.ring_is(change, 0, RingState::Baking);
    let pid = world.service_pid(1);
    world.kill_agent(1);
    lives_on(&world, 1, pid);
    world.run_agent(1);
    ends_with_the_same_process(&world, change, pid);
}

#[test]
fn a_host_whose_agent_stays_away_is_named_and_the_rollout_waits() {
    let mut world = World::with_lasting_services(2);
    let longer = CANARY_THEN_REST.replace("bake: 1s", "bake: 60s");
    world.define(&Definition::gated());
    world.ship("1.0");
    world.define(&Definition::gated().with_rings(&longer));
    let change = world.begin("2.0");
    world.ring_is(change, 0, RingState::Baking);
    world.kill_agent(1);
    let silent = world.reaches(change, "to miss the host", |view| {
        view.rings[0].hosts[0].unknown_since.is_some()
    });
    assert_ne!(silent.change.state, ChangeState::Done);
    assert!(
        silent
            .timeline
            .iter()
            .any(|item| item.text.contains("web-1"))
    );
    world.run_agent(1);
    let back = world.reaches(change, "to hear the host again", |view| {
        view.rings[0].hosts[0].unknown_since.is_none() && view.rings[0].proved == 1
    });
    assert_ne!(back.change.state, ChangeState::Undone, "{}", story(&back));
}
