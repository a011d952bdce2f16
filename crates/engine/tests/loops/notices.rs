//! Notices: each entry is dealt with once, and one that cannot be is passed over aloud.

use engine::Notices;
use model::deliver::{HeldReason, RolloutState};
use model::{ChangeId, Fact};

use crate::support::{Log, START, World, fails, turns};

fn held() -> serde_json::Value {
    let fact = Fact::RolloutHeld {
        reason: HeldReason::Blocked {
            host: "web-1".parse().unwrap(),
            why: "disk full".into(),
        },
    };
    fact.to_body()
}

/// Returns a world where five changes are held, in order; none has been told yet.
async fn with_five_held() -> World {
    let world = World::new();
    for (n, service) in (1..).zip(["a", "b", "c", "d", "e"]) {
        let state = RolloutState::Held {
            ring: 0,
            reason: HeldReason::Person { by: "test".into() },
            since: START,
        };
        world.rollout((n, service), &[1], state).await;
        world.tell(n, held()).await;
    }
    world
}

async fn told(world: &World) -> Vec<u64> {
    let rows = world.outbox().await;
    let change = |row: &model::act::OutboxRow| row.message.change.map(|ChangeId(n)| n);
    rows.iter().filter_map(change).collect()
}

async fn cursor(world: &World) -> u64 {
    let read = |tx: &mut store::Tx<'_>| store::journal::cursor(tx, "act.notices");
    world.write(read).await
}

#[tokio::test]
async fn an_entry_nobody_can_read_is_passed_over_aloud_and_the_others_are_told_once() {
    let world = with_five_held().await;
    world.damage(
        "UPDATE journal_entry SET kind = 'rumour' WHERE seq = 1;
         UPDATE deliver_rollout SET body = '{' WHERE change = 2;
         UPDATE journal_entry SET body = '{\"event\":\"rollout_held\"}' WHERE seq = 5",
    );
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let mut notices = Notices::new(world.context.clone());
    turns(&mut notices, 1).await;
    assert_eq!(told(&world).await, [3, 4]);
    let lines = log.lines();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for (line, seq) in lines.iter().zip([1, 2, 5]) {
        assert!(line.starts_with("ERROR"), "{line}");
        assert!(line.contains(&format!("journal.seq={seq} ")), "{line}");
    }
    turns(&mut notices, 2).await;
    assert_eq!(told(&world).await, [3, 4], "once");
    assert_eq!(log.lines().len(), 3, "once");
}

#[tokio::test]
async fn a_store_that_does_not_answer_passes_over_no_entry() {
    let world = with_five_held().await;
    let mut notices = Notices::new(world.context.clone());
    // The third cannot be queued, and would be if the store worked.
    world.damage(
        "CREATE TRIGGER broken BEFORE INSERT ON outbox WHEN (SELECT COUNT(*) FROM outbox) = 2
         BEGIN SELECT abs(-9223372036854775808); END",
    );
    for seconds in [1, 2] {
        let said = fails(&mut notices, seconds).await;
        assert!(said.contains("does not answer"), "{said}");
        assert_eq!(told(&world).await, [1, 2]);
        assert_eq!(cursor(&world).await, 2);
    }
    world.damage("DROP TRIGGER broken");
    turns(&mut notices, 3).await;
    assert_eq!(told(&world).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_server_that_lost_its_lease_passes_over_no_entry() {
    let world = World::new();
    let mut notices = Notices::new(world.context.clone());
    turns(&mut notices, 0).await;
    let take_over = |tx: &mut store::Tx<'_>| {
        let lease = std::time::Duration::from_secs(5);
        store::lease::free_all(tx)?;
        store::lease::acquire(tx, "act.notices", "another server", lease, START)
    };
    assert!(world.write(take_over).await.is_some());
    world
        .rollout((1, "shop"), &[1], RolloutState::Planned)
        .await;
    world.tell(1, held()).await;
    let said = fails(&mut notices, 1).await;
    assert!(said.contains("the lease `act.notices`"), "{said}");
    assert_eq!((told(&world).await, cursor(&world).await), (vec![], 0));
    // The other one ended without dealing with it, and this one takes the lease again.
    turns(&mut notices, 8).await;
    assert_eq!(told(&world).await, [1]);
}
