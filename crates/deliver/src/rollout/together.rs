//! Several services shipped as one: in the order of what they depend on, and back the other way round.
//!
//! Each part is a rollout of its own, with its rings, proofs and verdicts. A part begins when every part it
//! needs is live. An order to undo one is an order to undo all ([`undo_with`]); a part asks its hosts back
//! when those that need it are back, so that no new caller meets an old callee. That wait ends when the
//! undo of a caller is stuck: an undo does not wait for a host nobody hears of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use model::deliver::{Command, Order, RingHost, Rollout, RolloutState};
use model::{ChangeId, Fact, Kind, ServiceName, Timestamp};

use super::planner::Planner;
use super::{OrderRefusal, accept_order};

/// Is one of the services, with those of the others it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    pub service: ServiceName,
    /// Directly, or through services that are not shipped now; sorted.
    pub needs: BTreeSet<ServiceName>,
}

/// Is a circle of services that depend on each other, so that none can go first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these services depend on each other in a circle: {}", path(.0))]
pub struct Circle(
    /// From a service to itself.
    pub Vec<ServiceName>,
);

fn path(services: &[ServiceName]) -> String {
    let mut path = String::new();
    for (i, service) in services.iter().enumerate() {
        let arrow = if i == 0 { "" } else { " -> " };
        let _ = write!(path, "{arrow}`{service}`");
    }
    path
}

/// Puts services in the order they go out: each behind those it depends on, otherwise as they were named.
///
/// `depends_on` holds what each service names, those that are not shipped now as well: through them one
/// that is may depend on another.
///
/// # Errors
/// Services that are shipped depend on each other, so that none of them can go first.
pub fn order(
    shipped: &[ServiceName],
    depends_on: &BTreeMap<ServiceName, Vec<ServiceName>>,
) -> Result<Vec<Ordered>, Circle> {
    let needs: BTreeMap<&ServiceName, BTreeMap<ServiceName, Vec<ServiceName>>> = shipped
        .iter()
        .map(|service| (service, reached(service, shipped, depends_on)))
        .collect();
    let mut left: Vec<&ServiceName> = shipped.iter().collect();
    let mut ordered: Vec<Ordered> = Vec::new();
    while !left.is_empty() {
        let waits = |service: &ServiceName| needs[service].keys().any(|need| left.contains(&need));
        let Some(free) = left.iter().position(|service| !waits(service)) else {
            return Err(circle(&left, &needs));
        };
        let service = left.remove(free);
        ordered.push(Ordered {
            service: service.clone(),
            needs: needs[service].keys().cloned().collect(),
        });
    }
    Ok(ordered)
}

/// Finds the shipped services one reaches without passing another shipped one, each with the way there.
fn reached(
    from: &ServiceName,
    shipped: &[ServiceName],
    depends_on: &BTreeMap<ServiceName, Vec<ServiceName>>,
) -> BTreeMap<ServiceName, Vec<ServiceName>> {
    let (mut found, mut seen) = (BTreeMap::new(), BTreeSet::from([from]));
    let mut next = VecDeque::from([vec![from]]);
    while let Some(way) = next.pop_front() {
        let last = way[way.len() - 1];
        for service in depends_on.get(last).into_iter().flatten() {
            if !seen.insert(service) {
                continue;
            }
            let way: Vec<&ServiceName> = way.iter().copied().chain([service]).collect();
            if shipped.contains(service) {
                found.insert(service.clone(), way.into_iter().cloned().collect());
            } else {
                next.push_back(way);
            }
        }
    }
    found
}

/// Follows needs until a service comes a second time, which it does: each of `left` needs another of them.
fn circle(
    left: &[&ServiceName],
    needs: &BTreeMap<&ServiceName, BTreeMap<ServiceName, Vec<ServiceName>>>,
) -> Circle {
    let mut way: Vec<ServiceName> = vec![left[0].clone()];
    let mut stops = vec![left[0]];
    loop {
        let last = stops[stops.len() - 1];
        let next = needs[last].iter().find(|(need, _)| left.contains(need));
        let Some((need, through)) = next else {
            return Circle(way);
        };
        way.extend_from_slice(&through[1..]);
        if stops.contains(&need) {
            let first = way.iter().position(|service| service == need);
            return Circle(way.split_off(first.unwrap_or(0)));
        }
        stops.push(need);
    }
}

