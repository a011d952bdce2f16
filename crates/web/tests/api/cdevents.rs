//! CDEvents from other tools: three forms, each event kept once, each with its outcome.

use axum::http::StatusCode;
use model::api::delivery::{CdeventEnd, CdeventReceipts, Receipt};
use model::deliver::{DeliveryOutcome, Origin};
use model::{Fact, Role, Subject, limit};
use serde_json::{Value, json};

use crate::support::{Answer, World, test_files};

const PATH: &str = "/api/v1/deliver/cdevents";
const DEPLOYED: &str = "dev.cdevents.service.deployed.0.3.0";

fn event(id: &str, event_type: &str) -> Value {
    json!({
        "context": {
            "specversion": "0.5.1", "id": id, "source": "/ci", "type": event_type,
            "timestamp": "2026-01-02T03:04:05Z",
        },
        "subject": { "id": "shop", "content": {
            "environment": { "id": "prod" }, "artifactId": "pkg:oci/shop@sha256%3A00",
        } },
    })
}

fn wrapped(data: &Value) -> Value {
    let context = &data["context"];
    json!({
        "specversion": "1.0", "id": context["id"], "source": context["source"],
        "type": context["type"], "data": data,
    })
}

async fn send(world: &World, form: &str, body: &Value) -> Answer {
    let ingest = world.token(Role::Ingest).await;
    let content_type = format!("application/cloudevents{form}+json");
    let call = world.post(PATH).bearer(&ingest);
    call.header("content-type", &content_type)
        .body(body.to_string())
        .await
}

async fn one(world: &World, data: &Value) -> Answer {
    send(world, "", &wrapped(data)).await
}

fn taken(outcome: DeliveryOutcome, repeat: bool) -> CdeventEnd {
    CdeventEnd::Taken(Receipt { outcome, repeat })
}

#[tokio::test]
async fn a_deployment_is_told_about_the_service_and_a_repeat_changes_nothing() {
    let world = World::new();
    let data = event("1", DEPLOYED);
    let answer = one(&world, &data).await;
    let receipts: CdeventReceipts = answer.expect(StatusCode::ACCEPTED).to();
    assert_eq!(
        receipts.items[0].end,
        taken(DeliveryOutcome::Deployment, false)
    );
    let entry = world.journal().await.pop().unwrap();
    assert_eq!(entry.subject, Subject::Service("shop".parse().unwrap()));
    assert_eq!(entry.actor, "the ingest");
    let Ok(Fact::CdeventReceived {
        environment,
        artifact,
        ..
    }) = Fact::from_body(&entry.body)
    else {
        panic!("{entry:?}");
    };
    assert_eq!(environment.as_deref(), Some("prod"));
    assert_eq!(artifact.as_deref(), Some("pkg:oci/shop@sha256%3A00"));

    let receipts: CdeventReceipts = one(&world, &data).await.expect(StatusCode::OK).to();
    assert_eq!(
        receipts.items[0].end,
        taken(DeliveryOutcome::Deployment, true)
    );
    assert_eq!(world.journal().await.len(), 1);
    let since = model::Timestamp::UNIX_EPOCH;
    let find = move |tx: &mut store::Tx<'_>| {
        store::delivery::find(tx, Origin::Cdevents, "/ci", "1", since)
    };
    assert_eq!(world.read(find).await.unwrap().body, data);
}

