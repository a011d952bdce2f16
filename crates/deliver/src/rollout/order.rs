//! What a person or a procedure ordered: undo, hold, go.

use model::deliver::{Command, HeldReason, Order, Overruled, Phase, RolloutState};
use model::judge::VerdictState;

use super::planner::Planner;

impl Planner<'_> {
    /// Carries out the newest order. One that does not fit the state is void: it is done, and nothing
    /// follows from it.
    pub(super) fn carry_out_order(&mut self) {
        let Some(order) = self.next.order.take() else {
            return;
        };
        self.order_done = true;
        match order.command {
            Command::Undo => self.order_undo(),
            Command::Hold => self.order_hold(order),
            Command::Go => self.order_go(order),
        }
    }

    fn order_undo(&mut self) {
        if let (false, Some(refusal)) = (self.is_undo_over(), self.no_way_back()) {
            return self.refuse_undo(&refusal);
        }
        match self.next.state {
            RolloutState::Planned
            | RolloutState::Ring { .. }
            | RolloutState::Held { .. }
            | RolloutState::Done { .. } => self.begin_undo(),
            RolloutState::Stuck { .. } => {
                self.begin_undo();
                self.ask_back_again();
            }
            RolloutState::Undoing { .. }
            | RolloutState::Undone { .. }
            | RolloutState::Superseded { .. } => {}
        }
    }

    /// Tells whether an order to undo finds nothing left to begin.
    fn is_undo_over(&self) -> bool {
        match self.next.state {
            RolloutState::Undoing { .. }
            | RolloutState::Undone { .. }
            | RolloutState::Superseded { .. } => true,
            RolloutState::Planned
            | RolloutState::Ring { .. }
            | RolloutState::Held { .. }
            | RolloutState::Done { .. }
            | RolloutState::Stuck { .. } => false,
        }
    }

    fn order_hold(&mut self, order: Order) {
        let ring = match &self.next.state {
            RolloutState::Planned => 0,
            RolloutState::Ring { ring, .. } => *ring,
            RolloutState::Held { ring, reason, .. } => match reason {
                HeldReason::Person { .. } => return,
                HeldReason::WaitingFor { .. }
                | HeldReason::Blocked { .. }
                | HeldReason::Frozen { .. }
                | HeldReason::Incompatible { .. }
                | HeldReason::NoWayBack { .. }
                | HeldReason::Verdict { .. } => *ring,
            },
            RolloutState::Undoing { .. }
            | RolloutState::Stuck { .. }
            | RolloutState::Undone { .. }
            | RolloutState::Superseded { .. }
            | RolloutState::Done { .. } => return,
        };
        self.hold(ring, HeldReason::Person { by: order.by });
    }

    fn order_go(&mut self, order: Order) {
        let RolloutState::Held { ring, reason, .. } = &self.next.state else {
            return;
        };
        let ring = *ring;
        match reason {
            HeldReason::Person { .. } if self.waits_for_parts() => {
                self.next.state = RolloutState::Planned;
            }
            HeldReason::Person { .. } => self.resume(ring, Phase::Releasing),
            HeldReason::Verdict { state, .. } => {
                let shown_failed = *state == VerdictState::Fail.to_string();
                self.go_past_verdict(ring, order.by, shown_failed);
            }
            HeldReason::NoWayBack { .. } => self.go_past_verdict(ring, order.by, true),
            // These end by themselves, and no word makes a silent host a proved one.
            // A freeze is gone past by an override, which has a reason and an end.
            HeldReason::WaitingFor { .. }
            | HeldReason::Blocked { .. }
            | HeldReason::Incompatible { .. }
            | HeldReason::Frozen { .. } => {}
        }
    }

    /// A person goes past the verdict they were shown. A failure they were not shown is not among it:
    /// the order is void, and they are shown that one, or the undo it started takes its way.
    fn go_past_verdict(&mut self, ring: usize, by: String, shown_failed: bool) {
        let newer = self.fresh_failure().map(|v| v.id);
        let is_newer = newer.is_some() && newer != self.next.failed;
        if is_newer || (self.next.failed.is_some() && !shown_failed) {
            return;
        }
        let newest = self.verdict.map(|v| v.id);
        self.next.overruled = Some(Overruled {
            ring,
            verdict: newest.or(self.next.failed),
            by,
        });
        self.next.failed = None;
        self.next.no_way_back = None;
        self.resume(ring, Phase::Releasing);
    }
}
