//! What a YAML scalar means under the core schema of YAML 1.2: `on`, `no` and `off` are text.

/// Is a scalar with its quotes and escapes resolved.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Not quoted and no block: only such a scalar can be anything but text.
    pub(super) plain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    Truth,
    Number,
    Text,
}

impl Scalar {
    pub(super) fn kind(&self) -> Kind {
        match self.text.as_str() {
            _ if !self.plain => Kind::Text,
            "" | "~" | "null" | "Null" | "NULL" => Kind::Nothing,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Kind::Truth,
            text if number(text).is_some() => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// Returns the truth value of a scalar of that kind.
    pub(super) fn truth(&self) -> Option<bool> {
        (self.kind() == Kind::Truth).then(|| self.text.eq_ignore_ascii_case("true"))
    }

    /// Returns the number as it is written, for a scalar of that kind.
    pub(super) fn number(&self) -> Option<Number> {
        self.plain.then(|| number(&self.text)).flatten()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Fraction(f64),
}

impl Number {
    pub(super) fn whole(self) -> Option<i128> {
        match self {
            Number::Whole(n) => Some(n),
            Number::Fraction(_) => None,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "shares and margins are small numbers"
    )]
    pub(super) fn fraction(self) -> f64 {
        match self {
            Number::Whole(n) => n as f64,
            Number::Fraction(x) => x,
        }
    }
}

fn number(text: &str) -> Option<Number> {
    let based = |digits: &str, radix| {
        let unsigned = !digits.starts_with(['+', '-']);
        unsigned
            .then(|| i128::from_str_radix(digits, radix).ok())
            .flatten()
    };
    let whole = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(octal), _) => based(octal, 8),
        (_, Some(hexadecimal)) => based(hexadecimal, 16),
        _ => text.parse().ok(),
    };
    whole
        .map(Number::Whole)
        .or_else(|| fraction(text).map(Number::Fraction))
}

/// Reads what the core schema calls a float. Rust's own reader also takes `inf`, `nan` and `infinity`,
/// which are text here.
fn fraction(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let starts_as_one = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    starts_as_one.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        Scalar {
            text: text.to_owned(),
            plain: true,
        }
        .kind()
    }

    #[test]
    fn only_the_words_of_yaml_1_2_are_special() {
        for text in [
            "yes", "no", "on", "off", "inf", "nan", "0b1", "1_000", "12:30", "+0x1", ".",
        ] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
        for text in [
            "1", "-7", "+3", "0o17", "0xfF", "1.5", ".5", "5.", "1e3", "-.inf", ".NaN",
        ] {
            assert_eq!(kind(text), Kind::Number, "{text}");
        }
        assert_eq!([kind("True"), kind("NULL")], [Kind::Truth, Kind::Nothing]);
    }

    #[test]
    fn quotes_make_text() {
        let quoted = Scalar {
            text: "8".to_owned(),
            plain: false,
        };
        assert_eq!((quoted.kind(), quoted.number()), (Kind::Text, None));
    }
}
