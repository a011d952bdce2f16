//! Every route by every kind of bad input: each is refused by a name, and nothing is written.
//!
//! The walk is made from the table of routes, so that a new route is walked as well.

use axum::http::{Method, StatusCode};
use model::deliver::GitHost;
use model::{Digest, Role};
use serde_json::{Value, json};
use web::Access;
use web::routes::{Dialect, Route};

use crate::support::{Answer, Call, World};

/// Is a server with somebody to call each route as.
struct Walk {
    world: World,
    viewer: String,
    agent: String,
    join: String,
    ingest: String,
}

impl Walk {
    async fn new() -> Self {
        let world = World::with_hooks();
        Self {
            viewer: world.token(Role::Admin).await,
            agent: world.host("web-1", json!({ "role": "shop" })).await.token,
            join: world.token(Role::Join).await,
            ingest: world.token(Role::Ingest).await,
            world,
        }
    }

    /// Begins a call that the route lets in and whose path is good, with `extra` behind it.
    fn call(&self, route: &Route, extra: &str, body: &[u8]) -> Call {
        let path = format!("{}{extra}", filled(route));
        self.admitted(route, &path, body)
    }

    fn admitted(&self, route: &Route, path: &str, body: &[u8]) -> Call {
        let call = self.world.call(route.method.clone(), path);
        match route.access {
            Access::Open => call,
            Access::Hook(host) => signed(call, host, body),
            Access::Role(Role::Agent) => call.bearer(&self.agent),
            Access::Role(Role::Join) => call.bearer(&self.join),
            Access::Role(Role::Ingest) => call.bearer(&self.ingest),
            Access::Role(_) | Access::Either(..) | Access::ViewerOrLocal => {
                call.bearer(&self.viewer)
            }
        }
    }

    /// Returns the bytes of the database and the names of the blobs.
    fn written(&self) -> (Vec<Digest>, Vec<String>) {
        let file = |name: &str| {
            let bytes = std::fs::read(self.world.folder.path().join(name));
            Digest::of(&bytes.unwrap_or_default())
        };
        (vec![file("db"), file("db-wal")], self.world.blobs())
    }
}

fn signed(call: Call, host: GitHost, body: &[u8]) -> Call {
    let named = call
        .header("x-github-event", "push")
        .header("x-gitlab-event", "Push Hook");
    named.signed(host, body)
}

/// Returns the path with ids that are well formed and name nothing.
fn filled(route: &Route) -> String {
    let path = route.path;
    let at = model::Timestamp::UNIX_EPOCH;
    let id = match path {
        _ if path.contains("/hosts/") => model::HostId::new(at, 1).to_string(),
        _ if path.contains("/tokens/") => model::TokenId::new(at, 1).to_string(),
        _ if path.contains("/verdicts/") => model::VerdictId::new(at, 1).to_string(),
        _ if path.contains("/alerts/") => "alt-1".to_owned(),
        _ if path.contains("/incidents/") => "inc-1".to_owned(),
        _ => "chg-1".to_owned(),
    };
    let path = path
        .replace("{id}", &id)
        .replace("{command}", "hold")
        .replace("{name}", "weekend")
        .replace("{digest}", &Digest::of(b"bytes nobody sends").to_string());
    format!("{path}{}", demanded(route))
}

/// Returns what has to stand behind the question mark of an upload.
fn demanded(route: &Route) -> &'static str {
    match route.method {
        Method::PUT => "?service=shop",
        _ => "",
    }
}

/// Is what a route does with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// Orders are taken whatever comes with them.
    Anything,
    Json,
    /// JSON in an envelope of its own.
    CloudEvents,
    Webhook,
    Alerts,
    Samples,
    /// Bytes of a digest that the path names.
    Bytes,
}

impl Takes {
    fn of(route: &Route) -> Self {
        match (&route.method, route.path, route.access) {
            (_, _, Access::Hook(_)) => Takes::Webhook,
            (_, "/api/v1/deliver/cdevents", _) => Takes::CloudEvents,
            (_, "/agent/v1/samples", _) => Takes::Samples,
            (&Method::PUT, _, _) => Takes::Bytes,
            _ if route.dialect == Dialect::Alertmanager => Takes::Alerts,
            (_, "/api/v1/act/changes/{id}/{command}", _) => Takes::Anything,
            (&Method::POST, ..) => Takes::Json,
            _ => Takes::Nothing,
        }
    }
}

