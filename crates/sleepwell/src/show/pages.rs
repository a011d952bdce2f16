//! The list of pages: who was told what, and whether it arrived.

use model::Timestamp;
use model::act::{OutboxState, Urgency};
use model::api::alert::PageView;

use super::Style;
use super::ink::Ink;
use super::mark::Mark;
use super::table::{self, Cell, Column};
use super::text::clock;

/// Returns one line per page in the order given; `now` is the server's clock.
pub(crate) fn table(pages: &[PageView], now: Timestamp, style: Style) -> String {
    if pages.is_empty() {
        return "Nobody was told anything so far.\n".to_owned();
    }
    let columns = [
        Column::new("about", 10),
        Column::new("state", 14),
        Column::new("what", 40),
        Column::new("to", 30).leaves(5),
        Column::new("urgency", 8).leaves(2),
        Column::new("attempt", 7).right().leaves(3),
        Column::new("since", 9).right().leaves(4),
        Column::new("page", 32).leaves(1),
    ];
    let rows: Vec<Vec<Cell>> = pages.iter().map(|page| row(page, now)).collect();
    let mut out = String::new();
    table::write(&columns, &rows, style, &mut out);
    out
}

fn row(page: &PageView, now: Timestamp) -> Vec<Cell> {
    let about = page.incident.map(|id| id.to_string());
    let about = about.or_else(|| page.change.map(|id| id.to_string()));
    let (mark, state) = match &page.state {
        OutboxState::Queued if page.attempt == 0 => (Mark::Waiting, "queued"),
        OutboxState::Queued => (Mark::Held, "tried again"),
        OutboxState::Leased { .. } => (Mark::Running, "sending"),
        OutboxState::Accepted { .. } => (Mark::Passed, "accepted"),
        OutboxState::Failed { .. } => (Mark::Failed, "failed"),
    };
    let urgency = match page.urgency {
        Urgency::High => (Ink::Strong, "high"),
        Urgency::Low => (Ink::Dim, "low"),
    };
    vec![
        (Ink::Accent, about.unwrap_or_default()),
        (mark.ink(), format!("{} {state}", mark.sign())),
        (Ink::Plain, page.title.clone()),
        (Ink::Plain, page.to.clone()),
        (urgency.0, urgency.1.to_owned()),
        (Ink::Plain, page.attempt.to_string()),
        (Ink::Dim, clock(now.since(page.created_at))),
        (Ink::Dim, page.id.to_string()),
    ]
}
