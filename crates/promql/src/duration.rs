//! Durations as PromQL writes them: `1h30m`, `5m`, `250ms`.

/// The units, longest first, each at most once and in this order.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration into milliseconds; `0` needs no unit.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total, mut next_unit) = (text, 0_i64, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = UNITS
            .iter()
            .position(|(name, _)| *name == &rest[..letters])?;
        if unit < next_unit {
            return None;
        }
        next_unit = unit + 1;
        total = total.checked_add(count.checked_mul(UNITS[unit].1)?)?;
        rest = &rest[letters..];
    }
    (!text.is_empty()).then_some(total)
}

/// Shows milliseconds as a duration, the longest units first.
pub(crate) fn format_duration(ms: i64) -> String {
    if ms == 0 {
        return "0s".into();
    }
    let (mut rest, mut text) = (ms.unsigned_abs(), String::new());
    if ms < 0 {
        text.push('-');
    }
    for (name, unit) in UNITS {
        let unit = unit.unsigned_abs();
        // A year or a week is written only where nothing is left of it.
        let exact = !matches!(name, "y" | "w") || rest % unit == 0;
        if exact && rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, ms) in [
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("0", 0),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Some(ms), "{text}");
        }
        for bad in [
            "",
            "5",
            "m",
            "5m1h",
            "1s1s",
            "-5m",
            "5x",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(format_duration(5_400_000), "1h30m");
        assert_eq!(format_duration(-90_000), "-1m30s");
        assert_eq!(format_duration(8 * 86_400_000), "8d");
    }
}
