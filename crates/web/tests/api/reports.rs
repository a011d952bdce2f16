//! What hosts report: each flip is told once, and only about themselves.

use std::time::Duration;

use axum::http::StatusCode;
use model::api::deliver::HostView;
use model::deliver::{Proof, Reported};
use model::{Fact, Role, limit};
use serde_json::json;

use crate::agents::{ask, facts_about, reported, sync};
use crate::support::World;

#[tokio::test]
async fn each_flip_of_a_report_is_told_once() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    ask(&world, host.agent_id, "shop").await;
    let send = async |report: &Reported| {
        for _ in 0..3 {
            let more = json!({ "reported": [report], "revision_seen": 1 });
            sync(&world, &host.token, more)
                .await
                .expect(StatusCode::NOT_MODIFIED);
        }
    };
    let mut report = reported(&world, Proof::Pending);
    send(&report).await;
    report.proof = Proof::Converged;
    send(&report).await;
    report.unexpected_exits = 2;
    send(&report).await;
    for failed in [1, 3, 7] {
        report.failed_checks = failed;
        send(&report).await;
    }
    report.proof = Proof::Drifted;
    report.why = "pid 7 runs another release".into();
    send(&report).await;

    let told = facts_about(&world, "web-1").await;
    let proof = |fact: &Fact| match fact {
        Fact::HostEnrolled { .. } => "enrolled".to_owned(),
        Fact::HostProof { proof, version, .. } => format!("{proof} {}", version.as_ref().unwrap()),
        Fact::HostExit { exits, .. } => format!("{exits} exits"),
        Fact::HostUnhealthy { failed_checks, .. } => format!("{failed_checks} failed"),
        other => panic!("{other:?}"),
    };
    let told: Vec<String> = told.iter().map(proof).collect();
    assert_eq!(
        told,
        [
            "enrolled",
            "converged 1.0",
            "2 exits",
            "3 failed",
            "drifted 1.0"
        ]
    );
}

#[tokio::test]
async fn counts_of_an_older_generation_are_not_told_as_new() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    let mut report = reported(&world, Proof::Pending);
    for (generation, exits) in [(1, 5), (2, 0), (2, 1)] {
        (report.generation_seen, report.unexpected_exits) = (generation, exits);
        sync(&world, &host.token, json!({ "reported": [report] })).await;
    }
    let exits: Vec<u32> = facts_about(&world, "web-1")
        .await
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::HostExit { exits, .. } => Some(exits),
            _ => None,
        })
        .collect();
    assert_eq!(exits, [5, 1]);
}

#[tokio::test]
async fn a_silence_that_was_told_is_told_to_be_over_once() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    sync(&world, &host.token, json!({})).await;
    assert_eq!(facts_about(&world, "web-1").await.len(), 1);
    let last_seen = world.now();
    world.app.clock.advance(limit::HOST_LEASE * 2);
    let id = host.agent_id;
    world
        .write(move |tx| {
            let mut host = store::host::get(tx, id)?.unwrap();
            host.silent_noted = true;
            store::host::save(tx, &host)
        })
        .await;
    let viewer = world.token(Role::Viewer).await;
    let hosts = async || -> Vec<HostView> {
        world
            .get("/api/v1/deliver/hosts")
            .bearer(&viewer)
            .send()
            .await
            .to()
    };
    assert_eq!(hosts().await[0].unknown_since, Some(last_seen));
    for _ in 0..3 {
        sync(&world, &host.token, json!({})).await;
    }
    assert_eq!(hosts().await[0].unknown_since, None);
    let told = facts_about(&world, "web-1").await;
    let back = Fact::HostBack {
        host: "web-1".parse().unwrap(),
        silent_since: last_seen,
    };
    assert_eq!(told[1..], [back]);
}

