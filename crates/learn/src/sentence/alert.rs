//! Alerts and incidents, in words; texts of other tools are shown as harmless lines.

use std::time::Duration;

use model::act::Urgency;
use model::judge::Resolution;
use model::words::{counted, duration, line, moment, names};
use model::{ChangeId, Fact, Timestamp};

/// Tells a fact about alerts and incidents; none of any other.
pub(super) fn of(fact: &Fact, now: Timestamp) -> Option<String> {
    Some(match fact {
        Fact::AlertFired {
            alert,
            service,
            name,
            summary: _,
            starts_at,
            changes,
        } => format!(
            "{alert} fired: {} for {service}, since {}{}.",
            line(name),
            moment(*starts_at, now),
            beside(changes)
        ),
        Fact::AlertResolved { alert, name, how } => {
            let how = match how {
                Resolution::Told => "its sender says so",
                Resolution::Lapsed => "it was not sent again in time",
            };
            format!("{alert} is resolved: {}; {how}.", line(name))
        }
        Fact::AlertsRefused {
            service,
            alerts,
            limit,
        } => format!(
            "{} for {service} {} refused: it has {limit} open ones, which is the limit.",
            counted(*alerts, "alert"),
            if *alerts == 1 { "was" } else { "were" }
        ),
        Fact::IncidentOpened {
            incident,
            service,
            title,
            urgency,
        } => {
            let urgency = match urgency {
                Urgency::High => "it wakes its owner",
                Urgency::Low => "its owner is told and not woken",
            };
            format!(
                "{incident} was opened: {} for {service}; {urgency}.",
                line(title)
            )
        }
        Fact::IncidentJoined {
            alerts,
            names: joined,
            told_at,
        } => {
            let joined: Vec<String> = joined.iter().map(|name| line(name)).collect();
            let told = match told_at {
                Some(at) => format!(
                    "; its owner heard of it just now and is told at {}",
                    moment(*at, now)
                ),
                None => String::new(),
            };
            format!(
                "{} joined it: {}{told}.",
                counted(*alerts, "alert"),
                names(&joined)
            )
        }
        Fact::IncidentReopened { title } => {
            format!("{} fires again, soon after it was resolved.", line(title))
        }
        Fact::IncidentResolved { title, after_ms } => format!(
            "{} is resolved after {}.",
            line(title),
            duration(Duration::from_millis(*after_ms))
        ),
        Fact::NobodyTold { title, why } => {
            format!("Nobody was told \"{}\": {}.", line(title), line(why))
        }
        _ => return None,
    })
}

fn beside(changes: &[ChangeId]) -> String {
    match changes {
        [] => String::new(),
        changes => format!("; around then: {}", names(changes)),
    }
}

/// Returns what an alert says of itself.
pub(super) fn detail(summary: &str) -> Vec<String> {
    match line(summary) {
        said if said.is_empty() => vec![],
        said => vec![format!("It says: {said}.")],
    }
}
