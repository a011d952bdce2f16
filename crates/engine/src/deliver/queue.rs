//! Begins rollouts that waited for an earlier one.

use deliver::rollout::{Begin, begin, replaced};
use model::deliver::{Rollout, RolloutState};
use model::{Fact, Kind, Timestamp, limit};
use store::rollout::Versioned;
use store::{Error, Tx};

use crate::Context;

/// Returns what a waiting rollout is next, with what is to be told: it begins, or goes on waiting.
pub(super) fn next(
    tx: &mut Tx<'_>,
    waiting: &Rollout,
    now: Timestamp,
) -> Result<(Rollout, Vec<(Kind, Fact)>), Error> {
    let unchanged = || (waiting.clone(), Vec::new());
    let (service, environment) = (&waiting.service, &waiting.environment);
    let history = store::rollout::history(tx, service, environment, limit::LIST_ITEMS)?;
    let before: Vec<Versioned> = history
        .into_iter()
        .filter(|one| one.rollout.change < waiting.change)
        .collect();
    if !store::rollout::under_way(tx, &before)?.is_empty() {
        return Ok(unchanged());
    }
    let Some(release) = store::release::get(tx, service, waiting.release.number)? else {
        return Ok(unchanged());
    };
    let previous = before
        .iter()
        .find(|one| matches!(one.rollout.state, RolloutState::Done { .. }));
    let hosts = store::host::expected(tx)?;
    let with = Begin {
        release: &release,
        previous: previous.map(|one| one.rollout.release.clone()),
        brought_by: previous.map(|one| &one.rollout),
        hosts: &hosts,
        now,
    };
    Ok(begin(waiting, with))
}

/// Ends the watch of the rollout whose release the one that begins replaces.
pub(super) fn end_watches(
    tx: &mut Tx<'_>,
    context: &Context,
    begun: &Rollout,
    now: Timestamp,
) -> Result<(), Error> {
    let (service, environment) = (&begun.service, &begun.environment);
    let history = store::rollout::history(tx, service, environment, limit::LIST_ITEMS)?;
    for Versioned { rollout, version } in history {
        let Some((mut next, facts)) = replaced(&rollout, begun.change) else {
            continue;
        };
        for fact in facts {
            let mut causes: Vec<_> = next
                .last_entry
                .into_iter()
                .chain(begun.last_entry)
                .collect();
            causes.sort_unstable();
            let told = (Kind::Outcome, &fact);
            let entry = context.entry(now, next.change, told, "sleepwell", causes);
            store::journal::append(tx, &entry)?;
            next.last_entry = Some(entry.id);
        }
        store::rollout::save(tx, &next, version)?;
    }
    Ok(())
}
