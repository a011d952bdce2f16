//! Where an alert or an incident stands, in one sentence.

use model::act::{Incident, IncidentState};
use model::api::alert::ToldState;
use model::judge::{Alert, AlertState, Resolution};
use model::words::{counted, duration, line, moment};
use model::{ServiceName, Timestamp};

/// Says what an alert is about, whether it fires, and whether anybody knows.
pub fn of_alert(alert: &Alert, told: ToldState, now: Timestamp) -> String {
    let (name, service) = (line(alert.name()), &alert.service);
    let since = moment(alert.starts_at, now);
    let state = match alert.state {
        AlertState::Firing => format!("{name} fires for {service} since {since}"),
        AlertState::Resolved { at, how } => {
            let ended = match how {
                Resolution::Told => "is resolved",
                Resolution::Lapsed => "was not sent again and counts as resolved",
            };
            let lasted = duration(at.since(alert.starts_at));
            format!(
                "{name} for {service} {ended} since {}; it lasted {lasted}",
                moment(at, now)
            )
        }
    };
    format!("{state}; {}.", who_knows(told, service))
}

/// Says what an incident is about, how many of its alerts fire, and whether anybody knows.
pub fn of_incident(incident: &Incident, told: ToldState, now: Timestamp) -> String {
    let (title, service) = (line(incident.title()), &incident.service);
    let state = match incident.state {
        IncidentState::Triggered => format!(
            "{title} for {service} is open since {}; of {}, {} fire",
            moment(incident.opened_at, now),
            counted(incident.alerts, "alert"),
            incident.firing
        ),
        IncidentState::Resolved { at } => format!(
            "{title} for {service} is resolved since {}, after {} and {}",
            moment(at, now),
            duration(at.since(incident.opened_at)),
            counted(incident.alerts, "alert")
        ),
    };
    format!("{state}; {}.", who_knows(told, service))
}

fn who_knows(told: ToldState, service: &ServiceName) -> String {
    match told {
        ToldState::Waiting => "its message is not due yet".to_owned(),
        ToldState::Nobody => {
            format!("NOBODY WAS TOLD: {service} has no owner and server.yaml no `receiver`")
        }
        ToldState::Sending => "its message is on its way".to_owned(),
        ToldState::Accepted => "its message was taken by a receiver".to_owned(),
        ToldState::Failed => "NO RECEIVER TOOK ITS MESSAGE".to_owned(),
    }
}
