//! Who may call what: every route by every kind of caller, against a table of its own.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use model::deliver::GitHost;
use model::{Role, TokenId};
use web::Access::{self, Either, Hook as Signed, Open, Role as Needs, ViewerOrLocal};

use crate::support::{Answer, Call, World};

/// Is the map of paths and roles, written by hand from the design and not from the router.
const MAP: &[(&str, &str, Access)] = &[
    ("GET", "/api/v1/deliver/services", Needs(Role::Viewer)),
    ("GET", "/api/v1/deliver/releases", Needs(Role::Viewer)),
    ("POST", "/api/v1/deliver/releases", Needs(Role::Operator)),
    ("POST", "/api/v1/deliver/rollouts", Needs(Role::Operator)),
    ("POST", "/api/v1/deliver/rehearsals", Needs(Role::Viewer)),
    ("POST", "/api/v1/deliver/redeploys", Needs(Role::Operator)),
    (
        "POST",
        "/api/v1/deliver/redeploys/rehearsals",
        Needs(Role::Viewer),
    ),
    ("GET", "/api/v1/deliver/freezes", Needs(Role::Viewer)),
    ("POST", "/api/v1/deliver/freezes", Needs(Role::Operator)),
    (
        "DELETE",
        "/api/v1/deliver/freezes/{name}",
        Needs(Role::Admin),
    ),
    ("GET", "/api/v1/deliver/schemas", Needs(Role::Viewer)),
    ("POST", "/api/v1/deliver/schemas", Needs(Role::Operator)),
    (
        "GET",
        "/api/v1/act/changes/{id}/way-back",
        Needs(Role::Viewer),
    ),
    (
        "POST",
        "/api/v1/act/changes/{id}/override",
        Needs(Role::Operator),
    ),
    ("GET", "/api/v1/deliver/rollouts/{id}", Needs(Role::Viewer)),
    ("GET", "/api/v1/deliver/hosts", Needs(Role::Viewer)),
    (
        "POST",
        "/api/v1/deliver/hosts/{id}/exclude",
        Needs(Role::Operator),
    ),
    (
        "POST",
        "/api/v1/deliver/hosts/{id}/fix",
        Needs(Role::Operator),
    ),
    (
        "POST",
        "/api/v1/deliver/hosts/{id}/retire",
        Needs(Role::Admin),
    ),
    (
        "POST",
        "/api/v1/deliver/hosts/{id}/agent",
        Needs(Role::Admin),
    ),
    ("GET", "/api/v1/deliver/inventory", Needs(Role::Viewer)),
    ("GET", "/api/v1/openapi.json", Needs(Role::Viewer)),
    ("GET", "/api/v1/deliver/fleet", Needs(Role::Viewer)),
    ("POST", "/api/v1/deliver/fleet/adopt", Needs(Role::Admin)),
    ("POST", "/api/v1/deliver/join-tokens", Needs(Role::Admin)),
    ("GET", "/api/v1/deliver/schema/sleepwell.json", Open),
    (
        "HEAD",
        "/api/v1/deliver/artifacts/{digest}",
        Needs(Role::Operator),
    ),
    (
        "PUT",
        "/api/v1/deliver/artifacts/{digest}",
        Needs(Role::Operator),
    ),
    (
        "GET",
        "/artifacts/{digest}",
        Either(Role::Agent, Role::Viewer),
    ),
    ("POST", "/api/v1/deliver/cdevents", Needs(Role::Ingest)),
    (
        "POST",
        "/api/v1/deliver/hooks/github",
        Signed(GitHost::Github),
    ),
    (
        "POST",
        "/api/v1/deliver/hooks/gitlab",
        Signed(GitHost::Gitlab),
    ),
    (
        "POST",
        "/api/v1/deliver/hooks/gitea",
        Signed(GitHost::Gitea),
    ),
    (
        "POST",
        "/api/v1/deliver/hooks/forgejo",
        Signed(GitHost::Forgejo),
    ),
    ("POST", "/api/v2/alerts", Needs(Role::Ingest)),
    ("POST", "/api/v2/alerts/", Needs(Role::Ingest)),
    ("POST", "/alertmanager/api/v2/alerts", Needs(Role::Ingest)),
    ("POST", "/alertmanager/api/v2/alerts/", Needs(Role::Ingest)),
    ("GET", "/api/v1/judge/alerts", Needs(Role::Viewer)),
    ("GET", "/api/v1/judge/alerts/{id}", Needs(Role::Viewer)),
    ("GET", "/api/v1/act/incidents", Needs(Role::Viewer)),
    ("GET", "/api/v1/act/incidents/{id}", Needs(Role::Viewer)),
    ("GET", "/api/v1/act/pages", Needs(Role::Viewer)),
    ("GET", "/api/v1/observe/changes", Needs(Role::Viewer)),
    ("GET", "/api/v1/observe/changes/{id}", Needs(Role::Viewer)),
    ("GET", "/api/v1/judge/verdicts", Needs(Role::Viewer)),
    ("GET", "/api/v1/judge/verdicts/{id}", Needs(Role::Viewer)),
    (
        "POST",
        "/api/v1/act/changes/{id}/{command}",
        Needs(Role::Operator),
    ),
    ("GET", "/api/v1/learn/why/{id}", Needs(Role::Viewer)),
    ("GET", "/api/v1/learn/journal", Needs(Role::Viewer)),
    ("GET", "/api/v1/learn/journal/check", Needs(Role::Admin)),
    ("GET", "/api/v1/events", Needs(Role::Viewer)),
    ("GET", "/api/v1/me", Needs(Role::Viewer)),
    ("GET", "/api/v1/tokens", Needs(Role::Admin)),
    ("POST", "/api/v1/tokens", Needs(Role::Admin)),
    ("DELETE", "/api/v1/tokens/{id}", Needs(Role::Admin)),
    ("POST", "/agent/v1/enrol", Needs(Role::Join)),
    ("POST", "/agent/v1/sync", Needs(Role::Agent)),
    ("POST", "/agent/v1/events", Needs(Role::Agent)),
    ("POST", "/agent/v1/samples", Needs(Role::Agent)),
    ("GET", "/", ViewerOrLocal),
    ("GET", "/c/{id}", ViewerOrLocal),
    ("GET", "/_app/plain.css", Open),
    ("GET", "/-/healthy", Open),
    ("GET", "/-/ready", Open),
];

