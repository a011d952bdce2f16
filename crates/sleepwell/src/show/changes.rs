//! The list of changes.

use model::Timestamp;
use model::observe::Change;

use super::Style;
use super::ink::Ink;
use super::mark::Mark;
use super::table::{self, Cell, Column};
use super::text::clock;

/// Returns one line per change in the order given; `now` is the server's clock.
pub(crate) fn table(changes: &[Change], now: Timestamp, style: Style) -> String {
    if changes.is_empty() {
        return "No changes to show. Start one: sleepwell ship SERVICE VERSION\n".to_owned();
    }
    let columns = [
        Column::new("change", 12),
        Column::new("what", 32),
        Column::new("state", 12),
        Column::new("since", 9).right().leaves(3),
        Column::new("environment", 20).leaves(1),
        Column::new("by", 30).squeezed_to(8).leaves(2),
    ];
    let rows: Vec<Vec<Cell>> = changes.iter().map(|change| row(change, now)).collect();
    let mut out = String::new();
    table::write(&columns, &rows, style, &mut out);
    out
}

fn row(change: &Change, now: Timestamp) -> Vec<Cell> {
    let mark = Mark::of_change(change.state);
    vec![
        (Ink::Accent, change.id.to_string()),
        (Ink::Plain, change.title.clone()),
        (mark.ink(), format!("{} {}", mark.sign(), change.state)),
        (Ink::Dim, clock(now.since(change.updated_at))),
        (Ink::Plain, change.environment.to_string()),
        (Ink::Plain, change.by.clone()),
    ]
}