/// Is one kind of bad body and how each kind of route has to refuse it.
struct Bad {
    what: &'static str,
    content_type: &'static str,
    body: fn(&Route) -> Vec<u8>,
    refusal: fn(Takes) -> Refusal,
}

/// Is the status and code of a refusal; nothing where this is no bad input.
type Refusal = Option<(u16, &'static str)>;

/// Whether it is the syntax or what it says that is found wrong first, JSON that nests too deep is bad.
const OR_UNFIT: [u16; 2] = [400, 422];

const JSON: &str = "application/json";

const BODIES: &[Bad] = &[
    Bad {
        what: "a body over its limit",
        content_type: JSON,
        body: |route| vec![b' '; route.body_limit.min(40 << 20) + 1],
        refusal: |takes| match takes {
            Takes::Nothing => Some((400, "unexpected_body")),
            Takes::Anything => None,
            // Its limit is counted in `artifacts.rs`; these are not the bytes.
            Takes::Bytes => Some((422, "digest_mismatch")),
            _ => Some((413, "too_large")),
        },
    },
    Bad {
        what: "JSON that breaks off",
        content_type: JSON,
        body: |_| b"{\"version\": \"1.0".to_vec(),
        refusal: of_malformed,
    },
    Bad {
        what: "deep nesting",
        content_type: JSON,
        body: |_| [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
        refusal: of_malformed,
    },
    Bad {
        what: "deep nesting in a field",
        content_type: JSON,
        body: |_| {
            let (open, close) = (b"{\"a\":".repeat(50_000), b"}".repeat(50_000));
            [b"{\"reason\":".as_slice(), &open, b"1", &close, b"}"].concat()
        },
        refusal: of_malformed,
    },
    Bad {
        what: "text that is no UTF-8",
        content_type: JSON,
        body: |_| b"{\"reason\": \"\xff\xfe\"}".to_vec(),
        refusal: of_malformed,
    },
    Bad {
        what: "another type of content",
        content_type: "text/plain",
        body: |_| b"{\"reason\": \"it said so\"}".to_vec(),
        refusal: |takes| match takes {
            Takes::Json | Takes::Alerts => Some((415, "not_json")),
            // The bytes are what counts there; git hosts send forms too.
            Takes::Webhook => None,
            _ => of_malformed(takes),
        },
    },
];

fn of_malformed(takes: Takes) -> Refusal {
    Some(match takes {
        Takes::Nothing => (400, "unexpected_body"),
        Takes::Anything => return None,
        Takes::Json => (400, "bad_body"),
        Takes::CloudEvents => (400, "not_a_cloud_event"),
        Takes::Webhook => (400, "not_json"),
        Takes::Alerts => (400, "not_alerts"),
        Takes::Samples => (400, "bad_samples"),
        Takes::Bytes => (422, "digest_mismatch"),
    })
}

/// Checks a refusal in the words of the route's protocol.
fn check(route: &Route, answer: &Answer, (status, code): (u16, &str)) {
    let unfit = code == "bad_body" && OR_UNFIT.contains(&answer.status.as_u16());
    let status = if unfit {
        answer.status.as_u16()
    } else {
        status
    };
    if route.method == Method::HEAD {
        answer.expect(StatusCode::from_u16(status).unwrap());
    } else if route.dialect == Dialect::Alertmanager {
        answer.expect(StatusCode::from_u16(status).unwrap());
        let told: Value = answer.to();
        assert_eq!(told["code"], status, "{told}");
        assert!(!told["message"].as_str().unwrap().is_empty());
    } else {
        answer.problem(status, code);
    }
}

#[tokio::test]
async fn every_route_refuses_every_bad_body_and_writes_nothing() {
    let walk = Walk::new().await;
    let before = walk.written();
    for route in web::routes::all() {
        for bad in BODIES {
            let Some(refusal) = (bad.refusal)(Takes::of(&route)) else {
                continue;
            };
            let body = (bad.body)(&route);
            let call = walk.call(&route, "", &body);
            let answer = call.header("content-type", bad.content_type).body(body);
            check(&route, &answer.await, refusal);
            let (method, path) = (&route.method, route.path);
            assert_eq!(walk.written(), before, "{method} {path}: {}", bad.what);
        }
    }
}

/// Programs of people hear of a parameter they misspelt; other tools and agents may add their own.
fn refuses_parameters(route: &Route) -> bool {
    let of_people = [Role::Viewer, Role::Operator, Role::Admin].map(Access::Role);
    of_people.contains(&route.access) && route.path.starts_with("/api/v1/")
}

#[tokio::test]
async fn every_route_of_people_refuses_a_parameter_it_does_not_know() {
    let walk = Walk::new().await;
    let before = walk.written();
    for route in web::routes::all() {
        let query = if filled(&route).contains('?') {
            "&sevrice=shop"
        } else {
            "?sevrice=shop"
        };
        let answer = walk.call(&route, query, b"").send().await;
        if refuses_parameters(&route) {
            check(&route, &answer, (400, "unknown_parameter"));
        } else if route.dialect == Dialect::Own && answer.status.is_client_error() {
            let problem: model::api::Problem = answer.to();
            assert_ne!(problem.code, "unknown_parameter", "{}", route.path);
        }
    }
    assert_eq!(walk.written(), before);
}

/// Returns the parameters behind the question mark that a route is described with.
fn parameters(document: &Value, route: &Route) -> Vec<String> {
    let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let of_query = parameters.filter(|parameter| parameter["in"] == "query");
    of_query
        .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn no_parameter_is_taken_twice_and_no_absurd_one_breaks_anything() {
    let walk = Walk::new().await;
    let before = walk.written();
    let document = web::openapi::document();
    let long = "9".repeat(20_000);
    let mut walked = 0;
    for route in web::routes::all() {
        for name in parameters(&document, &route) {
            walked += 1;
            let bare = filled(&route);
            let bare = bare.split('?').next().unwrap();
            let twice = format!("{bare}?{name}=1&{name}=1");
            let answer = walk.admitted(&route, &twice, b"").send().await;
            check(&route, &answer, (400, "bad_query"));
            for value in [
                "",
                "%00",
                "%ff",
                "-1",
                "1e999",
                "%F0%9F%92%A9",
                "..%2f",
                &long,
            ] {
                let path = format!("{bare}?{name}={value}");
                let answer = walk.admitted(&route, &path, b"").send().await;
                let status = answer.status;
                assert!(!status.is_server_error(), "{} {path}", route.method);
                if status.is_client_error() {
                    let problem: model::api::Problem = answer.to();
                    answer.problem(status.as_u16(), &problem.code);
                }
            }
        }
    }
    assert!(walked > 15, "only {walked} parameters are described");
    assert_eq!(walk.written(), before);
}

#[tokio::test]
async fn a_path_that_names_nothing_sensible_is_not_found_whatever_its_length() {
    let walk = Walk::new().await;
    let before = walk.written();
    let long = "x".repeat(20_000);
    for route in web::routes::all() {
        for piece in [
            long.as_str(),
            "%00",
            "%ff",
            "%2e%2e%2f%2e%2e",
            "%F0%9F%92%A9",
        ] {
            let mut path = route.path.to_owned();
            for name in ["{id}", "{digest}", "{command}", "{name}"] {
                path = path.replace(name, piece);
            }
            if path == route.path {
                path = format!("{}/{piece}", path.trim_end_matches('/'));
            }
            path.push_str(demanded(&route));
            let call = walk.admitted(&route, &path, b"{}");
            let answer = call.json_bytes("{}").await;
            // A path without the piece may stand for another call of another method.
            let refusal = match answer.status {
                StatusCode::METHOD_NOT_ALLOWED => (405, "method_not_allowed"),
                _ => (404, "not_found"),
            };
            check(&route, &answer, refusal);
        }
    }
    assert_eq!(walk.written(), before);
}
