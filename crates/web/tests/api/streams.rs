//! The stream of events: nothing is missed, nothing comes twice, and it ends when it should.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::BodyExt;
use model::{Role, limit};
use runtime::Shutdown;
use serde_json::Value;

use crate::support::World;

/// Returns the numbers and facts of the next piece that has any.
async fn next(body: &mut Body) -> Vec<(u64, String)> {
    loop {
        let frame = body.frame().await.expect("the stream goes on").unwrap();
        let bytes = frame.into_data().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let events: Vec<_> = text.split("\n\n").filter_map(read).collect();
        if !events.is_empty() {
            return events;
        }
    }
}

fn read(event: &str) -> Option<(u64, String)> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let data: Value = serde_json::from_str(field("data: ")?).unwrap();
    let id = field("id: ").unwrap().parse().unwrap();
    assert_eq!(data["seq"], id);
    assert!(field("event: ").is_some() && data["text"].is_string());
    Some((
        id,
        data["entry"]["body"]["fact"].as_str().unwrap().to_owned(),
    ))
}

/// Makes something happen, and seals it as the sealer does.
async fn token_made(world: &World, admin: &str, name: &str) {
    let made = world.post("/api/v1/tokens").bearer(admin);
    let wish = serde_json::json!({ "name": name, "role": "viewer" });
    made.json(&wish).await.expect(StatusCode::CREATED);
    let seal = |tx: &mut store::Tx<'_>| store::journal::seal(tx, 100);
    world.app.store.write(seal).await.unwrap();
    world.app.wakes.sealed.nudge();
}

async fn open(world: &World, token: &str, path: &str, last: Option<u64>) -> Response {
    let mut call = world.get(path).bearer(token);
    if let Some(last) = last {
        call = call.header("last-event-id", &last.to_string());
    }
    let response = world.open(call).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response
}

#[tokio::test]
async fn what_was_and_what_comes_is_told_once_each() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    token_made(&world, &admin, "one").await;
    token_made(&world, &admin, "two").await;
    let mut body = open(&world, &admin, "/api/v1/events?since=0", None)
        .await
        .into_body();
    let first = next(&mut body).await;
    assert!(first.len() >= 2, "{first:?}");
    let (last, fact) = first.last().unwrap().clone();
    assert_eq!(fact, "token_created");
    token_made(&world, &admin, "three").await;
    let then = next(&mut body).await;
    assert_eq!(then, [(last + 1, "token_created".to_owned())]);
    drop(body);

    // It comes back with the last it got, whatever it asked for at first.
    let mut body = open(&world, &admin, "/api/v1/events?since=0", Some(last))
        .await
        .into_body();
    assert_eq!(next(&mut body).await, then);

    // Without either, what happens from now on.
    let mut body = open(&world, &admin, "/api/v1/events", None)
        .await
        .into_body();
    token_made(&world, &admin, "four").await;
    assert_eq!(next(&mut body).await[0].0, last + 2);
}

#[tokio::test]
async fn a_stream_ends_with_the_server() {
    let (trigger, shutdown) = Shutdown::new();
    let world = World::with(|app| app.shutdown = Some(shutdown));
    let admin = world.token(Role::Admin).await;
    let response = open(&world, &admin, "/api/v1/events?since=0", None).await;
    trigger.request();
    response.into_body().collect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_after_its_time_and_says_before_that_it_is_there() {
    let world = World::new();
    let viewer = world.token(Role::Viewer).await;
    let begun = tokio::time::Instant::now();
    let response = open(&world, &viewer, "/api/v1/events", None).await;
    let said = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(begun.elapsed().as_secs(), limit::STREAM_TIME.as_secs());
    let beats = said.windows(3).filter(|w| w == b":\n\n").count();
    assert!(beats >= 30, "{beats}");
}

#[tokio::test]
async fn a_bad_number_and_one_stream_too_many_are_refused() {
    let world = World::new();
    let viewer = world.token(Role::Viewer).await;
    let call = world.get("/api/v1/events").bearer(&viewer);
    let call = call.header("last-event-id", "the newest");
    call.send().await.problem(400, "bad_event_id");
    let mut open_ones = Vec::new();
    for _ in 0..limit::STREAMS {
        open_ones.push(open(&world, &viewer, "/api/v1/events", None).await);
    }
    let call = || world.get("/api/v1/events").bearer(&viewer);
    call().send().await.problem(503, "too_many_streams");
}
