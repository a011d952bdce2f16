//! Sends what happened to the server, in order, at least once.

use std::time::Duration;

use model::api::agent::Events;

use crate::config::backoff;
use crate::procfs;
use crate::worker::Shared;

/// Between two looks into the queue.
const PERIOD: Duration = Duration::from_millis(500);

/// Works until the agent stops.
pub(crate) fn run(shared: &Shared, stop: &crate::Stop) {
    let mut failures = 0;
    loop {
        if shared.link.away().is_some() {
            if stop.wait(shared.config.timings.retry.1) {
                return;
            }
            continue;
        }
        let wait = match send(shared) {
            Ok(true) => Duration::ZERO,
            Ok(false) => {
                failures = 0;
                PERIOD
            }
            Err(e) => {
                failures += 1;
                tracing::debug!("events are kept: {e:#}");
                if let Some(e) = e.downcast_ref() {
                    shared.link.failed(e);
                }
                backoff(failures, shared.config.timings.retry)
            }
        };
        if stop.wait(wait) {
            return;
        }
    }
}

/// Sends one batch; tells whether there may be more.
fn send(shared: &Shared) -> anyhow::Result<bool> {
    let dropped = shared.state.trim_events()?;
    if dropped > 0 {
        tracing::warn!("{dropped} log lines were dropped: the server takes no events");
    }
    let events = shared.state.unsent()?;
    let Some(last) = events.last().map(|event| event.seq) else {
        return Ok(false);
    };
    let batch = Events {
        boot_id: procfs::boot_id().to_owned(),
        events,
    };
    let stored = shared.client.events(&batch)?;
    shared.state.sent(stored.seq.min(last))?;
    Ok(stored.seq >= last)
}
