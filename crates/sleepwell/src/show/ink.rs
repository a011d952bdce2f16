//! One line as it is put together: pieces with a colour, safe and cut to the width.

use super::Style;
use super::text::{cut, plain, width};

/// Is what a piece of a line means; green, amber and red stand for state only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Dim,
    /// The thing under test, and what is under way.
    Accent,
    Ok,
    Warn,
    Bad,
}

impl Ink {
    /// Returns the parameter of the escape sequence; colours of the terminal's own palette.
    fn code(self) -> Option<&'static str> {
        match self {
            Ink::Plain => None,
            Ink::Strong => Some("1"),
            Ink::Dim => Some("2"),
            Ink::Accent => Some("35"),
            Ink::Ok => Some("32"),
            Ink::Warn => Some("33"),
            Ink::Bad => Some("31"),
        }
    }
}

/// Is a line under construction.
pub(super) struct Line {
    style: Style,
    pieces: Vec<(Ink, String)>,
    width: usize,
}

impl Line {
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            pieces: Vec::new(),
            width: 0,
        }
    }

    /// Appends text, which may come from anywhere.
    pub(super) fn add(&mut self, ink: Ink, text: &str) -> &mut Self {
        let text = safe(text, self.style);
        self.width += width(&text);
        self.pieces.push((ink, text));
        self
    }

    /// Appends spaces up to a column, none when the line is already there.
    pub(super) fn pad_to(&mut self, column: usize) -> &mut Self {
        let missing = column.saturating_sub(self.width);
        self.add(Ink::Plain, &" ".repeat(missing))
    }

    /// Writes the line with its line feed, cut to the width and without spaces at its end.
    pub(super) fn end(mut self, out: &mut String) {
        trim_end(&mut self.pieces);
        let wanted: usize = self.pieces.iter().map(|(_, text)| width(text)).sum();
        if wanted > self.style.width {
            cut_pieces(&mut self.pieces, self.style);
        }
        for (ink, text) in &self.pieces {
            write(out, *ink, text, self.style.color);
        }
        out.push('\n');
    }
}

/// Cuts pieces that together are wider than the line; the marker has the colour of what it cuts.
fn cut_pieces(pieces: &mut Vec<(Ink, String)>, style: Style) {
    let mut left = style.width;
    for (i, (_, text)) in pieces.iter_mut().enumerate() {
        if width(text) >= left {
            *text = safe(&cut(&format!("{text}  "), left), style);
            pieces.truncate(i + 1);
            return;
        }
        left -= width(text);
    }
}

fn trim_end(pieces: &mut Vec<(Ink, String)>) {
    while let Some((_, text)) = pieces.last_mut() {
        text.truncate(text.trim_end_matches(' ').len());
        if !text.is_empty() {
            return;
        }
        pieces.pop();
    }
}

fn write(out: &mut String, ink: Ink, text: &str, color: bool) {
    match ink.code().filter(|_| color && !text.is_empty()) {
        Some(code) => {
            out.push_str("\x1b[");
            out.push_str(code);
            out.push('m');
            out.push_str(text);
            out.push_str("\x1b[0m");
        }
        None => out.push_str(text),
    }
}

/// Returns the text as it may be written under this style.
pub(super) fn safe(text: &str, style: Style) -> String {
    let text = plain(text);
    if style.unicode {
        return text;
    }
    text.chars().map(ascii).collect()
}

/// Returns what stands for a character where only ASCII can be shown, in one column.
fn ascii(c: char) -> char {
    match c {
        '\0'..='\x7f' => c,
        '✓' => '+',
        '◐' => '*',
        '·' => '.',
        '↩' | '←' => '<',
        '✗' | '×' => 'x',
        '‖' | '━' => '=',
        '╸' => '>',
        '─' | '–' | '—' => '-',
        '│' | '├' => '|',
        '└' => '`',
        '…' => '~',
        '‘' | '’' => '\'',
        '“' | '”' => '"',
        _ => '?',
    }
}

/// Returns a bar of `cells` columns, filled by `share`.
pub(super) fn bar(share: f64, cells: usize) -> (String, String) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a bar has at most a few dozen cells"
    )]
    let halves = (share.clamp(0.0, 1.0) * (2 * cells) as f64) as usize;
    let (full, half) = (halves / 2, halves % 2);
    let done = "━".repeat(full) + if half == 1 { "╸" } else { "" };
    (done, "─".repeat(cells - full - half))
}

#[cfg(test)]
mod tests {
    use super::super::text::columns;
    use super::*;

    fn style(width: usize) -> Style {
        Style {
            color: false,
            width,
            unicode: true,
        }
    }

    fn written(line: Line) -> String {
        let mut out = String::new();
        line.end(&mut out);
        out
    }

    #[test]
    fn a_line_uses_its_last_column_and_no_more() {
        for (columns, expected) in [
            (9, "ab cd ef\n"),
            (8, "ab cd ef\n"),
            (7, "ab cd …\n"),
            (6, "ab cd…\n"),
            (3, "ab…\n"),
            (1, "…\n"),
            (0, "\n"),
        ] {
            let mut line = Line::new(style(columns));
            line.add(Ink::Plain, "ab ")
                .add(Ink::Ok, "cd ")
                .add(Ink::Plain, "ef");
            assert_eq!(written(line), expected, "{columns}");
        }
    }

    #[test]
    fn colour_wraps_words_and_ends_with_them() {
        let mut line = Line::new(Style {
            color: true,
            ..style(20)
        });
        line.add(Ink::Bad, "✗ bad").pad_to(10);
        assert_eq!(written(line), "\x1b[31m✗ bad\x1b[0m\n");
    }

    #[test]
    fn bars_have_half_steps_and_a_fixed_length() {
        assert_eq!(bar(0.25, 6), ("━╸".into(), "────".into()));
        assert_eq!(bar(7.0, 2), ("━━".into(), String::new()));
        assert_eq!(bar(f64::NAN, 2), (String::new(), "──".into()));
    }

    #[test]
    fn every_sign_has_an_ascii_form_of_one_column() {
        for c in "✓◐·↩✗‖━╸─│├└…×←".chars() {
            assert!(ascii(c).is_ascii() && ascii(c) != '?', "{c}");
            assert_eq!(columns(c), 1, "{c}");
        }
    }
}
