//! One row that cannot be read: the loop says so, and goes on with the others.

use engine::{Hosts, Inbox, Outbox, Procedures, Rollouts, Senders, Verdicts};
use model::act::{Destination, Message, OutboxRow, OutboxState, Urgency};
use model::deliver::{Command, DesiredState, Phase, RolloutState};
use model::{ChangeId, EntryId, Fact, PageId};
use runtime::Turn;

use crate::support::{START, World, at, failed, fails, turns};

const SILENT_S: u64 = 60;

fn done() -> RolloutState {
    RolloutState::Done { at: START }
}

#[tokio::test]
async fn a_verdict_on_a_damaged_rollout_keeps_no_other_from_its_undo() {
    for damage in [
        "UPDATE judge_verdict SET body = '{' WHERE change = 1",
        "UPDATE deliver_rollout SET body = '{' WHERE change = 1",
        "UPDATE deliver_release SET body = '{' WHERE service = 'shop'",
    ] {
        let world = World::new();
        for of in [(1, "shop"), (2, "till")] {
            world.rollout(of, &[1], RolloutState::Planned).await;
            let (verdict, entry) = failed(of.0);
            let give = move |tx: &mut store::Tx<'_>| store::judgement::insert(tx, &verdict, entry);
            world.write(give).await;
        }
        world.damage(damage);
        let said = fails(&mut Procedures::new(world.context.clone()), 1).await;
        let (verdict, _) = failed(1);
        assert!(
            said.starts_with(&format!("verdict {}: ", verdict.id)),
            "{said}"
        );
        let order = world.stored(2).await.order.expect(damage);
        assert_eq!(order.command, Command::Undo);
    }
}

#[tokio::test]
async fn a_damaged_host_hides_no_other_that_fell_silent() {
    let world = World::new();
    let damaged = world.host(1).await;
    world.host(2).await;
    world.damage("UPDATE deliver_host SET body = '{' WHERE name = 'web-1'");
    let said = fails(&mut Hosts::new(world.context.clone()), SILENT_S).await;
    assert!(said.starts_with(&format!("host {damaged}: ")), "{said}");
    let facts = world.facts().await;
    let [Fact::HostSilent { host, .. }] = &facts[..] else {
        panic!("{facts:?}");
    };
    assert_eq!(host.as_str(), "web-2");
}

#[tokio::test]
async fn late_hosts_get_what_they_are_owed_although_another_service_is_damaged() {
    for damage in [
        "UPDATE deliver_rollout SET body = '{' WHERE change = 1",
        // Found only when the release is to be asked for.
        "DELETE FROM deliver_release WHERE service = 'shop'",
    ] {
        let world = World::new();
        world.rollout((1, "shop"), &[], done()).await;
        world.rollout((2, "till"), &[], done()).await;
        let late = world.host(1).await;
        world.damage(damage);
        let said = fails(&mut Hosts::new(world.context.clone()), 1).await;
        assert!(said.starts_with("shop in production: "), "{said}");
        let wishes = world
            .write(move |tx| store::fleet::desired_of(tx, late))
            .await;
        let services: Vec<&str> = wishes.iter().map(|wish| wish.service.as_str()).collect();
        assert_eq!(services, ["till"], "{damage}");
        assert_eq!(world.stored(2).await.hosts().count(), 1);
    }
}

#[tokio::test]
async fn a_damaged_rollout_stops_no_other() {
    let world = World::new();
    for of in [(1, "shop"), (2, "till")] {
        world.rollout(of, &[1], RolloutState::Planned).await;
    }
    world.host(1).await;
    world.damage("UPDATE deliver_rollout SET body = '{' WHERE change = 1");
    let said = fails(&mut Rollouts::new(world.context.clone()), 1).await;
    assert!(said.starts_with("chg-1: "), "{said}");
    assert_ne!(world.stored(2).await.state, RolloutState::Planned);
}

#[tokio::test]
async fn a_damaged_rollout_keeps_no_other_from_its_judge() {
    let world = World::new();
    let baking = RolloutState::Ring {
        ring: 0,
        phase: Phase::Baking,
        since: START,
    };
    for of in [(1, "shop"), (2, "till")] {
        world.rollout(of, &[1], baking.clone()).await;
    }
    world.damage("UPDATE deliver_rollout SET body = '{' WHERE change = 1");
    let said = fails(&mut Verdicts::new(world.context.clone()), 1).await;
    assert!(said.starts_with("chg-1: "), "{said}");
    let look = world.write(|tx| store::judgement::last_look(tx, ChangeId(2)));
    assert_eq!(look.await.map(|look| look.at), Some(at(1)));
}

