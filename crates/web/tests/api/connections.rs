//! What only a real connection shows: half a request, and a caller who hangs up.

use std::net::SocketAddr;

use model::{Digest, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{World, eventually};

/// Serves the world on a port of its own until the test ends.
async fn serve(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = web::router(world.app.clone());
    tokio::spawn(web::serve(listener, router, std::future::pending()));
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
    assert!(waited >= model::limit::HEADERS_TIME, "{waited:?}");
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
    let serving = tokio::spawn(web::serve(listener, web::router(world.app.clone()), ending));
    let mut stream = connect(address, &upload(&operator, "who", 5)).await;
    eventually("the upload begins", || world.blobs().len() == 1).await;
    end.send(()).unwrap();
    stream.write_all(b"le").await.unwrap();
    let answer = answer(stream).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
