//! How a rollout would go.

use std::time::Duration;

use model::api::rehearsal::{Rehearsal, RehearsedHost, RehearsedRing};
use model::deliver::AtDeadline;
use model::time::short;

use super::Style;
use super::exit::Exit;
use super::ink::{Ink, Line};
use super::mark::Mark;
use super::table::{self, Cell, Column};
use super::text::{counted, wrap};

/// Returns the rings with their hosts in the order they would be asked, the earliest end, and what would
/// stop it now.
pub(crate) fn screen(rehearsal: &Rehearsal, style: Style) -> String {
    let mut out = String::new();
    paragraph(Ink::Strong, &heading(rehearsal), style, &mut out);
    out.push('\n');
    let columns = [
        Column::new("step", 6).right(),
        Column::new("ring", 16),
        Column::new("host", 24),
        Column::new("runs", 20),
        Column::new("asked for", 20),
        Column::new("from", 8).right().leaves(2),
        Column::new("watched", 40).squeezed_to(8).leaves(1),
    ];
    let rows: Vec<Vec<Cell>> = rehearsal.rings.iter().flat_map(rows).collect();
    table::write(&columns, &rows, style, &mut out);
    out.push('\n');
    paragraph(Ink::Plain, &end(rehearsal), style, &mut out);
    obstacles(rehearsal, style, &mut out);
    out
}

/// Returns the code the command ends with: 12 when something would hold it.
pub(crate) fn code(rehearsal: &Rehearsal) -> u8 {
    let exit = if rehearsal.obstacles.is_empty() {
        Exit::Done
    } else {
        Exit::Held
    };
    exit.code()
}

fn heading(rehearsal: &Rehearsal) -> String {
    let instead = match &rehearsal.previous {
        Some(previous) if *previous == rehearsal.release => "once more".to_owned(),
        Some(previous) => format!("in place of {previous}"),
        None => "where nothing was proved before".to_owned(),
    };
    let hosts = rehearsal.rings.iter().map(|ring| ring.hosts.len()).sum();
    let at_once = match rehearsal.max_unavailable {
        Some(most) => format!("at most {most} at once"),
        None => "all of a ring at once".to_owned(),
    };
    format!(
        "Rehearsal: {} {} in {} {instead}, {}, {at_once}. Nothing was changed.",
        rehearsal.service,
        rehearsal.release,
        rehearsal.environment,
        counted(hosts, "host"),
    )
}

fn rows(ring: &RehearsedRing) -> Vec<Vec<Cell>> {
    let hosts = ring.hosts.iter().enumerate();
    hosts.map(|(n, host)| row(ring, host, n == 0)).collect()
}

fn row(ring: &RehearsedRing, host: &RehearsedHost, is_first: bool) -> Vec<Cell> {
    let only_first = |text: String| if is_first { text } else { String::new() };
    let silent = host.unknown_since.is_some();
    let asked = match host.step {
        Some(_) => host.to.to_string(),
        None => "asked already".to_owned(),
    };
    vec![
        (Ink::Dim, host.step.map_or("-".into(), |n| n.to_string())),
        (Ink::Plain, only_first(ring.name.to_string())),
        (Ink::Plain, host.host.to_string()),
        match &host.from {
            Some(version) => (Ink::Plain, version.to_string()),
            None if silent => (Ink::Warn, "silent".to_owned()),
            None => (Ink::Dim, "nothing proved".to_owned()),
        },
        (Ink::Plain, asked),
        (
            Ink::Dim,
            only_first(
                ring.begins_after_ms
                    .map_or("-".into(), |ms| short(Duration::from_millis(ms))),
            ),
        ),
        (Ink::Dim, only_first(watched(ring))),
    ]
}

fn watched(ring: &RehearsedRing) -> String {
    let end = match ring.at_deadline {
        AtDeadline::Go => "goes on then without a sign of harm",
        AtDeadline::Hold => "asks a person then",
    };
    format!(
        "{} to {}; {end}",
        short(Duration::from_millis(ring.bake_ms)),
        short(Duration::from_millis(ring.deadline_ms))
    )
}

fn end(rehearsal: &Rehearsal) -> String {
    match rehearsal.done_at {
        Some(at) => format!(
            "Done after {} at the earliest, at {} UTC: hosts that take no time, and a judge who has nothing against it.",
            short(at.since(rehearsal.now)),
            at.time_of_day()
        ),
        None => "No end of it was found.".to_owned(),
    }
}

fn obstacles(rehearsal: &Rehearsal, style: Style, out: &mut String) {
    if rehearsal.obstacles.is_empty() {
        paragraph(Ink::Ok, "Nothing would stop it now.", style, out);
        return;
    }
    paragraph(
        Ink::Warn,
        "As things stand it would be stopped:",
        style,
        out,
    );
    for obstacle in &rehearsal.obstacles {
        let text = format!("{} {}", Mark::Held.sign(), obstacle.text);
        paragraph(Ink::Warn, &text, style, out);
        if !obstacle.hint.is_empty() {
            paragraph(Ink::Dim, &format!("try: {}", obstacle.hint), style, out);
        }
    }
}

fn paragraph(ink: Ink, text: &str, style: Style, out: &mut String) {
    for text in wrap(text, style.width) {
        let mut line = Line::new(style);
        line.add(ink, &text);
        line.end(out);
    }
}