#[tokio::test]
async fn a_damaged_host_keeps_no_other_from_going_back() {
    let world = World::new();
    let undoing = RolloutState::Undoing { since: START };
    world.rollout((1, "shop"), &[1, 2], undoing.clone()).await;
    world.host(1).await;
    let whole = world.host(2).await;
    world.damage("UPDATE deliver_host SET body = '{' WHERE name = 'web-1'");
    turns(&mut Rollouts::new(world.context.clone()), 1).await;
    let read = move |tx: &mut store::Tx<'_>| store::fleet::desired_of(tx, whole);
    let wishes = world.write(read).await;
    assert_eq!(wishes.len(), 1);
    assert_eq!(wishes[0].state, DesiredState::Stopped);
    assert_eq!(world.stored(1).await.state, undoing);
}

fn message(n: u128) -> OutboxRow {
    OutboxRow {
        id: PageId::new(START, n),
        destination: Destination::Mail("owner@example.test".into()),
        message: Message {
            urgency: Urgency::Low,
            title: format!("message {n}"),
            text: vec![],
            change: None,
            incident: None,
            data: serde_json::Value::Null,
        },
        state: OutboxState::Queued,
        attempt: 0,
        due_at: START,
        created_at: START,
        cause: EntryId::new(START, n),
    }
}

#[tokio::test]
async fn a_damaged_message_keeps_no_other_back_and_is_not_tried_without_pause() {
    let world = World::new();
    for n in [1, 2] {
        let queue = move |tx: &mut store::Tx<'_>| store::outbox::enqueue(tx, &message(n));
        world.write(queue).await;
    }
    let damaged = message(1).id;
    world.damage(&format!(
        "UPDATE outbox SET body = '{{' WHERE id = '{damaged}'"
    ));
    let inbox = Inbox::default();
    let mut outbox = Outbox::new(world.context.clone(), Senders::Inbox(inbox.clone()));
    let said = fails(&mut outbox, 1).await;
    assert!(said.starts_with(&format!("message {damaged}: ")), "{said}");
    let titles: Vec<String> = inbox
        .received()
        .into_iter()
        .map(|row| row.message.title)
        .collect();
    assert_eq!(titles, ["message 2"]);
    assert_eq!(turns(&mut outbox, 2).await, Turn::Until(at(61)));
}

/// Returns what was told of rows that were set aside.
async fn set_aside(world: &World) -> Vec<String> {
    let facts = world.facts().await.into_iter();
    let rows = facts.filter_map(|fact| match fact {
        Fact::SetAside { row, .. } => Some(row),
        _ => None,
    });
    rows.collect()
}

#[tokio::test]
async fn a_damaged_verdict_is_set_aside_and_told_once_and_the_next_one_counts() {
    let world = World::new();
    world
        .rollout((1, "shop"), &[1], RolloutState::Planned)
        .await;
    let (verdict, entry) = failed(1);
    let id = verdict.id;
    world
        .write(move |tx| store::judgement::insert(tx, &verdict, entry))
        .await;
    world.damage("UPDATE judge_verdict SET body = '{'");
    let mut procedures = Procedures::new(world.context.clone());
    fails(&mut procedures, 1).await;
    assert_eq!(turns(&mut procedures, 2).await, Turn::Idle);
    assert_eq!(set_aside(&world).await, [format!("verdict {id}")]);
    assert_eq!(world.write(store::set_aside::count).await, 1);

    // Nothing reads it any more: the rollout goes on, and what the judge says next is acted on.
    turns(&mut Rollouts::new(world.context.clone()), 3).await;
    let (mut next, entry) = failed(1);
    next.id = model::VerdictId::new(START, 9);
    world
        .write(move |tx| store::judgement::insert(tx, &next, entry))
        .await;
    turns(&mut procedures, 4).await;
    let order = world.stored(1).await.order.unwrap();
    assert_eq!(order.command, Command::Undo);
    assert_eq!(set_aside(&world).await.len(), 1);
}

#[tokio::test]
async fn a_row_that_can_be_read_again_later_is_not_set_aside() {
    let world = World::new();
    world
        .rollout((1, "shop"), &[1], RolloutState::Planned)
        .await;
    let (verdict, entry) = failed(1);
    world
        .write(move |tx| store::judgement::insert(tx, &verdict, entry))
        .await;
    // The verdict is whole, and what it is about is not.
    world.damage("UPDATE deliver_rollout SET body = '{' WHERE change = 1");
    let mut procedures = Procedures::new(world.context.clone());
    for second in 1..4 {
        fails(&mut procedures, second).await;
    }
    assert_eq!(world.write(store::set_aside::count).await, 0);
}
