//! Webhooks of git hosts: genuine or refused, kept once, told in the journal.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use model::api::delivery::Receipt;
use model::deliver::{DeliveryOutcome, GitEventKind, GitHost, Origin};
use model::{Fact, Subject, limit};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Answer, Call, World, test_data};

const GITHUB: &str = "/api/v1/deliver/hooks/github";
const GITLAB: &str = "/api/v1/deliver/hooks/gitlab";

fn push() -> Value {
    json!({
        "ref": "refs/heads/main", "after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "repository": { "full_name": "octo/shop" }, "secret": "hunter2",
    })
}

/// Sends a push as GitHub does, under this number.
async fn deliver(world: &World, number: &str, body: &Value) -> Answer {
    let call = world.post(GITHUB).header("x-github-delivery", number);
    send(call.header("x-github-event", "push"), GitHost::Github, body).await
}

async fn send(call: Call, host: GitHost, body: &Value) -> Answer {
    let body = body.to_string();
    call.signed(host, body.as_bytes()).json_bytes(body).await
}

#[tokio::test]
async fn a_push_is_kept_with_its_entry_and_a_repeat_changes_nothing() {
    let world = World::with_hooks();
    let answer = deliver(&world, "d-1", &push()).await;
    let receipt: Receipt = answer.expect(StatusCode::ACCEPTED).to();
    assert_eq!(receipt.outcome, DeliveryOutcome::Recorded);
    assert!(!receipt.repeat);
    let entry = world.journal().await.pop().unwrap();
    assert_eq!(entry.subject, Subject::Repository("octo/shop".into()));
    assert_eq!(entry.actor, "hook github");
    let Ok(Fact::HookReceived { event, .. }) = Fact::from_body(&entry.body) else {
        panic!("{entry:?}");
    };
    assert_eq!(event.kind, GitEventKind::Push);
    assert_eq!(event.sha.as_deref(), push()["after"].as_str());

    // The first outcome counts, whatever the repeat holds.
    let answer = deliver(&world, "d-1", &json!({})).await;
    let again: Receipt = answer.expect(StatusCode::OK).to();
    assert_eq!((again.outcome, again.repeat), (receipt.outcome, true));
    assert_eq!(world.journal().await.len(), 1);
    deliver(&world, "d-2", &push())
        .await
        .expect(StatusCode::ACCEPTED);
    assert_eq!(world.journal().await.len(), 2);
}

#[tokio::test]
async fn a_delivery_is_stored_without_the_secret_that_stood_in_it() {
    let world = World::with_hooks();
    deliver(&world, "d-1", &push()).await;
    let origin = Origin::Hook(GitHost::Github);
    let since = world.now() - Duration::from_secs(1);
    let find = move |tx: &mut store::Tx<'_>| store::delivery::find(tx, origin, "", "d-1", since);
    let stored = world.read(find).await.unwrap();
    assert_eq!(stored.body.get("secret"), None);
    assert_eq!(stored.body["ref"], "refs/heads/main");
    assert_eq!(world.journal().await[0].id, stored.entry);
}

