//! Waiting for the outside world.

use std::time::Duration;

use model::Timestamp;
use runtime::Clock;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Is a point in time by which something must have happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    begun: Timestamp,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn in_seconds(limit_s: u64) -> Self {
        Self {
            begun: Clock::System.now(),
            limit: Duration::from_secs(limit_s),
        }
    }

    pub(crate) fn in_millis(limit_ms: u64) -> Self {
        Self {
            limit: Duration::from_millis(limit_ms),
            ..Self::in_seconds(0)
        }
    }

    pub(crate) fn is_over(self) -> bool {
        self.elapsed() > self.limit
    }

    pub(crate) fn elapsed(self) -> Duration {
        Clock::System.now().since(self.begun)
    }
}

pub(crate) fn pause() {
    agent::Stop::default().wait(LOOK);
}

/// Returns what `look` finds, as soon as it finds something.
pub(crate) fn until<T>(what: &str, limit_s: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::in_seconds(limit_s);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(!deadline.is_over(), "waited {limit_s} s for {what}");
        pause();
    }
}

/// Waits until `look` says yes.
pub(crate) fn until_true(what: &str, limit_s: u64, mut look: impl FnMut() -> bool) {
    until(what, limit_s, || look().then_some(()));
}
