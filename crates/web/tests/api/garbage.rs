//! Arbitrary bytes and almost right bodies on every route that takes one: refused or taken, never a
//! failure of the server's own.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::Method;
use model::{Digest, Role};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{Call, ONE_RING, World, definition, enrol};

/// Is a server that all cases share, with a token for each route.
struct Target {
    runtime: Runtime,
    world: World,
    admin: String,
    agent: String,
    /// The bytes of a release that can be made, and one that was.
    digest: Digest,
}

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let world = World::with_hooks();
        let (admin, agent, digest) = runtime.block_on(async {
            let admin = world.token(Role::Admin).await;
            let agent = world.host("web-1", json!({ "role": "shop" })).await.token;
            let digest = world.release(&admin, "1.0", &definition(ONE_RING)).await;
            (admin, agent, digest)
        });
        Target {
            runtime,
            world,
            admin,
            agent,
            digest,
        }
    })
}

/// Sends one body to one route and checks what every answer must be.
fn send(method: &str, path: &str, content_type: &str, body: Vec<u8>) {
    let target = target();
    target.runtime.block_on(async {
        let content_type = match path {
            // The form that needs no headers of its own.
            CDEVENTS if content_type == "application/json" => "application/cloudevents+json",
            _ => content_type,
        };
        let call = admitted(method, path, &body).await;
        let answer = call.header("content-type", content_type).body(body);
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
        let answer = answer.expect("it is answered in time");
        assert!(
            !answer.status.is_server_error(),
            "{}: {}",
            answer.status,
            answer.text()
        );
        if answer.status.is_client_error() {
            if is_alerts(path) {
                check_alertmanager(&answer);
                return;
            }
            let code = answer.to::<Value>()["code"].as_str().unwrap().to_owned();
            answer.problem(answer.status.as_u16(), &code);
        } else {
            read_back().await;
        }
    });
}

const CDEVENTS: &str = "/api/v1/deliver/cdevents";
fn is_alerts(path: &str) -> bool {
    path.trim_end_matches('/').ends_with("/api/v2/alerts")
}

/// Its errors have a shape of their own: an object, or of alerts that are not valid a sentence.
fn check_alertmanager(answer: &crate::support::Answer) {
    match answer.to::<Value>() {
        Value::String(faults) => assert!(answer.status == 400 && !faults.is_empty()),
        error => {
            assert_eq!(error["code"], answer.status.as_u16());
            assert!(!error["message"].as_str().unwrap().is_empty());
        }
    }
}

/// Begins a call that the server lets in, whoever has to make it.
async fn admitted(method: &str, path: &str, body: &[u8]) -> Call {
    let target = target();
    let call = target.world.call(method.parse().unwrap(), path);
    if let Some(host) = path.strip_prefix("/api/v1/deliver/hooks/") {
        let event = call
            .header("x-github-event", "push")
            .header("x-gitlab-event", "Push Hook");
        return event.signed(host.parse().unwrap(), body);
    }
    match path {
        "/agent/v1/enrol" => call.bearer(&target.world.token(Role::Join).await),
        path if path == CDEVENTS || is_alerts(path) => {
            call.bearer(&target.world.token(Role::Ingest).await)
        }
        path if path.starts_with("/agent") => call.bearer(&target.agent),
        _ => call.bearer(&target.admin),
    }
}

/// What was taken can be read: no row that breaks every list it is in.
async fn read_back() {
    let target = target();
    for path in [
        "/api/v1/deliver/hosts",
        "/api/v1/observe/changes/1",
        "/api/v1/tokens",
        "/api/v1/learn/journal",
        "/api/v1/judge/alerts",
    ] {
        let answer = target.world.get(path).bearer(&target.admin).send().await;
        assert!(
            !answer.status.is_server_error(),
            "{path}: {}",
            answer.text()
        );
    }
}

/// A change there is, or a host there is not: a good body about a host may end it.
fn filled(path: &str) -> String {
    let id = match path.starts_with(HOSTS) {
        true => model::HostId::new(model::Timestamp::UNIX_EPOCH, 1).to_string(),
        false => "1".to_owned(),
    };
    path.replace("{id}", &id).replace("{command}", "hold")
}

