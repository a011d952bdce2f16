//! Points of a series as scripts write them: `1 2 _ 3+2x5 stale`.

use crate::number::{parse_number, stale_marker};

/// How many points one series of a script may have.
const POINTS: usize = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sample {
    Number(f64),
    /// Its value is not read: nothing evaluates it yet.
    Histogram,
}

/// Reads points; none stands for a gap.
pub(super) fn read(text: &str) -> Result<Vec<Option<Sample>>, String> {
    let mut points = Vec::new();
    for word in words(text)? {
        let (first, step, more) = split(word)?;
        if points.len() + more >= POINTS {
            return Err(format!("more than {POINTS} points"));
        }
        match first {
            Some(Sample::Number(mut value)) => {
                points.push(Some(Sample::Number(value)));
                for _ in 0..more {
                    value += step;
                    points.push(Some(Sample::Number(value)));
                }
            }
            Some(Sample::Histogram) => points.extend(vec![first; more + 1]),
            // Gaps are counted, all else is counted from its first point.
            None => points.extend(vec![None; more.max(1)]),
        }
    }
    Ok(points)
}

/// Splits at blanks outside `{{…}}`.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let (mut words, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let mut end = 0;
        loop {
            let blank = rest[end..]
                .find(char::is_whitespace)
                .map_or(rest.len(), |at| end + at);
            match rest[end..blank].find("{{") {
                Some(open) => {
                    let close = rest[end + open..].find("}}").ok_or("`{{` without `}}`")?;
                    end += open + close + 2;
                }
                None => {
                    end = blank;
                    break;
                }
            }
        }
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

/// Splits a word into its first point, what is added for each further one, and how many further ones there are.
fn split(word: &str) -> Result<(Option<Sample>, f64, usize), String> {
    let unknown = || format!("`{word}` is no point");
    let outside = word.rfind("}}").map_or(0, |end| end + 2);
    // `0x10` is ten more times 0, and `0x1f` a number.
    let is_count = |at: usize| word[at + 1..].bytes().all(|byte| byte.is_ascii_digit());
    let times = word[outside..]
        .rfind('x')
        .map(|at| at + outside)
        .filter(|at| is_count(*at));
    let (value, more) = match times {
        Some(at) => (&word[..at], word[at + 1..].parse().map_err(|_| unknown())?),
        None => (word, 0),
    };
    if value == "_" {
        return Ok((None, 0.0, more));
    }
    if value == "stale" {
        return Ok((Some(Sample::Number(stale_marker())), 0.0, more));
    }
    if value.starts_with("{{") {
        return Ok((Some(Sample::Histogram), 0.0, more));
    }
    if let Some(number) = parse_number(value) {
        return Ok((Some(Sample::Number(number)), 0.0, more));
    }
    // A sign between the two, which is not that of an exponent.
    let bytes = value.as_bytes();
    let sign = (1..bytes.len()).find(|at| {
        matches!(bytes[*at], b'+' | b'-')
            && (!matches!(bytes[at - 1], b'e' | b'E') || value[..*at].starts_with("0x"))
    });
    let sign = sign.ok_or_else(unknown)?;
    let first = parse_number(&value[..sign]).ok_or_else(unknown)?;
    let step = parse_number(&value[sign..]).ok_or_else(unknown)?;
    Ok((Some(Sample::Number(first)), step, more))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<Option<f64>> {
        let number = |sample: Option<Sample>| match sample {
            Some(Sample::Number(value)) => Some(value),
            Some(Sample::Histogram) => panic!("{text}"),
            None => None,
        };
        read(text).unwrap().into_iter().map(number).collect()
    }

    #[test]
    fn points_are_repeated_and_counted_on() {
        assert_eq!(
            numbers("1 _ 2x2"),
            [Some(1.0), None, Some(2.0), Some(2.0), Some(2.0)]
        );
        assert_eq!(numbers("0+10x2"), [Some(0.0), Some(10.0), Some(20.0)]);
        assert_eq!(numbers("1-1x1 _x2"), [Some(1.0), Some(0.0), None, None]);
        assert_eq!(
            numbers("0x1f 1e-3 Inf"),
            [Some(31.0), Some(0.001), Some(f64::INFINITY)]
        );
        assert_eq!(numbers("0x2"), [Some(0.0); 3]);
        assert_eq!(read("{{schema:0 sum:5}}x2 1").unwrap().len(), 4);
        assert!(read("1x").is_err() && read("{{ 1").is_err() && read("abc").is_err());
    }
}
