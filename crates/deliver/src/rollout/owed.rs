//! Hosts that joined after a release went live.

use std::collections::BTreeSet;

use model::HostId;
use model::deliver::{BlueGreen, GateFacts, Host, Priority, Ring, Rollout, RolloutState, Swap};

use super::slots::{is_in, is_router};
use super::{Ask, Wanted};
use crate::gate;

/// Returns what hosts are owed that fit the environment, were in no ring, and were asked for nothing of the
/// service yet; `has_wish` tells the latter.
///
/// `newest` is the newest rollout of its service and environment that was not undone; while it is under
/// way nobody is owed anything, because its end decides what. A host that would get a release the
/// environment does not fit any more is asked for nothing; [`fits`] tells whether it does.
pub fn owed(newest: &Rollout, hosts: &[Host], has_wish: impl Fn(HostId) -> bool) -> Vec<Ask> {
    let (RolloutState::Done { .. }, Some(last)) = (&newest.state, newest.rings.last()) else {
        return vec![];
    };
    let members: BTreeSet<HostId> = newest.members().map(|member| member.id).collect();
    let fits = |host: &&Host| {
        host.retired_at.is_none() && !members.contains(&host.id) && !has_wish(host.id)
    };
    let ask = |host: &Host| {
        let (what, ring) = match (&newest.plan.blue_green, &newest.swap) {
            (Some(slots), Some(swap)) => part(newest, slots, swap, host)?,
            (None, _) | (_, None) => (Wanted::Release(newest.release.clone()), last),
        };
        let is_router = matches!(what, Wanted::Routed(..));
        (is_router || host.labels.contains_all(&newest.plan.hosts)).then(|| Ask {
            host: host.id,
            what,
            priority: Priority::Rollout,
            ring: ring.name.clone(),
        })
    };
    hosts.iter().filter(fits).filter_map(ask).collect()
}

/// Returns what a host of two slots is owed, and in which ring: one of the idle slot nothing.
fn part<'a>(
    newest: &'a Rollout,
    slots: &BlueGreen,
    swap: &Swap,
    host: &Host,
) -> Option<(Wanted, &'a Ring)> {
    let (release, mut rings) = (newest.release.clone(), newest.rings.iter());
    if is_in(slots, swap.to, host) {
        return Some((Wanted::Release(release), rings.next()?));
    }
    is_router(slots, host).then_some((Wanted::Routed(release, swap.to), rings.next_back()?))
}

/// Tells whether hosts that joined late may be asked for the release now; what runs elsewhere and does not
/// fit the schema is no reason to keep it from them.
pub fn fits(facts: Option<&GateFacts>) -> bool {
    facts.is_none_or(|facts| {
        let runs = facts.surroundings.runs.iter();
        let everywhere = runs.flat_map(|one| &one.hosts).map(|(id, _)| *id).collect();
        gate::forward(&facts.new, &facts.surroundings, &everywhere).is_none()
    })
}
