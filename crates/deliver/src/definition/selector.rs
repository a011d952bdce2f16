//! Checks a series selector lightly: a name, and braces whose quotes are closed.
//!
//! The reader of the whole language is the metrics crate's; this one finds at sending time what a person
//! gets wrong, such as a function where only a counter's name can stand.

use super::at::At;

pub(super) fn selector(at: At) -> Option<String> {
    let text = at.text()?.trim();
    match fault_in(text) {
        None => Some(text.to_owned()),
        Some((what, remedy)) => {
            at.fault(format!("`{}` {what}", at.written()), remedy);
            None
        }
    }
}

fn fault_in(text: &str) -> Option<(&'static str, &'static str)> {
    const NAME: &str = "begin with the counter's name: pay_total{result=\"failed\"}";
    const COUNTER: &str = "name the counter alone, without functions or a time range; its increase is taken by the judge";
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !in_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = rest.trim_start();
    match rest.chars().next() {
        _ if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(("does not begin with a metric's name", NAME))
        }
        None => None,
        Some('{') => match after_braces(rest) {
            None => Some((
                "does not close its braces or quotes",
                "write {label=\"value\"}",
            )),
            Some("") => None,
            Some(_) => Some(("goes on after its braces", COUNTER)),
        },
        Some(_) => Some(("is not a single counter", COUNTER)),
    }
}

/// Returns what follows the closing brace; a brace within quotes closes nothing.
fn after_braces(text: &str) -> Option<&str> {
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '}') => return Some(text[i + 1..].trim()),
            (None, '{') => return None,
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_of_one_counter_pass() {
        for text in [
            "pay_total",
            "job:pay:total",
            r#"pay_total{result="failed"}"#,
            r#"pay_total {result=~"a|}", path='\'x'}"#,
            "pay_total{}",
        ] {
            assert_eq!(fault_in(text), None, "{text}");
        }
    }

    #[test]
    fn everything_else_is_named() {
        for (text, what) in [
            (r#"{__name__="x"}"#, "does not begin"),
            ("1x", "does not begin"),
            ("rate(pay_total[5m])", "is not a single counter"),
            ("a + b", "is not a single counter"),
            ("pay_total[5m]", "is not a single counter"),
            (r#"pay_total{a="b"}[5m]"#, "goes on"),
            (r#"pay_total{a="b}"#, "does not close"),
            (r#"pay_total{{a="b"}"#, "does not close"),
        ] {
            let (found, _) = fault_in(text).unwrap();
            assert!(found.starts_with(what), "{text}: {found}");
        }
    }
}
