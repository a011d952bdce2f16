//! The journal as it grows: `/api/v1/events?since=N`, server-sent events of sealed entries.
//!
//! Each event's id is the entry's number, so that a client that lost its connection goes on behind the
//! last one it got (`Last-Event-ID`), and nothing is missed or told twice.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use model::api::Problem;
use model::{Entry, limit};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Query;
use crate::App;
use crate::error::Result;

/// Proxies cut a connection on which nothing is said for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A hint that entries were sealed may be lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Pieces on their way to a client that reads slowly; then nothing more is read for it.
const AHEAD: usize = 4;

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct Events {
    since: Option<u64>,
}

/// Streams entries behind `Last-Event-ID`, else behind `since`, else those from now on.
///
/// The stream ends after [`limit::STREAM_TIME`], so that a token that was revoked does not read on for
/// ever; a client comes back by itself.
pub(crate) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<Events>,
) -> Result<Response> {
    let after = match last_event(&headers)?.or(query.since) {
        Some(after) => after,
        None => app.store.read(store::journal::sealed_head).await?.0,
    };
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
        let title = format!("{} event streams are open already", limit::STREAMS);
        Problem::new(503, "too_many_streams", title).hint("close one, or try again in a minute")
    })?;
    let (pieces, body) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _permit = permit;
        let until = Instant::now() + limit::STREAM_TIME;
        tokio::select! {
            // The client went away, or the store failed; either way it comes again.
            _ = follow(&app, after, &pieces) => {}
            () = tokio::time::sleep_until(until) => {}
            () = app.closing() => {}
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::new(Pieces(body))).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<u64>> {
    let Some(given) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let number = given.to_str().ok().and_then(|text| text.parse().ok());
    let refused = || {
        Problem::new(400, "bad_event_id", "Last-Event-ID is not a number")
            .hint("send the id of the last event you got")
    };
    Ok(Some(number.ok_or_else(refused)?))
}

/// Sends what is behind `after`, and then what comes.
async fn follow(
    app: &App,
    mut after: u64,
    pieces: &mpsc::Sender<Bytes>,
) -> std::result::Result<(), Gone> {
    let mut sealed = app.wakes.sealed.listener();
    let mut said_at = Instant::now();
    pieces.send(Bytes::from_static(b"retry: 1000\n\n")).await?;
    loop {
        let read =
            move |tx: &mut store::Tx<'_>| store::journal::since(tx, after, limit::LIST_ITEMS);
        let entries = app.store.read(read).await?;
        if let Some((last, _)) = entries.last() {
            after = *last;
            let text: String = entries.iter().map(event).collect();
            pieces.send(Bytes::from(text)).await?;
            said_at = Instant::now();
            continue;
        }
        if said_at.elapsed() >= HEARTBEAT {
            pieces.send(Bytes::from_static(b":\n\n")).await?;
            said_at = Instant::now();
        }
        let _ = tokio::time::timeout(LOOK_AGAIN, sealed.nudged()).await;
    }
}

/// Is why a stream ends early; nobody is left to tell.
struct Gone;

impl<T> From<mpsc::error::SendError<T>> for Gone {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self
    }
}

impl From<store::Error> for Gone {
    fn from(error: store::Error) -> Self {
        tracing::warn!(error = %error, "an event stream ends: {error}");
        Self
    }
}

/// Writes an entry as an event; JSON has no line breaks of its own.
fn event((seq, entry): &(u64, Entry)) -> String {
    let data = serde_json::json!({
        "seq": seq,
        "entry": entry,
        "text": learn::sentence::of(entry).text,
    });
    format!("id: {seq}\nevent: {}\ndata: {data}\n\n", entry.kind)
}

struct Pieces(mpsc::Receiver<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
