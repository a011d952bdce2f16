//! Freezes in a rollout's way: nobody new is asked, what was asked goes on, an undo waits for none.

use model::deliver::{FreezeOverride, FreezeRule, HeldReason, Rollout};
use model::{ChangeId, Timestamp, limit};

use super::planner::Planner;
use crate::freeze::{Frozen, in_force, next_begin};

/// Is why a person's word against freezes is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideRefusal {
    #[error("{change} is over; no freeze is in its way")]
    Over { change: ChangeId },
    #[error("an override needs a reason")]
    NoReason,
    #[error(
        "an override ends within {}",
        model::words::duration(limit::FREEZE_OVERRIDE)
    )]
    TooLong,
}

impl OverrideRefusal {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            OverrideRefusal::Over { change } => {
                format!("see where it stands: `sleepwell watch {change}`")
            }
            OverrideRefusal::NoReason => {
                "say why it cannot wait; the reason stands in the journal".into()
            }
            OverrideRefusal::TooLong => {
                "name a shorter time, and say it again if that was not enough".into()
            }
        }
    }
}

/// Lets a rollout go on in spite of freezes, in place of an earlier word.
///
/// # Errors
/// A rollout that is over, no reason, or a time that is none or too long.
pub fn override_freeze(
    rollout: &Rollout,
    word: FreezeOverride,
) -> Result<Rollout, OverrideRefusal> {
    if rollout.state.is_over() {
        let change = rollout.change;
        return Err(OverrideRefusal::Over { change });
    }
    if word.reason.trim().is_empty() {
        return Err(OverrideRefusal::NoReason);
    }
    if word.until <= word.at || word.until.since(word.at) > limit::FREEZE_OVERRIDE {
        return Err(OverrideRefusal::TooLong);
    }
    Ok(Rollout {
        freeze_override: Some(word),
        ..rollout.clone()
    })
}

impl Planner<'_> {
    /// Returns the freeze that keeps hosts from being asked now.
    pub(super) fn frozen(&self) -> Option<Frozen> {
        match self.overridden_until() {
            Some(_) => None,
            None => in_force(self.freezes(), self.now),
        }
    }

    pub(super) fn held_by_freeze(&self) -> Option<HeldReason> {
        self.frozen().map(|frozen| HeldReason::Frozen {
            rule: frozen.rule,
            until: frozen.until,
        })
    }

    /// Returns the instants at which a freeze begins or ends for this rollout.
    pub(super) fn freeze_instants(&self) -> impl Iterator<Item = Timestamp> {
        let end = in_force(self.freezes(), self.now).map(|frozen| frozen.until);
        let begin = next_begin(self.freezes(), self.now);
        [self.overridden_until(), end, begin].into_iter().flatten()
    }

    fn overridden_until(&self) -> Option<Timestamp> {
        let word = self.next.freeze_override.as_ref();
        word.map(|word| word.until)
            .filter(|&until| self.now < until)
    }

    fn freezes(&self) -> impl Iterator<Item = &FreezeRule> {
        self.next.plan.freeze.iter().chain(self.gates.freezes)
    }
}
