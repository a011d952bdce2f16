//! Schemas of services' data: what is said of them, and what follows for releases and undos.

use axum::http::StatusCode;
use model::api::schema::{SchemaView, WayBack};
use model::{Fact, Role};
use serde_json::{Value, json};

use crate::support::{Answer, ONE_RING, World, definition};

async fn say(world: &World, token: &str, word: &Value) -> Answer {
    let said = world.post("/api/v1/deliver/schemas").bearer(token);
    said.json(word).await
}

fn word(step: &str, version: u64) -> Value {
    json!({ "service": "shop", "environment": "production", "step": step, "version": version })
}

/// Releases a version whose file says more.
async fn release(world: &World, token: &str, version: &str, says: &str) {
    let file = format!("{}{says}\n", definition(ONE_RING));
    world.release(token, version, &file).await;
}

async fn ship(world: &World, token: &str, version: &str) -> Answer {
    let ship = world.post("/api/v1/deliver/rollouts").bearer(token);
    let new = json!({ "service": "shop", "version": version });
    ship.json(&new).await
}

#[tokio::test]
async fn a_release_waits_for_the_schema_it_needs_and_each_word_is_told() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    release(
        &world,
        &operator,
        "1.0",
        "schema: { needs: \">=13 <15\", provides: 13 }",
    )
    .await;
    let problem = ship(&world, &operator, "1.0")
        .await
        .problem(409, "incompatible");
    assert_eq!(
        (problem.title.as_str(), problem.hint.as_deref()),
        (
            "1.0 needs schema >=13 <15, and the schema of shop in production is not known",
            Some("say what it is: `sleepwell schema set shop production N`")
        )
    );
    let known: SchemaView = say(&world, &operator, &word("set", 12))
        .await
        .expect(StatusCode::OK)
        .to();
    assert_eq!((known.schema.version, known.runs.len()), (12, 0));
    ship(&world, &operator, "1.0")
        .await
        .problem(409, "incompatible");
    let mut begin = word("begin", 13);
    say(&world, &operator, &begin)
        .await
        .problem(409, "schema_refused");
    begin["kind"] = "expand".into();
    say(&world, &operator, &begin).await.expect(StatusCode::OK);
    ship(&world, &operator, "1.0")
        .await
        .problem(409, "incompatible");
    for _ in 0..2 {
        // A job that says it twice, because it did not hear the answer, says nothing new.
        say(&world, &operator, &word("set", 13))
            .await
            .expect(StatusCode::OK);
    }
    ship(&world, &operator, "1.0")
        .await
        .expect(StatusCode::CREATED);
    let told: Vec<String> = world
        .facts()
        .await
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::SchemaBegun { from, to, kind, .. } => Some(format!("{from} to {to}, {kind}")),
            Fact::SchemaSet { from, to, kind, .. } => Some(format!("{from:?} {to} {kind:?}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "None 12 None",
            "12 to 13, expand",
            "Some(12) 13 Some(Expand)"
        ]
    );
    let list = world.get("/api/v1/deliver/schemas").bearer(&operator);
    let list: Vec<SchemaView> = list.send().await.expect(StatusCode::OK).to();
    assert_eq!(list.len(), 1);
    assert_eq!(
        (list[0].schema.version, &list[0].schema.becoming),
        (13, &None)
    );
}

#[tokio::test]
async fn a_word_that_cannot_be_meant_is_refused() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let nowhere = say(&world, &operator, &word("set", 12)).await;
    assert!(
        nowhere
            .problem(404, "unknown_service")
            .hint
            .unwrap()
            .contains("ship it first")
    );
    release(&world, &operator, "1.0", "").await;
    let mut elsewhere = word("set", 12);
    elsewhere["environment"] = "prod".into();
    let problem = say(&world, &operator, &elsewhere)
        .await
        .problem(404, "unknown_environment");
    assert_eq!(
        problem.hint.as_deref(),
        Some("shop 1.0 knows: `production`")
    );
    let mut anyway = word("set", 12);
    anyway["anyway"] = true.into();
    say(&world, &operator, &anyway)
        .await
        .problem(422, "bad_schema");
    anyway["reason"] = "found".into();
    say(&world, &operator, &anyway).await.expect(StatusCode::OK);
    let mut begin = word("begin", 13);
    begin["anyway"] = true.into();
    say(&world, &operator, &begin)
        .await
        .problem(422, "bad_schema");
    let mut kind = word("begin", 13);
    kind["kind"] = "rename".into();
    say(&world, &operator, &kind).await.problem(422, "bad_body");
}

#[tokio::test]
async fn a_pair_that_cannot_talk_is_refused_by_its_names() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    release(&world, &operator, "1.0", "api: { calls: { billing: v1 } }").await;
    let problem = ship(&world, &operator, "1.0")
        .await
        .problem(409, "incompatible");
    assert_eq!(
        problem.title,
        "shop 1.0 calls billing, which was never shipped to production"
    );
}

#[tokio::test]
async fn the_way_back_of_a_change_is_told_before_it_is_gone() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    release(&world, &operator, "1.0", "").await;
    ship(&world, &operator, "1.0")
        .await
        .expect(StatusCode::CREATED);
    let way = world
        .get("/api/v1/act/changes/chg-1/way-back")
        .bearer(&operator);
    let way: WayBack = way.send().await.expect(StatusCode::OK).to();
    assert_eq!(
        way,
        WayBack {
            to: None,
            refused: None,
            hint: None
        }
    );
    let unknown = world
        .get("/api/v1/act/changes/chg-9/way-back")
        .bearer(&operator);
    unknown.send().await.problem(404, "unknown_change");
}
