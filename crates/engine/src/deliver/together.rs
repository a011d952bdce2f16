//! An order to undo one of several services that were shipped as one is an order to undo them all.

use deliver::rollout::undo_with;
use model::deliver::{Order, Rollout};
use model::{EntryId, Fact, Kind, Timestamp};
use store::rollout::Versioned;
use store::{Error, Tx};

use crate::Context;

/// Leaves an undo at everything `rollout` was shipped together with, in the transaction of its own `order`;
/// `verdict` is the entry of what that answers, so that each part can say why.
///
/// A part on which a later release stands stays as it is, which is told.
pub(crate) fn undo_others(
    tx: &mut Tx<'_>,
    context: &Context,
    rollout: &Rollout,
    (order, verdict): (&Order, EntryId),
    now: Timestamp,
) -> Result<(), Error> {
    for Versioned {
        rollout: part,
        version,
    } in store::rollout::others(tx, rollout)?
    {
        let newest = store::rollout::newest_standing(tx, &part.service, &part.environment)?;
        let newest = newest.map_or(part.change, |newest| newest.rollout.change);
        let tell = |tx: &mut Tx<'_>, about, kind, fact: &Fact, last: Option<EntryId>| {
            let why = [order.entry, verdict];
            let mut causes: Vec<EntryId> = last.into_iter().chain(why).collect();
            causes.sort_unstable();
            let entry = context.entry(now, about, (kind, fact), &order.by, causes);
            store::journal::append(tx, &entry)?;
            Ok::<_, Error>(entry.id)
        };
        match undo_with(&part, order.clone(), newest) {
            Ok(None) => {}
            Ok(Some(mut next)) => {
                let fact = undone_together(rollout);
                let entry = tell(tx, part.change, Kind::Action, &fact, part.last_entry)?;
                if let Some(order) = &mut next.order {
                    order.entry = entry;
                }
                store::rollout::save(tx, &next, version)?;
            }
            Err(refusal) => {
                let fact = Fact::PartStays {
                    change: part.change,
                    service: part.service.clone(),
                    why: refusal.to_string(),
                };
                tell(tx, rollout.change, Kind::Outcome, &fact, None)?;
            }
        }
    }
    Ok(())
}

fn undone_together(rollout: &Rollout) -> Fact {
    Fact::UndoneTogether {
        with: rollout.change,
        service: rollout.service.clone(),
        version: rollout.release.version.clone(),
    }
}
