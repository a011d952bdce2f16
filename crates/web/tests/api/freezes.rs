//! Freezes: set, listed, lifted, gone past; each with its entry.

use axum::http::{Method, StatusCode};
use model::api::freeze::{FreezeSource, FreezeView};
use model::deliver::Rollout;
use model::{Fact, Role};
use serde_json::{Value, json};

use crate::support::{Answer, ONE_RING, World, definition};

async fn set(world: &World, token: &str, freeze: &Value) -> Answer {
    let set = world.post("/api/v1/deliver/freezes").bearer(token);
    set.json(freeze).await
}

fn weekend() -> Value {
    json!({ "name": "weekend", "zone": "Europe/Berlin", "from": "fri 16:00", "to": "mon 08:00", "reason": "nobody is there" })
}

async fn list(world: &World, token: &str) -> Vec<FreezeView> {
    let list = world.get("/api/v1/deliver/freezes").bearer(token);
    list.send().await.expect(StatusCode::OK).to()
}

#[tokio::test]
async fn a_freeze_is_set_listed_and_lifted_and_each_is_told() {
    let world = World::new();
    let (operator, admin) = (
        world.token(Role::Operator).await,
        world.token(Role::Admin).await,
    );
    // The world begins on a Friday at 03:04:05 UTC.
    let view: FreezeView = set(&world, &operator, &weekend())
        .await
        .expect(StatusCode::CREATED)
        .to();
    assert_eq!(
        (view.is_in_force, view.begins_at, view.ends_at),
        (
            false,
            Some("2026-01-02T15:00:00Z".parse().unwrap()),
            Some("2026-01-05T07:00:00Z".parse().unwrap())
        )
    );
    assert_eq!(list(&world, &operator).await, [view]);
    let lift = world.call(
        Method::DELETE,
        "/api/v1/deliver/freezes/weekend?reason=all%20there",
    );
    lift.bearer(&admin)
        .send()
        .await
        .expect(StatusCode::NO_CONTENT);
    assert_eq!(list(&world, &operator).await, []);
    let told: Vec<String> = world
        .facts()
        .await
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::FreezeSet { when, reason, .. } => Some(format!("{when}: {reason}")),
            Fact::FreezeLifted { freeze, reason } => Some(format!("{freeze}: {reason}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "every week from fri 16:00 to mon 08:00, Europe/Berlin: nobody is there",
            "weekend: all there"
        ]
    );
    let again = world
        .call(Method::DELETE, "/api/v1/deliver/freezes/weekend")
        .bearer(&admin);
    again.send().await.problem(404, "unknown_freeze");
}

#[tokio::test]
async fn a_freeze_that_cannot_be_is_refused() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let over = json!({ "name": "old", "from": "2025-12-23 12:00", "to": "2026-01-02 03:04", "reason": "" });
    let problem = set(&world, &operator, &over)
        .await
        .problem(422, "bad_freeze");
    assert!(problem.title.contains("`old` is over"), "{problem}");
    for (key, value) in [("zone", "Berlin"), ("from", "friday"), ("name", "a b")] {
        let mut bad = weekend();
        bad[key] = value.into();
        set(&world, &operator, &bad).await.problem(422, "bad_body");
    }
    assert_eq!(list(&world, &operator).await, []);
}

#[tokio::test]
async fn freezes_of_files_stand_in_the_list_too() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    let own = format!("{ONE_RING}\n    freeze: [{{ name: own, from: fri 00:00, to: sat 00:00 }}]");
    world.release(&operator, "1.0", &definition(&own)).await;
    let ship = world.post("/api/v1/deliver/rollouts").bearer(&operator);
    ship.json(&json!({ "service": "shop", "version": "1.0" }))
        .await
        .expect(StatusCode::CREATED);
    let freezes = list(&world, &operator).await;
    let [own] = freezes.as_slice() else {
        panic!("{freezes:?}");
    };
    assert_eq!((own.source, own.is_in_force), (FreezeSource::File, true));
    assert_eq!(own.service.as_ref().unwrap().as_str(), "shop");
}

#[tokio::test]
async fn going_past_a_freeze_takes_a_reason_and_has_an_end() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    world.release(&operator, "1.0", &definition(ONE_RING)).await;
    let ship = world.post("/api/v1/deliver/rollouts").bearer(&operator);
    ship.json(&json!({ "service": "shop", "version": "1.0" }))
        .await
        .expect(StatusCode::CREATED);
    let path = "/api/v1/act/changes/chg-1/override";
    let go = async |body: Value| world.post(path).bearer(&operator).json(&body).await;
    go(json!({ "reason": " " }))
        .await
        .problem(409, "cannot_be_overridden");
    go(json!({ "reason": "x", "for_ms": 86_400_001 }))
        .await
        .problem(409, "cannot_be_overridden");
    go(json!({ "reason": "cards are refused" }))
        .await
        .expect(StatusCode::ACCEPTED);
    let rollout: Rollout = world
        .get("/api/v1/deliver/rollouts/chg-1")
        .bearer(&operator)
        .send()
        .await
        .to();
    let word = rollout.freeze_override.unwrap();
    assert_eq!(word.until.since(word.at).as_secs(), 3_600);
    assert_eq!(word.by, "the operator");
    let last = world.facts().await.pop().unwrap();
    assert!(matches!(last, Fact::FreezeOverridden { .. }), "{last:?}");
}
