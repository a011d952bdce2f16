//! Events of hosts, each stored once.

use std::time::Duration;

use axum::http::StatusCode;
use model::api::agent::EventsStored;
use model::{Role, limit};
use serde_json::{Value, json};

use crate::support::{Answer, World};

pub(crate) async fn events(world: &World, agent: &str, boot: &str, seqs: &[u64]) -> Answer {
    let event = |seq: &u64| {
        let kind = json!({ "event": "log", "text": format!("line {seq}") });
        json!({ "seq": seq, "at": world.now(), "service": "shop", "generation": 1, "kind": kind })
    };
    let all: Vec<Value> = seqs.iter().map(event).collect();
    let body = json!({ "boot_id": boot, "events": all });
    world
        .post("/agent/v1/events")
        .bearer(agent)
        .json(&body)
        .await
}

#[tokio::test]
async fn an_event_is_stored_once_per_boot_and_number() {
    let world = World::new();
    let (one, two) = (
        world.host("web-1", json!({})).await,
        world.host("web-2", json!({})).await,
    );
    let highest = async |agent: &str, boot: &str, seqs: &[u64]| {
        let answer = events(&world, agent, boot, seqs).await;
        answer.expect(StatusCode::OK).to::<EventsStored>().seq
    };
    assert_eq!(highest(&one.token, "a", &[1, 2, 3]).await, 3);
    assert_eq!(highest(&one.token, "a", &[2, 3, 4, 4]).await, 4);
    assert_eq!(highest(&one.token, "a", &[]).await, 4);
    assert_eq!(highest(&one.token, "b", &[1]).await, 1);
    assert_eq!(highest(&two.token, "a", &[1]).await, 1);
    let stored = |host| world.read(move |tx| store::event::newest(tx, host, 100));
    assert_eq!(
        (
            stored(one.agent_id).await.len(),
            stored(two.agent_id).await.len()
        ),
        (5, 1)
    );
}

#[tokio::test]
async fn what_happened_on_a_host_long_ago_is_forgotten_when_it_tells_more() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    events(&world, &host.token, "a", &[1, 2])
        .await
        .expect(StatusCode::OK);
    world
        .app
        .clock
        .advance(limit::AGENT_EVENT_MEMORY + Duration::from_secs(1));
    let answer = events(&world, &host.token, "a", &[]).await;
    assert_eq!(answer.expect(StatusCode::OK).to::<EventsStored>().seq, 2);
    let stored = world.read(move |tx| store::event::newest(tx, host.agent_id, 100));
    let left: Vec<u64> = stored.await.iter().map(|event| event.seq).collect();
    assert_eq!(left, [2], "the newest says what need not be sent again");
}

#[tokio::test]
async fn too_many_events_in_one_call_are_413_and_none_is_stored() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    let seqs: Vec<u64> = (1..=limit::AGENT_EVENTS as u64 + 1).collect();
    events(&world, &host.token, "a", &seqs)
        .await
        .problem(413, "too_many");
    events(&world, &host.token, "a", &seqs[1..])
        .await
        .expect(StatusCode::OK);
    let stray = world.token(Role::Agent).await;
    events(&world, &stray, "a", &[1])
        .await
        .problem(404, "unknown_host");
}
