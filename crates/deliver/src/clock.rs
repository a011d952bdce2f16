//! Whether a host's clock agrees with the server's, and what its times are on the server's.
//!
//! No verdict and no deadline hangs on the clock of a host. Where it says when something was, it says so on a
//! timeline of its own that never steps ([`model::api::agent::Sync::steady`]), and is understood by how long ago
//! that is.

use std::time::Duration;

use model::deliver::{ClockOff, Reported};
use model::{Timestamp, limit};

/// From one call to the next the way takes longer or shorter; what moved by less than this has not moved.
const JITTER: Duration = Duration::from_secs(2);

/// Is what changed about a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockNews {
    Off(ClockOff),
    /// It was off since then.
    Right(Timestamp),
}

/// Compares a host's clock with the server's, and tells once when it is off and once when it is right again.
///
/// A clock that is off stays so until it is well within what is fine, so that one on the edge is not told of
/// again and again.
pub fn look(
    before: Option<ClockOff>,
    host_now: Timestamp,
    now: Timestamp,
) -> (Option<ClockOff>, Option<ClockNews>) {
    let ahead_ms = host_now.as_millis().saturating_sub(now.as_millis());
    let differs_by = Duration::from_millis(ahead_ms.unsigned_abs());
    match before {
        None if differs_by > limit::CLOCK_OFF => {
            let off = ClockOff {
                since: now,
                ahead_ms,
            };
            (Some(off), Some(ClockNews::Off(off)))
        }
        None => (None, None),
        Some(off) if differs_by <= limit::CLOCK_OFF / 2 => {
            (None, Some(ClockNews::Right(off.since)))
        }
        Some(off) => (Some(ClockOff { ahead_ms, ..off }), None),
    }
}

/// Returns on the server's clock what a host says on a timeline that shows `sent_at` now. Where the two agree
/// but for the way, nothing is moved.
pub fn ours(at: Timestamp, sent_at: Timestamp, now: Timestamp) -> Timestamp {
    let (behind, ahead) = (now.since(sent_at), sent_at.since(now));
    if behind.max(ahead) <= JITTER {
        return at;
    }
    at + behind - ahead
}

/// Puts the times of a report on the server's clock. `sent_at` is the moment of the call on the host's
/// timeline; `last` is the host's report before, on the server's clock.
pub fn on_ours(
    reported: &mut Reported,
    last: Option<&Reported>,
    sent_at: Timestamp,
    now: Timestamp,
) {
    let steady = |theirs: Timestamp, known: Option<Timestamp>| {
        let at = ours(theirs, sent_at, now);
        known
            .filter(|known| known.since(at).max(at.since(*known)) <= JITTER)
            .unwrap_or(at)
    };
    reported.since = steady(reported.since, last.map(|last| last.since));
    let started_at = last.and_then(|last| last.started_at);
    reported.started_at = reported.started_at.map(|at| steady(at, started_at));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn a_clock_on_the_edge_is_not_told_of_again_and_again() {
        let mut off = None;
        let mut told = Vec::new();
        for ahead in [0, 30, 31, 29, 31, 16, 15, 30, -31] {
            let (next, news) = look(off, at(ahead), at(0));
            off = next;
            told.extend(news.map(|news| (ahead, news)));
        }
        let since = at(0);
        let is_off = |ahead_ms| ClockNews::Off(ClockOff { since, ahead_ms });
        let right = ClockNews::Right(since);
        assert_eq!(
            told,
            [(31, is_off(31_000)), (15, right), (-31, is_off(-31_000))]
        );
    }

    #[test]
    fn what_was_told_first_is_since_when_and_by_how_much_is_told_anew() {
        let (off, _) = look(None, at(40), at(0));
        let (off, news) = look(off, at(1_060), at(1_000));
        let expected = ClockOff {
            since: at(0),
            ahead_ms: 60_000,
        };
        assert_eq!((off, news), (Some(expected), None));
    }

    #[test]
    fn times_are_moved_by_what_the_timelines_differ_and_by_no_jitter() {
        assert_eq!(ours(at(95), at(100), at(102)), at(95));
        assert_eq!(ours(at(95), at(100), at(103)), at(98));
        assert_eq!(ours(at(3_695), at(3_700), at(100)), at(95));
    }
}
