//! What the story of a change says beyond its current state: who undid it, how long it took, who was
//! told, and who does not run what they should.

use std::time::Duration;

use model::api::change::{ChangeView, HostLine, RingState, RingView, TimelineItem};
use model::deliver::{Command, HeldReason, Proof};
use model::observe::ChangeState;
use model::{Fact, RingName, Version};

/// Is whose wish an undo was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undoer {
    /// A procedure that followed a verdict.
    Itself,
    Person(String),
}

/// Returns the story's facts, oldest first; an entry of a newer server is left out.
fn facts(view: &ChangeView) -> impl DoubleEndedIterator<Item = (&TimelineItem, Fact)> {
    view.timeline
        .iter()
        .filter_map(|item| Some((item, Fact::from_body(&item.body).ok()?)))
}

/// Returns whose wish the last undo was: the order that its beginning names as a cause, or else the
/// last order before it.
pub(super) fn undoer(view: &ChangeView) -> Undoer {
    let started = facts(view).rfind(|(_, fact)| matches!(fact, Fact::UndoStarted { .. }));
    let orders: Vec<&TimelineItem> = facts(view)
        .filter(|(_, fact)| is_undo_order(fact))
        .map(|(item, _)| item)
        .filter(|order| started.as_ref().is_none_or(|(item, _)| order.at <= item.at))
        .collect();
    let named = started.and_then(|(start, _)| {
        let mut orders = orders.iter().rev();
        orders.find(|order| start.causes.contains(&order.id))
    });
    match named.or(orders.last()) {
        Some(order) if is_person(&order.actor) => Undoer::Person(order.actor.clone()),
        _ => Undoer::Itself,
    }
}

fn is_undo_order(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Ordered {
            command: Command::Undo,
            ..
        } | Fact::UndoneTogether { .. }
    )
}

/// Returns what the change was shipped with and last undone because of: `shop 1.1 (chg-8)`.
pub(super) fn undone_with(view: &ChangeView) -> Option<String> {
    let newest = facts(view).rfind(|(_, fact)| is_undo_order(fact))?.1;
    match newest {
        Fact::UndoneTogether {
            with,
            service,
            version,
        } => Some(format!("{service} {version} ({with})")),
        _ => None,
    }
}

/// Tells a user from the machinery by the forms of `Entry::actor`.
fn is_person(actor: &str) -> bool {
    let machine = ["procedure ", "host "];
    !matches!(actor, "judge" | "sleepwell") && !machine.iter().any(|m| actor.starts_with(m))
}

/// Returns how long the change took to come to its end.
pub(super) fn took(view: &ChangeView) -> Duration {
    let told = facts(view).rev().find_map(|(_, fact)| match fact {
        Fact::RolloutUndone { after_ms, .. } | Fact::RolloutDone { after_ms, .. } => Some(after_ms),
        _ => None,
    });
    told.map_or_else(
        || view.change.updated_at.since(view.change.started_at),
        Duration::from_millis,
    )
}

/// Returns how long a ring was watched before it passed.
pub(super) fn watched(view: &ChangeView, ring: &RingView) -> Option<Duration> {
    let is_this = |name: &RingName| *name == ring.name;
    let passed = facts(view).rev().find_map(|(item, fact)| match fact {
        Fact::RingPassed { ring, .. } if is_this(&ring) => Some(item.at),
        _ => None,
    });
    Some(passed?.since(ring.proved_at?))
}

/// Returns why the change is held, by its last entry.
pub(super) fn held_reason(view: &ChangeView) -> Option<HeldReason> {
    facts(view).rev().find_map(|(_, fact)| match fact {
        Fact::RolloutHeld { reason } => Some(reason),
        _ => None,
    })
}

/// Is what became of the messages about a change, each receiver once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) accepted: Vec<String>,
    /// With the reason.
    pub(super) failed: Vec<(String, String)>,
}

pub(super) fn told(view: &ChangeView) -> Told {
    let mut told = Told::default();
    for (_, fact) in facts(view) {
        match fact {
            Fact::MessageAccepted { to, .. } if !told.accepted.contains(&to) => {
                told.accepted.push(to);
            }
            Fact::MessageFailed { to, why, .. } => told.failed.push((to, why)),
            _ => {}
        }
    }
    told
}

/// Tells whether an undo reached the host: it proves the release from before, or that nothing runs where
/// nothing is to, as on the first release and in the slot that is idle again.
pub(super) fn is_back(host: &HostLine, previous: Option<&Version>) -> bool {
    is_stopped(host) || previous.is_some_and(|previous| is_there(host, previous))
}

/// Tells whether nothing runs on the host, as wanted.
pub(super) fn is_stopped(host: &HostLine) -> bool {
    host.unknown_since.is_none() && host.proof == Proof::Stopped
}

/// Tells whether the host proves the release of this change.
pub(super) fn is_there(host: &HostLine, release: &Version) -> bool {
    host.unknown_since.is_none()
        && host.proof == Proof::Converged
        && host.running.as_ref() == Some(release)
}

/// Returns the hosts of all rings that an undo goes to, or went to.
pub(super) fn asked_back(view: &ChangeView) -> impl Iterator<Item = &HostLine> {
    let undone = |ring: &&RingView| matches!(ring.state, RingState::Undoing | RingState::Undone);
    view.rings
        .iter()
        .filter(undone)
        .flat_map(|ring| &ring.hosts)
}

/// Returns the release that every host should run now that the change stands where it stands.
pub(super) fn expected(view: &ChangeView) -> Option<&Version> {
    match view.change.state {
        ChangeState::Undoing | ChangeState::Undone | ChangeState::Stuck => view.previous.as_ref(),
        _ => Some(&view.release),
    }
}

/// Returns the hosts that do not run what they should, each once.
///
/// After the end of a change that is every host that cannot prove it, a silent one too. Before, the
/// hosts of the rings are under way, and only the service's other hosts can have drifted.
pub(super) fn strays(view: &ChangeView) -> Vec<&HostLine> {
    let previous = view.previous.as_ref();
    let others = view.drifted.iter();
    let candidates: Vec<&HostLine> = match view.change.state {
        ChangeState::Done => {
            let hosts = view.rings.iter().flat_map(|ring| &ring.hosts).chain(others);
            hosts.filter(|h| !is_there(h, &view.release)).collect()
        }
        ChangeState::Undone | ChangeState::Stuck => {
            let hosts = asked_back(view).chain(others);
            hosts.filter(|h| !is_back(h, previous)).collect()
        }
        ChangeState::Held => {
            let held = |ring: &&RingView| ring.state == RingState::Held;
            let hosts = view.rings.iter().filter(held).flat_map(|ring| &ring.hosts);
            let late = hosts.filter(|h| !is_there(h, &view.release));
            late.chain(others.filter(|h| !is_settled(h))).collect()
        }
        _ => others.filter(|h| !is_settled(h)).collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut strays = candidates;
    strays.retain(|host| seen.insert(&host.host));
    strays
}

fn is_settled(host: &HostLine) -> bool {
    host.unknown_since.is_none() && matches!(host.proof, Proof::Converged | Proof::Stopped)
}
