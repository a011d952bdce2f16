//! Our own API, `/api/v1/<word>/…`: one file per noun.

pub(crate) mod alerts;
pub(crate) mod artifacts;
pub(crate) mod cdevents;
pub(crate) mod changes;
pub(crate) mod deliveries;
pub(crate) mod events;
pub(crate) mod fix;
pub(crate) mod fleet;
pub(crate) mod freezes;
pub(crate) mod hooks;
pub(crate) mod hosts;
pub(crate) mod incidents;
pub(crate) mod inventory;
pub(crate) mod join_tokens;
pub(crate) mod journal;
pub(crate) mod orders;
pub(crate) mod pages;
pub(crate) mod program;
pub(crate) mod redeploys;
pub(crate) mod rehearsals;
pub(crate) mod releases;
pub(crate) mod rollouts;
pub(crate) mod schemas;
mod together;
pub(crate) mod tokens;
pub(crate) mod verdicts;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use model::api::Problem;
use serde::de::DeserializeOwned;

use crate::error::Failure;

/// Reads a JSON body; what is wrong with it is answered in our one shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(bad_body(rejection.status().as_u16(), rejection.body_text())),
        }
    }
}

/// Reads a body as it is.
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let body = Bytes::from_request(request, state).await;
        body.map(Self)
            .map_err(|e| bad_body(e.status().as_u16(), e.body_text()))
    }
}

pub(crate) fn bad_body(status: u16, why: String) -> Failure {
    let (code, hint) = match status {
        413 => ("too_large", "send less in one call"),
        415 => (
            "not_json",
            "send JSON, with `Content-Type: application/json`",
        ),
        _ => ("bad_body", "correct the body and send it again"),
    };
    let problem = Problem::new(status, code, sentence(why));
    problem.at("body").hint(hint).into()
}

/// Writes the framework's words as our own messages are written.
fn sentence(mut words: String) -> String {
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    words
}

/// Reads the parameters of the path.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value))
            .map_err(|e| {
                Problem::new(404, "not_found", sentence(e.body_text()))
                    .at("path")
                    .hint("write ids, digests and commands as the server does")
                    .into()
            })
    }
}

/// Reads the parameters behind the question mark.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|e| {
                Problem::new(400, "bad_query", sentence(e.body_text()))
                    .at("query")
                    .hint("correct what stands behind the question mark, or leave it out")
                    .into()
            })
    }
}
