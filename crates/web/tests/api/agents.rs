//! What agents are told: their own whole wish, at once when it changes.

use std::time::Duration;

use axum::http::StatusCode;
use model::api::agent::Wish;
use model::deliver::{
    ArtifactFormat, Desired, DesiredState, Priority, Proof, ReleaseNumber, Reported, Run,
};
use model::{Digest, Fact, HostId, Role, Subject, limit};
use serde_json::{Value, json};

use crate::support::{Answer, World};

pub(crate) fn sync_body(world: &World, more: &Value) -> Value {
    let mut body = json!({
        "boot_id": "boot-1",
        "agent_version": "0.1.0",
        "epoch_seen": 1,
        "revision_seen": 0,
        "wait_ms": 0,
        "reported": [],
        "disk_free_bytes": 1,
        "now": world.now(),
        "monotonic_ms": 1,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) async fn sync(world: &World, agent: &str, more: Value) -> Answer {
    let body = sync_body(world, &more);
    world.post("/agent/v1/sync").bearer(agent).json(&body).await
}

pub(crate) fn reported(world: &World, proof: Proof) -> Reported {
    Reported {
        service: "shop".parse().unwrap(),
        generation_seen: 1,
        generation_applied: 1,
        symlink_release: None,
        processes: vec![],
        observed: None,
        redeploy: None,
        slot: None,
        port: None,
        healthy: None,
        proof,
        why: String::new(),
        since: world.now(),
        started_at: None,
        unexpected_exits: 0,
        failed_checks: 0,
    }
}

pub(crate) fn desired(service: &str) -> Desired {
    Desired {
        service: service.parse().unwrap(),
        environment: "production".parse().unwrap(),
        ring: "everyone".parse().unwrap(),
        generation: 0,
        priority: Priority::Rollout,
        state: DesiredState::Running,
        release: model::deliver::desired::DesiredRelease {
            number: ReleaseNumber(1),
            version: "1.0".parse().unwrap(),
            digest: Digest::of(b""),
            size_bytes: 0,
            format: ArtifactFormat::TarGz,
            file_name: "shop.tar.gz".into(),
            config_digest: Digest::of(b""),
            redeploy: None,
        },
        run: Run {
            exec: vec!["./shop".into()],
            env: std::collections::BTreeMap::default(),
            ports: vec![],
            stop_timeout: Duration::from_secs(10),
            hooks: Default::default(),
            drain: None,
        },
        health: None,
        metrics: None,
        keep: 3,
        slot: None,
    }
}

pub(crate) async fn ask(world: &World, host: HostId, service: &str) {
    let desired = desired(service);
    world
        .write(move |tx| store::fleet::ask(tx, host, desired))
        .await;
    world.app.wakes.desired.nudge();
}

pub(crate) async fn facts_about(world: &World, host: &str) -> Vec<Fact> {
    let subject = Subject::Host(host.parse().unwrap());
    let entries = world.journal().await;
    let about = entries.iter().filter(|entry| entry.subject == subject);
    about
        .map(|entry| Fact::from_body(&entry.body).unwrap())
        .collect()
}

#[tokio::test]
async fn an_agent_sees_its_own_wish_only() {
    let world = World::new();
    let (one, two) = (
        world.host("web-1", json!({})).await,
        world.host("web-2", json!({})).await,
    );
    ask(&world, one.agent_id, "shop").await;
    ask(&world, two.agent_id, "mail").await;
    for (agent, service) in [(&one, "shop"), (&two, "mail")] {
        // Whatever the body claims, the token names the host.
        let other = json!({ "agent_id": two.agent_id, "hostname": "web-2" });
        let wish: Wish = sync(&world, &agent.token, other)
            .await
            .expect(StatusCode::OK)
            .to();
        let services: Vec<&str> = wish.desired.iter().map(|d| d.service.as_str()).collect();
        assert_eq!((services, wish.epoch, wish.revision), (vec![service], 1, 1));
        assert_eq!(wish.server_time, world.now());
    }
}

#[tokio::test]
async fn an_agent_reports_for_itself_only() {
    let world = World::new();
    let (one, two) = (
        world.host("web-1", json!({})).await,
        world.host("web-2", json!({})).await,
    );
    let claim = json!({
        "agent_id": two.agent_id,
        "host": "web-2",
        "reported": [reported(&world, Proof::Converged)],
    });
    sync(&world, &one.token, claim)
        .await
        .expect(StatusCode::NOT_MODIFIED);
    let of = |host| world.read(move |tx| store::fleet::reported_of(tx, host));
    assert_eq!(
        (of(one.agent_id).await.len(), of(two.agent_id).await.len()),
        (1, 0)
    );
    let stray = world.token(Role::Agent).await;
    sync(&world, &stray, json!({}))
        .await
        .problem(404, "unknown_host");
}

#[tokio::test]
async fn a_current_wish_is_304_and_another_epoch_is_not_current() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    let answer = sync(&world, &host.token, json!({})).await;
    assert_eq!(answer.expect(StatusCode::NOT_MODIFIED).text(), "");
    for seen in [
        json!({ "epoch_seen": 0 }),
        json!({ "epoch_seen": 2 }),
        json!({ "revision_seen": 1 }),
    ] {
        sync(&world, &host.token, seen).await.expect(StatusCode::OK);
    }
    ask(&world, host.agent_id, "shop").await;
    sync(&world, &host.token, json!({}))
        .await
        .expect(StatusCode::OK);
    sync(&world, &host.token, json!({ "revision_seen": 1 }))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    // Another server of this store has begun the next epoch.
    let begun = world
        .app
        .store
        .write(|tx| store::fleet::next_epoch(tx, "another"));
    assert_eq!(begun.await.unwrap(), 2);
    let answer = sync(&world, &host.token, json!({ "revision_seen": 1 })).await;
    let wish: Wish = answer.expect(StatusCode::OK).to();
    assert_eq!(wish.epoch, 2);
}

/// The call asks not to be held; that is no reason to be sent away before its wish was looked up.
#[tokio::test]
async fn a_call_that_does_not_wait_gets_its_wish_however_slow_the_store_is() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    ask(&world, host.agent_id, "shop").await;
    let busy: Vec<_> = (0..32)
        .map(|_| {
            let store = world.app.store.clone();
            tokio::spawn(async move { store.read(|_| slow_read()).await })
        })
        .collect();
    sync(&world, &host.token, json!({}))
        .await
        .expect(StatusCode::OK);
    for read in busy {
        read.await.unwrap().unwrap();
    }
}