const HOSTS: &str = "/api/v1/deliver/hosts/";

fn routes_with_bodies() -> Vec<(&'static str, String)> {
    let digest = Digest::of(b"never these bytes");
    let artifact = format!("/api/v1/deliver/artifacts/{digest}?service=shop");
    let routes = web::routes::all();
    let of_table = routes
        .iter()
        .filter(|route| route.method == Method::POST)
        .map(|route| ("POST", filled(route.path)));
    let mut all: Vec<_> = of_table.collect();
    all.push(("PUT", artifact));
    all
}

fn a_route() -> impl Strategy<Value = (&'static str, String)> {
    proptest::sample::select(routes_with_bodies())
}

/// Returns a body the route takes, to be spoiled in one place.
fn good(path: &str) -> Value {
    let target = target();
    let now = target.world.now();
    match path {
        "/api/v1/deliver/releases" => {
            json!({ "version": "1.0", "digest": target.digest, "definition": definition(ONE_RING) })
        }
        "/api/v1/deliver/rollouts" | "/api/v1/deliver/rehearsals" => {
            json!({ "service": "shop", "version": "1.0", "environment": null })
        }
        "/api/v1/deliver/redeploys" | "/api/v1/deliver/redeploys/rehearsals" => {
            json!({ "service": "shop", "environment": null })
        }
        "/api/v1/deliver/schemas" => json!({
            "service": "shop", "environment": "production", "version": 14, "step": "begin",
            "kind": "expand", "anyway": false, "reason": "prices get a currency",
        }),
        "/api/v1/deliver/freezes" => json!({
            "name": "weekend", "zone": "Europe/Berlin", "from": "fri 16:00", "to": "mon 08:00",
            "environment": "production", "service": "till", "reason": "nobody is there",
        }),
        "/api/v1/tokens" => {
            json!({ "name": "ci", "role": "viewer", "expires_at": now + Duration::from_secs(9) })
        }
        "/api/v1/deliver/fleet/adopt" => json!({ "how": "keep", "reason": "restored" }),
        path if path.starts_with(HOSTS) && path.ends_with("/agent") => {
            json!({ "digest": target.digest, "version": "0.5.0", "reason": "patched TLS" })
        }
        path if path.starts_with(HOSTS) => json!({ "reason": "new disk" }),
        "/agent/v1/enrol" => enrol("web-2", json!({ "role": "shop" })),
        "/agent/v1/sync" => json!({
            "boot_id": "b", "agent_version": "1", "epoch_seen": 0, "revision_seen": 0, "wait_ms": 0,
            "disk_free_bytes": 0, "now": now, "monotonic_ms": 0,
            "refused": [{ "kind": "epoch", "service": "shop", "seen": 9, "offered": 7 }],
            "reported": [{
                "service": "shop", "generation_seen": 1, "generation_applied": 1, "symlink_release": 1,
                "processes": [{
                    "pid": 1, "starttime": 1, "exe_sha256": target.digest, "exe_deleted": false,
                    "release_from_exe": "a-b", "release_from_cwd": null, "release_from_env": null,
                }],
                "port": 8000, "healthy": true, "proof": "converged", "why": "", "since": now,
                "started_at": now, "unexpected_exits": 0, "failed_checks": 0,
            }],
        }),
        "/agent/v1/events" => json!({ "boot_id": "b", "events": [{
            "seq": 1, "at": now, "service": null, "generation": 1,
            "kind": { "event": "step", "step": "unpack", "phase": "done", "detail": "" },
        }] }),
        CDEVENTS => json!({
            "specversion": "1.0", "id": "1", "source": "/ci",
            "type": "dev.cdevents.service.deployed.0.3.0", "data": {
                "context": {
                    "specversion": "0.5.1", "id": "1", "source": "/ci", "timestamp": now,
                    "type": "dev.cdevents.service.deployed.0.3.0",
                },
                "subject": { "id": "shop", "content": {
                    "environment": { "id": "prod" }, "artifactId": "pkg:oci/shop@sha256%3A00",
                } },
            },
        }),
        path if is_alerts(path) => json!([{
            "labels": { "alertname": "Down", "service": "shop", "environment": "production" },
            "annotations": { "summary": "it is down" }, "startsAt": now, "endsAt": null,
            "generatorURL": "http://rules.example.test/graph?x=1",
        }]),
        "/api/v1/deliver/join-tokens" => json!({}),
        _ => json!({ "any": ["thing", 1, null] }),
    }
}

