//! What grows of alerts: which of them are one trouble, how urgent it is, and when somebody is told.
//!
//! Level-triggered: [`due`] compares what was told with what is, so it may be asked at any time and as often
//! as one likes.

use model::act::{Incident, IncidentState, Told, Urgency};
use model::judge::Alert;
use model::words::line;
use model::{Timestamp, limit};

/// Is what there is to tell of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It fires, and nobody knows.
    Fires,
    /// More alerts joined it, or more urgent ones.
    Grew,
    /// It was resolved, and fires again.
    FiresAgain,
    /// Nothing of it fires any more.
    Resolved,
    /// Alerts fired that nobody was told of, and are over.
    CameAndWent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Nothing,
    /// There is something to tell, and it waits for its pace.
    At(Timestamp),
    Now(News),
}

/// Severities that somebody is told of and nobody is woken for. What is not known wakes.
const QUIET: [&str; 9] = [
    "warning",
    "warn",
    "info",
    "information",
    "notice",
    "debug",
    "none",
    "low",
    "ticket",
];

/// Returns how urgent an alert is, by its label `severity`.
pub fn urgency(alert: &Alert) -> Urgency {
    let severity = alert.labels.get("severity").to_ascii_lowercase();
    if QUIET.contains(&severity.as_str()) {
        Urgency::Low
    } else {
        Urgency::High
    }
}

/// Returns the group of an alert: those of a service with the same name form one incident. It is one line,
/// and without characters that a database does not take.
pub fn group(alert: &Alert) -> String {
    let name = line(alert.name());
    if name.is_empty() {
        alert.dedup_key.clone()
    } else {
        name
    }
}

/// Tells whether an incident takes further alerts of its kind: while it is open, and shortly after.
pub fn takes_more(incident: &Incident, now: Timestamp) -> bool {
    match incident.state {
        IncidentState::Triggered => true,
        IncidentState::Resolved { at } => now <= at + limit::INCIDENT_REOPENS,
    }
}

/// Returns the state that goes with so many firing alerts.
pub fn state(before: IncidentState, firing: u64, now: Timestamp) -> IncidentState {
    match (before, firing) {
        (resolved @ IncidentState::Resolved { .. }, 0) => resolved,
        (IncidentState::Triggered, 0) => IncidentState::Resolved { at: now },
        (IncidentState::Triggered | IncidentState::Resolved { .. }, _) => IncidentState::Triggered,
    }
}

/// Decides what is to be told of an incident at `now`.
///
/// The first message, one that is more urgent than all before and the word that it is over never wait; others
/// keep [`limit::INCIDENT_PACE`] from the last that said something fires.
pub fn due(incident: &Incident, now: Timestamp) -> Due {
    let fires = incident.is_open();
    let Some(told) = incident.told else {
        return Due::Now(if fires {
            News::Fires
        } else {
            News::CameAndWent
        });
    };
    let is_new = incident.alerts > told.alerts;
    match (fires, told.resolved) {
        (true, _) if incident.urgency > told.urgency => Due::Now(News::Grew),
        (true, true) => paced(News::FiresAgain, told, now),
        (true, false) if is_new => paced(News::Grew, told, now),
        (false, false) => Due::Now(News::Resolved),
        (false, true) if is_new => paced(News::CameAndWent, told, now),
        (true, false) | (false, true) => Due::Nothing,
    }
}

fn paced(news: News, told: Told, now: Timestamp) -> Due {
    let at = told.at + limit::INCIDENT_PACE;
    // A clock that was set back must not make anybody wait for longer.
    if at <= now || told.at > now {
        Due::Now(news)
    } else {
        Due::At(at)
    }
}

impl News {
    /// Returns how urgent the message is: nobody is woken by what is over.
    pub fn urgency(self, incident: &Incident) -> Urgency {
        match self {
            News::Fires | News::Grew | News::FiresAgain => incident.urgency,
            News::Resolved | News::CameAndWent => Urgency::Low,
        }
    }

    /// Returns what is told once the message stands.
    pub fn told(self, incident: &Incident, receivers: usize, now: Timestamp) -> Told {
        let at = match (self, incident.told) {
            (News::Resolved, Some(told)) => told.at,
            _ => now,
        };
        Told {
            at,
            resolved: !incident.is_open(),
            alerts: incident.alerts,
            urgency: incident.urgency,
            receivers,
        }
    }
}

#[cfg(test)]
mod tests;
