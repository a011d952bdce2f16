//! What people say of hosts that are gone, or wait for them.

use model::deliver::Proof;
use model::observe::ChangeState;

use crate::harness::definition::Definition;
use crate::harness::wait::until_true;
use crate::harness::world::World;

#[test]
fn a_host_that_is_gone_for_good_is_excluded_and_then_retired() {
    let mut world = World::with_agents(2);
    world.define(&Definition::gated());
    world.ship("1.0");
    world.close(2, "2.0");
    let change = world.begin("2.0");
    world.kill_agent(2);
    world.ends(change, ChangeState::Held);

    let excluded = world.run(&["hosts", "exclude", "web-2", "--reason", "new disk"]);
    assert_eq!(excluded.code, Some(0), "{}", excluded.said);
    let view = world.ends(change, ChangeState::Done);
    assert!(view.sentence.contains("owed"), "{}", view.sentence);

    let unknown = world.run(&["hosts", "retire", "web-7"]);
    assert_eq!(unknown.code, Some(5), "{}", unknown.said);
    let retired = world.run(&["hosts", "retire", "web-2"]);
    assert_eq!(retired.code, Some(0), "{}", retired.said);
    let listed = world.run(&["hosts"]);
    assert_eq!(listed.code, Some(0), "{}", listed.said);
}

#[test]
fn a_host_that_went_back_tries_again_when_a_person_says_so() {
    let world = World::with_agents(1);
    let mut definition = Definition::gated();
    definition.health = definition.health.replace("60s", "2s");
    definition.more = "auto_undo: false\n".into();
    world.define(&definition);
    world.ship("1.0");
    world.close(1, "2.0");
    let change = world.begin("2.0");
    world.ends(change, ChangeState::Held);
    assert_eq!(world.service(1).proof, Proof::Reverted);

    world.open(1, "2.0");
    let fixed = world.run(&["hosts", "fix", "web-1", "--reason", "made room"]);
    assert_eq!(fixed.code, Some(0), "{}", fixed.said);
    assert!(
        fixed
            .said
            .contains("web-1 tries svc 2.0 again; it was reverted"),
        "{}",
        fixed.said
    );
    until_true("the host to prove it", 20, || {
        world.service(1).proof == Proof::Converged
    });
    let running = world.service(1).running.map(|version| version.to_string());
    assert_eq!(running.as_deref(), Some("2.0"));
    let nothing = world.run(&["hosts", "fix", "web-1"]);
    assert_eq!(nothing.code, Some(1), "{}", nothing.said);
    assert!(
        nothing.said.contains("has nothing to try again"),
        "{}",
        nothing.said
    );
    let why = world.run(&["why", &change.to_string()]);
    assert!(
        why.said
            .contains("admin had web-1 try svc again: made room"),
        "{}",
        why.said
    );
}
