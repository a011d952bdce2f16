//! What is known of a rollout's hosts, as the planner wants it.

use std::collections::BTreeMap;

use deliver::rollout::HostFacts;
use model::deliver::{Desired, Reported, Rollout};
use model::{HostId, Timestamp};
use store::{Error, Tx};

/// Reads the facts of every member of `rollout`, as of `now`.
pub(crate) fn host_facts(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    now: Timestamp,
) -> Result<BTreeMap<HostId, HostFacts>, Error> {
    let mut reported: BTreeMap<HostId, Reported> =
        store::fleet::reported_for(tx, &rollout.service)?
            .into_iter()
            .collect();
    let desired: BTreeMap<HostId, Desired> =
        store::fleet::desired_for(tx, &rollout.service, &rollout.environment)?
            .into_iter()
            .collect();
    let mut facts = BTreeMap::new();
    let members = rollout.members().map(|member| member.id).collect();
    for (id, host) in store::host::these_each(tx, &members)? {
        // Nothing is known of a host whose row cannot be read, and it never counts as done; the others of
        // its rollout go on, and so does their undo.
        let Ok(host) = host else {
            continue;
        };
        let known = HostFacts::new(host, desired.get(&id), reported.remove(&id), now);
        facts.insert(id, known);
    }
    Ok(facts)
}
