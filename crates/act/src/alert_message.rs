//! What the owner is told about an incident: what fires, since when, what it says, which changes stand
//! beside it, what to do next, and where to read more.

use std::fmt::Write;

use model::act::{Incident, IncidentState, Message};
use model::judge::Alert;
use model::observe::Change;
use model::words::{counted, duration, line, moment};
use model::{Timestamp, limit};
use serde_json::json;

use crate::incident::News;

/// Is what a message is made of.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub incident: &'a Incident,
    /// The newest alerts of it, newest first, at most [`limit::ALERTS_LISTED`]: those that fire, or when none
    /// does, all.
    pub alerts: &'a [Alert],
    /// Those beside the alerts, newest first.
    pub changes: &'a [Change],
    /// How the program is called on the server's machine, so that the lines below can be pasted there.
    pub command: &'a str,
}

/// Writes the message about `news`, as read at `now`.
pub fn write(about: &About<'_>, news: News, now: Timestamp) -> Message {
    let incident = about.incident;
    let mut text = vec![what_happened(about, news, now)];
    text.extend(about.alerts.first().and_then(summary));
    text.push(list(about, now));
    text.extend(changes(about, now));
    text.push(format!(
        "What fires there now: {command} alerts {service}\nThe chain of causes: {command} why {id}",
        command = about.command,
        service = incident.service,
        id = incident.id
    ));
    Message {
        urgency: news.urgency(incident),
        title: title(incident, news),
        text,
        change: None,
        incident: Some(incident.id),
        data: data(about, news),
    }
}

fn title(incident: &Incident, news: News) -> String {
    let what = format!("{}: {}", incident.service, line(incident.title()));
    match news {
        News::Fires if incident.firing == 1 => format!("{what} fires"),
        News::Fires | News::Grew => format!("{what} fires, {}", counted(incident.firing, "alert")),
        News::FiresAgain => format!("{what} fires again"),
        News::Resolved => format!("{what} is resolved"),
        News::CameAndWent => format!("{what} fired and is resolved"),
    }
}

fn what_happened(about: &About<'_>, news: News, now: Timestamp) -> String {
    let incident = about.incident;
    let (name, service) = (line(incident.title()), &incident.service);
    let open = duration(now.since(incident.opened_at));
    match news {
        News::Fires => format!(
            "{name} fires for {service} since {}.",
            moment(began(about), now)
        ),
        News::Grew => format!(
            "{name} fires for {service} for {open} now; {} of it fire.",
            counted(incident.firing, "alert")
        ),
        News::FiresAgain => {
            format!("{name} fires again for {service}, soon after it was resolved.")
        }
        News::Resolved => {
            let ended = match incident.state {
                IncidentState::Resolved { at } => at,
                IncidentState::Triggered => now,
            };
            let lasted = duration(ended.since(incident.opened_at));
            format!("{name} no longer fires for {service}; it lasted {lasted}.")
        }
        News::CameAndWent => {
            format!("{name} fired for {service} and was over before this message was due.")
        }
    }
}

/// Returns when the first of the alerts shown began.
fn began(about: &About<'_>) -> Timestamp {
    let starts = about.alerts.iter().map(|alert| alert.starts_at);
    starts.min().unwrap_or(about.incident.opened_at)
}

fn summary(alert: &Alert) -> Option<String> {
    let said = line(alert.summary());
    (!said.is_empty()).then(|| format!("It says: {said}."))
}

fn list(about: &About<'_>, now: Timestamp) -> String {
    let mut text = String::from("Alerts:");
    for alert in about.alerts.iter().take(limit::ALERTS_LISTED) {
        let labels = line(&alert.labels.to_string());
        let since = moment(alert.starts_at, now);
        write!(text, "\n{} since {since} {labels}", alert.id).expect("writing to a string");
        if let Some(url) = &alert.generator_url {
            write!(text, "\n  {}", line(url)).expect("writing to a string");
        }
    }
    let shown = about.alerts.len().min(limit::ALERTS_LISTED) as u64;
    let more = about.incident.firing.saturating_sub(shown);
    if more > 0 {
        write!(text, "\nand {}", counted(more, "other")).expect("writing to a string");
    }
    text
}

fn changes(about: &About<'_>, now: Timestamp) -> Option<String> {
    if about.changes.is_empty() {
        return None;
    }
    let mut text = String::from("Changes around then (near in time, which proves nothing):");
    for change in about.changes {
        write!(
            text,
            "\n{} {}, {} since {}; to take it back: {} undo {}",
            change.id,
            line(&change.title),
            change.state,
            moment(change.updated_at, now),
            about.command,
            change.id
        )
        .expect("writing to a string");
    }
    Some(text)
}

fn data(about: &About<'_>, news: News) -> serde_json::Value {
    let incident = about.incident;
    let event = match news {
        News::Fires => "fires",
        News::Grew => "grew",
        News::FiresAgain => "fires_again",
        News::Resolved => "resolved",
        News::CameAndWent => "came_and_went",
    };
    let alert = |alert: &Alert| {
        json!({
            "id": alert.id,
            "labels": alert.labels,
            "annotations": alert.annotations,
            "starts_at": alert.starts_at,
            "generator_url": alert.generator_url,
            "fingerprint": alert.dedup_key,
        })
    };
    json!({
        "event": event,
        "incident": incident.id,
        "service": incident.service,
        "name": incident.title(),
        "firing": incident.firing,
        "opened_at": incident.opened_at,
        "alerts": about.alerts.iter().map(alert).collect::<Vec<_>>(),
        "changes": about.changes.iter().map(|change| change.id).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
