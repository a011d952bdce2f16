//! Errors, translated to HTTP once.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::api::Problem;
use model::limit;

/// Is a failed request: what the caller sees, and what only the log keeps.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Boxed, because it is large and every handler's result has room for it.
    problem: Box<Problem>,
    inward: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            inward: None,
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let problem = match &error {
            store::Error::Conflict { .. } => Problem::new(409, "conflict", error.to_string())
                .hint("look at it again and repeat what still makes sense"),
            store::Error::Exists(_) => Problem::new(409, "exists", "it already exists")
                .hint("somebody was faster; look at what is there now"),
            store::Error::Full => Problem::new(503, "disk_full", error.to_string())
                .hint("free disk space on the server; nothing was lost"),
            store::Error::Unreadable { .. }
            | store::Error::Newer { .. }
            | store::Error::Unavailable(_) => Problem::new(
                503,
                "store_unavailable",
                "the server cannot reach its database now",
            )
            .hint("try again; the server's log says why"),
        };
        Self {
            problem: Box::new(problem),
            inward: Some(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let problem = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Problem::new(507, "disk_full", "the server has no room for this")
                    .hint("free disk space on the server and send it again")
            }
            _ => Problem::new(500, "io_error", "the server could not read or write a file")
                .hint("try again; the server's log says why"),
        };
        Self {
            problem: Box::new(problem),
            inward: Some(error.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if let Some(inward) = &self.inward
            && self.problem.status >= 500
        {
            tracing::error!(code = %self.problem.code, error = %inward, "a request failed: {inward}");
        }
        problem(*self.problem)
    }
}

/// Is what a response says went wrong, for those who tell it in another shape.
#[derive(Clone, Debug)]
pub(crate) struct Told(pub(crate) String);

/// Answers with a problem in its one shape.
pub(crate) fn problem(mut problem: Problem) -> Response {
    // It may repeat what was asked for, and that can be as long as a body.
    cut(&mut problem.title);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let told = Told(problem.title.clone());
    let mut response = (status, axum::Json(problem)).into_response();
    response.extensions_mut().insert(told);
    let json = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Cuts a sentence that is over [`limit::SENTENCE_BYTES`].
pub(crate) fn cut(sentence: &mut String) {
    if sentence.len() > limit::SENTENCE_BYTES {
        let end = (0..=limit::SENTENCE_BYTES).rfind(|&at| sentence.is_char_boundary(at));
        sentence.truncate(end.unwrap_or_default());
        sentence.push('…');
    }
}

/// Says that something named in the path or body does not exist.
pub(crate) fn unknown(
    what: &str,
    name: impl std::fmt::Display,
    hint: impl Into<String>,
) -> Failure {
    let code = format!("unknown_{}", what.replace(' ', "_"));
    Problem::new(404, &code, format!("unknown {what} `{name}`"))
        .hint(hint)
        .into()
}
