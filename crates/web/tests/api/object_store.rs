//! Artifacts in an object store: one server stores, another one fetches, and nobody believes the bytes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use model::{Digest, Role};
use tempfile::TempDir;
use web::{Blobs, ObjectStore};

use crate::support::{Answer, World};

/// Is a bucket that asks for a signature and keeps what it gets.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Bucket {
    /// Serves until the tests end, and returns the address to open.
    fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bucket = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A caller that hangs up got its answer or does not want it.
                let _ = bucket.answer(stream);
            }
        });
        format!("s3://releases/team?endpoint=http://{address}")
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut answers = stream.try_clone()?;
        let mut stream = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        stream.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            match line.trim().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let mut words = first.split(' ');
        let (method, address) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let (status, content) = if query.contains("X-Amz-Signature=") {
            self.act(method, path, body)
        } else {
            (403, b"<Error><Code>AccessDenied</Code></Error>".to_vec())
        };
        let length = content.len();
        write!(
            answers,
            "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        )?;
        if method != "HEAD" {
            answers.write_all(&content)?;
        }
        Ok(())
    }

    fn act(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut objects = self.0.lock().unwrap();
        match (method, objects.get(path)) {
            ("PUT", _) => {
                objects.insert(path.to_owned(), body);
                (200, vec![])
            }
            (_, Some(object)) => (200, object.clone()),
            (_, None) => (404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
        }
    }

    fn replace_all(&self, bytes: &[u8]) {
        for object in self.0.lock().unwrap().values_mut() {
            *object = bytes.to_vec();
        }
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

/// Returns a server with a folder of its own before the object store at that address.
fn server(address: &str) -> (World, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(|app| {
        let keys = |name: &str| name.ends_with("_KEY_ID").then(|| "id".to_owned());
        let env =
            |name: &str| keys(name).or_else(|| name.ends_with("_ACCESS_KEY").then(|| "key".into()));
        let store = ObjectStore::open(address, env, app.clock.clone()).unwrap();
        app.blobs = Blobs::open(folder.path()).unwrap().before(store);
    });
    (world, folder)
}

async fn fetch(world: &World, digest: Digest) -> Answer {
    let viewer = world.token(Role::Viewer).await;
    let path = format!("/artifacts/{digest}");
    world.get(&path).bearer(&viewer).send().await
}

#[tokio::test]
async fn what_one_server_stored_another_one_fetches_once() {
    let bucket = Bucket::default();
    let address = bucket.serve();
    let (first, _folder) = server(&address);
    let operator = first.token(Role::Operator).await;
    let digest = first.artifact(&operator, b"a release").await;
    let object = format!("/releases/team/sha256-{}", digest.hex());
    assert_eq!(bucket.names(), [object]);

    let (second, folder) = server(&address);
    let fetched = fetch(&second, digest).await;
    assert_eq!(fetched.expect(StatusCode::OK).text(), "a release");
    // From now on it is here.
    bucket.0.lock().unwrap().clear();
    fetch(&second, digest).await.expect(StatusCode::OK);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn other_bytes_in_the_bucket_are_not_handed_on() {
    let bucket = Bucket::default();
    let address = bucket.serve();
    let (first, _folder) = server(&address);
    let operator = first.token(Role::Operator).await;
    let digest = first.artifact(&operator, b"a release").await;
    bucket.replace_all(b"malicious");
    let (second, folder) = server(&address);
    fetch(&second, digest).await.problem(502, "digest_mismatch");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_object_store_that_is_away_takes_nothing_and_says_so() {
    let (world, folder) = server("s3://releases?endpoint=http://127.0.0.1:1");
    let operator = world.token(Role::Operator).await;
    let digest = Digest::of(b"a release");
    let path = format!("/api/v1/deliver/artifacts/{digest}?service=shop");
    let put = world.put(&path).bearer(&operator).body("a release").await;
    let problem = put.problem(503, "artifacts_out_of_reach");
    assert!(!problem.to_string().contains("X-Amz"), "{problem}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    fetch(&world, digest)
        .await
        .problem(503, "artifacts_out_of_reach");
}
