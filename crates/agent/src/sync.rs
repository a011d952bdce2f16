//! Speaks with the server: one call that is held open, and a short one whenever the report changed.
//!
//! An unreachable server changes nothing on the host: the last wish stands.

use std::time::Duration;

use model::api::agent::{Sync, Wish};

use crate::config::backoff;
use crate::identity::VERSION;
use crate::worker::Shared;
use crate::{Stop, install, procfs};

/// A report sent beside a held call may be overtaken by it; so it is sent once more after this.
const REPEAT: Duration = Duration::from_secs(1);
/// An answer that brings nothing new, again and again, must not become a busy loop.
const NOTHING_NEW: Duration = Duration::from_secs(1);
/// The last step of any back-off.
const LAST_STEP: u32 = u32::MAX;

/// Holds a call open until the agent stops.
pub(crate) fn run(shared: &Shared, stop: &Stop) {
    let mut failures = 0;
    while !stop.is_stopped() {
        let wait_ms = u64::try_from(shared.config.timings.sync_wait.as_millis()).unwrap_or(0);
        let pause = match sync(shared, wait_ms) {
            Ok(news) => {
                if !shared.link.answered() && failures > 0 {
                    tracing::info!("the server answers again");
                }
                failures = 0;
                if news { Duration::ZERO } else { NOTHING_NEW }
            }
            Err(e) => {
                let is_away = shared.link.failed(&e);
                if !is_away && failures == 0 {
                    tracing::warn!("no answer to sync, services go on: {}", install::chain(&e));
                }
                failures += 1;
                let steps = if is_away { LAST_STEP } else { failures - 1 };
                backoff(steps, shared.config.timings.retry)
            }
        };
        if stop.wait(pause) {
            return;
        }
    }
}

/// Sends the report at once when it changed, until the agent stops.
pub(crate) fn run_reports(shared: &Shared, stop: &Stop) {
    let mut sent = 0;
    let mut repeat = false;
    let mut failures = 0;
    while !stop.is_stopped() {
        let patience = if repeat { REPEAT } else { NOTHING_NEW * 60 };
        let version = shared
            .hub
            .wait(patience, |board| board.version != sent)
            .version;
        if stop.is_stopped() {
            return;
        }
        if version == sent && !repeat {
            continue;
        }
        repeat = version != sent;
        if shared.link.away().is_some() {
            // The held call finds out when it is heard again.
            stop.wait(shared.config.timings.retry.1);
            continue;
        }
        match sync(shared, 0) {
            Ok(_) => (sent, failures) = (version, 0),
            Err(e) => {
                tracing::debug!("the report is sent later: {e}");
                shared.link.failed(&e);
                stop.wait(backoff(failures, shared.config.timings.retry));
                failures += 1;
            }
        }
    }
}

/// Makes one call; tells whether waiting for the next one at once is right.
fn sync(shared: &Shared, wait_ms: u64) -> Result<bool, client::Error> {
    let request = request(shared, wait_ms);
    let (epoch, revision) = (request.epoch_seen, request.revision_seen);
    let answer = shared.client.sync(&request)?;
    shared.hub.note_synced();
    let Some(wish) = answer else {
        return Ok(true);
    };
    let news = is_news(&wish, epoch, revision);
    shared.hub.offer(wish);
    Ok(news)
}

fn is_news(wish: &Wish, epoch: u64, revision: u64) -> bool {
    wish.epoch >= epoch && (wish.epoch, wish.revision) != (epoch, revision)
}

fn request(shared: &Shared, wait_ms: u64) -> Sync {
    let board = shared.hub.board();
    // The first call asks for everything, also what is not written down here, and is not held open.
    let (revision_seen, wait_ms) = match board.synced {
        true => (board.revision, wait_ms),
        false => (0, 0),
    };
    Sync {
        boot_id: procfs::boot_id().to_owned(),
        run_id: procfs::run_id().to_owned(),
        agent_version: VERSION.to_owned(),
        epoch_seen: board.epoch,
        revision_seen,
        wait_ms,
        reported: board.reports.values().cloned().collect(),
        refused: board.refused.clone(),
        disk_free_bytes: install::free_bytes(&shared.config.base).unwrap_or(0),
        now: shared.clock.now(),
        monotonic_ms: shared.clock.monotonic_ms(),
        steady: Some(shared.steady()),
        program: board.program.clone(),
    }
}
