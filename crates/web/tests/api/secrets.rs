//! Secrets are in no file, no log line and no answer but the one that shows them.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use model::api::token::TokenCreated;
use model::{Digest, Role};
use runtime::{Loop, Shutdown, Supervisor, Turn, Wake};
use serde_json::{Value, json};

use crate::support::{ONE_RING, World, definition, enrol, eventually};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes every line of this process from here on, whatever its level.
    fn take() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone());
        subscriber.init();
        log
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns every byte under a folder.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(all_bytes(&path));
        } else {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Makes one secret of each kind through the API.
async fn secrets(world: &World) -> Vec<String> {
    let admin = world.token(Role::Admin).await;
    let new = json!({ "name": "ci", "role": "operator", "expires_at": null });
    let made: TokenCreated = world
        .post("/api/v1/tokens")
        .bearer(&admin)
        .json(&new)
        .await
        .to();
    let answer = world
        .post("/api/v1/deliver/join-tokens")
        .bearer(&admin)
        .json(&json!({}))
        .await;
    let join = answer.to::<Value>()["token"].as_str().unwrap().to_owned();
    let enrolment = enrol("web-1", json!({ "role": "shop" }));
    let answer = world
        .post("/agent/v1/enrol")
        .bearer(&join)
        .json(&enrolment)
        .await;
    let agent = answer.to::<Value>()["token"].as_str().unwrap().to_owned();
    vec![admin, made.secret, join, agent]
}

#[tokio::test]
async fn secrets_are_in_no_file_no_log_and_no_refusal() {
    let log = Log::take();
    let world = World::closing();
    let secrets = secrets(&world).await;
    let operator = &secrets[1];
    world.release(operator, "1.0", &definition(ONE_RING)).await;

    // Every way to be refused, with each secret.
    let mut answers = Vec::new();
    for secret in &secrets {
        for route in web::routes::all() {
            let path = route
                .path
                .replace("{digest}", &Digest::of(b"").to_string())
                .replace(['{', '}'], "");
            let call = world.call(route.method.clone(), &path).bearer(secret);
            answers.push((secret, call.json_bytes("{").await));
        }
    }
    // And a failure of the server's own, which is logged.
    std::fs::rename(
        world.folder.path().join("blobs"),
        world.folder.path().join("lost"),
    )
    .unwrap();
    let path = format!(
        "/api/v1/deliver/artifacts/{}?service=shop",
        Digest::of(b"x")
    );
    let answer = world.put(&path).bearer(operator).body("x").await;
    let problem = answer.problem(500, "io_error");
    assert!(
        !format!("{problem:?}").contains("No such file"),
        "{problem}"
    );

    let (files, lines) = (all_bytes(world.folder.path()), log.text());
    assert!(
        lines.contains("a request failed: No such file"),
        "the log is not taken: {lines}"
    );
    for (secret, answer) in answers {
        assert!(!holds(&answer.bytes, secret), "{}", answer.text());
    }
    for secret in &secrets {
        assert!(
            holds(&files, &store::token::hash(secret).to_string()),
            "the hash is stored"
        );
        let bare = &secret[4..];
        assert!(!holds(&files, bare), "a secret is stored");
        assert!(!lines.contains(bare), "a secret is logged");
    }
    assert!(
        !lines.contains("hunter2"),
        "the environment of a service is logged"
    );
}

/// What a service is run with may hold its passwords: only the hosts that run it are told.
#[tokio::test]
async fn what_a_service_is_run_with_is_shown_to_no_reader() {
    let world = World::closing();
    let admin = world.token(Role::Admin).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    world.release(&admin, "1.0", &definition(ONE_RING)).await;
    let new = json!({ "service": "shop", "version": "1.0" });
    let answer = world
        .post("/api/v1/deliver/rollouts")
        .bearer(&admin)
        .json(&new)
        .await;
    answer.expect(StatusCode::CREATED);
    world.journal().await;
    let paths = [
        "/",
        "/c/1",
        "/api/v1/deliver/releases?service=shop",
        "/api/v1/deliver/rollouts/1",
        "/api/v1/deliver/hosts",
        "/api/v1/observe/changes/1",
        "/api/v1/learn/why/1",
        "/api/v1/learn/journal",
    ];
    for path in paths {
        let answer = world.get(path).bearer(&admin).send().await;
        assert!(
            !answer.expect(StatusCode::OK).text().contains("hunter2"),
            "{path}"
        );
    }
}

struct Failing;

impl Loop for Failing {
    fn name(&self) -> &'static str {
        "test.failing"
    }

    fn period(&self) -> std::time::Duration {
        std::time::Duration::from_millis(1)
    }

    async fn turn(&mut self, _now: model::Timestamp) -> Result<Turn, anyhow::Error> {
        anyhow::bail!("https://chat.example.test/hook/key does not answer")
    }
}

/// Anybody may ask whether the server is ready; the error of a loop can hold the address of a webhook.
#[tokio::test]
async fn readiness_names_what_fails_and_says_no_more() {
    let (_trigger, shutdown) = Shutdown::new();
    let mut supervisor = None;
    let world = World::with(|app| {
        let one = Supervisor::new(app.clock.clone(), app.random.clone(), shutdown);
        supervisor = Some(one.clone());
        app.supervisor = Some(one);
    });
    let answer = world.get("/-/ready").send().await;
    assert_eq!(answer.expect(StatusCode::OK).text(), "ready\n");
    // A row that was set aside keeps nothing from working, and somebody should look at it.
    let row = store::set_aside::Damaged::Alert(model::AlertId(7));
    let now = world.now();
    world
        .write(move |tx| store::set_aside::put(tx, row, "hunter2", now))
        .await;
    let answer = world.get("/-/ready").send().await;
    assert_eq!(
        answer.expect(StatusCode::OK).text(),
        "ready\n1 stored row that cannot be read: set aside\n"
    );
    let supervisor = supervisor.unwrap();
    let wake = Wake::default();
    supervisor.spawn(Failing, &wake);
    eventually("the loop failed three times", || {
        wake.nudge();
        supervisor.status()["test.failing"].failures >= 3
    })
    .await;
    let answer = world.get("/-/ready").send().await;
    answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.text(), "not ready: test.failing\n");
    world.get("/-/healthy").send().await.expect(StatusCode::OK);
}
