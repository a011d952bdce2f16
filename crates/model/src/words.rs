//! Numbers, durations, names and other people's text, as they stand in a sentence.
//!
//! Everything that is read by a person (messages, the journal, the command line) uses these, so that
//! the same number looks the same everywhere.

use std::fmt::Display;
use std::time::Duration;

use crate::{Timestamp, Version};

/// Characters of somebody else's text that fit in a sentence of ours; the whole text stays in the entry.
const LINE_CHARS: usize = 300;
/// Names in a list before the rest is only counted.
const NAMES: usize = 4;

/// Writes a whole number with separators: `3,120`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a number of things: `1 host`, `8 hosts`; the plural of `one` is made with an s.
pub fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Writes how far a set of hosts is: `1 of 1 host is`, `7 of 8 hosts are`.
fn hosts_are(n: usize, of: usize) -> String {
    let hosts = counted(of as u64, "host");
    format!(
        "{n} of {hosts} {}",
        if n == 1 || of == 1 { "is" } else { "are" }
    )
}

/// Writes how far an undo is: `1 of 1 host is back on 1.0`; without a release to go back to, how many
/// have stopped.
pub fn are_back(n: usize, of: usize, to: Option<&Version>) -> String {
    match to {
        Some(version) => format!("{} back on {version}", hosts_are(n, of)),
        None => format!("{} stopped", hosts_are(n, of)),
    }
}

/// Writes which way an undo goes: `1 host goes back to 1.0`.
pub fn way_back(hosts: usize, to: Option<&Version>) -> String {
    let many = counted(hosts as u64, "host");
    match (to, hosts) {
        (Some(version), 1) => format!("{many} goes back to {version}"),
        (Some(version), _) => format!("{many} go back to {version}"),
        (None, 1) => format!("{many} stops it, since nothing is to run there"),
        (None, _) => format!("{many} stop it, since nothing is to run there"),
    }
}

/// Writes a share of 0 to 1 with digits that mean something: `12.4 %`, `0.11 %`, `0.0 %` for none.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        return "an unknown share".to_owned();
    }
    match percent {
        p if p > 0.0 && p < 0.005 => "under 0.01 %".to_owned(),
        p if (99.95..100.0).contains(&p) => "over 99.9 %".to_owned(),
        p if p >= 100.0 => format!("{p:.0} %"),
        p if p > 0.0 && p < 0.995 => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}

/// Writes a ratio of odds: `1.25 times`, `3.8 times`, `25 times`.
pub fn times(odds: f64) -> String {
    if !odds.is_finite() {
        return "an unknown number of times".to_owned();
    }
    if odds >= 1_000.0 {
        return "over 1,000 times".to_owned();
    }
    let digits = match odds {
        o if o < 2.0 => 2,
        o if o < 10.0 => 1,
        _ => 0,
    };
    format!("{} times", decimal(odds, digits))
}

/// Writes a number with at most `digits` decimals: `1.4`, `2`.
pub fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Writes the confidence that goes with an error rate: `99 %` for 0.01.
pub fn confidence(alpha: f64) -> String {
    format!("{} %", decimal((1.0 - alpha) * 100.0, 2))
}

