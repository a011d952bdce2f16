//! Hosts that joined after a release went live.

use std::collections::BTreeSet;

use model::HostId;
use model::deliver::{Host, Priority, Rollout, RolloutState};

use super::{Ask, Wanted};

/// Returns what hosts are owed that fit the environment, were in no ring, and were asked for nothing of the
/// service yet; `has_wish` tells the latter.
///
/// `newest` is the newest rollout of its service and environment that was not undone; while it is under
/// way nobody is owed anything, because its end decides what.
pub fn owed(newest: &Rollout, hosts: &[Host], has_wish: impl Fn(HostId) -> bool) -> Vec<Ask> {
    let (RolloutState::Done { .. }, Some(last)) = (&newest.state, newest.rings.last()) else {
        return vec![];
    };
    let members: BTreeSet<HostId> = newest.hosts().map(|member| member.id).collect();
    let fits = |host: &&Host| {
        host.retired_at.is_none()
            && host.labels.contains_all(&newest.plan.hosts)
            && !members.contains(&host.id)
            && !has_wish(host.id)
    };
    let ask = |host: &Host| Ask {
        host: host.id,
        what: Wanted::Release(newest.release.clone()),
        priority: Priority::Rollout,
        ring: last.name.clone(),
    };
    hosts.iter().filter(fits).map(ask).collect()
}
