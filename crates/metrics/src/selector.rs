//! Which series are meant: `pay_total{result="failed",code=~"500|503"}`.
//!
//! This is Prometheus' instant vector selector with a metric name in front. Of its regular expressions
//! only a choice of literals is read, because that is what signals use and it needs no regex engine.

use std::fmt;
use std::str::FromStr;

use model::Labels;

/// Is a parsed selector; it shows itself as the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    name: String,
    matchers: Vec<Matcher>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Matcher {
    label: String,
    /// A missing label has the value "".
    any_of: Vec<String>,
    negated: bool,
}

/// Says where a selector cannot be read and what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} (at byte {at} of the selector)")]
pub struct SelectorError {
    pub at: usize,
    pub why: String,
}

/// What makes a regular expression more than a choice of literals.
const META: [char; 13] = [
    '.', '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$', '\\',
];

impl Selector {
    /// Reads a metric name and, in braces, label matchers with `=`, `!=`, `=~` and `!~`; the latter two
    /// take only a choice of literals such as `"a|b|c"`.
    ///
    /// # Errors
    /// Anything else, with the place and what is supported.
    ///
    /// ```
    /// let failed = metrics::Selector::parse(r#"pay_total{result=~"failed|lost"}"#).unwrap();
    /// assert_eq!(failed.name(), "pay_total");
    /// ```
    pub fn parse(text: &str) -> Result<Selector, SelectorError> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.skip_blanks();
        let name = cursor.name(|c| c == ':').ok_or_else(|| {
            cursor.error("a selector starts with a metric name, such as `pay_total`")
        })?;
        cursor.skip_blanks();
        let matchers = if cursor.take("{") {
            matchers(&mut cursor)?
        } else {
            Vec::new()
        };
        cursor.skip_blanks();
        if cursor.peek().is_some() {
            return Err(cursor.error(
                "the selector should end here; functions, ranges and operators are not supported, \
                 only a metric name and label matchers in braces",
            ));
        }
        Ok(Selector {
            text: text.trim().to_owned(),
            name: name.to_owned(),
            matchers,
        })
    }

    /// Returns the metric's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether a series with these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        labels.get("__name__") == self.name && self.matchers.iter().all(|m| m.matches(labels))
    }
}

impl Matcher {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.label);
        self.any_of.iter().any(|wanted| wanted == value) != self.negated
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Selector::parse(text)
    }
}

fn matchers(cursor: &mut Cursor<'_>) -> Result<Vec<Matcher>, SelectorError> {
    let mut matchers = Vec::new();
    loop {
        cursor.skip_blanks();
        if cursor.take("}") {
            return Ok(matchers);
        }
        matchers.push(matcher(cursor)?);
        cursor.skip_blanks();
        if !cursor.take(",") && cursor.peek() != Some('}') {
            return Err(cursor.error("a `,` or `}` is missing here"));
        }
    }
}

fn matcher(cursor: &mut Cursor<'_>) -> Result<Matcher, SelectorError> {
    let label = cursor
        .name(|_| false)
        .ok_or_else(|| cursor.error("a label name or `}` is missing here"))?;
    if label == "__name__" {
        return Err(cursor.error("`__name__` stands before the braces, not in them"));
    }
    cursor.skip_blanks();
    let (negated, choice) = operator(cursor)?;
    cursor.skip_blanks();
    let start = cursor.at;
    let value = cursor.quoted()?;
    let any_of = if choice {
        alternatives(&value).map_err(|why| SelectorError { at: start, why })?
    } else {
        vec![value]
    };
    Ok(Matcher {
        label: label.to_owned(),
        any_of,
        negated,
    })
}

/// Returns whether the operator negates and whether its value is a choice.
fn operator(cursor: &mut Cursor<'_>) -> Result<(bool, bool), SelectorError> {
    // The longer signs first: `=~` begins with `=`.
    for (sign, negated, choice) in [
        ("=~", false, true),
        ("!~", true, true),
        ("!=", true, false),
        ("=", false, false),
    ] {
        if cursor.take(sign) {
            return Ok((negated, choice));
        }
    }
    Err(cursor.error("one of `=`, `!=`, `=~` and `!~` is missing here"))
}

