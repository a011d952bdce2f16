//! The Prometheus text exposition, version 0.0.4: what a service answers when it is scraped.
//!
//! Source: Prometheus documentation, "Exposition formats". Comments, `HELP` and `TYPE` are skipped, and
//! so is the `# EOF` that OpenMetrics ends with. As in Prometheus' own scraper the last line need not
//! end with a line feed.

use std::collections::BTreeSet;

/// Is one line of an exposition.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    pub name: String,
    /// In the order of the line; names unique and never `__name__`, values unescaped and possibly empty.
    pub labels: Vec<(String, String)>,
    /// May be NaN or infinite.
    pub value: f64,
    /// Milliseconds since 1970, when the service says so itself; usually it does not.
    pub at_ms: Option<i64>,
}

/// Says which line cannot be read and why; one such line fails the whole scrape, because half of a
/// scrape would look like counters that vanished.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the exposition: {why}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    pub why: String,
}

/// Reads an exposition; the samples come in the order of the text.
///
/// # Errors
/// The first line that is not in the format.
///
/// ```
/// let samples = wire::exposition::parse("pay_total{result=\"paid\"} 3\n").unwrap();
/// assert_eq!((samples[0].name.as_str(), samples[0].value), ("pay_total", 3.0));
/// ```
pub fn parse(text: &str) -> Result<Vec<Sample>, ParseError> {
    let mut samples = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let rest = skip_blanks(line);
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        let sample = sample(rest).map_err(|why| ParseError {
            line: index + 1,
            why,
        })?;
        samples.push(sample);
    }
    Ok(samples)
}

fn sample(line: &str) -> Result<Sample, String> {
    let (name, rest) = take_name(line, |c| c == ':').ok_or_else(|| {
        format!(
            "`{}` does not start with a metric name; one holds letters, digits, `_` and `:`, and \
             starts with no digit",
            excerpt(line)
        )
    })?;
    let rest = skip_blanks(rest);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
    let value = value(words.next())?;
    let at_ms = words.next().map(time).transpose()?;
    if let Some(more) = words.next() {
        return Err(format!(
            "`{}` stands after the time; a line ends there",
            excerpt(more)
        ));
    }
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value,
        at_ms,
    })
}

fn value(word: Option<&str>) -> Result<f64, String> {
    let word = word.ok_or("there is no value")?;
    // Rust reads what Go's ParseFloat reads here, `+Inf` and `NaN` in any case included.
    word.parse().map_err(|_| {
        format!(
            "`{}` is no value; it is a number, NaN, +Inf or -Inf",
            excerpt(word)
        )
    })
}

fn time(word: &str) -> Result<i64, String> {
    word.parse().map_err(|_| {
        format!(
            "`{}` is no time; it is a whole number of milliseconds since 1970",
            excerpt(word)
        )
    })
}

type Pairs = Vec<(String, String)>;

/// Reads what follows `{`, up to and with `}`; returns the pairs and the rest of the line.
fn labels(inside: &str) -> Result<(Pairs, &str), String> {
    let mut pairs = Pairs::new();
    let mut rest = skip_blanks(inside);
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            refuse_duplicates(&pairs)?;
            return Ok((pairs, after));
        }
        let (pair, after) = pair(rest)?;
        pairs.push(pair);
        rest = skip_blanks(after);
        if let Some(after) = rest.strip_prefix(',') {
            rest = skip_blanks(after);
        } else if !rest.starts_with('}') {
            return Err(format!(
                "a `,` or `}}` is missing before `{}`",
                excerpt(rest)
            ));
        }
    }
}

fn pair(text: &str) -> Result<((String, String), &str), String> {
    let (name, rest) = take_name(text, |_| false)
        .ok_or_else(|| format!("a label name is missing before `{}`", excerpt(text)))?;
    if name == "__name__" {
        return Err("`__name__` is no label of a sample; the name stands before the `{`".into());
    }
    let quoted = skip_blanks(rest)
        .strip_prefix('=')
        .map(skip_blanks)
        .and_then(|after| after.strip_prefix('"'))
        .ok_or_else(|| format!("`=\"` is missing after label `{name}`"))?;
    let (value, rest) = unescape(quoted).map_err(|why| format!("label `{name}`: {why}"))?;
    Ok(((name.to_owned(), value), rest))
}

/// Reads a label value up to and with its closing quote.
fn unescape(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match chars.next().map(|(_, c)| c) {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                Some(c) => return Err(format!("`\\{}` is no escape", c.escape_debug())),
                None => break,
            }),
            c => value.push(c),
        }
    }
    Err("the value has no closing quote".into())
}

fn refuse_duplicates(pairs: &Pairs) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    match pairs.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(format!("label `{name}` stands there twice")),
        None => Ok(()),
    }
}

fn take_name(text: &str, more: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || more(c)))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let first = name.chars().next()?;
    (!first.is_ascii_digit()).then_some((name, rest))
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// Returns the beginning of a text for an error message, without control characters.
fn excerpt(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
