//! What is wrong with a file, where, and what would help.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Is one thing wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Counted from 1.
    pub line: Option<u32>,
    /// Counted from 1.
    pub column: Option<u32>,
    /// The keys that lead there, such as `environments.production.rings[1].bake`; empty for the file.
    pub path: String,
    /// Names the thing and its value.
    pub what: String,
    /// What would help.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for Fault {}

/// Returns the text as a message may show it: on one line, and short.
pub(super) fn shown(text: &str) -> String {
    const CHARS: usize = 60;
    let mut shown: String = text
        .chars()
        .take(CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(CHARS).is_some() {
        shown.push('…');
    }
    // Quotes are harmless between backticks and read better without a backslash.
    shown.replace("\\\"", "\"").replace("\\'", "'")
}

/// Writes names for a sentence: `a`, `b` or `c`.
pub(super) fn listed(names: &[&str], last: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// Returns the remedy for a name that is not known: the one probably meant, or all there are.
pub(super) fn did_you_mean(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known here: {}", listed(known, "and")),
    }
}

/// Returns the known name that was probably meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    const LONGEST: usize = 40;
    if name.chars().count() > LONGEST {
        return None;
    }
    let allowed = |known: &str| (known.chars().count() / 3).max(1);
    known
        .iter()
        .map(|known| (edits(name, known), *known))
        .filter(|(edits, known)| *edits <= allowed(known))
        .min()
        .map(|(_, known)| known)
}

/// Returns how many letters must be added, removed, replaced or swapped with their neighbour.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_typing_errors_and_nothing_else() {
        let known = ["hosts", "rings", "strategy", "max_unavailable", "do"];
        assert_eq!(nearest("host", &known), Some("hosts"));
        assert_eq!(nearest("ringsx", &known), Some("rings"));
        assert_eq!(nearest("max-unavailable", &known), Some("max_unavailable"));
        assert_eq!(nearest("od", &known), Some("do"));
        assert_eq!(nearest("pipelines", &known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), &known), None);
    }

    #[test]
    fn shown_text_stays_on_one_line_and_short() {
        assert_eq!(shown("a\n\"b\""), "a\\n\"b\"");
        assert_eq!(shown(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
    }

    #[test]
    fn lists_read_as_a_sentence() {
        assert_eq!(listed(&["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(listed(&["a"], "and"), "`a`");
    }
}
