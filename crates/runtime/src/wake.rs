//! Nudges: "something changed, look again". They carry no data, so the rare path is the common one.

use std::sync::Arc;

use tokio::sync::watch;

/// Wakes whoever listens; a nudge while the listener is busy is kept, several count as one.
#[derive(Clone, Debug)]
pub struct Wake(Arc<watch::Sender<u64>>);

/// Hears the nudges that came since it last listened.
#[derive(Clone, Debug)]
pub struct Listener(watch::Receiver<u64>);

/// Is one bell per kind of row: whoever writes one rings it, whoever acts on it listens.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    /// Entries were appended to the journal.
    pub journal: Wake,
    /// A rollout was started or ordered about, or a host reported something new.
    pub rollouts: Wake,
    /// A host is asked for something new.
    pub desired: Wake,
    /// A verdict was given, or a rollout moved on.
    pub verdicts: Wake,
    /// A message was queued.
    pub outbox: Wake,
}

impl Default for Wake {
    fn default() -> Self {
        Self(Arc::new(watch::channel(0).0))
    }
}

impl Wake {
    pub fn nudge(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub fn listener(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

impl Listener {
    /// Waits for a nudge; returns at once when one came since the last call.
    pub async fn nudged(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could nudge.
            std::future::pending::<()>().await;
        }
    }
}
