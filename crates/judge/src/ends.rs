//! The ends of batches: which are new, repeated, or from before a clock was set back.

use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// A batch that ends longer than this before the latest one is refused.
const LATE: Duration = Duration::from_secs(5);
/// Ends that are remembered within that time, to know a repeated one; looks come once a second.
const REMEMBERED: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ends {
    latest: Timestamp,
    /// Ends not longer ago than [`LATE`], in the order they came.
    recent: Vec<Timestamp>,
}

/// Is what the end of a batch says about it.
#[derive(Debug, PartialEq)]
pub(crate) enum Arrival {
    /// In its order, or a little late; the order does not matter to the evidence.
    New,
    Repeated,
    /// The clock was set back.
    SetBack,
}

impl Ends {
    pub(crate) fn starting(now: Timestamp) -> Self {
        Self {
            latest: now,
            recent: Vec::new(),
        }
    }

    /// Returns the end of the latest batch, or when the test started.
    pub(crate) fn latest(&self) -> Timestamp {
        self.latest
    }

    pub(crate) fn arrival(&self, end: Timestamp) -> Arrival {
        if self.recent.contains(&end) {
            Arrival::Repeated
        } else if end + LATE < self.latest {
            Arrival::SetBack
        } else {
            Arrival::New
        }
    }

    pub(crate) fn remember(&mut self, end: Timestamp) {
        self.latest = self.latest.max(end);
        let oldest = self.latest - LATE;
        self.recent.retain(|&end| end >= oldest);
        if self.recent.len() == REMEMBERED {
            self.recent.remove(0);
        }
        self.recent.push(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_still_come_again_is_remembered() {
        let at = |ms| Timestamp::from_millis(ms);
        let mut ends = Ends::starting(at(0));
        for ms in 0..10_000 {
            assert_eq!(ends.arrival(at(ms)), Arrival::New);
            ends.remember(at(ms));
            assert!(ends.recent.len() <= REMEMBERED);
        }
        assert_eq!(ends.arrival(at(9_999)), Arrival::Repeated);
        assert_eq!(ends.arrival(at(4_998)), Arrival::SetBack);
        ends.remember(at(60_000));
        assert_eq!((ends.latest(), ends.recent.len()), (at(60_000), 1));
    }
}
