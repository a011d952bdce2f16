//! A server without sockets and loops, callers of every role, and answers that are easy to look at.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;
use metrics::{Limits, Metrics};
use model::api::Problem;
use model::api::agent::Enrolled;
use model::api::token::TokenView;
use model::deliver::GitHost;
use model::{Digest, Entry, Fact, HostId, Role, Secret, Timestamp};
use runtime::{Clock, Ids, Random, Shutdown, Wakes};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::{Durability, Store};
use tempfile::TempDir;
use tower::ServiceExt;
use web::{App, Blobs, Hooks};

use crate::conforms;

/// 2026-01-02T03:04:05Z, when every world begins.
const START: Timestamp = Timestamp::from_millis(1_767_323_045_000);
/// An address of the documentation block: somebody on another machine.
const ELSEWHERE: &str = "192.0.2.7:40000";

/// What the captured webhooks are signed with.
const HOOK_SECRET: &str = "fixture-secret";

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) folder: TempDir,
    router: Router,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Builds a world whose server is about to end: no call is held open.
    pub(crate) fn closing() -> Self {
        Self::with(|app| app.shutdown = Some(Shutdown::new().1))
    }

    /// Opens a call whose answer does not end, and returns it as soon as it begins.
    pub(crate) async fn open(&self, call: Call) -> Response {
        self.router.clone().oneshot(call.request).await.unwrap()
    }

    /// Builds a world to which every git host may send, with the secret of the captured webhooks, and in
    /// which no call is held open.
    pub(crate) fn with_hooks() -> Self {
        let secret = || Secret::new(HOOK_SECRET.to_owned());
        Self::with(|app| {
            app.hooks = Hooks::new(GitHost::ALL.map(|host| (host, secret())));
            app.shutdown = Some(Shutdown::new().1);
        })
    }

    /// Builds a world whose parts are changed before the router is made.
    pub(crate) fn with(change: impl FnOnce(&mut App)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let random = Random::seeded(1);
        let database = folder.path().join("db");
        let mut app = App {
            store: Store::open_sqlite(&database, Durability::Process).unwrap(),
            metrics: Metrics::memory(Limits::default()),
            blobs: Blobs::open(&folder.path().join("blobs")).unwrap(),
            clock: Clock::manual(START),
            ids: Ids::new(random.clone()),
            random,
            wakes: Wakes::default(),
            streams: web::streams(),
            shutdown: None,
            hooks: Hooks::default(),
            pin: None,
            supervisor: None,
            public_url: "http://127.0.0.1:7700".into(),
            command: "sleepwell".into(),
        };
        change(&mut app);
        begin_epoch(&app.store);
        Self {
            router: web::router(app.clone()),
            folder,
            app,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Stores a token of this role and returns its secret.
    pub(crate) async fn token(&self, role: Role) -> String {
        let name = format!("the {role}");
        self.store_token(&name, role, None, None, None).await
    }

    pub(crate) async fn store_token(
        &self,
        name: &str,
        role: Role,
        host: Option<HostId>,
        expires_at: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
    ) -> String {
        let secret = self.app.random.secret("swt_");
        let token = TokenView {
            id: self.app.ids.token(self.now()),
            name: name.to_owned(),
            role,
            host,
            created_at: self.now(),
            expires_at,
            used_at: None,
            revoked_at,
            for_host: None,
        };
        let hash = store::token::hash(&secret);
        self.write(move |tx| store::token::insert(tx, &token, hash))
            .await;
        secret
    }

    /// Enrols a host as an agent does and returns its id and token.
    pub(crate) async fn host(&self, name: &str, labels: Value) -> Enrolled {
        let join = self.token(Role::Join).await;
        let answer = self
            .post("/agent/v1/enrol")
            .bearer(&join)
            .json(&enrol(name, labels))
            .await;
        answer.expect(StatusCode::OK).to()
    }

    /// Uploads bytes and makes a release of them.
    pub(crate) async fn release(&self, operator: &str, version: &str, definition: &str) -> Digest {
        let bytes = format!("the bytes of {version}");
        let digest = self.artifact(operator, bytes.as_bytes()).await;
        let new = json!({ "version": version, "digest": digest, "definition": definition });
        let answer = self
            .post("/api/v1/deliver/releases")
            .bearer(operator)
            .json(&new)
            .await;
        answer.expect(StatusCode::CREATED);
        digest
    }

    pub(crate) async fn artifact(&self, operator: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/api/v1/deliver/artifacts/{digest}?service=shop");
        let upload = self.put(&path).bearer(operator);
        let answer = upload.body(bytes.to_owned()).await;
        answer.expect(StatusCode::CREATED);
        digest
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut store::Tx<'_>) -> Result<T, store::Error> + Send + 'static,
    ) -> T {
        self.app.store.write(work).await.unwrap()
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut store::Tx<'_>) -> Result<T, store::Error> + Send + 'static,
    ) -> T {
        self.app.store.read(work).await.unwrap()
    }

    /// Returns the whole journal, oldest first.
    pub(crate) async fn journal(&self) -> Vec<Entry> {
        let entries = self
            .write(|tx| {
                store::journal::seal(tx, usize::MAX >> 1)?;
                store::journal::since(tx, 0, usize::MAX >> 1)
            })
            .await;
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    pub(crate) async fn facts(&self) -> Vec<Fact> {
        let entries = self.journal().await;
        let fact = |entry: &Entry| Fact::from_body(&entry.body).unwrap();
        entries.iter().map(fact).collect()
    }

    /// Returns the names of the files in the blob folder, sorted.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let folder = std::fs::read_dir(self.folder.path().join("blobs")).unwrap();
        let name =
            |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<String> = folder.map(|entry| name(entry).unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        Call {
            router: self.router.clone(),
            request,
        }
        .from(ELSEWHERE)
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    pub(crate) fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }
}

/// Is a request on its way.
pub(crate) struct Call {
    router: Router,
    request: Request<Body>,
}

impl Call {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = value.parse().unwrap();
        self.request.headers_mut().append(name, value);
        self
    }

    /// Sets a header whose name is known only when the test runs.
    pub(crate) fn header_named(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        let value = value.parse().unwrap();
        self.request.headers_mut().append(name, value);
        self
    }

    /// Signs the body it will have with the secret of [`World::with_hooks`], as this host does.
    pub(crate) fn signed(self, host: GitHost, body: &[u8]) -> Self {
        let code = wire::hmac::hmac_sha256(HOOK_SECRET.as_bytes(), body);
        let code = model::digest::hex(&code);
        match host {
            GitHost::Github => self.header("x-hub-signature-256", &format!("sha256={code}")),
            GitHost::Gitlab => self.header("x-gitlab-token", HOOK_SECRET),
            GitHost::Gitea => self.header("x-gitea-signature", &code),
            GitHost::Forgejo => self.header("x-forgejo-signature", &code),
        }
    }

    pub(crate) fn bearer(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    pub(crate) fn from(mut self, address: &str) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        self.request.extensions_mut().insert(ConnectInfo(address));
        self
    }

    /// Comes from the server's own machine and asks for it by a local name.
    pub(crate) fn local(self) -> Self {
        self.from("127.0.0.1:40000")
            .header("host", "127.0.0.1:7700")
    }

    pub(crate) async fn json(self, value: &Value) -> Answer {
        self.json_bytes(value.to_string()).await
    }

    pub(crate) async fn json_bytes(self, bytes: impl Into<Body>) -> Answer {
        self.header("content-type", "application/json")
            .body(bytes)
            .await
    }

    pub(crate) async fn body(mut self, body: impl Into<Body>) -> Answer {
        *self.request.body_mut() = body.into();
        self.send().await
    }

    pub(crate) async fn send(self) -> Answer {
        let (method, uri) = (self.request.method().clone(), self.request.uri().clone());
        let response = self.router.oneshot(self.request).await.unwrap();
        let (parts, body) = response.into_parts();
        let answer = Answer {
            what: format!("{method} {uri}"),
            status: parts.status,
            headers: parts.headers,
            bytes: body.collect().await.unwrap().to_bytes(),
        };
        answer.conforms(&method, uri.path());
        answer
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    what: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    /// Holds an answer in JSON to the description of its call.
    fn conforms(&self, method: &Method, path: &str) {
        let is_json = self.header("content-type") == "application/json";
        if self.status.is_success() && is_json && method != Method::HEAD {
            let fault = conforms::fault(method, path, &self.to());
            assert_eq!(fault, None, "{} is not as it is described", self.what);
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn expect(&self, status: StatusCode) -> &Self {
        let found = self.status;
        assert_eq!(found, status, "{}: {}", self.what, self.text());
        self
    }

    #[track_caller]
    pub(crate) fn to<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Checks the one shape of an error and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Problem {
        self.expect(StatusCode::from_u16(status).unwrap());
        let content_type = self.header(header::CONTENT_TYPE.as_str());
        assert_eq!(content_type, "application/problem+json", "{}", self.what);
        let problem: Problem = self.to();
        assert_eq!(problem.kind, "about:blank", "{}", self.what);
        assert_eq!((problem.status, problem.code.as_str()), (status, code));
        assert!(!problem.title.is_empty() && !problem.title.ends_with('.'));
        assert!(problem.hint.is_some(), "{} has no hint", self.text());
        assert!(self.bytes.len() < 8_000, "{} echoes too much", self.what);
        problem
    }
}

/// Begins the first epoch, as a server does at its start.
fn begin_epoch(store: &Store) {
    let store = store.clone();
    let begun = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let begin = |tx: &mut store::Tx<'_>| store::fleet::next_epoch(tx, "this server");
        runtime.block_on(store.write(begin))
    });
    assert_eq!(begun.join().unwrap().unwrap(), 1);
}

pub(crate) fn enrol(name: &str, labels: Value) -> Value {
    json!({
        "hostname": name,
        "labels": labels,
        "boot_id": "boot-1",
        "machine_id": format!("machine of {name}"),
        "agent_version": "0.1.0",
    })
}

/// Returns the definition of a service `shop` for the hosts with `role: shop`; `more` stands below the
/// environment, indented by four.
pub(crate) fn definition(more: &str) -> String {
    format!(
        "service: shop\n\
         artifact: {{ path: shop.tar.gz }}\n\
         run: {{ exec: [./shop], env: {{ PASSWORD: hunter2 }} }}\n\
         environments:\n  production:\n    hosts: {{ role: shop }}\n    strategy: rings\n    {more}\n"
    )
}

pub(crate) const ONE_RING: &str = "rings: [{ name: everyone, hosts: rest }]";

/// Polls until `done` says so, up to ten seconds.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(waited.is_ok(), "it did not happen in time: {what}");
}

/// Returns a file of the test data that is not part of the repository, or nothing when it is absent.
pub(crate) fn test_data(path: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(test_data_folder().join(path)).ok();
    if bytes.is_none() {
        tell_skipped(path);
    }
    bytes
}

/// Returns the files of a folder of the test data by name; none when it is absent.
pub(crate) fn test_files(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(test_data_folder().join(folder)) else {
        tell_skipped(folder);
        return BTreeMap::new();
    };
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

fn test_data_folder() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    std::env::var_os("SLEEPWELL_TEST_DATA").map_or_else(|| beside.into(), PathBuf::from)
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn tell_skipped(path: &str) {
    eprintln!("skipped: no test data `{path}`; set SLEEPWELL_TEST_DATA");
}
