//! The list of freezes.

use model::Timestamp;
use model::api::freeze::{FreezeSource, FreezeView};
use model::words::moment;

use super::Style;
use super::ink::Ink;
use super::mark::Mark;
use super::table::{self, Cell, Column};

/// Returns one line per freeze in the order given; `now` is the clock of whoever looks.
pub(crate) fn table(freezes: &[FreezeView], now: Timestamp, style: Style) -> String {
    if freezes.is_empty() {
        return "No freezes: releases go whenever somebody ships. Set one: sleepwell freeze set NAME --from \"fri 16:00\" --to \"mon 08:00\"\n".to_owned();
    }
    let columns = [
        Column::new("freeze", 24),
        Column::new("state", 44),
        Column::new("applies to", 40).leaves(3),
        Column::new("when", 72).leaves(2),
        Column::new("why", 60).squeezed_to(8).leaves(1),
    ];
    let rows: Vec<Vec<Cell>> = freezes.iter().map(|one| row(one, now)).collect();
    let mut out = String::new();
    table::write(&columns, &rows, style, &mut out);
    out
}

fn row(freeze: &FreezeView, now: Timestamp) -> Vec<Cell> {
    let service = freeze
        .service
        .as_ref()
        .map_or("every service".to_owned(), ToString::to_string);
    let place = match &freeze.environment {
        Some(environment) => format!("{service} in {environment}"),
        None => service,
    };
    let why = match (freeze.source, freeze.reason.as_str()) {
        (FreezeSource::File, _) => "its sleepwell.yaml".to_owned(),
        (FreezeSource::Server, "") => format!("set by {}", freeze.by),
        (FreezeSource::Server, reason) => format!("{reason} (set by {})", freeze.by),
    };
    vec![
        (Ink::Plain, freeze.rule.name.to_string()),
        state(freeze, now),
        (Ink::Plain, place),
        (
            Ink::Dim,
            format!("{}, {}", freeze.rule.window, freeze.rule.zone),
        ),
        (Ink::Dim, why),
    ]
}

fn state(freeze: &FreezeView, now: Timestamp) -> Cell {
    let (mark, words) = match (freeze.begins_at, freeze.ends_at) {
        (_, Some(end)) if freeze.is_in_force => {
            (Mark::Held, format!("in force until {}", moment(end, now)))
        }
        (Some(begin), _) => (Mark::Waiting, format!("from {}", moment(begin, now))),
        (None, _) => (Mark::Skipped, "over".to_owned()),
    };
    (mark.ink(), format!("{} {words}", mark.sign()))
}
