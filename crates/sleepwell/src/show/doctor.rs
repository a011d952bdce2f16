//! What `sleepwell doctor` found, a line each, with what helps under it.

use serde::Serialize;

use super::Style;
use super::ink::{Ink, Line};
use super::mark::Mark;
use super::text::{plain, wrap};

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) is_well: bool,
    pub(crate) what: String,
    /// What helps; empty where nothing has to be done.
    pub(crate) hint: String,
}

impl Finding {
    pub(crate) fn well(what: impl Into<String>) -> Self {
        Self {
            is_well: true,
            what: what.into(),
            hint: String::new(),
        }
    }

    pub(crate) fn bad(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            is_well: false,
            what: what.into(),
            hint: hint.into(),
        }
    }
}

pub(crate) fn lines(findings: &[Finding], style: Style) -> String {
    let mut out = String::new();
    for finding in findings {
        let mark = if finding.is_well {
            Mark::Passed
        } else {
            Mark::Failed
        };
        let what = wrap(&plain(&finding.what), style.width.saturating_sub(2));
        for (n, part) in what.iter().enumerate() {
            let mut line = Line::new(style);
            line.add(mark.ink(), if n == 0 { mark.sign() } else { "" });
            line.pad_to(2).add(Ink::Plain, part);
            line.end(&mut out);
        }
        // Whole, since it may be a command to copy.
        if !finding.hint.is_empty() {
            out += &format!("  try: {}\n", plain(&finding.hint));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_is_one_line_and_what_is_not_says_what_helps() {
        let findings = [
            Finding::well("a server answers"),
            Finding::bad("no host has joined", "sleepwell agent token"),
        ];
        let style = Style {
            color: false,
            width: 80,
            unicode: true,
        };
        assert_eq!(
            lines(&findings, style),
            "✓ a server answers\n✗ no host has joined\n  try: sleepwell agent token\n"
        );
    }
}
