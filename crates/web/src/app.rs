//! What every handler works with.

use std::sync::Arc;

use metrics::Metrics;
use runtime::{Clock, Ids, Random, Supervisor, Wakes};
use store::Store;

use crate::Blobs;

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
    /// The loops, for readiness; none in a world that turns them by hand.
    pub supervisor: Option<Supervisor>,
    /// How people reach the server: `http://127.0.0.1:7700`.
    pub public_url: Arc<str>,
    /// How people call the program on this machine: `sleepwell --data DIR`.
    pub command: Arc<str>,
}
