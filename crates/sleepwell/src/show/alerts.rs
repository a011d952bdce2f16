//! The list of alerts.

use model::Timestamp;
use model::api::alert::{AlertView, ToldState};
use model::judge::AlertState;

use super::Style;
use super::ink::Ink;
use super::mark::Mark;
use super::table::{self, Cell, Column};
use super::text::clock;

/// Returns one line per alert in the order given; `now` is the server's clock.
pub(crate) fn table(alerts: &[AlertView], now: Timestamp, style: Style) -> String {
    if alerts.is_empty() {
        return "No alerts to show. Those that are over: sleepwell alerts --all\n".to_owned();
    }
    let columns = [
        Column::new("alert", 12),
        Column::new("service", 20),
        Column::new("what", 28),
        Column::new("state", 12),
        Column::new("since", 9).right().leaves(3),
        Column::new("told", 12),
        Column::new("incident", 10).leaves(2),
        Column::new("around then", 20).squeezed_to(8).leaves(1),
    ];
    let rows: Vec<Vec<Cell>> = alerts.iter().map(|alert| row(alert, now)).collect();
    let mut out = String::new();
    table::write(&columns, &rows, style, &mut out);
    out
}

fn row(view: &AlertView, now: Timestamp) -> Vec<Cell> {
    let alert = &view.alert;
    let (mark, state, since) = match alert.state {
        AlertState::Firing => (Mark::Failed, "firing", alert.starts_at),
        AlertState::Resolved { at, .. } => (Mark::Passed, "resolved", at),
    };
    let told = told(view.told);
    let incident = alert.incident.map(|id| id.to_string());
    let changes: Vec<String> = alert.changes.iter().map(ToString::to_string).collect();
    vec![
        (Ink::Accent, alert.id.to_string()),
        (Ink::Plain, alert.service.to_string()),
        (Ink::Plain, alert.name().to_owned()),
        (mark.ink(), format!("{} {state}", mark.sign())),
        (Ink::Dim, clock(now.since(since))),
        (told.ink(), format!("{} {}", told.sign(), view.told)),
        (Ink::Plain, incident.unwrap_or_default()),
        (Ink::Plain, changes.join(", ")),
    ]
}

fn told(state: ToldState) -> Mark {
    match state {
        ToldState::Waiting => Mark::Waiting,
        ToldState::Nobody => Mark::Drift,
        ToldState::Sending => Mark::Running,
        ToldState::Accepted => Mark::Passed,
        ToldState::Failed => Mark::Failed,
    }
}
