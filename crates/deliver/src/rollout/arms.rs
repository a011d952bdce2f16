//! Whose counts are compared with whose.

use std::collections::{BTreeMap, BTreeSet};

use model::deliver::{RingHost, Rollout};
use model::{HostId, Timestamp};

use super::standing::{Standing, standing};
use super::{HostFacts, Wanted};

/// Is which host's counts belong to which arm now; a host is in one list at most, in order of rings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arms {
    /// Proved on the release, with the time from which their counts belong here.
    pub canary: Vec<(HostId, Timestamp)>,
    /// Not asked yet and proved on the release before it, likewise.
    pub control: Vec<(HostId, Timestamp)>,
    /// In neither arm yet, with the start of the process whose warm-up is not over.
    pub warming: Vec<(HostId, Timestamp)>,
}

/// Returns the arms of a rollout: hosts that are silent, retired or prove nothing are in none.
pub fn arms(rollout: &Rollout, hosts: &BTreeMap<HostId, HostFacts>, now: Timestamp) -> Arms {
    let mut arms = Arms::default();
    let routers: BTreeSet<HostId> = rollout.routers().iter().map(|host| host.id).collect();
    for host in rollout.members().filter(|host| !routers.contains(&host.id)) {
        let Some(started_at) = proved_process(rollout, host, hosts.get(&host.id), now) else {
            continue;
        };
        let belongs_from = started_at + rollout.plan.warmup;
        if now < belongs_from {
            arms.warming.push((host.id, started_at));
        } else if host.touched {
            arms.canary.push((host.id, belongs_from));
        } else {
            arms.control.push((host.id, belongs_from));
        }
    }
    arms
}

/// Returns when the process was started that proves what the host's arm runs. A process whose start is
/// not known is taken to have started now: it stays in its warm-up.
fn proved_process(
    rollout: &Rollout,
    host: &RingHost,
    facts: Option<&HostFacts>,
    now: Timestamp,
) -> Option<Timestamp> {
    let runs = if host.touched {
        Some(&rollout.release)
    } else {
        rollout.previous.as_ref()
    };
    let wanted = Wanted::Release(runs?.clone());
    if standing(facts, &wanted) != Standing::Proved {
        return None;
    }
    let reported = facts?.reported.as_ref()?;
    Some(reported.started_at.unwrap_or(now))
}
