//! The compatibility gate in a rollout's way: no host is asked for a release that does not fit, neither
//! forward nor back.

use std::collections::{BTreeMap, BTreeSet};

use model::deliver::{GateFacts, HeldReason, Rollout};
use model::{Fact, HostId, Kind};

use super::planner::Planner;
use super::standing::Standing;
use super::{HostFacts, Refusal};
use crate::gate::{self, NoWayBack, Objection};

/// Refuses a rollout that would be held in front of its first ring.
///
/// # Errors
/// What speaks against its release.
pub fn refuse_incompatible(
    rollout: &Rollout,
    hosts: &BTreeMap<HostId, HostFacts>,
    facts: &GateFacts,
) -> Result<(), Refusal> {
    let reports = |id: &HostId| {
        let facts = hosts.get(id);
        facts.is_some_and(|facts| facts.unknown_since.is_none() && !facts.retired)
    };
    let reached: BTreeSet<HostId> = rollout.hosts().map(|h| h.id).filter(reports).collect();
    match gate::forward(&facts.new, &facts.surroundings, &reached) {
        Some(objection) => Err(Refusal::Incompatible(Box::new(objection))),
        None => Ok(()),
    }
}

impl Planner<'_> {
    /// Returns what speaks against asking anybody for the release now.
    pub(super) fn objection(&self) -> Option<Objection> {
        let facts = self.gates.compatibility?;
        let reached = self.next.hosts().filter(|host| match self.stands(host) {
            Standing::Retired | Standing::Excluded | Standing::Silent => false,
            Standing::Underway | Standing::Reverted | Standing::Blocked | Standing::Proved => true,
        });
        let reached: BTreeSet<HostId> = reached.map(|host| host.id).collect();
        gate::forward(&facts.new, &facts.surroundings, &reached)
    }

    /// Returns the hold in front of hosts of the ring that were not asked; a ring that was asked as a whole
    /// goes on to be watched.
    pub(super) fn incompatible_before(&self, ring: usize) -> Option<HeldReason> {
        if !self.has_unasked(ring) {
            return None;
        }
        let why = self.objection()?.to_string();
        Some(HeldReason::Incompatible { why })
    }

    /// Returns why an undo may not begin.
    pub(super) fn no_way_back(&self) -> Option<NoWayBack> {
        // While the slot before serves, an undo brings nothing back to it.
        let serves = self.next.swap.is_some() && !self.may_be_swapped();
        super::no_way_back(&self.next, self.gates.compatibility.filter(|_| !serves))
    }

    /// Voids an order to undo that leads to a release which does not fit any more. What failed stays held.
    pub(super) fn refuse_undo(&mut self, refusal: &NoWayBack) {
        let why = refusal.to_string();
        if self.next.failed.is_some() || self.fresh_failure().is_some() {
            self.next.no_way_back = Some(why.clone());
        }
        self.tell(Kind::Outcome, Fact::UndoRefused { why });
    }

    /// Returns the hold of a failed rollout that cannot go back.
    pub(super) fn held_without_way_back(&self) -> Option<HeldReason> {
        let told = self.next.no_way_back.as_ref()?;
        // Of several that were shipped as one another part may be what keeps it.
        let by_another = self.next.together.as_ref().map(|_| told.clone());
        let why = self.no_way_back().map(|refusal| refusal.to_string());
        let why = why.or(by_another)?;
        Some(HeldReason::NoWayBack { why })
    }
}
