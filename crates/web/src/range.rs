//! Which part of a file a call asks for: the header `Range` (RFC 9110, section 14).

use axum::http::{HeaderMap, header};

/// Is what is sent of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: no range was asked for, or one we need not understand.
    Whole,
    /// From the byte `from` on, `length` bytes; at least one.
    Bytes { from: u64, length: u64 },
    /// The file ends before the range begins.
    Beyond,
}

/// Returns what to send of a file of `size` bytes. Several ranges at once, another unit and a range with
/// a condition are answered with the whole, as the standard allows.
pub(crate) fn asked(headers: &HeaderMap, size: u64) -> Part {
    if headers.contains_key(header::IF_RANGE) {
        return Part::Whole;
    }
    let range = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
    range
        .and_then(|range| part(range, size))
        .unwrap_or(Part::Whole)
}

fn part(range: &str, size: u64) -> Option<Part> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (from, end) = match (first, last) {
        ("", last) => (size.saturating_sub(number(last)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(match end.checked_sub(from) {
        Some(length) if length > 0 => Part::Bytes { from, length },
        _ => Part::Beyond,
    })
}

/// Reads digits; more than fit are as good as the largest number there is.
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_ten(range: &str) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        asked(&headers, 10)
    }

    #[test]
    fn a_range_is_cut_to_the_file() {
        let bytes = |from, length| Part::Bytes { from, length };
        for (range, part) in [
            ("bytes=0-", bytes(0, 10)),
            ("bytes=4-", bytes(4, 6)),
            ("Bytes=4-6", bytes(4, 3)),
            ("bytes=9-99", bytes(9, 1)),
            ("bytes=-3", bytes(7, 3)),
            ("bytes=-30", bytes(0, 10)),
            ("bytes=0-18446744073709551615", bytes(0, 10)),
        ] {
            assert_eq!(of_ten(range), part, "{range}");
        }
    }

    #[test]
    fn a_range_behind_the_end_is_beyond() {
        for range in [
            "bytes=10-",
            "bytes=99-100",
            "bytes=-0",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(of_ten(range), Part::Beyond, "{range}");
        }
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_the_whole() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=6-4",
            "bytes=1-2,4-5",
            "lines=1-2",
            "bytes=a-",
            "bytes=+1-",
            "bytes=1 -2",
        ] {
            assert_eq!(of_ten(range), Part::Whole, "{range}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=4-".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"x\"".parse().unwrap());
        assert_eq!(asked(&headers, 10), Part::Whole);
    }
}
