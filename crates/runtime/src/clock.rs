//! The one place that asks the system for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::Timestamp;

/// Tells the time. The manual one stands still until it is moved.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_micros())))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock everybody else asks"
    )]
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let micros = since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX));
                Timestamp::from_micros(micros)
            }
            Clock::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock; a system clock moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(micros) = self {
            micros.fetch_add(whole_micros(by), Ordering::SeqCst);
        }
    }

    /// Moves a manual clock back, as a person or a time server does to one that ran ahead.
    pub fn set_back(&self, by: Duration) {
        if let Clock::Manual(micros) = self {
            micros.fetch_sub(whole_micros(by), Ordering::SeqCst);
        }
    }
}

fn whole_micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
