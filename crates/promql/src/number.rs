//! Numbers as PromQL writes them.

/// Is what Prometheus stores where a series ended; no other sample has these bits.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Returns the value that marks the end of a series.
pub const fn stale_marker() -> f64 {
    f64::from_bits(STALE)
}

pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE
}

/// Reads a number: decimal with or without exponent, hexadecimal with `0x`, `Inf` and `NaN` in any case, `_` between
/// digits.
pub fn parse_number(text: &str) -> Option<f64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = unsigned(digits)?;
    Some(if negative { -value } else { value })
}

fn unsigned(text: &str) -> Option<f64> {
    if text.eq_ignore_ascii_case("inf") {
        return Some(f64::INFINITY);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    let first = *text.as_bytes().first()?;
    if !first.is_ascii_digit() && first != b'.' {
        return None;
    }
    let text = without_underscores(text)?;
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let Some(hex) = hex {
        return whole(hex, 16);
    }
    // As in C, a leading zero means octal where all digits are such.
    if text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| (b'0'..b'8').contains(&b)) {
        return whole(&text[1..], 8);
    }
    text.parse().ok()
}

fn whole(digits: &str, radix: u32) -> Option<f64> {
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    // Over 64 bits the field's own readers refuse as well.
    is_number
        .then(|| u64::from_str_radix(digits, radix).ok())?
        .map(|n| n as f64)
}

/// Takes `_` out, which may stand between digits only.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_hexdigit);
    let all_between = bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'_')
        .all(|(at, _)| {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at));
            let after_prefix = at == 2 && matches!(bytes[1], b'x' | b'X');
            (is_digit(before) || after_prefix) && is_digit(bytes.get(at + 1))
        });
    all_between.then(|| text.replace('_', ""))
}

/// Shows a number in the shortest plain form that reads back as the same, without an exponent.
pub fn format_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 {
            "+Inf".into()
        } else {
            "-Inf".into()
        }
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_form() {
        for (text, value) in [
            ("1", 1.0),
            ("-0.5", -0.5),
            (".5", 0.5),
            ("1.", 1.0),
            ("1e3", 1000.0),
            ("0x1F", 31.0),
            ("0755", 493.0),
            ("1_000", 1000.0),
            ("+Inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse_number(text), Some(value), "{text}");
        }
        assert!(parse_number("nan").unwrap().is_nan());
        for bad in [
            "", "-", "1_", "_1", "0x", "1__0", "abc", "infinity", "1e", "0x1p3",
        ] {
            assert_eq!(parse_number(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_number_is_shown_without_exponent() {
        assert_eq!(format_number(1e21), "1000000000000000000000");
        assert_eq!(format_number(0.1), "0.1");
        assert_eq!(format_number(-0.0), "-0");
        assert_eq!(format_number(f64::NEG_INFINITY), "-Inf");
    }
}
