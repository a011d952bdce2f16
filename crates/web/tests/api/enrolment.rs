//! Hosts join with a token that works once.

use axum::http::StatusCode;
use model::deliver::Host;
use model::{Fact, Role, limit};
use serde_json::{Value, json};

use crate::agents::{facts_about, sync};
use crate::events::events;
use crate::support::{Answer, World, enrol};

async fn join(world: &World, token: &str, body: &Value) -> Answer {
    world.post("/agent/v1/enrol").bearer(token).json(body).await
}

#[tokio::test]
async fn a_join_token_enrols_one_host_once() {
    let world = World::new();
    let token = world.token(Role::Join).await;
    join(&world, &token, &enrol("web-1", json!({ "role": "shop" })))
        .await
        .expect(StatusCode::OK);
    join(&world, &token, &enrol("web-2", json!({})))
        .await
        .problem(401, "revoked_token");
    assert!(matches!(
        facts_about(&world, "web-1").await.as_slice(),
        [Fact::HostEnrolled { .. }]
    ));
    assert_eq!(facts_about(&world, "web-2").await, []);
}

#[tokio::test]
async fn of_two_hosts_with_one_join_token_at_once_one_is_enrolled() {
    let world = World::new();
    let token = world.token(Role::Join).await;
    let (a, b) = tokio::join!(
        async { join(&world, &token, &enrol("web-1", json!({}))).await },
        async { join(&world, &token, &enrol("web-2", json!({}))).await }
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    assert_eq!(world.read(store::host::list).await.len(), 1);
}

#[tokio::test]
async fn a_join_token_is_worthless_after_an_hour() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    let answer = world
        .post("/api/v1/deliver/join-tokens")
        .bearer(&admin)
        .json(&json!({}))
        .await;
    let made: Value = answer.expect(StatusCode::CREATED).to();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["expires_at"], "2026-01-02T04:04:05Z");
    world.app.clock.advance(limit::JOIN_TOKEN_TTL);
    let answer = join(&world, token, &enrol("web-1", json!({}))).await;
    answer.problem(401, "expired_token");
    assert_eq!(world.read(store::host::list).await, []);
}

/// A cloned disk cannot pose as the host it was copied from, and a refusal costs no token.
#[tokio::test]
async fn a_name_and_a_machine_are_enrolled_once_and_the_token_is_kept() {
    let world = World::new();
    world.host("web-1", json!({})).await;
    let token = world.token(Role::Join).await;
    let mut same_name = enrol("web-1", json!({}));
    same_name["machine_id"] = "another machine".into();
    let problem = join(&world, &token, &same_name)
        .await
        .problem(409, "host_exists");
    assert_eq!(problem.at.as_deref(), Some("hostname"));
    let mut same_machine = enrol("web-2", json!({}));
    same_machine["machine_id"] = "machine of web-1".into();
    let problem = join(&world, &token, &same_machine)
        .await
        .problem(409, "machine_exists");
    assert!(problem.title.contains("`web-1`"), "{problem}");
    join(&world, &token, &enrol("web-2", json!({})))
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn what_names_a_machine_is_short_and_there() {
    let world = World::new();
    let token = world.token(Role::Join).await;
    let long = "x".repeat(limit::NAME_BYTES + 1);
    let bad = [
        ("machine_id", ""),
        ("machine_id", &long),
        ("boot_id", &long),
        ("agent_version", "1\u{0}"),
    ];
    for (field, value) in bad {
        let mut body = enrol("web-1", json!({}));
        body[field] = value.into();
        let problem = join(&world, &token, &body).await.problem(422, "bad_id");
        assert_eq!(problem.at.as_deref(), Some(field));
    }
    let agent = world.host("web-1", json!({})).await.token;
    sync(&world, &agent, json!({ "boot_id": long }))
        .await
        .problem(422, "bad_id");
    sync(&world, &agent, json!({ "agent_version": long }))
        .await
        .problem(422, "bad_id");
    events(&world, &agent, &long, &[1])
        .await
        .problem(422, "bad_id");
}

#[tokio::test]
async fn there_are_no_more_hosts_than_the_limit() {
    let world = World::new();
    let first = world.host("web-0", json!({})).await.agent_id;
    let ids = world.app.ids.clone();
    world
        .write(move |tx| {
            let host = store::host::get(tx, first)?.unwrap();
            for n in 1..limit::HOSTS {
                let (name, machine_id) = (format!("web-{n}").parse().unwrap(), n.to_string());
                let id = ids.host(host.last_seen);
                store::host::insert(
                    tx,
                    &Host {
                        id,
                        name,
                        machine_id,
                        ..host.clone()
                    },
                )?;
            }
            Ok(())
        })
        .await;
    let token = world.token(Role::Join).await;
    let answer = join(&world, &token, &enrol("one-more", json!({}))).await;
    answer.problem(409, "too_many_hosts");
}
