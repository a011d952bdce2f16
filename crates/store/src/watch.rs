//! Who looks on while a store commits: a world in a test, which ends a server there.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

/// Is when somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of the transaction has happened.
    BeforeCommit,
    /// It is durable, and nobody has been told.
    AfterCommit,
}

/// Says whether whoever writes still lives.
pub trait Watch: Send + Sync {
    /// Returns false when the one who writes is dead from here on.
    fn goes_on(&self, moment: Moment) -> bool;
}

/// Asks at each transaction; they come one at a time, so that the same world gives the same order.
#[derive(Clone)]
pub(crate) struct Watched {
    watch: Arc<dyn Watch>,
    one: Arc<Mutex<()>>,
}

impl Watched {
    pub(crate) fn new(watch: Arc<dyn Watch>) -> Self {
        let one = Arc::default();
        Self { watch, one }
    }

    pub(crate) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.one.lock().await
    }

    /// Returns when the one who writes lives on, and never when it does not.
    pub(crate) async fn pass(&self, moment: Moment) {
        if !self.watch.goes_on(moment) {
            std::future::pending::<()>().await;
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}