/// Is a kind of caller and, for those with a good token, its role.
struct Caller {
    name: &'static str,
    role: Option<Role>,
    local: bool,
    authorization: Option<String>,
    /// The code of a 401, where there is no role.
    code: &'static str,
}

impl Caller {
    fn prepare(&self, call: Call) -> Call {
        let call = if self.local { call.local() } else { call };
        match &self.authorization {
            Some(value) => call.header("authorization", value),
            None => call,
        }
    }

    /// Returns the status and code this caller must be refused with, nothing when it must pass.
    fn refusal(&self, access: Access) -> Option<(StatusCode, &'static str)> {
        let (local_passes, needed) = match access {
            Open => return None,
            Needs(role) => (false, vec![role]),
            Either(a, b) => (false, vec![a, b]),
            ViewerOrLocal => (true, vec![Role::Viewer]),
            // None of them signs, and no token, not even an admin's, stands for a signature.
            Signed(_) => return Some((StatusCode::UNAUTHORIZED, "not_genuine")),
        };
        match self.role {
            _ if local_passes && self.local => None,
            Some(role) if needed.iter().any(|n| allows(role, *n)) => None,
            Some(_) => Some((StatusCode::FORBIDDEN, "not_allowed")),
            None => Some((StatusCode::UNAUTHORIZED, self.code)),
        }
    }
}

/// Is the order of roles, written out once more.
fn allows(role: Role, needed: Role) -> bool {
    match needed {
        Role::Viewer => matches!(role, Role::Viewer | Role::Operator | Role::Admin),
        Role::Operator => matches!(role, Role::Operator | Role::Admin),
        Role::Admin => role == Role::Admin,
        Role::Agent => role == Role::Agent,
        Role::Join => role == Role::Join,
        Role::Ingest => role == Role::Ingest,
    }
}

