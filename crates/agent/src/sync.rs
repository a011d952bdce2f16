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

/// Holds a call open until the agent stops.
pub(crate) fn run(shared: &Shared, stop: &Stop) {
    let (mut failures, mut told) = (0, None);
    while !stop.is_stopped() {
        let wait_ms = u64::try_from(shared.config.timings.sync_wait.as_millis()).unwrap_or(0);
        let pause = match sync(shared, wait_ms) {
            Ok(news) => {
                if failures > 0 {
                    tracing::info!("the server answers again");
                }
                (failures, told) = (0, None);
                if news { Duration::ZERO } else { NOTHING_NEW }
            }
            Err(e) => {
                let trouble = Trouble::of(&e);
                if told != Some(trouble) {
                    trouble.tell(&e);
                    told = Some(trouble);
                }
                failures += 1;
                let steps = match trouble {
                    Trouble::Rejected => 16,
                    Trouble::Untrusted | Trouble::NoAnswer => failures - 1,
                };
                backoff(steps, shared.config.timings.retry)
            }
        };
        if stop.wait(pause) {
            return;
        }
    }
}

/// Is why the server is not heard; each is said once, as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// This agent's token is worth nothing there.
    Rejected,
    /// Somebody answers who is not the server this host joined.
    Untrusted,
    NoAnswer,
}

impl Trouble {
    fn of(error: &client::Error) -> Self {
        match error {
            client::Error::Untrusted { .. } => Trouble::Untrusted,
            error if error.status() == Some(401) => Trouble::Rejected,
            _ => Trouble::NoAnswer,
        }
    }

    fn tell(self, error: &client::Error) {
        let why = install::chain(error);
        match self {
            Trouble::Rejected => tracing::error!(
                "the server rejects this agent's token; services go on, join again to be heard"
            ),
            Trouble::Untrusted => tracing::error!(
                "{why}; services go on and nothing is sent; if the server has a new key, join again with a new token"
            ),
            Trouble::NoAnswer => tracing::warn!("no answer to sync, services go on: {why}"),
        }
    }
}

/// Sends the report at once when it changed, until the agent stops.
pub(crate) fn run_reports(shared: &Shared, stop: &Stop) {
    let mut sent = 0;
    let mut repeat = false;
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
        match sync(shared, 0) {
            Ok(_) => sent = version,
            Err(e) => {
                tracing::debug!("the report is sent later: {e}");
                stop.wait(shared.config.timings.retry.0);
            }
        }
    }
}

/// Makes one call; tells whether waiting for the next one at once is right.
fn sync(shared: &Shared, wait_ms: u64) -> Result<bool, client::Error> {
    let request = request(shared, wait_ms);
    let (epoch, revision) = (request.epoch_seen, request.revision_seen);
    let Some(wish) = shared.client.sync(&request)? else {
        return Ok(true);
    };
    let news = is_news(&wish, epoch, revision);
    let skew = wish
        .server_time
        .since(request.now)
        .max(request.now.since(wish.server_time));
    if skew > Duration::from_secs(30) + Duration::from_millis(wait_ms) {
        tracing::warn!(
            skew_s = skew.as_secs(),
            "this host's clock differs from the server's"
        );
    }
    shared.hub.offer(wish);
    Ok(news)
}

fn is_news(wish: &Wish, epoch: u64, revision: u64) -> bool {
    wish.epoch >= epoch && (wish.epoch, wish.revision) != (epoch, revision)
}

fn request(shared: &Shared, wait_ms: u64) -> Sync {
    let board = shared.hub.board();
    Sync {
        boot_id: procfs::boot_id().to_owned(),
        agent_version: VERSION.to_owned(),
        epoch_seen: board.epoch,
        revision_seen: board.revision,
        wait_ms,
        reported: board.reports.values().cloned().collect(),
        refused: board.refused.clone(),
        disk_free_bytes: install::free_bytes(&shared.config.base).unwrap_or(0),
        now: shared.clock.now(),
        monotonic_ms: shared.clock.monotonic_ms(),
    }
}
