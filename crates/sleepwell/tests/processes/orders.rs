//! What people order: undo, hold, go.

use model::api::change::RingState;
use model::observe::ChangeState;

use crate::harness::definition::Definition;
use crate::harness::world::World;

#[test]
fn a_finished_change_is_undone_by_one_command() {
    let world = World::with_agents(2);
    world.define(&Definition::gated());
    world.ship("1.0");
    let second = world.ship("2.0");
    let undone = world.run(&["undo", &second.to_string()]);
    assert_eq!(undone.code, Some(0), "{}", undone.said);
    assert_eq!(world.view(second).change.state, ChangeState::Undone);
    for n in 1..=2 {
        assert_eq!(world.service(n).running.unwrap().as_str(), "1.0");
    }
    // Who watches a change that a person had undone learns that its release is not live.
    assert_eq!(world.run(&["watch", &second.to_string()]).code, Some(1));
}

#[test]
fn a_held_rollout_waits_for_its_person() {
    let world = World::with_agents(2);
    world.define(&Definition::gated());
    world.close(1, "1.0");
    let change = world.begin("1.0");
    world.ring_is(change, 0, RingState::Proving);
    let id = change.to_string();
    let held = world.run(&["hold", &id]);
    assert_eq!(held.code, Some(0), "{}", held.said);
    world.ends(change, ChangeState::Held);
    assert_eq!(world.run(&["watch", &id]).code, Some(12));
    world.open(1, "1.0");
    let went = world.run(&["go", &id]);
    assert_eq!(went.code, Some(0), "{}", went.said);
    assert_eq!(world.view(change).change.state, ChangeState::Done);
}
