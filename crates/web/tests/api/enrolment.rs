//! Hosts join with a token that lets one host in, once; a lost answer is given again.

use axum::http::StatusCode;
use model::api::agent::Enrolled;
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
        .problem(401, "used_token");
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

/// Is a world in which `web-1` was let in by a join token and never heard the answer.
async fn with_lost_answer() -> (World, String, Enrolled) {
    let world = World::new();
    let token = world.token(Role::Join).await;
    let answer = join(&world, &token, &enrol("web-1", json!({ "role": "shop" }))).await;
    let lost = answer.expect(StatusCode::OK).to();
    (world, token, lost)
}

#[tokio::test]
async fn a_lost_answer_is_given_again_and_the_first_one_is_void() {
    let (world, token, lost) = with_lost_answer().await;
    let mut again = enrol("web-1", json!({ "role": "shop" }));
    again["boot_id"] = "another boot".into();
    again["agent_version"] = "0.2".into();
    let answer = join(&world, &token, &again).await;
    let known: Enrolled = answer.expect(StatusCode::OK).to();
    assert_eq!(known.agent_id, lost.agent_id);
    assert_ne!(known.token, lost.token);
    sync(&world, &lost.token, json!({}))
        .await
        .problem(401, "revoked_token");
    sync(&world, &known.token, json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    assert_eq!(world.read(store::host::list).await.len(), 1);
    assert!(matches!(
        facts_about(&world, "web-1").await.as_slice(),
        [Fact::HostEnrolled { .. }, Fact::HostEnrolledAgain { .. }]
    ));
}

#[tokio::test]
async fn a_host_that_has_reported_is_not_answered_again() {
    let (world, token, agent) = with_lost_answer().await;
    sync(&world, &agent.token, json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    join(&world, &token, &enrol("web-1", json!({ "role": "shop" })))
        .await
        .problem(401, "used_token");
    sync(&world, &agent.token, json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn nobody_else_is_answered_with_a_used_token() {
    let (world, token, agent) = with_lost_answer().await;
    let others = [
        ("machine_id", json!("machine of web-2")),
        ("hostname", json!("web-2")),
        ("labels", json!({ "role": "db" })),
    ];
    for (field, value) in others {
        let mut other = enrol("web-1", json!({ "role": "shop" }));
        other[field] = value;
        let problem = join(&world, &token, &other)
            .await
            .problem(401, "used_token");
        assert!(problem.hint.unwrap().contains("sleepwell agent token"));
    }
    // Nor with a token of one's own.
    let own = world.token(Role::Join).await;
    join(&world, &own, &enrol("web-1", json!({ "role": "shop" })))
        .await
        .problem(409, "host_exists");
    sync(&world, &agent.token, json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_retired_host_is_not_answered_again() {
    let (world, token, agent) = with_lost_answer().await;
    let now = world.now();
    world
        .write(move |tx| {
            let host = store::host::get(tx, agent.agent_id)?.unwrap();
            let retired_at = Some(now);
            store::host::save(tx, &Host { retired_at, ..host })
        })
        .await;
    join(&world, &token, &enrol("web-1", json!({ "role": "shop" })))
        .await
        .problem(401, "used_token");
}

#[tokio::test]
async fn a_used_token_that_was_revoked_answers_nobody() {
    let (world, token, _) = with_lost_answer().await;
    let hash = store::token::hash(&token);
    let (now, found) = (
        world.now(),
        world.read(move |tx| store::token::by_hash(tx, hash)).await,
    );
    let id = found.unwrap().id;
    assert!(
        world
            .write(move |tx| store::token::revoke(tx, id, now))
            .await
    );
    join(&world, &token, &enrol("web-1", json!({ "role": "shop" })))
        .await
        .problem(401, "revoked_token");
}

#[tokio::test]
async fn of_two_same_calls_at_once_one_identity_is_good() {
    let world = World::new();
    let token = world.token(Role::Join).await;
    let body = enrol("web-1", json!({}));
    let (a, b) = tokio::join!(join(&world, &token, &body), join(&world, &token, &body));
    let mut statuses = Vec::new();
    for answer in [a, b] {
        let enrolled: Enrolled = answer.expect(StatusCode::OK).to();
        let synced = sync(&world, &enrolled.token, json!({})).await;
        statuses.push(synced.status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [304, 401]);
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

#[tokio::test]
async fn a_lost_answer_is_given_again_within_the_hour_of_the_token() {
    let world = World::new();
    let (end, body) = (
        world.now() + limit::JOIN_TOKEN_TTL,
        enrol("web-1", json!({})),
    );
    let token = world
        .store_token("join", Role::Join, None, Some(end), None)
        .await;
    join(&world, &token, &body).await.expect(StatusCode::OK);
    let last = limit::JOIN_TOKEN_TTL - std::time::Duration::from_millis(1);
    world.app.clock.advance(last);
    join(&world, &token, &body).await.expect(StatusCode::OK);
    world.app.clock.advance(std::time::Duration::from_millis(1));
    join(&world, &token, &body)
        .await
        .problem(401, "expired_token");
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

/// Makes a join token for one host, as `sleepwell agent token --host NAME` does.
async fn token_for(world: &World, host: &str) -> String {
    let admin = world.token(Role::Admin).await;
    let made: Value = world
        .post("/api/v1/deliver/join-tokens")
        .bearer(&admin)
        .json(&json!({ "host": host }))
        .await
        .expect(StatusCode::CREATED)
        .to();
    made["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_host_that_lost_who_it_is_is_let_back_in_by_a_token_made_for_it() {
    let world = World::new();
    let before = world.host("web-1", json!({ "role": "shop" })).await;
    sync(&world, &before.token, json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    let token = token_for(&world, "web-1").await;
    let mut request = enrol("web-1", json!({}));
    request["machine_id"] = "another machine".into();
    let after: Enrolled = join(&world, &token, &request)
        .await
        .expect(StatusCode::OK)
        .to();
    assert_eq!(after.agent_id, before.agent_id, "it is the same host");
    sync(&world, &before.token, json!({}))
        .await
        .problem(401, "revoked_token");
    sync(&world, &after.token, json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    let host = world
        .read(move |tx| store::host::get(tx, after.agent_id))
        .await
        .unwrap();
    assert_eq!(host.machine_id, "another machine");
    assert_eq!(host.labels.get("role"), "shop", "nobody said otherwise");
    assert!(matches!(
        facts_about(&world, "web-1").await.as_slice(),
        [Fact::HostEnrolled { .. }, Fact::HostLetBackIn { .. }]
    ));
    join(&world, &token, &request)
        .await
        .problem(401, "used_token");
}

#[tokio::test]
async fn the_lost_answer_of_a_host_that_is_let_back_in_is_given_again() {
    let world = World::new();
    world.host("web-1", json!({ "role": "shop" })).await;
    let token = token_for(&world, "web-1").await;
    let request = enrol("web-1", json!({}));
    join(&world, &token, &request).await.expect(StatusCode::OK);
    let heard: Enrolled = join(&world, &token, &request)
        .await
        .expect(StatusCode::OK)
        .to();
    sync(&world, &heard.token, json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    assert_eq!(world.read(store::host::list).await.len(), 1);
}

#[tokio::test]
async fn a_copy_of_a_machine_joins_only_with_a_token_made_for_it() {
    let world = World::new();
    let first = world.host("web-1", json!({})).await;
    let mut copy = enrol("web-2", json!({}));
    copy["machine_id"] = "machine of web-1".into();
    let any = world.token(Role::Join).await;
    let problem = join(&world, &any, &copy)
        .await
        .problem(409, "machine_exists");
    let hint = problem.hint.unwrap();
    assert!(hint.contains("agent token --host web-2"), "{hint}");
    let token = token_for(&world, "web-2").await;
    let second: Enrolled = join(&world, &token, &copy)
        .await
        .expect(StatusCode::OK)
        .to();
    assert_ne!(second.agent_id, first.agent_id);
    for agent in [&first, &second] {
        sync(&world, &agent.token, json!({}))
            .await
            .expect(StatusCode::NOT_MODIFIED);
    }
    let web_1 = "web-1".parse().unwrap();
    assert_eq!(
        facts_about(&world, "web-2").await,
        [Fact::HostSharesMachine {
            host: "web-2".parse().unwrap(),
            with: web_1,
        }]
    );
}

#[tokio::test]
async fn a_token_made_for_one_host_lets_in_no_other() {
    let world = World::new();
    world.host("web-1", json!({})).await;
    let token = token_for(&world, "web-1").await;
    let problem = join(&world, &token, &enrol("web-2", json!({})))
        .await
        .problem(409, "token_of_another");
    assert!(problem.title.contains("`web-1`"), "{problem}");
    assert_eq!(world.read(store::host::list).await.len(), 1);
    join(&world, &token, &enrol("web-1", json!({})))
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