/// Leaves an undo at a part because another one is undone. None: nothing of it is left to undo, or it
/// goes back already.
///
/// # Errors
/// It stays as it is: a later release of its service stands on it. `newest` is as in [`accept_order`].
pub fn undo_with(
    part: &Rollout,
    order: Order,
    newest: ChangeId,
) -> Result<Option<Rollout>, OrderRefusal> {
    let is_done_with = match part.state {
        RolloutState::Undoing { .. }
        | RolloutState::Undone { .. }
        | RolloutState::Stuck { .. }
        | RolloutState::Superseded { .. } => true,
        RolloutState::Planned
        | RolloutState::Ring { .. }
        | RolloutState::Held { .. }
        | RolloutState::Done { .. } => part.is_going_back(),
    };
    if is_done_with {
        return Ok(None);
    }
    let command = Command::Undo;
    accept_order(part, Order { command, ..order }, newest).map(Some)
}

/// Returns what is told at a part that goes back because `with` does.
pub fn undone_together(with: &Rollout) -> Fact {
    Fact::UndoneTogether {
        with: with.change,
        service: with.service.clone(),
        version: with.release.version.clone(),
    }
}

impl Planner<'_> {
    /// Tells whether a part it needs is not live yet. One that cannot be read is not known to be.
    pub(super) fn waits_for_parts(&self) -> bool {
        let Some(together) = &self.next.together else {
            return false;
        };
        let is_live = |need: &ChangeId| {
            let part = self.gates.parts.iter().find(|part| part.change == *need);
            part.is_some_and(|part| matches!(part.state, RolloutState::Done { .. }))
        };
        !together.needs(self.next.change).iter().all(is_live)
    }

    /// Says that what it waited for is live, if it waited.
    pub(super) fn tell_begun(&mut self) {
        let together = self.next.together.as_ref();
        let needs = together.map_or(&[][..], |together| together.needs(self.next.change));
        if !needs.is_empty() {
            let needs = needs.to_vec();
            self.tell(Kind::Change, Fact::PartBegun { needs });
        }
    }

    /// Returns since when an undo may ask hosts; none while a part that needs this one is on its way back. One
    /// that has changed no host has nothing to keep for it, and may still be waiting for its turn.
    pub(super) fn freed(&mut self, since: Timestamp) -> Option<Timestamp> {
        let change = self.next.change;
        let has_changed = self.next.hosts().any(RingHost::is_changed);
        let Some(together) = &mut self.next.together else {
            return Some(since);
        };
        let is_needed = |part: &Rollout| together.needs(part.change).contains(&change);
        let mut parts = self.gates.parts.iter();
        let is_kept = has_changed && parts.any(|part| is_needed(part) && part.is_going_back());
        if together.freed_at.is_none() && !is_kept {
            together.freed_at = Some(self.now);
        }
        together.freed_at
    }

    /// Returns until when it stays watched because of the other parts: as long as one is under way, and for
    /// the length of its own watch behind the one that went live last.
    pub(super) fn watched_with_parts(&self) -> Option<Timestamp> {
        let length = self.next.plan.watch;
        let until = |part: &Rollout| match part.state {
            RolloutState::Done { at } => Some(at + length),
            RolloutState::Planned | RolloutState::Ring { .. } | RolloutState::Held { .. } => {
                Some(self.now + length)
            }
            RolloutState::Undoing { .. }
            | RolloutState::Undone { .. }
            | RolloutState::Stuck { .. }
            | RolloutState::Superseded { .. } => None,
        };
        self.gates.parts.iter().filter_map(until).max()
    }
}
