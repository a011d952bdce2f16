//! What scripts are told by the exit code, and people by the three lines of an error.

use model::api::change::RingState;
use model::observe::ChangeState;

use crate::harness::definition::Definition;
use crate::harness::process::{Process, sleepwell};
use crate::harness::world::World;

#[test]
fn what_is_not_there_ends_with_5() {
    let world = World::with_agents(0);
    for words in [
        &["ship", "nothing"][..],
        &["why", "chg-99"],
        &["watch", "chg-99"],
        &["undo", "chg-99"],
        &["watch"],
    ] {
        let ended = world.run(words);
        assert_eq!(ended.code, Some(5), "{words:?}: {}", ended.said);
        assert!(ended.said.starts_with("error: "), "{}", ended.said);
    }
    // What is filtered away is not an error.
    assert_eq!(world.run(&["changes", "--state", "undone"]).code, Some(0));
}

#[test]
fn a_wrong_token_ends_with_4_and_an_absent_server_with_1() {
    let mut world = World::with_agents(0);
    let mut command = sleepwell(&["changes", "--data"]);
    command
        .arg(world.data())
        .env("SLEEPWELL_TOKEN", "swt_wrong");
    let refused = Process::start(&mut command).ends_within(10);
    assert_eq!(refused.code, Some(4), "{}", refused.said);
    assert!(refused.said.contains("token"), "{}", refused.said);

    let url = world.kill_server();
    let away = world.run(&["changes"]);
    assert_eq!(away.code, Some(1), "{}", away.said);
    assert!(away.said.contains(url.trim()), "names it: {}", away.said);
    assert!(
        away.said.contains("sleepwell serve"),
        "helps: {}",
        away.said
    );
}

#[test]
fn a_usage_error_or_a_faulty_definition_ends_with_2() {
    let world = World::empty();
    for words in [&["ship"][..], &["changes", "--state", "gone"], &["dance"]] {
        let ended = world.run(words);
        assert_eq!(ended.code, Some(2), "{words:?}: {}", ended.said);
    }
    let file = world.folder().join("sleepwell.yaml");
    std::fs::write(file, "service: svc\nrings: 3\n").unwrap();
    let ended = world.run(&["check"]);
    assert_eq!(ended.code, Some(2), "{}", ended.said);
    assert!(ended.said.contains("rings"), "{}", ended.said);
}

#[test]
fn a_follower_that_leaves_does_not_stop_the_rollout() {
    let world = World::with_agents(1);
    world.define(&Definition::gated());
    world.write_script("1.0");
    world.close(1, "1.0");
    let tired = world.run(&["ship", "svc", "1.0", "--timeout", "1s"]);
    assert_eq!(tired.code, Some(3), "{}", tired.said);
    assert!(tired.said.contains("it goes on"), "{}", tired.said);

    let mut watching = world.start_command(&["watch", "chg-1"]);
    watching.says("ring_started", 10);
    watching.interrupt();
    let left = watching.ends_within(5);
    assert_eq!(left.code, Some(130), "{}", left.said);
    assert!(left.said.contains("chg-1 goes on"), "{}", left.said);

    let change = "chg-1".parse().unwrap();
    assert_eq!(world.view(change).rings[0].state, RingState::Proving);
    world.open(1, "1.0");
    world.ends(change, ChangeState::Done);
    assert_eq!(world.run(&["watch", "chg-1"]).code, Some(0));
}