/// Writes a duration inside a sentence: `0.4 s`, `12 s`, `1 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub fn duration(duration: Duration) -> String {
    let s = duration.as_secs();
    let pair = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    };
    match s {
        0..10 if duration.subsec_millis() >= 50 => {
            format!("{} s", decimal(duration.as_secs_f64(), 1))
        }
        0..60 => format!("{s} s"),
        60..3_600 => pair(s / 60, "min", s % 60, "s"),
        3_600..86_400 => pair(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => pair(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

/// Writes a point in time as read at `now`: `14:01:07 UTC`, with the date when it is another day.
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let (text, today) = (at.to_string(), now.to_string());
    let day = text.get(..10).filter(|day| today.get(..10) != Some(day));
    match day {
        Some(day) => format!("{day} {} UTC", at.time_of_day()),
        None => format!("{} UTC", at.time_of_day()),
    }
}

/// Writes a list: `web-8`, `web-7 and web-8`, `web-1, web-2, web-3, web-4 and 9 others`.
pub fn names<T: Display>(items: &[T]) -> String {
    let shown = if items.len() <= NAMES + 1 {
        items.len()
    } else {
        NAMES
    };
    let mut parts: Vec<String> = items[..shown].iter().map(T::to_string).collect();
    if items.len() > shown {
        parts.push(format!("{} others", items.len() - shown));
    }
    match parts.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
    }
}

/// Makes somebody else's text fit for a sentence of ours: one line, no control or direction
/// characters, no full stop at the end, not longer than a few lines of a terminal.
pub fn line(text: &str) -> String {
    let harmless = |c: char| {
        let unsafe_char = c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if unsafe_char { ' ' } else { c }
    };
    let spaced: String = text.chars().map(harmless).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_separators_and_their_plural() {
        assert_eq!(
            [count(0), count(999), count(3_120), count(1_234_567)],
            ["0", "999", "3,120", "1,234,567"]
        );
        assert_eq!(
            [
                counted(1, "host"),
                counted(0, "host"),
                counted(1_540, "request")
            ],
            ["1 host", "0 hosts", "1,540 requests"]
        );
    }

    #[test]
    fn an_undo_names_where_it_goes() {
        let old: Version = "1.0".parse().unwrap();
        assert_eq!(
            [
                are_back(1, 1, Some(&old)),
                are_back(7, 8, Some(&old)),
                are_back(2, 2, None),
                way_back(1, Some(&old)),
                way_back(2, Some(&old)),
                way_back(1, None),
            ],
            [
                "1 of 1 host is back on 1.0",
                "7 of 8 hosts are back on 1.0",
                "2 of 2 hosts are stopped",
                "1 host goes back to 1.0",
                "2 hosts go back to 1.0",
                "1 host stops it, since nothing is to run there",
            ]
        );
    }

    #[test]
    fn shares_keep_the_digits_that_matter() {
        let of = [0.0, 0.000_01, 0.0011, 0.00999, 0.032, 0.124, 0.999_9, 1.0];
        assert_eq!(
            of.map(percent),
            [
                "0.0 %",
                "under 0.01 %",
                "0.11 %",
                "1.0 %",
                "3.2 %",
                "12.4 %",
                "over 99.9 %",
                "100 %"
            ]
        );
        assert_eq!(percent(f64::NAN), "an unknown share");
    }

    #[test]
    fn odds_of_the_judges_grid_are_never_rounded_up() {
        assert_eq!(
            [1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 3.84, 10.0, 24.6].map(times),
            [
                "1.05 times",
                "1.1 times",
                "1.25 times",
                "1.5 times",
                "2 times",
                "3 times",
                "3.8 times",
                "10 times",
                "25 times"
            ]
        );
        assert_eq!(times(1e9), "over 1,000 times");
        assert_eq!(times(f64::INFINITY), "an unknown number of times");
        assert_eq!(
            [0.01, 0.05, 0.0005].map(confidence),
            ["99 %", "95 %", "99.95 %"]
        );
    }

    #[test]
    fn durations_name_their_units() {
        let of = |ms| duration(Duration::from_millis(ms));
        assert_eq!(
            [of(0), of(400), of(5_000), of(12_300), of(65_000)],
            ["0 s", "0.4 s", "5 s", "12 s", "1 min 5 s"]
        );
        assert_eq!(
            [of(600_000), of(7_800_000), of(273_600_000)],
            ["10 min", "2 h 10 min", "3 d 4 h"]
        );
    }

    #[test]
    fn a_time_of_another_day_carries_its_date() {
        let at: Timestamp = "2026-11-19T14:01:07Z".parse().unwrap();
        assert_eq!(moment(at, at + Duration::from_secs(60)), "14:01:07 UTC");
        assert_eq!(
            moment(at, at + Duration::from_secs(86_400)),
            "2026-11-19 14:01:07 UTC"
        );
    }

    #[test]
    fn long_lists_end_in_a_number() {
        let hosts: Vec<String> = (1..=13).map(|n| format!("web-{n}")).collect();
        assert_eq!(names(&hosts[..0]), "");
        assert_eq!(names(&hosts[..1]), "web-1");
        assert_eq!(names(&hosts[..2]), "web-1 and web-2");
        assert_eq!(names(&hosts[..5]), "web-1, web-2, web-3, web-4 and web-5");
        assert_eq!(names(&hosts), "web-1, web-2, web-3, web-4 and 9 others");
    }

    #[test]
    fn foreign_text_becomes_one_harmless_line() {
        assert_eq!(
            line(" disk full.\n\u{1b}[31mno\u{202e} "),
            "disk full. [31mno"
        );
        let long = line(&"ä".repeat(1_000));
        assert_eq!(long.chars().count(), LINE_CHARS + 1);
        assert!(long.ends_with('…'));
    }
}