async fn callers(world: &World) -> Vec<Caller> {
    let caller = |name, authorization: Option<String>, code| Caller {
        name,
        role: None,
        local: false,
        authorization,
        code,
    };
    let (now, second) = (world.now(), std::time::Duration::from_secs(1));
    let expired = world
        .store_token("old", Role::Admin, None, Some(now), None)
        .await;
    let revoked = world
        .store_token("gone", Role::Admin, None, None, Some(now - second))
        .await;
    let admin = world.token(Role::Admin).await;
    let mut callers = vec![
        caller("anonymous", None, "not_signed_in"),
        Caller {
            local: true,
            ..caller("anonymous from loopback", None, "not_signed_in")
        },
        caller(
            "expired",
            Some(format!("Bearer {expired}")),
            "expired_token",
        ),
        caller(
            "revoked",
            Some(format!("Bearer {revoked}")),
            "revoked_token",
        ),
        caller("unknown", Some("Bearer swt_0".into()), "unknown_token"),
        caller("empty", Some("Bearer ".into()), "unknown_token"),
        caller("basic", Some(format!("Basic {admin}")), "not_signed_in"),
        caller("no scheme", Some(admin), "not_signed_in"),
    ];
    for role in Role::ALL {
        let secret = match role {
            Role::Agent => world.host("web-1", serde_json::json!({})).await.token,
            _ => world.token(role).await,
        };
        callers.push(Caller {
            name: "a role",
            role: Some(role),
            ..caller("", Some(format!("bearer  {secret}")), "")
        });
    }
    callers
}

fn filled(path: &str) -> String {
    let id = match path {
        "/api/v1/tokens/{id}" => TokenId::new(model::Timestamp::UNIX_EPOCH, 1).to_string(),
        "/api/v1/judge/verdicts/{id}" => {
            model::VerdictId::new(model::Timestamp::UNIX_EPOCH, 1).to_string()
        }
        _ if path.starts_with("/api/v1/deliver/hosts/") => {
            model::HostId::new(model::Timestamp::UNIX_EPOCH, 1).to_string()
        }
        "/api/v1/judge/alerts/{id}" => "alt-1".to_owned(),
        "/api/v1/act/incidents/{id}" => "inc-1".to_owned(),
        _ => "chg-1".to_owned(),
    };
    path.replace("{id}", &id)
        .replace("{digest}", &model::Digest::of(b"").to_string())
        .replace("{command}", "hold")
}

#[test]
fn the_router_and_the_map_have_the_same_rows() {
    let routes = web::routes::all();
    let built: BTreeSet<(&str, &str)> =
        routes.iter().map(|r| (r.method.as_str(), r.path)).collect();
    let mapped: BTreeSet<(&str, &str)> = MAP
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .collect();
    assert_eq!(built, mapped);
    assert_eq!(built.len(), routes.len(), "a route stands there twice");
    for route in &routes {
        let row = MAP
            .iter()
            .find(|(method, path, _)| route.method.as_str() == *method && route.path == *path);
        assert_eq!(
            row.unwrap().2,
            route.access,
            "{} {}",
            route.method,
            route.path
        );
    }
}

#[tokio::test]
async fn every_route_answers_every_caller_as_the_map_says() {
    let world = World::with_hooks();
    let callers = callers(&world).await;
    for (method, path, access) in MAP {
        for caller in &callers {
            let mut methods = vec![*method];
            methods.extend((*method == "GET").then_some("HEAD"));
            for method in methods {
                let call = world.call(method.parse().unwrap(), &filled(path));
                let answer = caller.prepare(call).json_bytes("{}").await;
                let who = format!("{} {:?}: {method} {path}", caller.name, caller.role);
                if is_alertmanagers(path) {
                    check_alertmanager(&answer, caller.refusal(*access), &who);
                } else {
                    check(&answer, caller.refusal(*access), method != "HEAD", &who);
                }
            }
        }
    }
}

