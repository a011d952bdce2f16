//! Text from outside made safe, and how many columns it takes.

/// Returns the text on one line with everything that could steer a terminal written out.
///
/// White space becomes a space. Control characters, characters that are invisible or change the
/// direction of writing, and marks that combine with the character before them become their escape:
/// `\u{1b}`. They are those `char::escape_debug` escapes, so the list grows with Unicode.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            c if c.is_whitespace() => out.push(' '),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

/// Returns the columns a terminal needs for a printable character, one too many where in doubt.
///
/// A line that is believed too wide is cut a little early; one believed too narrow would wrap and
/// shift every redraw after it.
pub(super) fn columns(c: char) -> usize {
    match c {
        '\0'..='\u{10ff}' => 1,
        // Punctuation, arrows, mathematical signs, and lines and blocks.
        '\u{2010}'..='\u{2027}' | '\u{2190}'..='\u{22ff}' | '\u{2500}'..='\u{259f}' => 1,
        '✓' | '✗' | '◐' => 1,
        _ => 2,
    }
}

pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Cuts text to `most` columns; what was cut is marked with `…`.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(1);
    let kept = text.chars().take_while(|&c| {
        let fits = columns(c) <= left;
        left = left.saturating_sub(columns(c));
        fits
    });
    let marker = if most == 0 { "" } else { "…" };
    kept.collect::<String>() + marker
}

/// Breaks text at spaces into lines of at most `most` columns.
///
/// A word that is wider stands alone on its line, whole: a cut address or command is worthless.
pub(super) fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && width(&line) + 1 + width(word) > most {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Returns `1 host`, `5 hosts`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Returns a duration in whole seconds, so that a running clock does not jitter.
pub(super) fn clock(duration: std::time::Duration) -> String {
    model::time::short(std::time::Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_written_out() {
        assert_eq!(
            plain("a\x1b[2Jb\u{9b}1mc\u{7}"),
            "a\\u{1b}[2Jb\\u{9b}1mc\\u{7}"
        );
        assert_eq!(plain("one\ntwo\tthree\r\n"), "one two three  ");
        assert_eq!(plain("left\u{202e}right"), "left\\u{202e}right");
        assert_eq!(plain("it's \"5 %\" → née\\"), "it's \"5 %\" → née\\");
    }

    #[test]
    fn cut_text_says_so_and_fits() {
        assert_eq!(cut("production", 10), "production");
        assert_eq!(cut("production", 5), "prod…");
        assert_eq!(cut("日本語の文", 4), "日…");
        assert_eq!((cut("ab", 1).as_str(), cut("ab", 0).as_str()), ("…", ""));
    }

    #[test]
    fn words_wider_than_the_line_stay_whole() {
        assert_eq!(
            wrap("see http://127.0.0.1:7700/c/2 now", 10),
            ["see", "http://127.0.0.1:7700/c/2", "now"]
        );
        assert!(wrap("  ", 10).is_empty());
    }
}
