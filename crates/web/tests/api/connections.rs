//! What only a real connection shows: half a request, and a caller who hangs up.

use std::net::SocketAddr;
use std::sync::Arc;

use model::{Digest, Role, limit};
use rcgen::CertifiedKey;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::support::{World, eventually};

/// Serves the world on a port of its own until the test ends.
async fn serve(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = web::router(world.app.clone());
    tokio::spawn(web::serve(listener, None, router, std::future::pending()));
    address
}

async fn connect(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn upload(operator: &str, bytes: &str, announced: usize) -> String {
    let path = format!(
        "/api/v1/deliver/artifacts/{}?service=shop",
        Digest::of(b"whole")
    );
    format!(
        "PUT {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {operator}\r\n\
         content-length: {announced}\r\n\r\n{bytes}"
    )
}

#[tokio::test]
async fn an_upload_whose_caller_hangs_up_leaves_nothing_behind() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let address = serve(&world).await;
    let stream = connect(address, &upload(&operator, "who", 5)).await;
    eventually("the upload begins", || world.blobs().len() == 1).await;
    drop(stream);
    eventually("its file is gone", || world.blobs().is_empty()).await;
}

#[tokio::test]
async fn an_upload_that_ends_early_is_told_so() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let address = serve(&world).await;
    let mut stream = connect(address, &upload(&operator, "who", 5)).await;
    stream.shutdown().await.unwrap();
    // The connection is half closed; whether the answer still gets out is the kernel's affair.
    let told = answer(stream).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    eventually("nothing is left", || world.blobs().is_empty()).await;
    let whole = answer(connect(address, &upload(&operator, "whole", 5)).await).await;
    assert!(whole.starts_with("HTTP/1.1 201 "), "{whole}");
}

#[tokio::test]
async fn the_page_opens_over_loopback_and_asks_others_for_a_token() {
    let world = World::new();
    let address = serve(&world).await;
    let get = async |host: &str| {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        answer(connect(address, &request).await).await
    };
    assert!(get(&address.to_string()).await.starts_with("HTTP/1.1 200 "));
    assert!(get("attacker.example").await.starts_with("HTTP/1.1 401 "));
    let request = "GET / HTTP/1.0\r\n\r\n";
    let old = answer(connect(address, request).await).await;
    assert!(old.starts_with("HTTP/1.0 401 "), "{old}");
}

/// The time of this test stands still while anything is to be done, and runs on when all wait.
#[tokio::test(start_paused = true)]
async fn a_caller_who_never_ends_its_headers_is_hung_up_on() {
    let world = World::new();
    let address = serve(&world).await;
    let begun = tokio::time::Instant::now();
    let slow = connect(address, "GET /-/healthy HTTP/1.1\r\nhost: local").await;
    let closed = answer(slow).await;
    assert!(!closed.contains("200"), "{closed}");
    let waited = begun.elapsed();
    assert!(waited >= limit::HEADERS_TIME, "{waited:?}");
    // Whoever was answered and says nothing more is hung up on as well.
    let idle = connect(
        address,
        "GET /-/healthy HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert!(answer(idle).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_the_end() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let ending = async { ended.await.unwrap_or_default() };
    let serving = tokio::spawn(web::serve(
        listener,
        None,
        web::router(world.app.clone()),
        ending,
    ));
    let mut stream = connect(address, &upload(&operator, "who", 5)).await;
    eventually("the upload begins", || world.blobs().len() == 1).await;
    end.send(()).unwrap();
    stream.write_all(b"le").await.unwrap();
    let answer = answer(stream).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// Serves the world with TLS, and returns what a client has to trust.
async fn serve_tls(world: &World) -> (SocketAddr, TlsConnector) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
    let tls = web::Tls::new(certificate.as_bytes(), key.as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = web::router(world.app.clone());
    let never = std::future::pending();
    tokio::spawn(web::serve(listener, Some(tls), router, never));
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (address, TlsConnector::from(Arc::new(config)))
}

/// Asks over TLS and returns the whole answer.
async fn ask_encrypted(address: SocketAddr, connector: &TlsConnector, request: &str) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

const HEALTHY: &str = "GET /-/healthy HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn with_tls_a_request_in_the_clear_is_answered_with_what_helps_and_not_looked_at() {
    let world = World::new();
    let (address, connector) = serve_tls(&world).await;
    let encrypted = ask_encrypted(address, &connector, HEALTHY).await;
    assert!(encrypted.starts_with("HTTP/1.1 200 "), "{encrypted}");
    // The pages, which are open on loopback, are as far away as all the rest.
    for path in ["/-/healthy", "/", "/nowhere"] {
        let clear = HEALTHY.replace("/-/healthy", path);
        let clear = answer(connect(address, &clear).await).await;
        assert!(clear.starts_with("HTTP/1.1 400 "), "{clear}");
        assert!(clear.contains("needs_tls"), "{clear}");
        assert!(clear.contains("write https://"), "{clear}");
    }
}

/// The time of this test stands still while anything is to be done, and runs on when all wait.
#[tokio::test(start_paused = true)]
async fn a_caller_who_never_ends_its_handshake_is_hung_up_on_and_keeps_nobody_waiting() {
    let world = World::new();
    let (address, connector) = serve_tls(&world).await;
    let silent = TcpStream::connect(address).await.unwrap();
    // The head of a handshake of 512 bytes that never come.
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    let begun = tokio::time::Instant::now();
    let other = ask_encrypted(address, &connector, HEALTHY).await;
    assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
    assert!(begun.elapsed() < limit::HANDSHAKE_TIME);
    for slow in [silent, half] {
        assert_eq!(answer(slow).await, "");
    }
    let waited = begun.elapsed();
    assert!(waited >= limit::HANDSHAKE_TIME, "{waited:?}");
    assert!(waited < 2 * limit::HANDSHAKE_TIME, "{waited:?}");
}

#[tokio::test]
async fn a_handshake_that_is_under_way_does_not_hold_up_the_end() {
    let world = World::new();
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = web::Tls::new(
        cert.pem().as_bytes(),
        signing_key.serialize_pem().as_bytes(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let ending = async { ended.await.unwrap_or_default() };
    let router = web::router(world.app.clone());
    let serving = tokio::spawn(web::serve(listener, Some(tls.unwrap()), router, ending));
    let silent = TcpStream::connect(address).await.unwrap();
    end.send(()).unwrap();
    let patience = limit::HANDSHAKE_TIME / 2;
    let ended = tokio::time::timeout(patience, serving).await;
    ended
        .expect("it does not wait for who says nothing")
        .unwrap();
    drop(silent);
}
