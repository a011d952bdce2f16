//! Connections: how many there are at once, and how long one may take to say what it wants.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use model::limit;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// Before the next try when the system gives no connection, for want of files for instance.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers until `ending` is over, and returns when every request that was under way then has its answer.
///
/// A connection whose headers take longer than [`limit::HEADERS_TIME`] is closed, and so is one that stands idle
/// for that long between two requests. More than [`limit::CONNECTIONS`] wait to be taken.
pub async fn serve(listener: TcpListener, router: Router, ending: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(limit::CONNECTIONS));
    let graceful = GracefulShutdown::new();
    tokio::pin!(ending);
    loop {
        let accept = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            taken = accept => taken,
            () = &mut ending => break,
        };
        let Ok((stream, from)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let answering = answer(stream, from, router.clone(), &graceful);
        tokio::spawn(async move {
            answering.await;
            drop(permit);
        });
    }
    graceful.shutdown().await;
}

/// Answers one connection to its end. What breaks it is the caller's business: it hung up, or spoke no HTTP.
fn answer(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    let service =
        hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(from));
            // It is always ready; what fails is answered.
            router.clone().oneshot(request)
        });
    // A small answer must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limit::HEADERS_TIME);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let watched = graceful.watch(connection.into_owned());
    async move {
        let _ = watched.await;
    }
}
