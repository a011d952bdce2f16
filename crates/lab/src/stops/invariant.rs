//! What must hold whatever was stopped, over what was seen: pure, so that each can be seen to fail.
//!
//! "No page goes to a person who acknowledged" and "a fault never outlives its deadline" wait for
//! acknowledging and for experiments; there is neither yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::act::OutboxRow;
use model::api::alert::{AlertView, IncidentView, ToldState};
use model::observe::Change;
use model::{ChangeId, PageId, limit};

use crate::walk::is_over;

/// Messages closer together than this that say the same were decided twice.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Is a world as people and programs see it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) changes: Vec<Change>,
    /// Those of them that wait for an earlier one, and own no ring.
    pub(super) waiting: BTreeSet<ChangeId>,
    pub(super) alerts: Vec<AlertView>,
    pub(super) incidents: Vec<IncidentView>,
    /// What arrived, oldest first.
    pub(super) messages: Vec<OutboxRow>,
    /// Names of alerts that were answered with 200.
    pub(super) accepted_alerts: BTreeSet<String>,
    /// Rollouts that were answered with 201.
    pub(super) accepted_changes: BTreeSet<ChangeId>,
    /// How often the server was stopped.
    pub(super) stops: usize,
}

/// Checks what holds at every moment.
pub(super) fn always(seen: &Seen) -> Result<(), String> {
    nothing_accepted_is_lost(seen)?;
    one_rollout_owns_a_ring(seen)?;
    one_alert_of_a_key_is_open(seen)?;
    only_what_was_on_its_way_comes_twice(seen)?;
    nobody_decides_twice(seen)
}

/// Checks what holds once everything has had its time.
pub(super) fn in_the_end(seen: &Seen) -> Result<(), String> {
    always(seen)?;
    no_accepted_alert_is_left_unpaged(seen)?;
    the_last_word_is_true(seen)
}

fn nothing_accepted_is_lost(seen: &Seen) -> Result<(), String> {
    let known: BTreeSet<&str> = seen.alerts.iter().map(|view| view.alert.name()).collect();
    for name in &seen.accepted_alerts {
        ensure(known.contains(name.as_str()), || {
            format!("alert {name} was accepted and is lost")
        })?;
    }
    let known: BTreeSet<ChangeId> = seen.changes.iter().map(|change| change.id).collect();
    for change in &seen.accepted_changes {
        ensure(known.contains(change), || {
            format!("{change} was accepted and is lost")
        })?;
    }
    Ok(())
}

fn one_rollout_owns_a_ring(seen: &Seen) -> Result<(), String> {
    let under_way = seen.changes.iter().filter(|change| !is_over(change.state));
    let under_way = under_way.filter(|change| !seen.waiting.contains(&change.id));
    let mut owned = BTreeMap::new();
    for change in under_way {
        let rings = (&change.service, &change.environment);
        if let Some(other) = owned.insert(rings, change.id) {
            return Err(format!("{} and {other} own the same rings", change.id));
        }
    }
    Ok(())
}

fn one_alert_of_a_key_is_open(seen: &Seen) -> Result<(), String> {
    let mut keys = BTreeSet::new();
    for view in seen.alerts.iter().filter(|view| view.alert.is_open()) {
        let key = (&view.alert.service, &view.alert.dedup_key);
        ensure(keys.insert(key), || {
            format!("{} is open a second time", view.alert.id)
        })?;
    }
    Ok(())
}

fn only_what_was_on_its_way_comes_twice(seen: &Seen) -> Result<(), String> {
    let mut times: BTreeMap<PageId, usize> = BTreeMap::new();
    for row in &seen.messages {
        let before = times.entry(row.id).or_default();
        *before += 1;
        let title = &row.message.title;
        ensure(*before == 1 || row.attempt > 1, || {
            format!("a repeat of `{title}` does not say so")
        })?;
        ensure(*before <= 1 + seen.stops, || {
            format!(
                "`{title}` came {before} times, and the server was stopped {} times",
                seen.stops
            )
        })?;
    }
    let repeats = seen.messages.len() - times.len();
    let most = seen.stops * limit::SENDS_IN_FLIGHT;
    ensure(repeats <= most, || {
        format!("{repeats} messages came twice; {most} may")
    })
}

/// What is told again after a while is news again; at once it was decided by two who did not know of each
/// other.
fn nobody_decides_twice(seen: &Seen) -> Result<(), String> {
    for (index, one) in seen.messages.iter().enumerate() {
        let says_the_same = |other: &&OutboxRow| {
            let (a, b) = (one.created_at, other.created_at);
            other.id != one.id
                && other.message.subject() == one.message.subject()
                && other.message.title == one.message.title
                && other.destination == one.destination
                && a.since(b).max(b.since(a)) <= AT_ONCE
        };
        if let Some(other) = seen.messages[..index].iter().find(says_the_same) {
            let title = &one.message.title;
            return Err(format!(
                "`{title}` was decided twice, as {} and {}",
                other.id, one.id
            ));
        }
    }
    Ok(())
}

fn no_accepted_alert_is_left_unpaged(seen: &Seen) -> Result<(), String> {
    for name in &seen.accepted_alerts {
        for view in seen.alerts.iter().filter(|view| view.alert.name() == name) {
            let incident = view.alert.incident;
            let arrived = seen
                .messages
                .iter()
                .any(|row| row.message.incident == incident);
            ensure(
                incident.is_some() && view.told == ToldState::Accepted && arrived,
                || {
                    format!(
                        "alert {name} was accepted and nobody was told: {}",
                        view.told
                    )
                },
            )?;
        }
    }
    Ok(())
}

fn the_last_word_is_true(seen: &Seen) -> Result<(), String> {
    for view in &seen.incidents {
        let incident = &view.incident;
        let told = incident
            .told
            .ok_or_else(|| format!("{} was never told", incident.id))?;
        let is_true = told.alerts == incident.alerts && told.resolved != incident.is_open();
        ensure(is_true, || {
            format!(
                "of {} was told {told:?}, and it has {} alerts",
                incident.id, incident.alerts
            )
        })?;
    }
    Ok(())
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

#[cfg(test)]
mod tests;
