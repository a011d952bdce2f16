//! The one place that asks the system for the time.

use std::time::Instant;

use model::Timestamp;

/// Tells the time: the wall clock for what people read, the monotonic one for every deadline.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
    /// Returns milliseconds since the host was started; never goes back.
    fn monotonic_ms(&self) -> u64;
}

/// Is the clock of the system.
pub struct SystemClock {
    started: Instant,
    started_ms: u64,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the agent's clock")]
    fn default() -> Self {
        Self {
            started: Instant::now(),
            started_ms: uptime_ms().unwrap_or(0),
        }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the agent's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::UNIX_EPOCH + since
    }

    fn monotonic_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_ms.saturating_add(elapsed)
    }
}

fn uptime_ms() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000 + hundredths.parse::<u64>().ok()? * 10)
}
