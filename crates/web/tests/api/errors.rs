//! Every failure has one shape, says what would help, and repeats little of what was sent.

use axum::body::Body;
use axum::http::StatusCode;
use model::{Role, limit};
use serde_json::{Value, json};

use web::routes::Dialect;

use crate::support::{Call, World, enrol};

const RELEASES: &str = "/api/v1/deliver/releases";

#[tokio::test]
async fn unknown_paths_are_404_for_everybody() {
    let world = World::new();
    let admin = world.token(Role::Admin).await;
    for path in [
        "/api",
        "/api/v1/",
        "/api/v1/deliver",
        "/favicon.ico",
        "//",
        "/c/",
        "/c/1/2",
        "/%00",
    ] {
        world.get(path).send().await.problem(404, "not_found");
        let answer = world.post(path).bearer(&admin).send().await;
        answer.problem(404, "not_found");
    }
    let long = format!("/{}", "x".repeat(20_000));
    world.get(&long).send().await.problem(404, "not_found");
}

#[tokio::test]
async fn what_the_path_names_must_be_well_formed_and_known() {
    let world = World::new();
    let viewer = world.token(Role::Viewer).await;
    let get = |path: String| world.get(&path).bearer(&viewer).send();
    for id in [
        "0",
        "chg-0",
        "-1",
        "x",
        "99999999999999999999",
        "chg-9223372036854775808",
        "%ff",
        "1%00",
        "..%2f..",
        "%F0%9F%92%A9",
    ] {
        for path in [
            "/c",
            "/api/v1/observe/changes",
            "/api/v1/deliver/rollouts",
            "/api/v1/learn/why",
        ] {
            get(format!("{path}/{id}")).await.problem(404, "not_found");
        }
        get(format!("/api/v1/judge/verdicts/{id}"))
            .await
            .problem(404, "not_found");
        get(format!("/artifacts/{id}"))
            .await
            .problem(404, "not_found");
    }
    let largest = i64::MAX;
    get(format!("/c/{largest}"))
        .await
        .problem(404, "unknown_change");
    get(format!("/api/v1/observe/changes/chg-{largest}"))
        .await
        .problem(404, "unknown_change");
    get(format!("/api/v1/learn/why/{largest}"))
        .await
        .problem(404, "unknown_change");
    get(format!("/api/v1/deliver/rollouts/{largest}"))
        .await
        .problem(404, "unknown_rollout");
    let verdict = world.app.ids.verdict(world.now());
    get(format!("/api/v1/judge/verdicts/{verdict}"))
        .await
        .problem(404, "unknown_verdict");
}

#[tokio::test]
async fn what_stands_behind_the_question_mark_is_checked() {
    let world = World::new();
    let viewer = world.token(Role::Viewer).await;
    let bad = [
        "/api/v1/deliver/releases",
        "/api/v1/deliver/releases?service=a/b",
        "/api/v1/deliver/releases?service=%ff",
        "/api/v1/deliver/releases?service=a&service=b",
        "/api/v1/deliver/hosts?drifted=perhaps",
        "/api/v1/observe/changes?state=lost",
        "/api/v1/observe/changes?since=yesterday",
        "/api/v1/observe/changes?since=99999999999-01-01T00:00:00Z",
        "/api/v1/observe/changes?before=0",
        "/api/v1/observe/changes?limit=-1",
        "/api/v1/observe/changes?limit=99999999999999999999999",
        "/api/v1/judge/verdicts?change=x",
        "/api/v1/learn/journal?since=1.5",
    ];
    for path in bad {
        let answer = world.get(path).bearer(&viewer).send().await;
        answer.problem(400, "bad_query");
    }
    let good = [
        "/api/v1/observe/changes?limit=0",
        "/api/v1/observe/changes?limit=18446744073709551615&since=0000-01-03T00:00:00Z",
        "/api/v1/observe/changes?before=9223372036854775807&state=undone",
        "/api/v1/learn/journal?since=18446744073709551615",
        "/api/v1/judge/verdicts?change=9223372036854775807",
        "/api/v1/deliver/hosts?service=shop&drifted=true",
    ];
    for path in good {
        let answer = world.get(path).bearer(&viewer).send().await;
        assert_eq!(
            answer.expect(axum::http::StatusCode::OK).text(),
            "[]",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_of_the_right_form_is_refused() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let post = || world.post(RELEASES).bearer(&operator);
    post().send().await.problem(415, "not_json");
    post()
        .header("content-type", "text/plain")
        .body("{}")
        .await
        .problem(415, "not_json");
    post()
        .header("content-type", "application/xml")
        .body("<x/>")
        .await
        .problem(415, "not_json");
    for bytes in ["", "{", "nonsense", "{\"version\": \"1.0", "\u{feff}{}"] {
        post().json_bytes(bytes).await.problem(400, "bad_body");
    }
    post()
        .json_bytes(&b"{\"version\": \"\xff\xfe\"}"[..])
        .await
        .problem(400, "bad_body");
    for value in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "version": 1 }),
        json!({ "version": "../x" }),
    ] {
        let problem = post().json(&value).await.problem(422, "bad_body");
        assert_eq!(problem.at.as_deref(), Some("body"));
        assert!(
            problem.title.starts_with("failed to deserialize"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn deep_nesting_and_huge_numbers_are_bad_bodies_and_no_danger() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let agent = world.host("web-1", json!({})).await.token;
    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    let lists = deep("[", "]");
    let objects = deep("{\"a\":", "}");
    let post = || world.post(RELEASES).bearer(&operator);
    for nested in [&lists, &objects] {
        for body in [nested.clone(), format!("{{\"version\": {nested}}}")] {
            let answer = post().json_bytes(body).await;
            assert!(answer.status.is_client_error());
        }
        // A field nobody asked for is not looked into, and the rest is still missing.
        let answer = post()
            .json_bytes(format!("{{\"unasked\": {nested}}}"))
            .await;
        assert!(answer.status.is_client_error());
    }
    let definition =
        json!({ "version": "1", "digest": model::Digest::of(b""), "definition": lists });
    post()
        .json(&definition)
        .await
        .problem(422, "bad_definition");

    let sync = |wait: &str| {
        format!(
            r#"{{"boot_id":"b","agent_version":"1","epoch_seen":0,"revision_seen":0,"wait_ms":{wait},
            "reported":[],"disk_free_bytes":18446744073709551615,"now":"2026-01-02T03:04:05Z","monotonic_ms":0}}"#
        )
    };
    let post = |wait: &str| {
        world
            .post("/agent/v1/sync")
            .bearer(&agent)
            .json_bytes(sync(wait))
    };
    for huge in [
        "1e400",
        "-1",
        "18446744073709551616",
        "1.5",
        &"9".repeat(100_000),
    ] {
        let answer = post(huge).await;
        assert!(answer.status.is_client_error(), "{huge}");
    }
    // Something differs, so the largest wait answers at once all the same.
    post("18446744073709551615")
        .await
        .expect(axum::http::StatusCode::OK);
}