/// Returns values that JSON can hold and a program may not expect.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![
            Just(0),
            Just(u64::MAX),
            Just(1 << 63),
            Just(i64::MAX as u64),
            any::<u64>()
        ]
        .prop_map(Value::from),
        prop_oneof![Just(-1), Just(i64::MIN), any::<i64>()].prop_map(Value::from),
        prop_oneof![Just(1e308), Just(-0.0), Just(5e-324)].prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop_oneof![
            Just("\u{0}"),
            Just("../.."),
            Just("-009999-01-02T01:59:59Z"),
            Just("9999-12-30T22:00:00Z"),
            Just("chg-1"),
            Just("${PORT}"),
            Just("a: *a"),
            Just("'; DROP TABLE token; --"),
            Just("\u{202e}"),
        ]
        .prop_map(Value::from),
        (1usize..20_000).prop_map(|n| Value::from("x".repeat(n))),
        (0usize..2_000).prop_map(|n| Value::from(vec![0; n])),
        Just(json!({})),
    ]
}

/// Replaces, removes or doubles the value at the `at`th place, counted through the whole body.
fn spoil(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, at, with)),
        Value::Object(fields) => fields.values_mut().for_each(|field| spoil(field, at, with)),
        _ => {}
    }
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(fields) => fields.values().map(places).sum::<usize>(),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_no_failure((method, path) in a_route(), body: Vec<u8>, json: bool) {
        let content_type = if json { "application/json" } else { "application/octet-stream" };
        send(method, &path, content_type, body);
    }

    #[test]
    fn a_body_wrong_in_one_place_is_no_failure((method, path) in a_route(), at: usize, with in odd()) {
        let mut body = good(&path);
        let mut at = at % places(&body);
        spoil(&mut body, &mut at, &with);
        send(method, &path, "application/json", body.to_string().into_bytes());
    }

    #[test]
    fn a_body_with_a_few_other_bytes_is_no_failure(
        (method, path) in a_route(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut body = good(&path).to_string().into_bytes();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        send(method, &path, "application/json", body);
    }

    #[test]
    fn arbitrary_paths_and_queries_are_no_failure(
        route in proptest::sample::select(web::routes::all().iter().map(|r| (r.method.to_string(), r.path)).collect::<Vec<_>>()),
        piece in "[ -~]{0,40}|%[0-9a-f]{2}|\\PC{0,10}",
        query in "([a-z]{1,8}=[!-~]{0,12}&?){0,3}",
    ) {
        let piece: String = piece.bytes().map(|b| format!("%{b:02x}")).collect();
        let query: String = query.replace(['"', '<', '>', '`', '#', '\\', '^', '{', '}', '|'], "");
        let path = route.1.replace("{id}", &piece).replace("{digest}", &piece).replace("{command}", &piece);
        let target = target();
        target.runtime.block_on(async {
            let call = target.world.call(route.0.parse().unwrap(), &format!("{path}?{query}"));
            let answer = call.bearer(&target.admin).json_bytes("{}").await;
            assert!(!answer.status.is_server_error(), "{}: {}", answer.status, answer.text());
        });
    }
}

#[test]
fn the_bodies_that_are_spoiled_are_good() {
    let target = target();
    for (method, path) in routes_with_bodies() {
        if method == "POST" && !path.ends_with("samples") && !path.contains("/act/") {
            let body = good(&path);
            target.runtime.block_on(async {
                let body = body.to_string();
                let call = admitted(method, &path, body.as_bytes()).await;
                let content_type = match path.as_str() {
                    CDEVENTS => "application/cloudevents+json",
                    _ => "application/json",
                };
                let answer = call.header("content-type", content_type).body(body).await;
                let known = match answer.status.as_u16() {
                    200 | 201 | 202 | 204 | 409 => true,
                    404 => path.starts_with(HOSTS) && answer.text().contains("unknown_host"),
                    _ => false,
                };
                assert!(known, "{path}: {} {}", answer.status, answer.text());
            });
        }
    }
}