#[tokio::test]
async fn the_same_id_of_another_source_is_another_event() {
    let world = World::new();
    let mut data = event("1", DEPLOYED);
    one(&world, &data).await.expect(StatusCode::ACCEPTED);
    data["context"]["source"] = "/other".into();
    one(&world, &data).await.expect(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn the_binary_form_is_taken_with_its_headers() {
    let world = World::new();
    let ingest = world.token(Role::Ingest).await;
    let call = || world.post(PATH).bearer(&ingest);
    let answer = call().json(&event("1", DEPLOYED)).await;
    answer.problem(400, "not_a_cloud_event");
    let named = |id| {
        let call = call().header("ce-specversion", "1.0").header("ce-id", id);
        call.header("ce-source", "/ci").header("ce-type", DEPLOYED)
    };
    let answer = named("1").json(&event("1", DEPLOYED)).await;
    answer.expect(StatusCode::ACCEPTED);
    let answer = named("2").json(&event("3", DEPLOYED)).await;
    answer.problem(422, "bad_event");
}

#[tokio::test]
async fn each_event_of_a_batch_ends_by_itself() {
    let world = World::new();
    one(&world, &event("old", DEPLOYED)).await;
    let mut bad = event("bad", DEPLOYED);
    bad["subject"]["content"] = json!({});
    let batch = json!([
        wrapped(&event("old", DEPLOYED)),
        wrapped(&event("new", "dev.cdevents.artifact.published.0.3.0")),
        wrapped(&bad),
        7,
        wrapped(&event("twice", "dev.cdevents.incident.reported.0.3.0")),
        wrapped(&event("twice", "dev.cdevents.incident.reported.0.3.0")),
        wrapped(&event("odd", "com.example.thing")),
    ]);
    let answer = send(&world, "-batch", &batch).await;
    let receipts: CdeventReceipts = answer.expect(StatusCode::ACCEPTED).to();
    let ends: Vec<_> = receipts.items.iter().map(|item| &item.end).collect();
    assert_eq!(ends[0], &taken(DeliveryOutcome::Deployment, true));
    assert_eq!(ends[1], &taken(DeliveryOutcome::Artifact, false));
    assert!(matches!(ends[2], CdeventEnd::Refused { refused } if refused.contains("environment")));
    assert!(matches!(ends[3], CdeventEnd::Refused { .. }));
    assert_eq!(ends[4], &taken(DeliveryOutcome::Recorded, false));
    assert_eq!(ends[5], &taken(DeliveryOutcome::Recorded, true));
    assert_eq!(ends[6], &taken(DeliveryOutcome::NotUnderstood, false));
    assert_eq!(receipts.items[3].id, None);
    assert_eq!(world.journal().await.len(), 4);
    let answer = send(&world, "-batch", &json!([wrapped(&bad), 7])).await;
    answer.problem(422, "bad_event");
    send(&world, "-batch", &json!([]))
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn an_event_that_is_not_what_its_kind_demands_is_refused() {
    let world = World::new();
    let mut data = event("1", DEPLOYED);
    data["subject"]["content"] = json!({});
    let problem = one(&world, &data).await.problem(422, "bad_event");
    assert!(
        problem.title.contains("subject.content.environment.id"),
        "{problem}"
    );
    assert_eq!(world.journal().await, []);
}

#[tokio::test]
async fn too_many_events_at_once_are_refused() {
    let world = World::new();
    let batch = Value::Array(vec![json!({}); limit::CDEVENTS + 1]);
    send(&world, "-batch", &batch)
        .await
        .problem(413, "too_large");
}

/// The examples of cdevents/spec; a version's have one id between them, so each is made its own.
#[tokio::test]
async fn every_example_of_both_versions_is_taken_and_understood() {
    let world = World::new();
    for version in ["cdevents-v0.4.1", "cdevents-v0.5.1"] {
        for (name, bytes) in test_files(&format!("delivery/{version}/conformance")) {
            let mut data: Value = serde_json::from_slice(&bytes).unwrap();
            data["context"]["id"] = format!("{version} {name}").into();
            let answer = one(&world, &data).await;
            let receipts: CdeventReceipts = answer.expect(StatusCode::ACCEPTED).to();
            let outcome = match name.split('_').next().unwrap() {
                "service" => DeliveryOutcome::Deployment,
                "artifact" => DeliveryOutcome::Artifact,
                _ => DeliveryOutcome::Recorded,
            };
            assert_eq!(
                receipts.items[0].end,
                taken(outcome, false),
                "{version} {name}"
            );
        }
    }
}
