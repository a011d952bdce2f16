//! An inbox in memory: takes messages instead of sending them, for a world without sockets.

use std::sync::{Arc, Mutex, PoisonError};

use act::outbox::Failure;
use model::act::OutboxRow;

use super::SendError;

/// Keeps every message it takes, in the order they came; a clone is the same inbox.
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    received: Vec<OutboxRow>,
    unreachable: bool,
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

    pub(super) fn take(&self, row: &OutboxRow) -> Result<(), SendError> {
        let mut state = self.lock();
        if state.unreachable {
            let why = "the inbox does not answer";
            return Err(SendError::new(Failure::Unreachable, why));
        }
        state.received.push(row.clone());
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