fn alternatives(value: &str) -> Result<Vec<String>, String> {
    match value.chars().find(|c| META.contains(c)) {
        None => Ok(value.split('|').map(str::to_owned).collect()),
        Some(sign) => Err(format!(
            "`{sign}` in {value:?} is more than `=~` and `!~` support here; write a choice of whole \
             values, such as \"500|502|503\""
        )),
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn name(&mut self, more: impl Fn(char) -> bool) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || more(c)))
            .unwrap_or(rest.len());
        let name = &rest[..length];
        if !name.starts_with(|c: char| !c.is_ascii_digit()) {
            return None;
        }
        self.at += length;
        Some(name)
    }

    fn quoted(&mut self) -> Result<String, SelectorError> {
        let rest = self.rest();
        let mut chars = rest.char_indices();
        let Some((_, quote @ ('"' | '\''))) = chars.next() else {
            return Err(self.error("a value in quotes is missing here"));
        };
        let mut value = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += at + 1;
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('\\' | '"' | '\''))) => value.push(c),
                    _ => {
                        self.at += at;
                        return Err(self.error("only the escapes \\\\, \\\", \\' and \\n are read"));
                    }
                },
                c => value.push(c),
            }
        }
        Err(self.error("this value has no closing quote"))
    }

    fn error(&self, why: &str) -> SelectorError {
        SelectorError {
            at: self.at,
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = Labels::new(labels.iter().copied()).unwrap();
        Selector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn matchers_compare_whole_values_and_a_missing_label_is_empty() {
        let failed = [("__name__", "pay_total"), ("result", "failed")];
        for (selector, expected) in [
            ("pay_total", true),
            (" pay_total { } ", true),
            ("pay", false),
            (r#"pay_total{result="failed"}"#, true),
            (r#"pay_total{result='failed',}"#, true),
            (r#"pay_total{result="fail"}"#, false),
            (r#"pay_total{result!="failed"}"#, false),
            (r#"pay_total{result=~"lost|failed"}"#, true),
            (r#"pay_total{result=~"fail"}"#, false),
            (r#"pay_total{result!~"lost|failed"}"#, false),
            (r#"pay_total{code=""}"#, true),
            (r#"pay_total{code!="500"}"#, true),
            (r#"pay_total{code=~"500|"}"#, true),
            (r#"pay_total{result="failed", code="500"}"#, false),
            (r#"pay_total{result="fa\"iled"}"#, false),
        ] {
            assert_eq!(matches(selector, &failed), expected, "{selector}");
        }
    }

    #[test]
    fn errors_name_the_place_and_what_is_supported() {
        for (selector, at, why) in [
            ("", 0, "starts with a metric name"),
            (r#"{a="b"}"#, 0, "starts with a metric name"),
            ("5xx", 0, "starts with a metric name"),
            ("sum(pay_total)", 3, "functions, ranges and operators"),
            ("pay_total[5m]", 9, "functions, ranges and operators"),
            (r#"a{b=~"5..|4.."}"#, 5, r#"such as "500|502|503""#),
            (r#"a{b!~"x|^y"}"#, 5, "`^` in"),
            (r#"a{b=~"x\\d"}"#, 5, "`\\` in"),
            ("a{b}", 3, "one of `=`"),
            ("a{b=c}", 4, "a value in quotes"),
            ("a{b=\"c}", 4, "no closing quote"),
            ("a{b=\"\\d\"}", 5, "escapes"),
            ("a{b=\"c\" d=\"e\"}", 8, "a `,` or `}`"),
            ("a{,}", 2, "a label name or `}`"),
            ("a{", 2, "a label name or `}`"),
            (r#"a{__name__="b"}"#, 10, "before the braces"),
        ] {
            let error = Selector::parse(selector).unwrap_err();
            assert_eq!(error.at, at, "{selector}: {error}");
            assert!(error.to_string().contains(why), "{selector}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_text_ends_in_a_selector_or_a_place_in_it(text in "[a{}=!~\"',\\\\ |é.0-9]{0,40}") {
            match Selector::parse(&text) {
                Ok(selector) => prop_assert_eq!(selector.to_string(), text.trim()),
                Err(error) => prop_assert!(text.is_char_boundary(error.at)),
            }
        }

        #[test]
        fn a_quoted_value_matches_itself_and_nothing_else(value in ".{1,20}", other in ".{1,20}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let selector = format!("a{{b=\"{escaped}\"}}");
            prop_assert!(matches(&selector, &[("__name__", "a"), ("b", &value)]));
            let same = matches(&selector, &[("__name__", "a"), ("b", &other)]);
            prop_assert_eq!(same, value == other);
        }
    }
}
