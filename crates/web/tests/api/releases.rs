//! Releases: these bytes, run this way, under a version that is not used twice.

use axum::http::StatusCode;
use model::api::deliver::ReleaseView;
use model::{Digest, Fact, Role, limit};
use serde_json::{Value, json};

use crate::support::{Answer, ONE_RING, World, definition};

async fn create(
    world: &World,
    operator: &str,
    version: &str,
    digest: Digest,
    text: &str,
) -> Answer {
    let new = json!({ "version": version, "digest": digest, "definition": text });
    world
        .post("/api/v1/deliver/releases")
        .bearer(operator)
        .json(&new)
        .await
}

async fn list(world: &World, viewer: &str) -> Vec<ReleaseView> {
    let path = "/api/v1/deliver/releases?service=shop";
    world
        .get(path)
        .bearer(viewer)
        .send()
        .await
        .expect(StatusCode::OK)
        .to()
}

#[tokio::test]
async fn a_release_is_201_once_and_200_ever_after() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = world.artifact(&operator, b"one").await;
    let text = definition(ONE_RING);
    let first = create(&world, &operator, "1.0", digest, &text).await;
    let first: ReleaseView = first.expect(StatusCode::CREATED).to();
    assert_eq!((first.number.0, first.size_bytes), (1, 3));
    assert_eq!(first.created_by, "the operator");

    let spaced = format!("# a comment changes nothing\n{text}\n");
    let again = create(&world, &operator, "1.0", digest, &spaced).await;
    assert_eq!(again.expect(StatusCode::OK).to::<ReleaseView>(), first);

    let made = world.facts().await;
    assert!(
        matches!(made.as_slice(), [Fact::ReleaseCreated { .. }]),
        "{made:?}"
    );
    assert_eq!(list(&world, &operator).await, [first]);
    let services = world
        .get("/api/v1/deliver/services")
        .bearer(&operator)
        .send()
        .await;
    assert_eq!(services.text(), r#"["shop"]"#);
}

#[tokio::test]
async fn two_equal_creates_at_once_make_one_release() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = world.artifact(&operator, b"one").await;
    let text = definition(ONE_RING);
    let (a, b) = tokio::join!(
        create(&world, &operator, "1.0", digest, &text),
        create(&world, &operator, "1.0", digest, &text)
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
    assert_eq!(a.to::<ReleaseView>(), b.to::<ReleaseView>());
    assert_eq!(list(&world, &operator).await.len(), 1);
    assert_eq!(world.facts().await.len(), 1);
}

#[tokio::test]
async fn a_version_is_not_used_for_other_content() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let (one, two) = (
        world.artifact(&operator, b"one").await,
        world.artifact(&operator, b"two").await,
    );
    let text = definition(ONE_RING);
    create(&world, &operator, "1.0", one, &text)
        .await
        .expect(StatusCode::CREATED);
    let problem = create(&world, &operator, "1.0", two, &text)
        .await
        .problem(409, "version_used");
    assert_eq!(problem.title, "shop 1.0 exists with other content");
    let run_otherwise = text.replace("hunter2", "hunter3");
    let answer = create(&world, &operator, "1.0", one, &run_otherwise).await;
    let problem = answer.problem(409, "version_used");
    assert!(!format!("{problem:?}").contains("hunter"), "{problem}");
    // The same bytes under another version are another release.
    create(&world, &operator, "1.1", one, &text)
        .await
        .expect(StatusCode::CREATED);
    let numbers: Vec<u64> = list(&world, &operator)
        .await
        .iter()
        .map(|r| r.number.0)
        .collect();
    assert_eq!(numbers, [2, 1]);
}

#[tokio::test]
async fn a_bad_definition_is_refused_with_its_lines() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = world.artifact(&operator, b"one").await;
    let text = definition(ONE_RING).replace("hosts: rest", "hosts: many");
    let problem = create(&world, &operator, "1.0", digest, &text)
        .await
        .problem(422, "bad_definition");
    assert_eq!(problem.at.as_deref(), Some("definition"));
    assert!(problem.title.contains("line 8"), "{problem}");
    for text in [
        "",
        "[]",
        "service: shop",
        "a: &a [*a, *a]",
        "\u{0}",
        &"- ".repeat(5_000),
    ] {
        create(&world, &operator, "1.0", digest, text)
            .await
            .problem(422, "bad_definition");
    }
    let long = format!(
        "{}# {}",
        definition(ONE_RING),
        "x".repeat(limit::DEFINITION_BYTES)
    );
    create(&world, &operator, "1.0", digest, &long)
        .await
        .problem(422, "bad_definition");
    assert!(list(&world, &operator).await.is_empty());
    assert!(world.journal().await.is_empty());
}

#[tokio::test]
async fn a_release_needs_its_bytes_first() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = Digest::of(b"never sent");
    let answer = create(&world, &operator, "1.0", digest, &definition(ONE_RING)).await;
    let problem = answer.problem(404, "unknown_artifact");
    assert!(problem.title.contains(&digest.to_string()), "{problem}");
}

#[tokio::test]
async fn the_schema_of_the_definition_is_open_and_what_editors_read() {
    let world = World::new();
    let answer = world
        .get("/api/v1/deliver/schema/sleepwell.json")
        .send()
        .await;
    let schema: Value = answer.expect(StatusCode::OK).to();
    assert!(
        schema["$schema"]
            .as_str()
            .unwrap()
            .contains("json-schema.org")
    );
}
