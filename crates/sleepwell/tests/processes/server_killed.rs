//! The server is killed in every phase of a rollout; the next one goes on where it was.

use model::ChangeId;
use model::api::change::{ChangeView, RingState};
use model::observe::ChangeState;

use crate::harness::definition::{CANARY_THEN_REST, Definition, ONE_RING};
use crate::harness::load::Load;
use crate::harness::shop;
use crate::harness::wait::{Deadline, until_true};
use crate::harness::world::{World, story, times};

/// How soon a new server does the next step: less than the leases of the dead one would last.
const AT_ONCE_S: u64 = 8;

/// Starts the next server and measures how long it takes until the change moves.
fn goes_on_at_once(
    world: &mut World,
    url: &str,
    change: ChangeId,
    moved: impl Fn(&ChangeView) -> bool,
) {
    world.restart_server(url);
    let began = Deadline::in_seconds(AT_ONCE_S);
    let view = world.reaches(change, "to move on", moved);
    assert!(
        !began.is_over(),
        "it took {:?}:\n{}",
        began.elapsed(),
        story(&view)
    );
}

/// Checks that a change that went through both its rings did everything once.
fn everything_happened_once(view: &ChangeView, rings: usize) {
    for event in ["ring_started", "ring_proved", "ring_passed"] {
        assert_eq!(times(view, event), rings, "{event}:\n{}", story(view));
    }
    for event in ["rollout_planned", "rollout_done"] {
        assert_eq!(times(view, event), 1, "{event}:\n{}", story(view));
    }
}

/// Checks that the owner got one mail and one webhook, and nothing twice.
fn told_once(world: &mut World) {
    until_true("the mail and the webhook", 15, || {
        !world.inbox.mails().is_empty() && !world.inbox.webhooks().is_empty()
    });
    world.journal_is_whole(); // the server has ended, so nothing more comes
    assert_eq!(world.inbox.mails().len(), 1, "{:?}", world.inbox.mails());
    assert_eq!(
        world.inbox.webhooks().len(),
        1,
        "{:?}",
        world.inbox.webhooks()
    );
}

fn done_once(world: &mut World, change: ChangeId, rings: usize) {
    let view = world.ends(change, ChangeState::Done);
    everything_happened_once(&view, rings);
    assert!(world.inbox.mails().is_empty(), "nobody needs to know");
    world.journal_is_whole();
}

#[test]
fn killed_while_releasing_it_goes_on() {
    let mut world = World::with_agents(2);
    world.define(&Definition::gated().with_rings(ONE_RING));
    world.close(1, "1.0");
    let change = world.begin("1.0");
    // One host at a time: the second is not asked before the first has proved it.
    world.ring_is(change, 0, RingState::Releasing);
    until_true("the first host to start", 10, || {
        world
            .service(1)
            .reported
            .is_some_and(|r| !r.processes.is_empty())
    });
    let url = world.kill_server();
    world.open(1, "1.0");
    goes_on_at_once(&mut world, &url, change, |view| view.rings[0].proved > 0);
    done_once(&mut world, change, 1);
}

#[test]
fn killed_while_proving_it_goes_on() {
    let mut world = World::with_agents(2);
    world.define(&Definition::gated());
    world.close(1, "1.0");
    let change = world.begin("1.0");
    world.ring_is(change, 0, RingState::Proving);
    let url = world.kill_server();
    world.open(1, "1.0");
    goes_on_at_once(&mut world, &url, change, |view| {
        view.rings[0].proved_at.is_some()
    });
    done_once(&mut world, change, 2);
}

#[test]
fn killed_while_baking_it_goes_on() {
    let mut world = World::with_agents(2);
    let longer = CANARY_THEN_REST.replace("bake: 1s", "bake: 3s");
    world.define(&Definition::gated().with_rings(&longer));
    let change = world.begin("1.0");
    world.ring_is(change, 0, RingState::Baking);
    let url = world.kill_server();
    goes_on_at_once(&mut world, &url, change, |view| {
        view.rings[0].state == RingState::Passed
    });
    done_once(&mut world, change, 2);
}

#[test]
fn killed_while_judging_it_still_finds_the_harm() {
    let mut world = World::with_agents(2);
    world.define(&Definition::shop());
    let [good, bad] =
        ["shop-1-0", "shop-1-1"].map(|name| shop::program(name).display().to_string());
    let first = world.begin_artifact("1.0", &good);
    world.ends(first, ChangeState::Done);
    let change = world.begin_artifact("1.1", &bad);
    // Nobody pays yet, so that nothing can be said of it.
    let judging = world.ring_is(change, 0, RingState::Judging);
    let url = world.kill_server();
    world.restart_server(&url);
    let after = world.view(change);
    assert_eq!(
        after.rings[0].state,
        RingState::Judging,
        "{}",
        story(&after)
    );
    assert_eq!(after.rings[0].proved_at, judging.rings[0].proved_at);
    let load = Load::start(&world.client());
    world.ends(change, ChangeState::Undone);
    drop(load);
    told_once(&mut world);
}

#[test]
fn killed_while_undoing_it_undoes_and_tells_once() {
    let mut world = World::with_agents(2);
    world.define(&Definition::gated());
    world.ship("1.0");
    let long = CANARY_THEN_REST.replace("bake: 1s", "bake: 60s");
    world.define(&Definition::gated().with_rings(&long));
    let change = world.begin("2.0");
    world.ring_is(change, 0, RingState::Baking);
    world.close(1, "1.0"); // so that the way back takes as long as we like
    world.close(1, "2.0");
    world.ends(change, ChangeState::Undoing);
    let url = world.kill_server();
    world.open(1, "1.0");
    goes_on_at_once(&mut world, &url, change, |view| {
        view.change.state == ChangeState::Undone
    });
    let view = world.view(change);
    for event in ["undo_started", "rollout_undone"] {
        assert_eq!(times(&view, event), 1, "{event}:\n{}", story(&view));
    }
    assert_eq!(world.service(1).running.unwrap().as_str(), "1.0");
    told_once(&mut world);
}
