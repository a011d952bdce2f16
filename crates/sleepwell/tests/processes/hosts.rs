//! What people say of hosts that are gone.

use model::observe::ChangeState;

use crate::harness::definition::Definition;
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
