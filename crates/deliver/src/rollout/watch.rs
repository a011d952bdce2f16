//! The watch behind the last ring: a rollout that is done stays watched for a while, and is undone when
//! what the judge sees by then is bad.
//!
//! A watched rollout keeps nobody waiting: it is done, its hosts may be asked for the next release, and
//! whoever ships that ends the watch. It ends in one named way: quietly, with a failed verdict, by an
//! undo, or because another release came.

use model::deliver::{Rollout, RolloutState, Watch, WatchEnd};
use model::{ChangeId, Fact, Kind, Timestamp};

use super::planner::Planner;
use super::swap::replace_warm;

impl Planner<'_> {
    /// Begins the watch of a rollout that is done just now.
    pub(super) fn begin_watch(&mut self) {
        let length = self.next.plan.watch;
        if !length.is_zero() {
            self.next.watch = Some(Watch {
                until: self.now + length,
                ended: None,
            });
        }
    }

    /// Ends a watch whose time is over, or that saw a failure. What follows from that is a procedure's
    /// matter, which leaves its order as for a ring.
    pub(super) fn advance_watch(&mut self) {
        let Some(until) = self.next.watched_until() else {
            return;
        };
        if let Some(failure) = self.fresh_failure() {
            self.next.failed = Some(failure.id);
            let verdict = failure.id;
            self.end_watch(WatchEnd::Failed { verdict });
        } else if self.now >= until {
            match self.watched_with_parts().filter(|&later| later > self.now) {
                Some(later) => self.prolong_watch(later),
                None => self.end_watch(WatchEnd::Quiet),
            }
        }
    }

    fn prolong_watch(&mut self, until: Timestamp) {
        if let Some(watch) = &mut self.next.watch {
            watch.until = until;
        }
    }

    /// Ends the watch because of an undo, unless a failure ended it.
    pub(super) fn end_watch_by_undo(&mut self) {
        self.advance_watch();
        if self.next.watched_until().is_some() {
            self.end_watch(WatchEnd::Undone);
        }
    }

    fn end_watch(&mut self, how: WatchEnd) {
        end(&mut self.next, how);
        self.tell(Kind::Outcome, Fact::WatchEnded { how });
    }
}

fn end(rollout: &mut Rollout, how: WatchEnd) {
    if let Some(watch) = &mut rollout.watch {
        watch.ended = Some(how);
    }
}

/// Ends the watch of a rollout, and the time the slot before is kept running, because another one of its
/// service takes its place; none when neither goes on.
pub fn replaced(rollout: &Rollout, by: ChangeId) -> Option<(Rollout, Vec<Fact>)> {
    let (mut next, mut facts) = (rollout.clone(), Vec::new());
    if rollout.watched_until().is_some() {
        let how = WatchEnd::Replaced { by };
        end(&mut next, how);
        facts.push(Fact::WatchEnded { how });
    }
    facts.extend(replace_warm(&mut next, by));
    (!facts.is_empty()).then_some((next, facts))
}

/// Returns when the watch began, while it goes on.
pub fn watched_since(rollout: &Rollout) -> Option<Timestamp> {
    rollout.watched_until()?;
    match rollout.state {
        RolloutState::Done { at } => Some(at),
        RolloutState::Planned
        | RolloutState::Ring { .. }
        | RolloutState::Held { .. }
        | RolloutState::Undoing { .. }
        | RolloutState::Undone { .. }
        | RolloutState::Stuck { .. }
        | RolloutState::Superseded { .. } => None,
    }
}
