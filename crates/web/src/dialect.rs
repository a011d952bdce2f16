//! Errors as a foreign protocol words them: programs that speak it read no other.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::Told;

/// Is whose words errors are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 9457, with `code`, `at` and `hint`.
    Own,
    /// `{"code":404,"message":"…"}`.
    Alertmanager,
}

impl Dialect {
    /// Returns the dialect of a path, also of one where nothing answers.
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with("/api/v2/") || path.starts_with("/alertmanager/") {
            Dialect::Alertmanager
        } else {
            Dialect::Own
        }
    }
}

/// Tells an error of ours in the words of the route's protocol; everything else stays as it is.
pub(crate) async fn translated(State(dialect): State<Dialect>, response: Response) -> Response {
    let Dialect::Alertmanager = dialect else {
        return response;
    };
    let Some(Told(message)) = response.extensions().get() else {
        return response;
    };
    let body = json!({ "code": response.status().as_u16(), "message": message });
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut translated = (parts.status, Json(body)).into_response();
    translated.headers_mut().extend(parts.headers);
    translated
}
