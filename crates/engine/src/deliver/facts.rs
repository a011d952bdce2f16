//! What is known of a rollout's hosts, as the planner wants it.

use std::collections::BTreeMap;

use deliver::rollout::{DesiredFacts, HostFacts};
use model::deliver::{Desired, Reported, Rollout};
use model::{HostId, Timestamp};
use store::{Error, Tx};

/// Reads the facts of every host of `rollout`, as of `now`.
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
    for host in store::host::list(tx)? {
        if !rollout.hosts().any(|member| member.id == host.id) {
            continue;
        }
        facts.insert(
            host.id,
            HostFacts {
                id: host.id,
                unknown_since: host.unknown_since(now),
                retired: host.retired_at.is_some(),
                desired: desired.get(&host.id).map(|d| DesiredFacts {
                    release: d.release.number,
                    generation: d.generation,
                    state: d.state,
                }),
                reported: reported.remove(&host.id),
                name: host.name,
            },
        );
    }
    Ok(facts)
}
