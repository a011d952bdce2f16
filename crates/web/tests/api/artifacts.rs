//! Artifacts: stored under the digest of their bytes, wholly or not at all.

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use model::{Digest, Role};
use serde_json::json;

use crate::slow::Trickle;
use crate::support::{Answer, World, eventually};

const BYTES: &[u8] = b"a release that works";

fn path(digest: impl std::fmt::Display) -> String {
    format!("/api/v1/deliver/artifacts/{digest}?service=shop")
}

/// Asks whether the bytes are here.
async fn head(world: &World, operator: &str, digest: Digest) -> Answer {
    let path = format!("/api/v1/deliver/artifacts/{digest}");
    let call = world.call(Method::HEAD, &path);
    call.bearer(operator).send().await
}

async fn upload(world: &World, operator: &str, digest: Digest, bytes: &'static [u8]) -> Answer {
    world.put(&path(digest)).bearer(operator).body(bytes).await
}

fn file_name(digest: Digest) -> String {
    format!("sha256-{}", digest.hex())
}

#[tokio::test]
async fn an_upload_is_201_and_the_same_again_is_200() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = Digest::of(BYTES);
    upload(&world, &operator, digest, BYTES)
        .await
        .expect(StatusCode::CREATED);
    upload(&world, &operator, digest, BYTES)
        .await
        .expect(StatusCode::OK);
    // What is here need not come again.
    upload(&world, &operator, digest, b"")
        .await
        .expect(StatusCode::OK);
    assert_eq!(world.blobs(), [file_name(digest)]);
}

#[tokio::test]
async fn two_uploads_of_the_same_bytes_at_once_both_succeed() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = Digest::of(BYTES);
    let (a, b) = tokio::join!(
        upload(&world, &operator, digest, BYTES),
        upload(&world, &operator, digest, BYTES)
    );
    assert!(a.status.is_success() && b.status.is_success());
    assert_eq!(world.blobs(), [file_name(digest)]);
}

#[tokio::test]
async fn bytes_of_another_digest_leave_nothing_behind() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = Digest::of(b"other bytes");
    let problem = upload(&world, &operator, digest, BYTES)
        .await
        .problem(422, "digest_mismatch");
    assert!(
        problem.title.contains(&Digest::of(BYTES).to_string()),
        "{problem}"
    );
    assert_eq!(world.blobs(), [""; 0]);
    let absent = head(&world, &operator, digest).await;
    absent.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn fewer_bytes_than_announced_are_truncated() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let put = world.put(&path(Digest::of(BYTES))).bearer(&operator);
    let problem = put
        .header("content-length", "100")
        .body(BYTES)
        .await
        .problem(422, "truncated");
    assert_eq!(problem.title, format!("{} of 100 bytes came", BYTES.len()));
    assert_eq!(world.blobs(), [""; 0]);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_behind() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let (trickle, body) = Trickle::new();
    let put = world.put(&path(Digest::of(BYTES))).bearer(&operator);
    let upload = tokio::spawn(put.body(body));
    trickle.send(BYTES);
    trickle.break_off();
    let problem = upload.await.unwrap().problem(422, "truncated");
    assert!(
        problem
            .title
            .starts_with("the upload broke off after 20 bytes"),
        "{problem}"
    );
    assert_eq!(world.blobs(), [""; 0]);
}

/// The server drops a request whose caller went away; the file must not stay until the next start.
#[tokio::test]
async fn a_caller_who_goes_away_leaves_nothing_behind() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let (trickle, body) = Trickle::new();
    let upload = tokio::spawn(
        world
            .put(&path(Digest::of(BYTES)))
            .bearer(&operator)
            .body(body),
    );
    trickle.send(BYTES);
    eventually("the upload begins", || world.blobs().len() == 1).await;
    upload.abort();
    eventually("its file is gone", || world.blobs().is_empty()).await;
}

#[tokio::test]
async fn what_a_killed_server_left_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("0123.part"), BYTES).unwrap();
    std::fs::write(folder.path().join(file_name(Digest::of(BYTES))), BYTES).unwrap();
    web::Blobs::open(folder.path()).unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn more_than_the_limit_is_413_announced_or_not() {
    let world = World::with(|app| app.blobs = app.blobs.clone().at_most(BYTES.len() as u64 - 1));
    let operator = world.token(Role::Operator).await;
    let digest = Digest::of(BYTES);
    upload(&world, &operator, digest, BYTES)
        .await
        .problem(413, "too_large");
    let put = world.put(&path(digest)).bearer(&operator);
    // Refused before a byte is read: the body never ends.
    let (_trickle, endless) = Trickle::new();
    let answer = put.header("content-length", "20").body(endless).await;
    answer.problem(413, "too_large");
    assert_eq!(world.blobs(), [""; 0]);
}

