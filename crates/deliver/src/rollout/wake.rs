//! When time alone will change the answer.

use model::Timestamp;
use model::deliver::{HeldReason, RolloutState};

use super::planner::Planner;
use super::ring::longest;
use super::standing::Standing;
use super::{JUDGE_GRACE, UNDO_DEADLINE};

impl Planner<'_> {
    /// Returns the next instant at which the same facts may lead to another plan.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let instants = match &self.next.state {
            RolloutState::Ring { ring, .. } => self.ring_instants(*ring),
            RolloutState::Held { ring, reason, .. } => match reason {
                HeldReason::Person { .. } => Vec::new(),
                HeldReason::WaitingFor { .. }
                | HeldReason::Blocked { .. }
                | HeldReason::Frozen { .. }
                | HeldReason::Incompatible { .. }
                | HeldReason::NoWayBack { .. }
                | HeldReason::Verdict { .. } => self.ring_instants(*ring),
            },
            RolloutState::Undoing { since } => {
                let freed_at = self.next.together.as_ref().map(|t| t.freed_at);
                let since = freed_at.unwrap_or(Some(*since));
                since
                    .map(|since| since + UNDO_DEADLINE)
                    .into_iter()
                    .collect()
            }
            RolloutState::Done { .. } => {
                let warm = self.next.warm_until();
                self.next.watched_until().into_iter().chain(warm).collect()
            }
            RolloutState::Planned
            | RolloutState::Stuck { .. }
            | RolloutState::Undone { .. }
            | RolloutState::Superseded { .. } => Vec::new(),
        };
        instants.into_iter().filter(|&at| at > self.now).min()
    }

    fn ring_instants(&self, ring: usize) -> Vec<Timestamp> {
        if self.next.failed.is_some() {
            return Vec::new();
        }
        let spec = &self.next.plan.rings[ring];
        let clock = self.next.rings[ring].proved_at.into_iter();
        clock
            .flat_map(|at| {
                let deadline = at + longest(spec);
                [at + spec.bake, deadline, deadline + JUDGE_GRACE]
            })
            .chain(self.stall_instants())
            .chain(self.freeze_instants())
            .collect()
    }

    fn stall_instants(&self) -> impl Iterator<Item = Timestamp> {
        self.next
            .hosts()
            .filter(|host| match self.stands(host) {
                Standing::Underway | Standing::Reverted => host.is_changed(),
                Standing::Retired
                | Standing::Excluded
                | Standing::Silent
                | Standing::Blocked
                | Standing::Proved => false,
            })
            .filter_map(|host| self.stalls_at(host))
    }
}
