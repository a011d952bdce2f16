//! Callers that are slow, or never end.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body::Frame;
use model::{Digest, Role, limit};
use serde_json::json;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

use crate::support::{ONE_RING, World, definition, enrol, eventually};

/// Is the far end of a body that comes when the test says so.
pub(crate) struct Trickle(mpsc::UnboundedSender<Result<Bytes, std::io::Error>>);

struct Trickling(mpsc::UnboundedReceiver<Result<Bytes, std::io::Error>>);

impl Trickle {
    pub(crate) fn new() -> (Self, Body) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Body::new(Trickling(receiver)))
    }

    pub(crate) fn send(&self, bytes: &'static [u8]) {
        self.0.send(Ok(Bytes::from_static(bytes))).unwrap();
    }

    pub(crate) fn break_off(&self) {
        let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        self.0.send(Err(error)).unwrap();
    }
}

impl http_body::Body for Trickling {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| Some(piece?.map(Frame::data)))
    }
}

#[tokio::test]
async fn uploads_that_stand_still_keep_nobody_else_waiting() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let join = world.token(Role::Join).await;
    let mut ends = Vec::new();
    for n in 0..200 {
        let (trickle, body) = Trickle::new();
        let path = match n % 2 {
            0 => format!(
                "/api/v1/deliver/artifacts/{}?service=shop",
                Digest::of(b"slow")
            ),
            _ => "/api/v1/deliver/releases".to_owned(),
        };
        let call = match n % 2 {
            0 => world.put(&path),
            _ => world.post(&path),
        };
        let call = call.bearer(&operator);
        tokio::spawn(call.json_bytes(body));
        trickle.send(b"{");
        ends.push(trickle);
    }
    eventually("all uploads stand still", || world.blobs().len() == 100).await;
    let work = async {
        let definition = definition(ONE_RING);
        world.release(&operator, "1.0", &definition).await;
        let enrolment = enrol("web-1", json!({}));
        let answer = world
            .post("/agent/v1/enrol")
            .bearer(&join)
            .json(&enrolment)
            .await;
        answer.expect(StatusCode::OK);
        world.get("/").local().send().await.expect(StatusCode::OK);
    };
    let limit = std::time::Duration::from_secs(5);
    tokio::time::timeout(limit, work)
        .await
        .expect("the others are served");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up_and_one_that_trickles_is_not() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = Digest::of(b"slow");
    let path = format!("/api/v1/deliver/artifacts/{digest}?service=shop");

    let (trickle, body) = Trickle::new();
    trickle.send(b"sl");
    let problem = world
        .put(&path)
        .bearer(&operator)
        .body(body)
        .await
        .problem(422, "truncated");
    assert_eq!(
        problem.title,
        "the upload broke off after 2 bytes: nothing came for 30 s"
    );
    assert_eq!(world.blobs(), [""; 0]);

    let (trickle, body) = Trickle::new();
    trickle.send(b"{");
    let answer = world
        .post("/api/v1/deliver/releases")
        .bearer(&operator)
        .json_bytes(body)
        .await;
    answer.problem(400, "bad_body");

    let (trickle, body) = Trickle::new();
    let upload = tokio::spawn(world.put(&path).bearer(&operator).body(body));
    for piece in [b"s", b"l", b"o", b"w"] {
        tokio::time::sleep(limit::BODY_IDLE - std::time::Duration::from_secs(1)).await;
        trickle.send(piece);
    }
    drop(trickle);
    upload.await.unwrap().expect(StatusCode::CREATED);
}
