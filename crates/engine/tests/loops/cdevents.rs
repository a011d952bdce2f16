//! CDEvents out: each entry that is one of another tool's is told once, from the day a sink was set.

use engine::{CdeventSink, Cdevents};
use model::Fact;
use model::act::{Destination, OutboxRow};
use model::deliver::RolloutState;

use crate::support::{World, turns};

fn done() -> serde_json::Value {
    let (hosts, after_ms) = (1, 1);
    Fact::RolloutDone { hosts, after_ms }.to_body()
}

fn cdevents(world: &World) -> Cdevents {
    let sink = CdeventSink {
        url: "https://tool.example.test/events".into(),
        source: "/sleepwell/prod".into(),
    };
    Cdevents::new(world.context.clone(), sink)
}

fn chains(rows: &[OutboxRow]) -> Vec<&str> {
    let chain = |row: &OutboxRow| row.message.data.pointer("/data/context/chainId").is_some();
    assert!(rows.iter().all(chain), "{rows:?}");
    let chains = rows.iter();
    chains
        .filter_map(|row| row.message.data["data"]["context"]["chainId"].as_str())
        .collect()
}

#[tokio::test]
async fn what_happened_before_the_sink_was_set_is_not_told_and_the_rest_is_told_once() {
    let world = World::new();
    for (n, service) in [(1, "a"), (2, "b"), (3, "c")] {
        world
            .rollout((n, service), &[1], RolloutState::Planned)
            .await;
    }
    world.tell(1, done()).await;
    let mut loop_ = cdevents(&world);
    turns(&mut loop_, 1).await;
    assert_eq!(world.outbox().await, []);

    world.tell(2, done()).await;
    world
        .tell(
            3,
            serde_json::json!({ "fact": "ring_proved", "ring": "r", "hosts": 1 }),
        )
        .await;
    world.tell(3, done()).await;
    for second in [2, 3] {
        turns(&mut loop_, second).await;
    }
    // Another server that takes over goes on where this one stopped.
    turns(&mut cdevents(&world), 4).await;
    let rows = world.outbox().await;
    assert_eq!(chains(&rows), ["chg-2", "chg-3"]);
    let destination = Destination::Cdevents("https://tool.example.test/events".into());
    assert!(rows.iter().all(|row| row.destination == destination));
    assert_eq!(
        rows[0].message.data["type"],
        "dev.cdevents.service.deployed.0.3.0"
    );
}

#[tokio::test]
async fn an_entry_nobody_can_read_holds_up_no_other() {
    let world = World::new();
    for (n, service) in [(1, "a"), (2, "b")] {
        world
            .rollout((n, service), &[1], RolloutState::Planned)
            .await;
    }
    world.tell(1, done()).await;
    let mut loop_ = cdevents(&world);
    turns(&mut loop_, 1).await;
    world.tell(1, done()).await;
    world.tell(2, done()).await;
    world.damage("UPDATE deliver_rollout SET body = '{' WHERE change = 1");
    turns(&mut loop_, 2).await;
    assert_eq!(chains(&world.outbox().await), ["chg-2"]);
}
