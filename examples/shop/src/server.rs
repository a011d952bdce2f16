//! Connections: one thread each, so that a slow client waits for nobody and nobody for it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::http::{Connection, End, Response, now};
use crate::metrics::{Answered, Metrics};
use crate::payment::Outcome;
use crate::release::Release;
use crate::routes::{Route, answer};

/// Connections served at once; each costs a thread with a small stack.
const CONNECTIONS: usize = 256;
/// A request needs about 10 KiB of stack, in a debug build too.
const STACK_BYTES: usize = 256 << 10;
/// How long to wait when the system cannot accept, usually because it is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Is a shop that listens.
pub struct Server {
    listener: TcpListener,
    shop: Arc<Shop>,
}

struct Shop {
    release: Release,
    metrics: Metrics,
    open: AtomicUsize,
}

impl Server {
    /// Takes the address; port 0 lets the system choose one.
    ///
    /// # Errors
    /// The address cannot be parsed, is taken, or is not ours.
    pub fn bind(address: &str, release: Release) -> io::Result<Server> {
        let shop = Shop {
            release,
            metrics: Metrics::default(),
            open: AtomicUsize::new(0),
        };
        Ok(Server {
            listener: TcpListener::bind(address)?,
            shop: Arc::new(shop),
        })
    }

    /// Returns the address it listens on.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    pub fn serve(&self) -> ExitCode {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.welcome(stream),
                // Nothing ends this wait early; it only keeps a full system from spinning.
                Err(_) => thread::park_timeout(ACCEPT_PAUSE),
            }
        }
    }

    fn welcome(&self, stream: TcpStream) {
        let Ok(mut connection) = Connection::new(stream) else {
            return; // The client is gone already.
        };
        let Some(seat) = Seat::take(&self.shop) else {
            let full = Response::text(503, "too many connections; try again in a moment");
            let _ = connection.write(&full, false);
            return;
        };
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        // Without a thread the connection closes, and the client tries again.
        let _ = thread.spawn(move || seat.serve(connection));
    }
}

/// Is one of the [`CONNECTIONS`]; dropping it, also by a panic, makes room for another.
struct Seat(Arc<Shop>);

impl Seat {
    fn take(shop: &Arc<Shop>) -> Option<Seat> {
        let before = shop.open.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(shop));
        (before < CONNECTIONS).then_some(seat)
    }

    fn serve(self, connection: Connection) {
        self.0.serve(connection);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shop {
    fn serve(&self, mut connection: Connection) {
        loop {
            let request = match connection.read() {
                Ok(request) => request,
                Err(End::Gone) => return,
                Err(End::Refused(response)) => {
                    self.count(Route::Other, response.code, Duration::ZERO, None);
                    return connection.close_with(&response);
                }
            };
            let started = now();
            let answer = answer(&request, &self.release, &self.metrics);
            // Before it leaves: whoever has an answer finds it in the next scrape.
            self.count(
                answer.route,
                answer.response.code,
                started.elapsed(),
                answer.payment,
            );
            let written = connection.write(&answer.response, request.keep_alive);
            if written.is_err() || !request.keep_alive {
                return;
            }
        }
    }

    fn count(&self, route: Route, code: u16, took: Duration, payment: Option<Outcome>) {
        self.metrics.count(&Answered {
            route,
            code,
            took,
            payment,
        });
    }
}
