//! Artifacts: `/api/v1/deliver/artifacts/sha256:<hex>` to store, `/artifacts/sha256:<hex>` to fetch.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::api::Problem;
use model::deliver::Artifact;
use model::{Digest, ServiceName};
use serde::Deserialize;

use super::{Path, Query};
use crate::App;
use crate::blobs::FileBody;
use crate::error::{self, Result, unknown};
use crate::range::{self, Part};

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct Upload {
    service: ServiceName,
}

/// Stores the bytes: 201 when they are new, 200 when they were here; durable either way.
pub(crate) async fn put(
    State(app): State<App>,
    Path(digest): Path<Digest>,
    Query(upload): Query<Upload>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode> {
    if stored(&app, digest).await?.is_some() {
        return Ok(StatusCode::OK);
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse().ok());
    let size_bytes = app
        .blobs
        .receive(digest, announced, body, &app.random)
        .await?;
    let artifact = Artifact {
        digest,
        size_bytes,
        service: upload.service,
        uploaded_at: app.clock.now(),
    };
    app.store
        .write(move |tx| store::release::put_artifact(tx, &artifact))
        .await?;
    Ok(StatusCode::CREATED)
}

/// Tells whether the bytes are here.
pub(crate) async fn head(State(app): State<App>, Path(digest): Path<Digest>) -> Result<Response> {
    match stored(&app, digest).await? {
        Some(artifact) => {
            Ok([(header::CONTENT_LENGTH, artifact.size_bytes.to_string())].into_response())
        }
        None => Err(unknown("artifact", digest, "upload it first")),
    }
}

/// Returns what is known of an artifact whose bytes are here in their full length. One whose file was
/// lost or cut short counts as unknown, so that the next upload mends it.
async fn stored(app: &App, digest: Digest) -> Result<Option<Artifact>> {
    let artifact = app
        .store
        .read(move |tx| store::release::artifact(tx, digest))
        .await?;
    let size = app.blobs.size(digest).await?;
    Ok(artifact.filter(|artifact| size == Some(artifact.size_bytes)))
}

/// Sends the bytes, or the part of them a download that was cut short has still to get.
pub(crate) async fn get(
    State(app): State<App>,
    Path(digest): Path<Digest>,
    headers: HeaderMap,
) -> Result<Response> {
    let Some(size) = app.blobs.size(digest).await? else {
        return Err(unknown("artifact", digest, "upload it first"));
    };
    let (status, from, length) = match range::asked(&headers, size) {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Bytes { from, length } => (StatusCode::PARTIAL_CONTENT, from, length),
        Part::Beyond => return Ok(beyond(digest, size)),
    };
    let file = app.blobs.open_file(digest, size, &app.random).await?;
    let body = Body::new(FileBody::part(file, from, length).await?);
    let headers = [
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let mut response = (status, headers, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{size}", from + length - 1);
        content_range(&mut response, &range);
    }
    Ok(response)
}

fn beyond(digest: Digest, size: u64) -> Response {
    let title = format!("{digest} ends after {size} bytes, before the range begins");
    let problem = Problem::new(416, "no_such_range", title).hint("fetch it from its beginning");
    let mut response = error::problem(problem);
    content_range(&mut response, &format!("bytes */{size}"));
    response
}

fn content_range(response: &mut Response, range: &str) {
    let value = HeaderValue::from_str(range).expect("digits and signs are plain ASCII");
    response.headers_mut().insert(header::CONTENT_RANGE, value);
}
