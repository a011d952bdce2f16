//! Patterns and how a line fits one.

/// Is one sentence of a table.
pub(super) struct Sentence<T> {
    /// Words, and names in braces for what the story fills in. `{hosts}` takes a list with commas,
    /// `{clauses}` all that is left, every other one a single word or quotation. `note(s)` is `note` or
    /// `notes`.
    pub(super) pattern: &'static str,
    pub(super) make: fn(&Filled) -> Result<T, String>,
}

/// Is what filled the braces, in order.
pub(super) struct Filled(Vec<String>);

impl Filled {
    /// Returns the `n`-th, counted from 0.
    pub(super) fn get(&self, n: usize) -> &str {
        self.0.get(n).map_or("", String::as_str)
    }

    /// Returns it as what its type reads.
    pub(super) fn read<T: std::str::FromStr<Err = String>>(&self, n: usize) -> Result<T, String> {
        self.get(n).parse()
    }
}

/// Is a line, cut into words, quotations and commas.
#[derive(Clone, Debug)]
pub(super) struct Tokens(Vec<Token>);

#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    is_quoted: bool,
}

impl Tokens {
    /// Cuts a line up to its comment.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let mut tokens = vec![];
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            if first == '#' {
                break;
            }
            let (token, length) = match first {
                '"' => quotation(rest)?,
                ',' => (word(","), 1),
                _ => {
                    let end = rest.find(|c: char| c.is_whitespace() || c == ',');
                    let end = end.unwrap_or(rest.len());
                    (word(&rest[..end]), end)
                }
            };
            tokens.push(token);
            rest = rest[length..].trim_start();
        }
        Ok(Self(tokens))
    }

    pub(super) fn first(&self) -> Option<&str> {
        self.at(0)
    }

    pub(super) fn at(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(|token| token.text.as_str())
    }

    pub(super) fn rest(&self, from: usize) -> Tokens {
        Self(self.0.iter().skip(from).cloned().collect())
    }

    /// Writes them as a line again.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for token in &self.0 {
            if !text.is_empty() && token.text != "," {
                text.push(' ');
            }
            if token.is_quoted {
                text.push_str(&format!("\"{}\"", token.text));
            } else {
                text.push_str(&token.text);
            }
        }
        text
    }
}

fn word(text: &str) -> Token {
    Token {
        text: text.to_owned(),
        is_quoted: false,
    }
}

fn quotation(rest: &str) -> Result<(Token, usize), String> {
    let inside = &rest[1..];
    let end = inside
        .find('"')
        .ok_or_else(|| format!("the quotation {rest} does not end; close it with \""))?;
    let token = Token {
        text: inside[..end].to_owned(),
        is_quoted: true,
    };
    Ok((token, end + 2))
}

/// Returns what fills the pattern's braces if the tokens fit it.
pub(super) fn fit(pattern: &str, tokens: &Tokens) -> Option<Filled> {
    let mut filled = vec![];
    let mut left = tokens.0.as_slice();
    for part in pattern.split_whitespace() {
        match part {
            "{clauses}" => {
                filled.push(Tokens(left.to_vec()).text());
                left = &[];
            }
            "{hosts}" => {
                let (list, rest) = list(left)?;
                filled.push(list);
                left = rest;
            }
            _ => {
                let (token, rest) = left.split_first()?;
                let is_name = part.starts_with('{');
                let is_text = part == "{text}";
                if is_name && token.is_quoted == is_text && token.text != "," {
                    filled.push(token.text.clone());
                } else if is_name || !is_word(part, token) {
                    return None;
                }
                left = rest;
            }
        }
    }
    left.is_empty().then_some(Filled(filled))
}

fn is_word(part: &str, token: &Token) -> bool {
    let said = token.text.as_str();
    let plural = part.strip_suffix("(s)").is_some_and(|one| {
        said.strip_prefix(one)
            .is_some_and(|end| end.is_empty() || end == "s")
    });
    !token.is_quoted && (said == part || plural)
}

/// Takes `a, b, c`.
fn list(tokens: &[Token]) -> Option<(String, &[Token])> {
    let (first, mut rest) = tokens.split_first()?;
    let mut list = first.text.clone();
    while let [comma, next, after @ ..] = rest
        && comma.text == ","
    {
        list = format!("{list},{}", next.text);
        rest = after;
    }
    Some((list, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pattern: &str, line: &str) -> Option<Vec<String>> {
        fit(pattern, &Tokens::read(line).unwrap()).map(|filled| filled.0)
    }

    #[test]
    fn braces_take_words_quotations_and_lists() {
        let found = filled(
            "{version} ran only on {hosts}",
            "1.1 ran only on web-1, web-2 # yes",
        );
        assert_eq!(found.unwrap(), ["1.1", "web-1,web-2"]);
        let found = filled("why names {text}", "why names \"a # b\"");
        assert_eq!(found.unwrap(), ["a # b"]);
        assert_eq!(filled("why names {text}", "why names unquoted"), None);
        assert!(filled("got {number} quiet note(s)", "got 2 quiet notes").is_some());
        assert_eq!(filled("nobody was paged", "nobody was paged today"), None);
    }

    #[test]
    fn an_open_quotation_is_an_error() {
        assert!(
            Tokens::read("why names \"a")
                .unwrap_err()
                .contains("does not end")
        );
    }
}
