//! SIGTERM: whatever is going on, everything ends soon and nothing is left half done.

use model::api::change::RingState;
use model::observe::ChangeState;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::definition::{CANARY_THEN_REST, Definition, ONE_RING};
use crate::harness::process::{self, Process};
use crate::harness::wait::{Deadline, until_true};
use crate::harness::world::{World, story, times};

/// How long anything may take to end.
const SOON_S: u64 = 5;

fn ends_soon(process: &mut Process) {
    let begun = Deadline::in_seconds(SOON_S);
    process.terminate();
    let ended = process.ends_within(2 * SOON_S);
    assert!(
        !begun.is_over(),
        "it took {:?}:\n{}",
        begun.elapsed(),
        ended.said
    );
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

#[test]
fn a_server_ends_in_any_phase_and_the_next_one_goes_on() {
    let mut world = World::with_agents(2);
    let longer = CANARY_THEN_REST.replace("bake: 1s", "bake: 3s");
    world.define(&Definition::gated().with_rings(&longer));
    world.close(1, "1.0");
    let change = world.begin("1.0");
    // Somebody watches, and both agents wait for an answer.
    let mut watching = world.start_command(&["watch", "chg-1", "--json=lines"]);
    watching.says("\"ring_started\"", 20);
    for (ring, state) in [
        (0, RingState::Proving),
        (0, RingState::Baking),
        (1, RingState::Baking),
    ] {
        if state == RingState::Baking && ring == 0 {
            world.open(1, "1.0");
        }
        world.ring_is(change, ring, state);
        let url = world.url();
        ends_soon(world.server());
        assert!(
            !world.data().join("address").exists(),
            "nobody is sent to a server that ended"
        );
        world.restart_server(&url);
    }
    let view = world.ends(change, ChangeState::Done);
    for event in ["ring_started", "ring_proved", "ring_passed"] {
        assert_eq!(times(&view, event), 2, "{event}:\n{}", story(&view));
    }
    let watched = watching.ends_within(10);
    assert_eq!(watched.code, Some(0), "{}", watched.said);
    assert_eq!(
        watched.said.matches("\"ring_passed\"").count(),
        2,
        "{}",
        watched.said
    );
    world.journal_is_whole();
}

#[test]
fn a_server_ends_soon_although_a_receiver_takes_a_message_and_never_answers() {
    let mut world = World::with_agents(1);
    world.define(&Definition::gated().with_rings(ONE_RING));
    world.inbox.answer_no_webhook();
    std::fs::write(world.folder().join("crash"), "#!/bin/sh\nexit 3\n").unwrap();
    world.begin_artifact("1.0", "crash");
    until_true("its owner to be told", 20, || {
        !world.inbox.webhooks().is_empty()
    });
    ends_soon(world.server());
    let said = world.server().said();
    assert!(said.contains("still at work"), "it was sent:\n{said}");
}

#[test]
fn an_agent_told_to_ends_its_services_with_it() {
    let mut world = World::with_agents(1);
    let mut definition = Definition::gated().with_rings(ONE_RING);
    // Deaf to SIGTERM, and by its own word not to be killed for a while.
    definition.exec = "[\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]".into();
    definition.stop_timeout = "30s";
    world.define(&definition);
    world.ship("1.0");
    assert!(!process::of_folder(&world.base(1).join("svc")).is_empty());
    ends_soon(world.agent(1));
    let left = process::of_folder(&world.base(1));
    assert!(left.is_empty(), "{:?}", process::names(&left));
}

#[test]
fn an_agent_ends_soon_while_it_starts_a_service_and_leaves_it_running() {
    let mut world = World::with_lasting_services(1);
    world.define(&Definition::gated().with_rings(ONE_RING));
    world.close(1, "1.0");
    let change = world.begin("1.0");
    let folder = world.base(1).join("svc");
    until_true("the service to start", 10, || {
        process::of_folder(&folder).len() == 1
    });
    let service = process::of_folder(&folder);
    ends_soon(world.agent(1));
    assert_eq!(process::of_folder(&folder), service);
    world.open(1, "1.0");
    world.run_agent(1);
    world.ends(change, ChangeState::Done);
    assert_eq!(process::of_folder(&folder), service, "it was adopted");

    ends_soon(world.agent(1));
    world.run_agent(1);
    until_true("the host to report again", 10, || {
        world.service_pid(1) == service[0]
    });
}

#[test]
fn an_agent_ends_soon_although_its_server_answers_nothing() {
    let mut world = World::with_agents(1);
    // It has joined, and is the agent by now.
    world.agent(1).says("control groups", 10);
    let server = Pid::from_raw(i32::try_from(world.server().pid()).unwrap()).unwrap();
    kill_process(server, Signal::STOP).unwrap();
    ends_soon(world.agent(1));
    kill_process(server, Signal::CONT).unwrap();
    ends_soon(world.server());
}
