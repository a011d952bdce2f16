//! From evidence to a state: the table of judge specification 2.B.9, read from top to bottom.

use std::time::Duration;

use model::Timestamp;
use model::deliver::AtDeadline;
use model::judge::{Reason, VerdictState, f64Eq};

use crate::budget::ALPHA;
use crate::look::{HostCondition, Look};

/// Exits of the service that nobody asked for before a host counts as crashing; one may be chance.
const EXITS_TO_FAIL: u32 = 2;
/// Evidence of a tenth of what fails the change holds its ring.
const SUSPICION: f64 = 0.1;
/// Metrics are not called silent sooner than this, however short the bake: scrapes may be slow.
const SILENCE: Duration = Duration::from_secs(60);
/// A test with more events than this outside both arms passes nothing.
const UNATTRIBUTED_SHARE: f64 = 0.05;

/// Is everything a state depends on, apart from what fails at once.
#[derive(Clone, Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) look: &'a Look,
    /// End of the latest batch; not the look's when that one was refused.
    pub(crate) now: Timestamp,
    pub(crate) log_e: f64,
    /// Every required signal is cleared in this ring. Without one there is nothing to clear.
    pub(crate) cleared: bool,
    /// Every required signal has enough events in both arms of this ring.
    pub(crate) enough: bool,
    /// When the required signal that was silent longest had its last batch.
    pub(crate) heard_at: Option<Timestamp>,
    /// Three batches of a required signal in a row were refused, or none is declared.
    pub(crate) unusable: bool,
    /// The histograms of a required latency have no bound in common on both sides.
    pub(crate) mismatched: bool,
    /// An advisory signal alone would fail the change.
    pub(crate) advisory_harm: bool,
    /// Of all events of this ring, those that belong to no arm.
    pub(crate) unattributed_share: f64,
    /// Largest limit over the required signals, none when one of them has none.
    pub(crate) odds_at_most: Option<f64>,
}

/// Returns the log evidence that fails a change.
pub(crate) fn needed() -> f64 {
    (1.0 / ALPHA).ln()
}

/// Returns why a change fails at this look, if it does.
pub(crate) fn failure(log_e: f64, conditions: &[HostCondition]) -> Option<Reason> {
    if log_e >= needed() {
        return Some(Reason::Harm);
    }
    sick(conditions)
}

/// Returns the first host whose condition fails a change without statistics.
pub(crate) fn sick(conditions: &[HostCondition]) -> Option<Reason> {
    conditions.iter().find_map(is_sick)
}

fn is_sick(condition: &HostCondition) -> Option<Reason> {
    let host = condition.host.clone();
    if condition.unexpected_exits >= EXITS_TO_FAIL {
        let exits = condition.unexpected_exits;
        return Some(Reason::Crashing { host, exits });
    }
    let failed_checks = condition.failed_checks;
    let unhealthy = failed_checks >= condition.unhealthy_after.max(1) || condition.reverted;
    unhealthy.then_some(Reason::Unhealthy {
        host,
        failed_checks,
    })
}

/// Returns the state of a change that does not fail.
pub(crate) fn state(standing: &Standing) -> (VerdictState, Reason) {
    if standing.cleared && standing.enough && standing.may_pass() && !standing.is_silent() {
        return (VerdictState::Pass, Reason::Cleared);
    }
    if standing.log_e >= needed() + SUSPICION.ln() {
        return (VerdictState::Marginal, Reason::Suspicion);
    }
    if standing.advisory_harm {
        return (VerdictState::Marginal, Reason::AdvisoryOnly);
    }
    if let Some(reason) = standing.unjudgeable() {
        return (VerdictState::Undecided, reason);
    }
    if !standing.is_past(standing.look.deadline) {
        return (VerdictState::Undecided, Reason::Collecting);
    }
    at_deadline(standing)
}

/// Nothing was seen, and there was enough to see it in: the ring's policy says what that is worth. A
/// quiet service must not be stuck because little can be excluded.
fn at_deadline(standing: &Standing) -> (VerdictState, Reason) {
    if !standing.enough {
        return (VerdictState::Undecided, Reason::NotEnoughTraffic);
    }
    if standing.look.at_deadline == AtDeadline::Hold || !standing.may_pass() {
        return (VerdictState::Marginal, Reason::DeadlineHold);
    }
    let odds_at_most = standing.odds_at_most.map(f64Eq);
    (VerdictState::Pass, Reason::NotExcluded { odds_at_most })
}

impl Standing<'_> {
    /// Returns why nothing can be concluded, whatever the evidence. It comes before the deadline's
    /// policy, so that a person who is asked learns that the metrics are silent.
    fn unjudgeable(&self) -> Option<Reason> {
        if self.look.first_release || self.look.control_hosts == 0 {
            return Some(Reason::NoControl);
        }
        if self.mismatched {
            return Some(Reason::BucketMismatch);
        }
        (self.unusable || self.is_silent()).then_some(Reason::NoData)
    }

    /// Whether the ring may pass if its evidence allows it. An empty control does not forbid that: it
    /// may have emptied after everything was cleared.
    fn may_pass(&self) -> bool {
        let can_tell = !self.look.first_release && self.look.canary_hosts > 0 && !self.unusable;
        let attributed = self.unattributed_share <= UNATTRIBUTED_SHARE;
        can_tell && attributed && self.is_past(self.look.bake)
    }

    /// Whether a required signal had no batch for as long as a bake, or none at all when the ring's
    /// deadline comes.
    fn is_silent(&self) -> bool {
        let Some(proved_at) = self.look.ring_proved_at else {
            return false;
        };
        let heard_at = self.heard_at.filter(|&heard_at| heard_at > proved_at);
        let silent_for = self.now.since(heard_at.unwrap_or(proved_at));
        let never = heard_at.is_none() && self.is_past(self.look.deadline);
        never || silent_for >= self.look.bake.max(SILENCE)
    }

    /// Whether the ring's clock runs and shows at least this.
    fn is_past(&self, time: Duration) -> bool {
        let proved_at = self.look.ring_proved_at;
        proved_at.is_some_and(|proved_at| self.now >= proved_at + time)
    }
}