/// Errors there have the shape that Alertmanager's clients read.
fn is_alertmanagers(path: &str) -> bool {
    path.starts_with("/api/v2/") || path.starts_with("/alertmanager/")
}

fn check_alertmanager(answer: &Answer, refusal: Option<(StatusCode, &str)>, who: &str) {
    let Some((wanted, _)) = refusal else {
        // An object is no array of alerts.
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{who}");
        return;
    };
    assert_eq!(answer.status, wanted, "{who}");
    let bearer = answer.header("www-authenticate") == "Bearer";
    assert_eq!(bearer, wanted == StatusCode::UNAUTHORIZED, "{who}");
    let body: serde_json::Value = answer.to();
    assert_eq!(body["code"], wanted.as_u16(), "{who}");
    assert!(!body["message"].as_str().unwrap().is_empty(), "{who}");
}

fn check(answer: &Answer, refusal: Option<(StatusCode, &str)>, has_body: bool, who: &str) {
    let status = answer.status;
    match refusal {
        None => {
            let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            assert!(!refused && !status.is_server_error(), "{who}: {status}");
        }
        Some((wanted, code)) => {
            assert_eq!(status, wanted, "{who}");
            let bearer = answer.header("www-authenticate") == "Bearer";
            assert_eq!(bearer, wanted == StatusCode::UNAUTHORIZED, "{who}");
            if has_body {
                answer.problem(wanted.as_u16(), code);
            }
        }
    }
}

#[tokio::test]
async fn a_path_takes_only_its_own_methods() {
    let world = World::closing();
    let admin = world.token(Role::Admin).await;
    let paths: BTreeSet<&str> = MAP.iter().map(|(_, path, _)| *path).collect();
    for path in paths {
        let takes = |method: &str| {
            let of_path = MAP.iter().filter(|(_, p, _)| *p == path);
            let mut methods = of_path.map(|(m, _, _)| *m);
            methods.any(|m| m == method || (m == "GET" && method == "HEAD"))
        };
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW",
        ] {
            if takes(method) {
                continue;
            }
            let call = world.call(
                Method::from_bytes(method.as_bytes()).unwrap(),
                &filled(path),
            );
            let answer = call.bearer(&admin).send().await;
            answer.expect(StatusCode::METHOD_NOT_ALLOWED);
            assert!(
                answer.header("allow").split(',').all(takes),
                "{method} {path}"
            );
            if is_alertmanagers(path) && method != "HEAD" {
                assert_eq!(
                    answer.to::<serde_json::Value>()["code"],
                    405,
                    "{method} {path}"
                );
            } else if method != "HEAD" {
                answer.problem(405, "method_not_allowed");
            }
        }
    }
}

#[tokio::test]
async fn reading_changes_nothing() {
    let world = World::closing();
    let admin = world.token(Role::Admin).await;
    let agent = world.host("web-1", serde_json::json!({})).await.token;
    let before = world.journal().await.len();
    for (_, path, _) in MAP.iter().filter(|(method, _, _)| *method == "GET") {
        for secret in [&admin, &agent] {
            world.get(&filled(path)).bearer(secret).send().await;
        }
    }
    assert_eq!(world.journal().await.len(), before);
    assert_eq!(world.blobs(), [""; 0]);
    for command in ["undo", "hold", "go"] {
        let path = format!("/api/v1/act/changes/1/{command}");
        let answer = world.get(&path).bearer(&admin).send().await;
        answer.expect(StatusCode::METHOD_NOT_ALLOWED);
    }
}

/// The journal is the audit log and tells people from machinery by the form of the name.
#[tokio::test]
async fn who_acted_is_the_name_of_the_token() {
    let world = World::closing();
    let admin = world
        .store_token("jonas", Role::Admin, None, None, None)
        .await;
    world
        .post("/api/v1/deliver/join-tokens")
        .bearer(&admin)
        .json(&serde_json::json!({}))
        .await;
    assert_eq!(world.journal().await.last().unwrap().actor, "jonas");
}
