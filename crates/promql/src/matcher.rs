//! Which series are meant.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// What a compiled regular expression may take.
const REGEX_BYTES: usize = 1 << 20;

/// Is a condition on one label; a missing label has the value "".
#[derive(Clone, Debug)]
pub struct Matcher {
    pub label: String,
    pub op: Op,
    pub value: String,
    /// There for `=~` and `!~`.
    regex: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Equal,
    NotEqual,
    Matches,
    NotMatches,
}

impl Matcher {
    /// Makes a matcher; regular expressions are anchored at both ends and `.` matches a newline.
    ///
    /// # Errors
    /// A regular expression that cannot be read, or that would take too much memory.
    pub fn new(label: &str, op: Op, value: &str) -> Result<Self, String> {
        let regex = match op {
            Op::Equal | Op::NotEqual => None,
            Op::Matches | Op::NotMatches => Some(anchored(value)?),
        };
        Ok(Self {
            label: label.to_owned(),
            op,
            value: value.to_owned(),
            regex,
        })
    }

    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            Op::Equal => value == self.value,
            Op::NotEqual => value != self.value,
            Op::Matches => self
                .regex
                .as_ref()
                .is_some_and(|regex| regex.is_match(value)),
            Op::NotMatches => !self
                .regex
                .as_ref()
                .is_some_and(|regex| regex.is_match(value)),
        }
    }
}

/// Compiles a regular expression that has to match a whole value.
pub(crate) fn anchored(pattern: &str) -> Result<Regex, String> {
    // Alone first: `)|(` reads as something else between the anchors.
    compile(pattern)
        .and_then(|_| compile(&format!("^(?s:{pattern})$")))
        .map_err(|why| match why {
            regex::Error::CompiledTooBig(bytes) => {
                format!("the regular expression {pattern:?} takes more than {bytes} bytes")
            }
            other => {
                let why = other.to_string();
                let why = why
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ");
                format!("invalid regular expression {pattern:?}: {why}")
            }
        })
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build()
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.op, &self.value) == (&other.label, other.op, &other.value)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Matches => "=~",
            Op::NotMatches => "!~",
        })
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = crate::print::label_name(&self.label);
        write!(f, "{label}{}{}", self.op, crate::print::quoted(&self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_matches_the_whole_value_and_newlines() {
        let matcher = Matcher::new("a", Op::Matches, "b.c|d").unwrap();
        assert!(matcher.matches("b\nc") && matcher.matches("d"));
        assert!(!matcher.matches("xd") && !matcher.matches("bxcd"));
        let not = Matcher::new("a", Op::NotMatches, ".+").unwrap();
        assert!(not.matches("") && !not.matches("x"));
    }

    #[test]
    fn a_pattern_that_is_none_or_a_bomb_is_refused() {
        for bad in ["(", "a{1000}{1000}{1000}", "*", ")|("] {
            assert!(Matcher::new("a", Op::Matches, bad).is_err(), "{bad}");
        }
    }
}
