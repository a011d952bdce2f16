//! Whether a freeze is in force, until when, and when the next one begins.

use model::deliver::freeze::{FreezeRule, Window};
use model::time::{Doubt, WallTime, Zone, at};
use model::{FreezeName, Timestamp};

/// Is a time in which a rule is in force; `until` is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Is a freeze in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    pub rule: FreezeName,
    pub until: Timestamp,
}

/// Returns the freeze in force that ends last; of several, the first in the list.
pub fn in_force<'a>(
    rules: impl IntoIterator<Item = &'a FreezeRule>,
    now: Timestamp,
) -> Option<Frozen> {
    let mut found: Option<Frozen> = None;
    for rule in rules {
        let spans = around(&rule.zone, rule.window, now);
        let span = spans.into_iter().find(|s| holds(s, now));
        if let Some(span) = span
            && found.as_ref().is_none_or(|f| f.until < span.until)
        {
            found = Some(Frozen {
                rule: rule.name.clone(),
                until: span.until,
            });
        }
    }
    found
}

/// Returns the time the rule is in force now, or else the next one; none for one that is over for good.
pub fn current_or_next(rule: &FreezeRule, now: Timestamp) -> Option<Span> {
    next_span(&rule.zone, rule.window, now)
}

/// Returns the time a window is open now, or else the next one; none for one that is over for good.
pub(crate) fn next_span(zone: &Zone, window: Window, now: Timestamp) -> Option<Span> {
    let mut spans = around(zone, window, now).into_iter();
    spans.find(|span| span.until > now)
}

/// Returns when the next freeze begins that is not in force yet.
pub fn next_begin<'a>(
    rules: impl IntoIterator<Item = &'a FreezeRule>,
    now: Timestamp,
) -> Option<Timestamp> {
    let rules = rules.into_iter();
    let spans = rules.flat_map(|rule| around(&rule.zone, rule.window, now));
    spans.map(|span| span.from).filter(|&from| from > now).min()
}

fn holds(span: &Span, now: Timestamp) -> bool {
    span.from <= now && now < span.until
}

/// Returns the times of the window near `now`, oldest first: the one that may be in force, and the next.
fn around(zone: &Zone, window: Window, now: Timestamp) -> Vec<Span> {
    let span = |from: WallTime, to: WallTime| Span {
        from: at(zone, from, Doubt::Earlier),
        until: at(zone, to, Doubt::Later),
    };
    match window {
        Window::Dated { from, to } => vec![span(from, to)],
        Window::Weekly { from, to } => {
            // A week to each side, since a clock that was set shows another time than the calendar's.
            let latest = from.latest(zone.wall(now));
            [-7, 0, 7]
                .map(|days| latest.plus_days(days))
                .map(|from| span(from, to.next(from)))
                .into()
        }
    }
}
