//! What every handler works with.

use std::sync::Arc;

use metrics::Metrics;
use model::{KeyPin, limit};
use runtime::{Clock, Ids, Random, Shutdown, Supervisor, Wakes};
use store::Store;
use tokio::sync::Semaphore;

use crate::{Blobs, Hooks};

/// Is handed to every handler; cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    pub store: Store,
    pub metrics: Metrics,
    pub blobs: Blobs,
    pub clock: Clock,
    pub ids: Ids,
    pub random: Random,
    pub wakes: Wakes,
    /// One permit for each stream of events that may still be opened.
    pub streams: Arc<Semaphore>,
    /// Ends the calls that are held open; none in a world that nobody ends.
    pub shutdown: Option<Shutdown>,
    /// The git hosts that may call.
    pub hooks: Hooks,
    /// The key of this server, where hosts that join have to know it by that and not by a signer.
    pub pin: Option<KeyPin>,
    /// The loops, for readiness; none in a world that turns them by hand.
    pub supervisor: Option<Supervisor>,
    /// How people reach the server: `http://127.0.0.1:7700`.
    pub public_url: Arc<str>,
    /// How people call the program on this machine: `sleepwell --data DIR`.
    pub command: Arc<str>,
}

impl App {
    /// Waits until the server is asked to end: a call that is held open ends then as well.
    pub(crate) async fn closing(&self) {
        match &self.shutdown {
            Some(shutdown) => shutdown.requested().await,
            None => std::future::pending().await,
        }
    }
}

/// Returns the permits for [`App::streams`].
pub fn streams() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limit::STREAMS))
}