#[tokio::test]
async fn a_number_is_remembered_for_seven_days() {
    let world = World::with_hooks();
    deliver(&world, "d-1", &push()).await;
    let second = Duration::from_secs(1);
    world.app.clock.advance(limit::HOOK_MEMORY - second);
    deliver(&world, "d-1", &push()).await.expect(StatusCode::OK);
    world.app.clock.advance(second);
    let answer = deliver(&world, "d-1", &push()).await;
    answer.expect(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn without_a_number_the_same_bytes_are_a_repeat_for_ten_minutes() {
    let world = World::with_hooks();
    let body = json!({ "ref": "refs/heads/main", "project": { "path_with_namespace": "a/b" } });
    let call = || world.post(GITLAB).header("x-gitlab-event", "Push Hook");
    send(call(), GitHost::Gitlab, &body)
        .await
        .expect(StatusCode::ACCEPTED);
    send(call(), GitHost::Gitlab, &body)
        .await
        .expect(StatusCode::OK);
    world.app.clock.advance(limit::UNNUMBERED_HOOK_MEMORY);
    send(call(), GitHost::Gitlab, &body)
        .await
        .expect(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn what_is_not_signed_is_refused_and_counted_and_leaves_nothing() {
    let world = World::with_hooks();
    let body = push().to_string();
    let call = || world.post(GITHUB).header("x-github-event", "push");
    let hex = |byte: &str| format!("sha256={}", byte.repeat(32));
    let other = push().to_string().replace("main", "evil");
    let answers = [
        call().json_bytes(body.clone()).await,
        call()
            .header("x-hub-signature-256", &hex("ab"))
            .json_bytes(body.clone())
            .await,
        call()
            .header("x-hub-signature-256", "sha256=")
            .json_bytes(body.clone())
            .await,
        call()
            .header("x-gitlab-token", "fixture-secret")
            .json_bytes(body.clone())
            .await,
        call()
            .signed(GitHost::Github, body.as_bytes())
            .json_bytes(other)
            .await,
    ];
    // All look alike: nobody learns which part was wrong.
    for answer in &answers {
        answer.problem(401, "not_genuine");
        assert_eq!(answer.bytes, answers[0].bytes);
    }
    assert_eq!(world.app.hooks.refused(GitHost::Github), 5);
    assert_eq!(world.app.hooks.refused(GitHost::Gitea), 0);
    assert_eq!(world.journal().await, []);
}

#[tokio::test]
async fn a_host_without_a_secret_finds_no_door() {
    let world = World::new();
    for host in GitHost::ALL {
        let path = format!("/api/v1/deliver/hooks/{host}");
        let answer = send(world.post(&path), host, &push()).await;
        answer.problem(404, "no_secret");
    }
}

#[tokio::test]
async fn an_empty_secret_opens_no_door() {
    let empty = model::Secret::new(String::new());
    let world = World::with(|app| app.hooks = web::Hooks::new([(GitHost::Gitlab, empty)]));
    let answer = world.post(GITLAB).json_bytes("{}").await;
    answer.problem(404, "no_secret");
}

#[tokio::test]
async fn what_is_signed_and_cannot_be_read_is_told_to_the_host() {
    let world = World::with_hooks();
    let call = || world.post(GITHUB);
    let answer = send(call(), GitHost::Github, &push()).await;
    answer.problem(400, "unnamed_event");
    let named = call().header("x-github-event", "push");
    let answer = named.signed(GitHost::Github, b"{").json_bytes("{").await;
    answer.problem(400, "not_json");
    assert_eq!(world.journal().await, []);
}

#[tokio::test]
async fn an_event_nobody_reads_is_kept_as_not_understood() {
    let world = World::with_hooks();
    let call = world.post(GITHUB).header("x-github-event", "gollum");
    let answer = send(call, GitHost::Github, &push()).await;
    let receipt: Receipt = answer.expect(StatusCode::ACCEPTED).to();
    assert_eq!(receipt.outcome, DeliveryOutcome::NotUnderstood);
    assert_eq!(world.journal().await.len(), 1);
}

#[derive(Deserialize)]
struct Fixture {
    file: String,
    forge: GitHost,
    headers: BTreeMap<String, String>,
    expected: Value,
}

/// The bodies and headers as the hosts send them, through the whole server.
#[tokio::test]
async fn every_captured_webhook_is_taken_once_and_says_what_is_expected() {
    let world = World::with_hooks();
    let Some(index) = test_data("delivery/webhooks/index.json") else {
        return;
    };
    let fixtures: Vec<Fixture> = serde_json::from_slice(&index).unwrap();
    for fixture in &fixtures {
        let body = test_data(&format!("delivery/webhooks/{}", fixture.file)).unwrap();
        for wanted in [StatusCode::ACCEPTED, StatusCode::OK] {
            let mut call = world.post(&format!("/api/v1/deliver/hooks/{}", fixture.forge));
            for (name, value) in &fixture.headers {
                call = call.header_named(name, value);
            }
            call.json_bytes(body.clone()).await.expect(wanted);
        }
    }
    let facts = world.facts().await;
    assert_eq!(facts.len(), fixtures.len());
    for (fact, fixture) in facts.iter().zip(&fixtures) {
        let Fact::HookReceived { host, event, .. } = fact else {
            panic!("{fact:?}");
        };
        assert_eq!(*host, fixture.forge);
        let event = serde_json::to_value(event).unwrap();
        for (key, expected) in fixture.expected.as_object().unwrap() {
            assert_eq!(&event[key], expected, "{} {key}", fixture.file);
        }
    }
}
