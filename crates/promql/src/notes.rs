//! Warnings and infos beside an answer.

use std::collections::BTreeSet;

use crate::ast::Pos;
use crate::error::line_and_column;

/// How many of a kind are shown.
const SHOWN: usize = 10;

/// Is what there is to say about an answer, each text once.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
}

impl Notes {
    pub(crate) fn warn(&mut self, text: &str, pos: Pos, what: &str) {
        let place = place(text, pos);
        self.warnings
            .insert(format!("PromQL warning: {what} {place}"));
    }

    pub(crate) fn info(&mut self, text: &str, pos: Pos, what: &str) {
        let place = place(text, pos);
        self.infos.insert(format!("PromQL info: {what} {place}"));
    }

    /// Returns warnings and infos, at most ten of each and then how many more there were.
    pub(crate) fn told(self) -> (Vec<String>, Vec<String>) {
        (shown(self.warnings, "warning"), shown(self.infos, "info"))
    }
}

fn place(text: &str, pos: Pos) -> String {
    let (line, column) = line_and_column(text, pos.start);
    format!("({line}:{column})")
}

fn shown(all: BTreeSet<String>, kind: &str) -> Vec<String> {
    let more = all.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = all.into_iter().take(SHOWN).collect();
    if more > 0 {
        shown.push(format!("{more} more {kind} annotations omitted"));
    }
    shown
}
