//! An inbox in memory: takes messages instead of sending them, for a world without sockets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use act::outbox::Failure;
use model::act::OutboxRow;

use super::SendError;

/// Keeps every message it takes, in the order they came; a clone is the same inbox.
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    received: Vec<OutboxRow>,
    unreachable: bool,
    watch: Option<Arc<dyn SendWatch>>,
}

/// Is when somebody looks on at an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendMoment {
    /// Nothing was handed over.
    Before,
    /// The receiver has it, and nobody has been told.
    After,
}

/// Looks on at every attempt, and may end the server there.
pub trait SendWatch: Send + Sync {
    /// Returns false when the one who sends is dead from here on.
    fn goes_on(&self, moment: SendMoment) -> bool;
}

impl Inbox {
    /// Returns everything it took, oldest first; a row's `attempt` tells a repeat.
    pub fn received(&self) -> Vec<OutboxRow> {
        self.lock().received.clone()
    }

    /// Lets every attempt fail as one does whose receiver does not answer, or ends that.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.lock().unreachable = unreachable;
    }

    /// Has `watch` look on at every attempt from now on.
    pub fn watch(&self, watch: Arc<dyn SendWatch>) {
        self.lock().watch = Some(watch);
    }

    pub(super) async fn take(&self, row: &OutboxRow) -> Result<(), SendError> {
        self.pass(SendMoment::Before).await;
        let taken = self.keep(row);
        self.pass(SendMoment::After).await;
        taken
    }

    fn keep(&self, row: &OutboxRow) -> Result<(), SendError> {
        let mut state = self.lock();
        if state.unreachable {
            let why = "the inbox does not answer";
            return Err(SendError::new(Failure::Unreachable, why));
        }
        state.received.push(row.clone());
        Ok(())
    }

    /// Returns when the one who sends lives on, and never when it does not.
    async fn pass(&self, moment: SendMoment) {
        let watch = self.lock().watch.clone();
        if watch.is_some_and(|watch| !watch.goes_on(moment)) {
            std::future::pending::<()>().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("received", &self.received.len())
            .finish_non_exhaustive()
    }
}