#[tokio::test]
async fn a_body_over_its_limit_is_413_on_every_route() {
    let world = World::with_hooks();
    let secrets = [
        world.token(Role::Admin).await,
        world.host("web-1", json!({})).await.token,
        world.token(Role::Join).await,
        world.token(Role::Ingest).await,
    ];
    let reads_no_body = ["/api/v1/act/changes/{id}/{command}"];
    let routes = web::routes::all();
    let posts = routes
        .iter()
        .filter(|r| r.method == "POST" && !reads_no_body.contains(&r.path));
    for route in posts {
        assert!(route.body_limit <= limit::SAMPLES_BYTES, "{}", route.path);
        let body = " ".repeat(route.body_limit + 1);
        let role = match route.access {
            web::Access::Role(role) => role,
            web::Access::Hook(_) => {
                let answer = world.post(route.path).json_bytes(body).await;
                answer.problem(413, "too_large");
                continue;
            }
            other => panic!("{}: {other:?}", route.path),
        };
        let secret = match role {
            Role::Agent => &secrets[1],
            Role::Join => &secrets[2],
            Role::Ingest => &secrets[3],
            _ => &secrets[0],
        };
        let host = model::HostId::new(model::Timestamp::UNIX_EPOCH, 1).to_string();
        let path = route.path.replace("changes/{id}", "changes/chg-1");
        let path = path.replace("{id}", &host);
        let answer = world.post(&path).bearer(secret).json_bytes(body).await;
        match route.dialect {
            Dialect::Own => drop(answer.problem(413, "too_large")),
            Dialect::Alertmanager => {
                answer.expect(StatusCode::PAYLOAD_TOO_LARGE);
                assert_eq!(answer.to::<serde_json::Value>()["code"], 413);
            }
        }
    }
}

/// The limit counts bytes that come, whatever the length in front says.
#[tokio::test]
async fn a_body_without_a_length_has_the_same_limit() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let pieces = vec![" ".repeat(limit::BODY_BYTES / 2); 3];
    let answer = world
        .post(RELEASES)
        .bearer(&operator)
        .json_bytes(Body::new(Pieces(pieces)))
        .await;
    answer.problem(413, "too_large");
}

/// Is a body in pieces, of a length nobody announced.
struct Pieces(Vec<String>);

impl http_body::Body for Pieces {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let piece = self
            .0
            .pop()
            .map(|piece| Ok(http_body::Frame::data(piece.into())));
        std::task::Poll::Ready(piece)
    }
}

#[tokio::test]
async fn a_refusal_repeats_little_of_what_was_sent() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let join = world.token(Role::Join).await;
    let long = "\u{1F4A9}".repeat(100_000);
    let release = |version: &str, digest: &str| json!({ "version": version, "digest": digest, "definition": "" });
    let bodies: [(&str, &str, Value); 3] = [
        (RELEASES, &operator, release("1", &long)),
        (RELEASES, &operator, release(&long, &long)),
        (
            "/agent/v1/enrol",
            &join,
            enrol("web-1", json!({ long.as_str(): "x" })),
        ),
    ];
    for (path, secret, body) in bodies {
        let call: Call = world.post(path).bearer(secret);
        call.json(&body).await.problem(422, "bad_body");
    }
}