/// An agent that met a server restored from an old backup says so in every call, once a second.
#[tokio::test]
async fn a_refusal_that_is_repeated_is_told_once() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    let refused =
        |seen: u64| json!({ "kind": "epoch", "service": null, "seen": seen, "offered": 7 });
    for _ in 0..5 {
        let more = json!({ "refused": [refused(9), refused(9)] });
        sync(&world, &host.token, more).await;
    }
    sync(
        &world,
        &host.token,
        json!({ "refused": [refused(9), refused(10)] }),
    )
    .await;
    let told = facts_about(&world, "web-1").await;
    let seen = |fact: &Fact| match fact {
        Fact::HostRefused { seen, .. } => *seen,
        other => panic!("{other:?}"),
    };
    assert_eq!(told[1..].iter().map(seen).collect::<Vec<_>>(), [9, 10]);
}

#[tokio::test]
async fn a_report_that_changes_nothing_wakes_nobody() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    let report = reported(&world, Proof::Converged);
    sync(&world, &host.token, json!({ "reported": [report] })).await;
    let mut listener = world.app.wakes.rollouts.listener();
    sync(&world, &host.token, json!({ "reported": [report] })).await;
    let nudged = tokio::time::timeout(Duration::ZERO, listener.nudged()).await;
    assert!(nudged.is_err());
    let changed = Reported {
        proof: Proof::Drifted,
        ..report
    };
    sync(&world, &host.token, json!({ "reported": [changed] })).await;
    let nudged = tokio::time::timeout(Duration::from_secs(5), listener.nudged()).await;
    assert!(nudged.is_ok(), "a change wakes the rollouts");
}

#[tokio::test]
async fn a_long_word_of_a_host_is_cut_and_a_long_list_refused() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    let why = "é".repeat(limit::SENTENCE_BYTES);
    let report = Reported {
        why,
        ..reported(&world, Proof::Blocked)
    };
    sync(&world, &host.token, json!({ "reported": [report] }))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    let id = host.agent_id;
    let stored = world
        .read(move |tx| store::fleet::reported_of(tx, id))
        .await
        .remove(0);
    assert_eq!(
        stored.why,
        format!("{}…", "é".repeat(limit::SENTENCE_BYTES / 2))
    );
    // What was cut is still the same when it comes again.
    sync(&world, &host.token, json!({ "reported": [report] })).await;
    assert_eq!(facts_about(&world, "web-1").await.len(), 2);

    let many = vec![reported(&world, Proof::Pending); limit::HOST_SERVICES + 1];
    sync(&world, &host.token, json!({ "reported": many }))
        .await
        .problem(413, "too_many");
    let refused = json!({ "kind": "epoch", "service": null, "seen": 9, "offered": 7 });
    let many = vec![refused; limit::HOST_SERVICES + 1];
    sync(&world, &host.token, json!({ "refused": many }))
        .await
        .problem(413, "too_many");
}

#[tokio::test]
async fn a_host_says_what_it_runs_and_is_found_by_it() {
    let world = World::new();
    let viewer = world.token(Role::Viewer).await;
    let host = world.host("web-1", json!({ "role": "shop" })).await;
    world.host("web-2", json!({})).await;
    ask(&world, host.agent_id, "shop").await;
    let names = async |query: &str| -> Vec<String> {
        let path = format!("/api/v1/deliver/hosts{query}");
        let hosts: Vec<HostView> = world.get(&path).bearer(&viewer).send().await.to();
        hosts
            .into_iter()
            .map(|host| host.name.to_string())
            .collect()
    };
    assert_eq!(names("").await, ["web-1", "web-2"]);
    assert_eq!(names("?service=shop").await, ["web-1"]);
    assert_eq!(names("?drifted=true").await, ["web-1"]);
    let report = reported(&world, Proof::Converged);
    sync(&world, &host.token, json!({ "reported": [report] })).await;
    assert_eq!(names("?drifted=true").await, [""; 0]);
    // Proof of the order before this one is no proof of this one.
    ask(&world, host.agent_id, "shop").await;
    assert_eq!(names("?drifted=true").await, ["web-1"]);
}
