//! Connections: how many there are at once, how they begin, and how long one may take to say what it wants.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use model::api::Problem;
use model::limit;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use crate::error::Failure;
use crate::tls::{self, Greeted, Tls};

/// Before the next try when the system gives no connection, for want of files for instance.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers until `ending` is over, and returns when every request that was under way then has its answer.
///
/// With `tls` every connection is encrypted; a request in the clear is answered with what would help, and nothing
/// of it is looked at. A connection whose handshake takes longer than [`limit::HANDSHAKE_TIME`] is closed, one whose
/// headers take longer than [`limit::HEADERS_TIME`], and one that stands idle for that long between two requests.
/// More than [`limit::CONNECTIONS`] wait to be taken.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    ending: impl Future<Output = ()>,
) {
    let connections = Arc::new(Semaphore::new(limit::CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let (open, closing) = watch::channel(());
    let door = Door { tls, router };
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
        let answering = door
            .clone()
            .answer(stream, from, graceful.watcher(), closing.clone());
        tokio::spawn(async move {
            answering.await;
            drop(permit);
        });
    }
    // Handshakes that are under way end with it; requests are waited for.
    drop(open);
    graceful.shutdown().await;
}

#[derive(Clone)]
struct Door {
    tls: Option<Tls>,
    router: Router,
}

impl Door {
    /// Answers one connection to its end.
    async fn answer(
        self,
        stream: TcpStream,
        from: SocketAddr,
        watcher: Watcher,
        mut closing: watch::Receiver<()>,
    ) {
        // A small answer must not wait for the next one.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return speak(stream, from, self.router, watcher).await;
        };
        let greeted = tokio::select! {
            greeted = tls::greet(stream, tls) => greeted,
            _ = closing.changed() => return,
        };
        match greeted {
            Ok(Greeted::Encrypted(stream)) => speak(stream, from, self.router, watcher).await,
            Ok(Greeted::InTheClear(stream)) => {
                speak(stream, from, Router::new().fallback(needs_tls), watcher).await;
            }
            Err(why) => tls::note(from, &why),
        }
    }
}

/// Answers what begins in the clear. It is no redirect: what came with the request, such as a token, was readable
/// by everybody on the way, and whoever sent it should know.
async fn needs_tls() -> Failure {
    Problem::new(
        400,
        "needs_tls",
        "this server speaks TLS, and the request was not encrypted",
    )
    .hint("write https:// instead of http://; a token that was sent this way may have been read")
    .into()
}

/// Speaks HTTP to the end of a connection. What breaks it is the caller's business: it hung up, or spoke no HTTP.
async fn speak<S>(stream: S, from: SocketAddr, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service =
        hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(from));
            // It is always ready; what fails is answered.
            router.clone().oneshot(request)
        });
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limit::HEADERS_TIME);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let _ = watcher.watch(connection.into_owned()).await;
}