/// Takes a few milliseconds of work, on a thread of the store.
fn slow_read() -> Result<(), store::Error> {
    let bytes = vec![0; 1 << 20];
    (0..5).for_each(|_| assert_ne!(Digest::of(&bytes), Digest::of(b"")));
    Ok(())
}

#[tokio::test]
async fn a_held_call_answers_at_once_when_the_wish_changes() {
    let world = World::new();
    let (one, two) = (
        world.host("web-1", json!({})).await,
        world.host("web-2", json!({})).await,
    );
    let hold = |agent: &str| {
        let body = sync_body(&world, &json!({ "wait_ms": 600_000, "boot_id": "held" }));
        let call = world.post("/agent/v1/sync").bearer(agent);
        tokio::spawn(async move { call.json(&body).await })
    };
    let (mine, other) = (hold(&one.token), hold(&two.token));
    wait_for_report(&world, one.agent_id).await;
    ask(&world, one.agent_id, "shop").await;
    let answer = tokio::time::timeout(Duration::from_secs(5), mine)
        .await
        .expect("at once")
        .unwrap();
    assert_eq!(answer.expect(StatusCode::OK).to::<Wish>().revision, 1);
    // The nudge woke the other call too; nothing of its own had changed.
    assert!(!other.is_finished());
    other.abort();
}

async fn wait_for_report(world: &World, host: HostId) {
    for _ in 0..2_000 {
        let stored = world
            .read(move |tx| store::host::get(tx, host))
            .await
            .unwrap();
        if stored.boot_id == "held" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the held call did not report");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_held_no_longer_than_the_server_will() {
    let world = World::new();
    let host = world.host("web-1", json!({})).await;
    let began = tokio::time::Instant::now();
    let answer = sync(&world, &host.token, json!({ "wait_ms": u64::MAX })).await;
    answer.expect(StatusCode::NOT_MODIFIED);
    let held = began.elapsed();
    assert!(
        held >= limit::SYNC_WAIT && held < limit::HOST_LEASE,
        "{held:?}"
    );
}
