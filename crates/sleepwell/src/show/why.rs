//! The answer to "why": one sentence, then the chain of causes.

use std::collections::BTreeMap;

use model::api::change::{TimelineItem, Why};
use model::{EntryId, Kind};

use super::Style;
use super::ink::{Ink, Line, safe};
use super::text::wrap;

/// Returns the chain as a numbered list, oldest first; `← 2` names the entry that led to this one.
pub(crate) fn text(why: &Why, style: Style) -> String {
    let mut out = String::new();
    paragraph(&why.sentence, Ink::Strong, 0, style, &mut out);
    let numbers: BTreeMap<EntryId, usize> = why.chain.iter().map(|item| item.id).zip(1..).collect();
    let mut day = String::new();
    for item in &why.chain {
        let this_day = item.at.to_string().chars().take(10).collect();
        if day != this_day {
            day = this_day;
            out.push('\n');
            paragraph(
                &format!("{day}, times in UTC"),
                Ink::Dim,
                0,
                style,
                &mut out,
            );
        }
        write_item(item, &numbers, style, &mut out);
    }
    out
}

fn write_item(
    item: &TimelineItem,
    numbers: &BTreeMap<EntryId, usize>,
    style: Style,
    out: &mut String,
) {
    let indent = indent(numbers.len(), style);
    let number = numbers.get(&item.id).copied().unwrap_or_default();
    let digits = numbers.len().to_string().len();
    let words = format!("{}{}", safe(&item.text, style), because(item, numbers));
    let mut lines = wrap(&words, style.width.saturating_sub(indent)).into_iter();
    let mut line = Line::new(style);
    line.add(Ink::Dim, &format!("{number:>digits$}  "));
    line.add(Ink::Plain, &item.at.time_of_day());
    if indent > digits + 12 {
        line.add(ink(item.kind), &format!("  {}", kind(item.kind)));
    }
    line.pad_to(indent);
    line.add(Ink::Plain, &lines.next().unwrap_or_default());
    line.end(out);
    for more in lines {
        paragraph(&more, Ink::Plain, indent, style, out);
    }
    for detail in &item.detail {
        paragraph(detail, Ink::Dim, indent + 2, style, out);
    }
}

/// Returns where the words begin; a narrow terminal has no room for the kind of an entry.
fn indent(entries: usize, style: Style) -> usize {
    let digits = entries.to_string().len();
    let kind = if style.width >= 72 { 9 } else { 0 };
    digits + 12 + kind
}

/// Returns `  ← 2, 3`, nothing for the first cause of all.
fn because(item: &TimelineItem, numbers: &BTreeMap<EntryId, usize>) -> String {
    if item.causes.is_empty() {
        return String::new();
    }
    let mut known: Vec<usize> = item
        .causes
        .iter()
        .filter_map(|id| numbers.get(id).copied())
        .collect();
    known.sort_unstable();
    let mut names: Vec<String> = known.iter().map(usize::to_string).collect();
    if known.len() < item.causes.len() {
        names.push("earlier".to_owned());
    }
    // No-break spaces keep the arrow and its numbers on one line until they are printed as spaces.
    format!(" ←\u{a0}{}", names.join(",\u{a0}"))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Change => "change",
        Kind::Signal => "signal",
        Kind::Verdict => "verdict",
        Kind::Action => "action",
        Kind::Outcome => "outcome",
    }
}

fn ink(kind: Kind) -> Ink {
    match kind {
        Kind::Verdict => Ink::Accent,
        Kind::Change | Kind::Signal | Kind::Action | Kind::Outcome => Ink::Dim,
    }
}

fn paragraph(text: &str, ink: Ink, indent: usize, style: Style, out: &mut String) {
    for text in wrap(&safe(text, style), style.width.saturating_sub(indent)) {
        let mut line = Line::new(style);
        line.pad_to(indent).add(ink, &text);
        line.end(out);
    }
}
