//! Who speaks as a host, whether it is heard, and whether its clock is right.

use std::time::Duration;

use axum::http::StatusCode;
use model::api::agent::Enrolled;
use model::api::deliver::{HostTrouble, HostView};
use model::deliver::Proof;
use model::{Fact, Role, Timestamp};
use serde_json::{Value, json};

use crate::agents::{facts_about, reported, sync};
use crate::support::{Answer, World};

/// A call of one of two agents that hold the same token, a second after the one before.
async fn call(world: &World, agent: &Enrolled, run: &str, more: Value) -> Answer {
    world.app.clock.advance(Duration::from_secs(1));
    let mut body =
        json!({ "boot_id": format!("boot of {run}"), "run_id": run, "now": world.now() });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    sync(world, &agent.token, body).await
}

async fn troubles(world: &World) -> Vec<HostTrouble> {
    let viewer = world.token(Role::Viewer).await;
    let answer = world.get("/api/v1/deliver/hosts").bearer(&viewer);
    let hosts: Vec<HostView> = answer.send().await.expect(StatusCode::OK).to();
    hosts.into_iter().flat_map(|host| host.troubles).collect()
}

/// Is a host whose disk was copied: `a` and `b` took turns until that was found.
async fn doubled() -> (World, Enrolled) {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await;
    for run in ["a", "b", "a", "b", "a"] {
        let answer = call(&world, &agent, run, json!({})).await;
        answer.expect(StatusCode::NOT_MODIFIED);
    }
    (world, agent)
}

#[tokio::test]
async fn of_two_agents_with_one_identity_one_is_heard_and_that_is_told_once() {
    let (world, agent) = doubled().await;
    for _ in 0..3 {
        let problem = call(&world, &agent, "b", json!({}))
            .await
            .problem(409, "another_agent");
        assert!(problem.title.contains("`web-1`"), "{problem}");
        let answer = call(&world, &agent, "a", json!({})).await;
        answer.expect(StatusCode::NOT_MODIFIED);
    }
    let facts = facts_about(&world, "web-1").await;
    let [
        Fact::HostEnrolled { .. },
        Fact::HostDoubled {
            heard_boot,
            other_boots,
            ..
        },
    ] = &facts[..]
    else {
        panic!("{facts:?}");
    };
    assert_eq!(
        (heard_boot.as_str(), &other_boots[..]),
        ("boot of a", &["boot of b".to_owned()][..])
    );
    let troubles = troubles(&world).await;
    assert!(
        matches!(&troubles[..], [HostTrouble::Doubled { .. }]),
        "{troubles:?}"
    );
}

#[tokio::test]
async fn what_the_other_agent_says_is_not_taken_for_the_hosts_word() {
    let (world, agent) = doubled().await;
    let say = |proof| json!({ "reported": [reported(&world, proof)] });
    call(&world, &agent, "a", say(Proof::Converged))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    let told = facts_about(&world, "web-1").await;
    for _ in 0..3 {
        let drifted = say(Proof::Drifted);
        call(&world, &agent, "b", drifted)
            .await
            .problem(409, "another_agent");
        call(&world, &agent, "a", say(Proof::Converged))
            .await
            .expect(StatusCode::NOT_MODIFIED);
    }
    assert_eq!(
        facts_about(&world, "web-1").await,
        told,
        "no fact goes to and fro"
    );
}

#[tokio::test]
async fn they_are_one_again_when_the_other_is_silent() {
    let (world, agent) = doubled().await;
    call(&world, &agent, "b", json!({}))
        .await
        .problem(409, "another_agent");
    world.app.clock.advance(Duration::from_secs(16));
    call(&world, &agent, "a", json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    assert!(matches!(
        facts_about(&world, "web-1").await.last(),
        Some(Fact::HostAlone { .. })
    ));
    assert_eq!(troubles(&world).await, []);
}

#[tokio::test]
async fn an_agent_that_is_started_again_often_is_one() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await;
    for run in ["a", "b", "c", "d", "e", "f"] {
        call(&world, &agent, run, json!({}))
            .await
            .expect(StatusCode::NOT_MODIFIED);
    }
    assert_eq!(facts_about(&world, "web-1").await.len(), 1);
}

#[tokio::test]
async fn a_host_whose_token_was_revoked_is_shown_as_locked_out() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await;
    call(&world, &agent, "a", json!({}))
        .await
        .expect(StatusCode::NOT_MODIFIED);
    let id = world
        .read(|tx| store::token::list(tx, None, 100))
        .await
        .into_iter()
        .find(|token| token.host == Some(agent.agent_id))
        .unwrap()
        .id;
    let admin = world.token(Role::Admin).await;
    let path = format!("/api/v1/tokens/{id}");
    let revoke = world.call(axum::http::Method::DELETE, &path).bearer(&admin);
    revoke.send().await.expect(StatusCode::NO_CONTENT);
    call(&world, &agent, "a", json!({}))
        .await
        .problem(401, "revoked_token");
    let troubles = troubles(&world).await;
    assert!(
        matches!(&troubles[..], [HostTrouble::LockedOut { .. }]),
        "{troubles:?}"
    );
}

fn ahead(world: &World, seconds: u64) -> Value {
    json!({ "now": world.now() + Duration::from_secs(seconds) })
}

#[tokio::test]
async fn a_wrong_clock_is_told_once_and_once_that_it_is_right_again() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await;
    for seconds in [0, 29, 31, 40, 29, 31, 16] {
        let answer = sync(&world, &agent.token, ahead(&world, seconds)).await;
        answer.expect(StatusCode::NOT_MODIFIED);
    }
    let off = &troubles(&world).await[..];
    assert!(
        matches!(
            off,
            [HostTrouble::ClockOff {
                ahead_ms: 16_000,
                ..
            }]
        ),
        "{off:?}"
    );
    let behind = json!({ "now": world.now() - Duration::from_secs(95) });
    for body in [ahead(&world, 15), behind] {
        let answer = sync(&world, &agent.token, body).await;
        answer.expect(StatusCode::NOT_MODIFIED);
    }
    let facts = facts_about(&world, "web-1").await;
    assert!(
        matches!(
            &facts[1..],
            [
                Fact::HostClockOff {
                    ahead_ms: 31_000,
                    ..
                },
                Fact::HostClockRight { .. },
                Fact::HostClockOff {
                    ahead_ms: -95_000,
                    ..
                },
            ]
        ),
        "{facts:?}"
    );
}

/// A process that runs for a minute runs for a minute, whatever its host's clock shows.
#[tokio::test]
async fn the_times_of_a_host_are_counted_from_the_servers_clock() {
    let world = World::new();
    let agent = world.host("web-1", json!({})).await;
    let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
    let stored = || async {
        let id = agent.agent_id;
        let all = world
            .read(move |tx| store::fleet::reported_of(tx, id))
            .await;
        (all[0].started_at.unwrap(), all[0].since)
    };
    let say = |steady: Timestamp| {
        let mut one = reported(&world, Proof::Converged);
        (one.started_at, one.since) = (Some(steady - minute), steady - minute / 2);
        json!({ "now": steady, "steady": steady, "reported": [one] })
    };
    sync(&world, &agent.token, say(world.now() + hour)).await;
    let first = stored().await;
    assert_eq!(first, (world.now() - minute, world.now() - minute / 2));
    // On its way a call takes longer or shorter; that is no news.
    let entries = world.journal().await.len();
    let late = Duration::from_millis(300);
    sync(&world, &agent.token, say(world.now() + hour - late)).await;
    assert_eq!(stored().await, first);
    assert_eq!(world.journal().await.len(), entries);
}
