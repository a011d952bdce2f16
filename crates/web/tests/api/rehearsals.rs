//! Rehearsals: what they say, and that they leave nothing behind.

use std::path::Path;

use axum::http::StatusCode;
use model::Role;
use model::api::rehearsal::{Rehearsal, RehearsedHost};
use serde_json::{Value, json};

use crate::support::{Answer, ONE_RING, World, definition};

const TWO_RINGS: &str =
    "rings: [{ name: first, hosts: 1, bake: 1m }, { name: rest, hosts: rest, bake: 2m }]";

async fn rehearse(world: &World, token: &str, body: &Value) -> Answer {
    world
        .post("/api/v1/deliver/rehearsals")
        .bearer(token)
        .json(body)
        .await
}

async fn with_hosts(definition_of_rings: &str) -> (World, String) {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    for name in ["web-1", "web-2", "web-3"] {
        world.host(name, json!({ "role": "shop" })).await;
    }
    world
        .release(&operator, "1.0", &definition(definition_of_rings))
        .await;
    (world, operator)
}

/// Returns the bytes of the database and of what was written since its last checkpoint.
fn bytes(folder: &Path) -> Vec<Vec<u8>> {
    ["db", "db-wal"]
        .map(|name| std::fs::read(folder.join(name)).unwrap())
        .into()
}

#[tokio::test]
async fn it_names_hosts_in_the_order_they_would_be_asked_and_the_earliest_end() {
    let (world, _) = with_hosts(TWO_RINGS).await;
    let viewer = world.token(Role::Viewer).await;
    let rehearsal: Rehearsal = rehearse(
        &world,
        &viewer,
        &json!({ "service": "shop", "version": "1.0" }),
    )
    .await
    .expect(StatusCode::OK)
    .to();
    let hosts = rehearsal.rings.iter().flat_map(|ring| {
        let of_ring = |h: &RehearsedHost| (ring.name.to_string(), h.host.to_string(), h.step);
        ring.hosts.iter().map(of_ring)
    });
    let expected = [
        ("first", "web-1", 1),
        ("rest", "web-2", 2),
        ("rest", "web-3", 3),
    ];
    let expected = expected.map(|(r, h, step)| (r.to_owned(), h.to_owned(), Some(step)));
    assert_eq!(hosts.collect::<Vec<_>>(), expected);
    let ends: Vec<_> = rehearsal.rings.iter().map(|r| r.passes_after_ms).collect();
    assert_eq!(ends, [Some(60_000), Some(180_000)]);
    assert_eq!(rehearsal.obstacles, []);
}

#[tokio::test]
async fn the_store_is_bit_for_bit_what_it_was() {
    let (world, operator) = with_hosts(TWO_RINGS).await;
    let before = bytes(world.folder.path());
    let blobs = world.blobs();
    let draft = json!({
        "service": "shop",
        "version": "1.1",
        "release": {
            "version": "1.1",
            "digest": model::Digest::of(b"nowhere"),
            "definition": definition(ONE_RING),
        },
    });
    for body in [&json!({ "service": "shop", "version": "1.0" }), &draft] {
        let answer = rehearse(&world, &operator, body).await;
        answer.expect(StatusCode::OK);
    }
    assert!(
        bytes(world.folder.path()) == before,
        "something was written"
    );
    assert_eq!(world.blobs(), blobs);
    // What is compared does notice a rollout.
    let ship = world.post("/api/v1/deliver/rollouts").bearer(&operator);
    ship.json(&json!({ "service": "shop", "version": "1.0" }))
        .await
        .expect(StatusCode::CREATED);
    assert!(bytes(world.folder.path()) != before);
}

#[tokio::test]
async fn a_running_rollout_is_an_obstacle_and_the_rest_is_told_all_the_same() {
    let (world, operator) = with_hosts(ONE_RING).await;
    let body = json!({ "service": "shop", "version": "1.0" });
    let ship = world.post("/api/v1/deliver/rollouts").bearer(&operator);
    ship.json(&body).await.expect(StatusCode::CREATED);
    let rehearsal: Rehearsal = rehearse(&world, &operator, &body)
        .await
        .expect(StatusCode::OK)
        .to();
    let codes: Vec<&str> = rehearsal
        .obstacles
        .iter()
        .map(|o| o.code.as_str())
        .collect();
    assert_eq!(codes, ["refused"]);
    assert!(rehearsal.obstacles[0].text.contains("chg-1 is not over"));
    assert_eq!(rehearsal.rings[0].hosts.len(), 3);

    // Another release would take over, or wait if it is told to.
    world.release(&operator, "1.1", &definition(ONE_RING)).await;
    for (wish, codes) in [("supersede", vec![]), ("queue", vec!["waits"])] {
        let body = json!({ "service": "shop", "version": "1.1", "if_running": wish });
        let rehearsal: Rehearsal = rehearse(&world, &operator, &body)
            .await
            .expect(StatusCode::OK)
            .to();
        let told = rehearsal.obstacles.iter();
        assert_eq!(told.map(|o| o.code.as_str()).collect::<Vec<_>>(), codes);
    }
}

#[tokio::test]
async fn what_could_not_be_shipped_cannot_be_rehearsed() {
    let (world, operator) = with_hosts(ONE_RING).await;
    let draft = |version: &str, text: &str| {
        json!({
            "service": "shop",
            "version": version,
            "release": {
                "version": version,
                "digest": model::Digest::of(b"other"),
                "definition": text,
            },
        })
    };
    let good = definition(ONE_RING);
    let cases = [
        (draft("1.0", &good), 409, "version_used"),
        (draft("1.1", "service: shop"), 422, "bad_definition"),
        (
            draft("1.1", &good.replace("service: shop", "service: till")),
            422,
            "bad_body",
        ),
        (
            json!({ "service": "shop", "version": "1.1" }),
            404,
            "unknown_version",
        ),
        (
            json!({ "service": "shop", "version": "1.0", "environment": "prd" }),
            404,
            "unknown_environment",
        ),
    ];
    for (body, status, code) in cases {
        rehearse(&world, &operator, &body)
            .await
            .problem(status, code);
    }
}
