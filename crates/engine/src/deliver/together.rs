//! An order to undo one of several services that were shipped as one is an order to undo them all, as far as they
//! can go back.

use std::collections::BTreeMap;

use deliver::rollout::{
    PartBack, WayBack, accept_order, undo_with, undone_together, way_back_together,
};
use model::deliver::{Command, GateFacts, Order, Rollout, RolloutState};
use model::{ChangeId, Entry, EntryId, Fact, Kind, Timestamp};
use store::rollout::{Left, leave_at_others};
use store::{Error, Tx};

use super::gate::gate_facts;
use crate::Context;

/// Is who orders something, and what it answers.
#[derive(Clone, Copy)]
pub(crate) struct Because<'a> {
    pub(crate) order: &'a Order,
    /// The entry of the verdict, so that each part can say why.
    pub(crate) verdict: EntryId,
}

/// Returns how far everything goes back that `bad` was shipped together with; of one alone its planner says so.
pub(crate) fn way_back(tx: &mut Tx<'_>, bad: &Rollout) -> Result<WayBack, Error> {
    let mut parts: Vec<(Rollout, Option<GateFacts>)> = Vec::new();
    if bad.together.is_some() {
        let others = store::rollout::others(tx, bad)?.into_iter();
        let others = others
            .map(|part| part.rollout)
            .filter(|part| !is_back(part));
        for part in [bad.clone()].into_iter().chain(others) {
            let facts = gate_facts(tx, &part)?;
            parts.push((part, facts));
        }
    }
    let parts: Vec<PartBack<'_>> = parts
        .iter()
        .map(|(rollout, facts)| PartBack {
            rollout,
            facts: facts.as_ref(),
        })
        .collect();
    Ok(way_back_together(&parts, bad.change))
}

/// Tells whether a part is what it was before, or on the way there.
fn is_back(part: &Rollout) -> bool {
    match part.state {
        RolloutState::Undoing { .. }
        | RolloutState::Undone { .. }
        | RolloutState::Stuck { .. }
        | RolloutState::Superseded { .. } => true,
        RolloutState::Planned
        | RolloutState::Ring { .. }
        | RolloutState::Held { .. }
        | RolloutState::Done { .. } => false,
    }
}

/// Leaves an undo at everything `rollout` was shipped together with, in the transaction of its own order.
///
/// A part that has no way back (`stays`), or on which a later release stands, stays as it is, which is told.
pub(crate) fn undo_others(
    tx: &mut Tx<'_>,
    context: &Context,
    rollout: &Rollout,
    (because, stays): (Because<'_>, &BTreeMap<ChangeId, String>),
    now: Timestamp,
) -> Result<(), Error> {
    leave_at_others(tx, rollout, |part, newest| {
        let undone = match stays.get(&part.change) {
            Some(why) => Err(why.clone()),
            None => undo_with(part, because.order.clone(), newest).map_err(|e| e.to_string()),
        };
        Ok::<_, Error>(match undone {
            Ok(None) => None,
            Ok(Some(mut next)) => {
                let told = (Kind::Action, &undone_together(rollout));
                let entry = because.entry(context, now, part, told);
                if let Some(order) = &mut next.order {
                    order.entry = entry.id;
                }
                let next = Some(next);
                Some(Left { next, entry })
            }
            Err(why) => {
                let fact = Fact::PartStays {
                    change: part.change,
                    service: part.service.clone(),
                    why,
                };
                let entry = because.about(context, now, rollout.change, (Kind::Outcome, &fact));
                Some(Left { next: None, entry })
            }
        })
    })
}

/// Holds everything `rollout` was shipped together with and that still asks hosts, because none of it goes back.
pub(crate) fn hold_others(
    tx: &mut Tx<'_>,
    context: &Context,
    rollout: &Rollout,
    (because, why): (Because<'_>, &str),
    now: Timestamp,
) -> Result<(), Error> {
    leave_at_others(tx, rollout, |part, newest| {
        let order = Order {
            command: Command::Hold,
            ..because.order.clone()
        };
        let is_asking = matches!(part.state, RolloutState::Ring { .. });
        let held = accept_order(part, order, newest).ok().filter(|_| is_asking);
        Ok::<_, Error>(held.map(|mut next| {
            let fact = Fact::Ordered {
                command: Command::Hold,
                reason: why.to_owned(),
            };
            let entry = because.entry(context, now, part, (Kind::Action, &fact));
            if let Some(order) = &mut next.order {
                order.entry = entry.id;
            }
            let next = Some(next);
            Left { next, entry }
        }))
    })
}

impl Because<'_> {
    /// Makes an entry about a part, which follows from what happened to it last as well.
    fn entry(
        &self,
        context: &Context,
        now: Timestamp,
        part: &Rollout,
        told: (Kind, &Fact),
    ) -> Entry {
        let mut entry = self.about(context, now, part.change, told);
        entry.causes.extend(part.last_entry);
        entry.causes.sort_unstable();
        entry
    }

    fn about(
        &self,
        context: &Context,
        now: Timestamp,
        change: ChangeId,
        told: (Kind, &Fact),
    ) -> Entry {
        let mut causes = vec![self.order.entry, self.verdict];
        causes.sort_unstable();
        context.entry(now, change, told, &self.order.by, causes)
    }
}