#[tokio::test]
async fn the_real_limit_is_two_gib() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let put = world.put(&path(Digest::of(BYTES))).bearer(&operator);
    let answer = put.header("content-length", "2147483649").body(BYTES).await;
    let problem = answer.problem(413, "too_large");
    assert_eq!(problem.title, "an artifact has at most 2147483648 bytes");
}

#[tokio::test]
async fn head_tells_whether_the_bytes_are_here() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = world.artifact(&operator, BYTES).await;
    let answer = head(&world, &operator, digest).await;
    assert_eq!(answer.expect(StatusCode::OK).header("content-length"), "20");
    let absent = head(&world, &operator, Digest::of(b"")).await;
    absent.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_file_cut_short_on_disk_counts_as_missing_until_it_is_sent_again() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = world.artifact(&operator, BYTES).await;
    let file = world.folder.path().join("blobs").join(file_name(digest));
    std::fs::write(&file, &BYTES[..5]).unwrap();
    let absent = head(&world, &operator, digest).await;
    absent.expect(StatusCode::NOT_FOUND);
    upload(&world, &operator, digest, BYTES)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(std::fs::read(&file).unwrap(), BYTES);
}

#[tokio::test]
async fn agents_and_viewers_fetch_what_was_stored() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let digest = world.artifact(&operator, &bytes).await;
    let readers = [
        world.token(Role::Viewer).await,
        world.host("web-1", json!({})).await.token,
    ];
    for secret in &readers {
        let answer = world
            .get(&format!("/artifacts/{digest}"))
            .bearer(secret)
            .send()
            .await;
        answer.expect(StatusCode::OK);
        assert_eq!(answer.header("content-length"), "300000");
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.bytes, Bytes::from(bytes.clone()));
        let missing = format!("/artifacts/{}", Digest::of(b""));
        let answer = world.get(&missing).bearer(secret).send().await;
        answer.problem(404, "unknown_artifact");
    }
}

#[tokio::test]
async fn a_digest_is_a_digest_and_never_a_path() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let hex = Digest::of(BYTES).hex();
    std::fs::write(world.folder.path().join("secret"), "secret").unwrap();
    let tricks = [
        "sha256:..%2f..%2fsecret".to_owned(),
        "sha256:..".to_owned(),
        "..%2fsecret".to_owned(),
        "%2e%2e".to_owned(),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256:{hex}%00"),
        format!("sha256:{hex}%2f..%2fsecret"),
        format!("sha256:{}", &hex[1..]),
        format!("sha512:{hex}"),
        hex.clone(),
        format!("sha256-{hex}"),
    ];
    for trick in tricks {
        let get = world.get(&format!("/artifacts/{trick}")).bearer(&operator);
        get.send().await.problem(404, "not_found");
        let put = world.put(&path(&trick)).bearer(&operator);
        put.body(BYTES).await.problem(404, "not_found");
    }
    for path in [
        "/artifacts/sha256:../../secret",
        "/artifacts/../secret",
        "/artifacts/",
    ] {
        let answer = world.get(path).bearer(&operator).send().await;
        answer.problem(404, "not_found");
    }
    assert_eq!(world.blobs(), [""; 0]);
}

#[tokio::test]
async fn an_upload_names_its_service() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = Digest::of(BYTES);
    let refusals = [
        ("", "bad_query"),
        ("?service=", "bad_query"),
        ("?service=a%2fb", "bad_query"),
        ("?name=shop", "unknown_parameter"),
    ];
    for (query, code) in refusals {
        let path = format!("/api/v1/deliver/artifacts/{digest}{query}");
        let answer = world
            .put(&path)
            .bearer(&operator)
            .body(Body::from(BYTES))
            .await;
        answer.problem(400, code);
    }
    assert_eq!(world.blobs(), [""; 0]);
}

#[tokio::test]
async fn a_download_that_was_cut_gets_the_rest() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let digest = world.artifact(&operator, BYTES).await;
    let path = format!("/artifacts/{digest}");
    let get = |range: &str| {
        let call = world.get(&path).bearer(&operator).header("range", range);
        call.send()
    };
    let rest = get("bytes=2-").await;
    rest.expect(StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.bytes, BYTES[2..]);
    assert_eq!(rest.header("content-range"), "bytes 2-19/20");
    assert_eq!(rest.header("content-length"), "18");

    let middle = get("bytes=2-8").await;
    middle.expect(StatusCode::PARTIAL_CONTENT);
    assert_eq!(middle.bytes, BYTES[2..9]);

    let whole = get("bytes=1-2,4-5").await;
    whole.expect(StatusCode::OK);
    assert_eq!(whole.bytes, BYTES);
    assert_eq!(whole.header("accept-ranges"), "bytes");

    let beyond = get("bytes=20-").await;
    beyond.problem(416, "no_such_range");
    assert_eq!(beyond.header("content-range"), "bytes */20");
}
