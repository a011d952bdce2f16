//! What a call holds that nothing reads: a parameter nobody asked for, a body where none belongs. Its sender means
//! something by it, so it is refused before anything is done.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use model::api::Problem;
use model::{Role, limit};
use schemars::SchemaGenerator;

use crate::access::Access;
use crate::error::Result;
use crate::routes::{self, Route};

/// Is what one route reads of a request, by the signature of its handler.
#[derive(Debug)]
pub(crate) struct Reads {
    /// Nothing where any parameter is let through.
    parameters: Option<Vec<String>>,
    /// Whether it has a use for a body, or does not mind one.
    body: bool,
}

impl Reads {
    /// Returns what a route of the table reads.
    pub(crate) fn of(route: &Route) -> Arc<Self> {
        type All = BTreeMap<(String, &'static str), Arc<Reads>>;
        static ALL: LazyLock<All> = LazyLock::new(|| {
            let routes = routes::all();
            let read = |route: &Route| (key(route), Arc::new(Reads::by_signature(route)));
            routes.iter().map(read).collect()
        });
        Arc::clone(&ALL[&key(route)])
    }

    fn by_signature(route: &Route) -> Self {
        let shape = (route.describe)(&mut SchemaGenerator::default());
        let query = shape.query.as_ref();
        let properties = query.and_then(|query| query.get("properties")?.as_object());
        let names = || {
            properties
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
        };
        Self {
            parameters: is_strict(route).then(|| names().collect()),
            body: shape.body.is_some() || route.path == ORDERS,
        }
    }
}

/// An order is taken whatever comes with it: who undoes in a hurry must not fail for a stray body.
const ORDERS: &str = "/api/v1/act/changes/{id}/{command}";

fn key(route: &Route) -> (String, &'static str) {
    (route.method.to_string(), route.path)
}

/// Tells whether a route refuses parameters it does not know. People's own programs call our API and want to
/// hear of a misspelt filter; other tools add words of their own to an address they were given, and an agent may
/// be newer than its server.
fn is_strict(route: &Route) -> bool {
    let of_people = matches!(
        route.access,
        Access::Role(Role::Viewer | Role::Operator | Role::Admin)
    );
    of_people && route.path.starts_with("/api/v1/")
}

/// Refuses a request that holds what its route does not read.
pub(crate) async fn refuse(
    State(reads): State<Arc<Reads>>,
    request: Request,
    next: Next,
) -> Response {
    let uri = request.uri();
    let checked = match &reads.parameters {
        Some(known) => check_parameters(request.method(), uri, known),
        None => Ok(()),
    };
    if let Err(failure) = checked {
        return failure.into_response();
    }
    if reads.body {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match check_empty(body).await {
        Ok(()) => next.run(Request::from_parts(parts, Body::empty())).await,
        Err(failure) => failure.into_response(),
    }
}

fn check_parameters(method: &Method, uri: &Uri, known: &[String]) -> Result<()> {
    // What cannot be read at all is the handler's to refuse; where it asks for nothing, nothing is known.
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let pairs = pairs.map(|Query(pairs)| pairs).unwrap_or_default();
    let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(name)) else {
        return Ok(());
    };
    let name: String = name.chars().take(limit::NAME_BYTES).collect();
    let title = format!(
        "{method} {} takes no parameter `{}`",
        uri.path().escape_debug(),
        name.escape_debug()
    );
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let hint = match names.as_slice() {
        [] => "it takes none; leave out what stands behind the question mark".to_owned(),
        [only] => format!("it takes {only}"),
        [first @ .., last] => format!("it takes {} and {last}", first.join(", ")),
    };
    let problem = Problem::new(400, "unknown_parameter", title);
    Err(problem.at("query").hint(hint).into())
}

/// Refuses a body that says something. An empty object is how some programs write that there is none.
async fn check_empty(body: Body) -> Result<()> {
    let read = Limited::new(body, limit::UNREAD_BODY_BYTES).collect().await;
    let says = match read {
        Ok(read) => read.to_bytes(),
        Err(_) => b"more than is looked at".as_slice().into(),
    };
    if matches!(says.trim_ascii(), b"" | b"{}" | b"null") {
        return Ok(());
    }
    let problem = Problem::new(400, "unexpected_body", "this call takes no body");
    let hint = "send none; what it needs stands in its path and behind the question mark";
    Err(problem.at("body").hint(hint).into())
}
