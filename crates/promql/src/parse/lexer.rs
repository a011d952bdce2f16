//! Tokens of the language.

use std::iter::Peekable;
use std::str::CharIndices;

use crate::ast::Pos;
use crate::duration::parse_duration;
use crate::error::Failed;
use crate::number::parse_number;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) pos: Pos,
    pub(crate) what: Tok,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok {
    /// A name or a keyword: the two are told apart by where they stand.
    Word(String),
    Number(f64),
    /// In milliseconds.
    Duration(i64),
    Text(String),
    /// Parentheses, operators and the like, as they are written.
    Sign(&'static str),
}

/// The signs, longer ones before those they begin with.
const SIGNS: [&str; 25] = [
    ">/", "</", "==", "!=", "=~", "!~", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", "=", "<",
    ">", "+", "-", "*", "/", "%", "^", "@",
];

/// Splits a text into tokens; comments are left out.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Failed> {
    let mut lexer = Lexer {
        text,
        chars: text.char_indices().peekable(),
        in_brackets: false,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    /// Between `[` and `]` a colon separates range and step.
    in_brackets: bool,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Option<Token>, Failed> {
        self.skip_blanks();
        let Some(&(start, first)) = self.chars.peek() else {
            return Ok(None);
        };
        let what = match first {
            '"' | '\'' | '`' => self.quoted(start, first)?,
            c if c.is_ascii_digit() => self.number(start)?,
            '.' if self.text[start + 1..].starts_with(|c: char| c.is_ascii_digit()) => {
                self.number(start)?
            }
            ':' if self.in_brackets => {
                self.chars.next();
                Tok::Sign(":")
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => self.word(start),
            c => self.sign(start, c)?,
        };
        let end = self.chars.peek().map_or(self.text.len(), |&(at, _)| at);
        Ok(Some(Token {
            pos: Pos { start, end },
            what,
        }))
    }

    fn skip_blanks(&mut self) {
        while let Some(&(_, c)) = self.chars.peek() {
            if c == '#' {
                while self.chars.next_if(|(_, c)| *c != '\n').is_some() {}
            } else if !c.is_whitespace() {
                return;
            } else {
                self.chars.next();
            }
        }
    }

    fn skip_to(&mut self, end: usize) {
        while self.chars.next_if(|(at, _)| *at < end).is_some() {}
    }

    fn word(&mut self, start: usize) -> Tok {
        let in_brackets = self.in_brackets;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && !in_brackets);
        let rest = &self.text[start..];
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.skip_to(start + length);
        Tok::Word(rest[..length].to_owned())
    }

    /// Reads a number or a duration.
    fn number(&mut self, start: usize) -> Result<Tok, Failed> {
        let rest = &self.text[start..];
        let length = number_length(rest.as_bytes());
        let written = &rest[..length];
        self.skip_to(start + length);
        if let Some(value) = parse_number(written) {
            return Ok(Tok::Number(value));
        }
        match parse_duration(written) {
            Some(ms) => Ok(Tok::Duration(ms)),
            None => Err(Failed::syntax(
                start,
                format!("bad number or duration syntax: {written:?}"),
            )),
        }
    }

    fn quoted(&mut self, start: usize, quote: char) -> Result<Tok, Failed> {
        self.chars.next();
        let mut text = String::new();
        loop {
            let Some((at, c)) = self.chars.next() else {
                return Err(Failed::syntax(start, "unterminated quoted string"));
            };
            match c {
                c if c == quote => return Ok(Tok::Text(text)),
                '\\' if quote != '`' => text.push_str(&self.escape(at, quote)?),
                '\n' if quote != '`' => {
                    return Err(Failed::syntax(start, "unterminated quoted string"));
                }
                c => text.push(c),
            }
        }
    }

    /// Reads what stands behind a backslash.
    fn escape(&mut self, at: usize, quote: char) -> Result<String, Failed> {
        let unknown = || Failed::syntax(at, "unknown escape sequence");
        let (_, c) = self.chars.next().ok_or_else(unknown)?;
        let plain = match c {
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '\\' => '\\',
            c if c == quote => c,
            'x' => return self.bytes(at),
            'u' => self.code(at, 4)?,
            'U' => self.code(at, 8)?,
            '0'..='7' => {
                let mut value = c.to_digit(8).ok_or_else(unknown)?;
                for _ in 0..2 {
                    let next = self.chars.next().and_then(|(_, c)| c.to_digit(8));
                    value = value * 8 + next.ok_or_else(unknown)?;
                }
                char::from_u32(value)
                    .filter(char::is_ascii)
                    .ok_or_else(unknown)?
            }
            _ => return Err(unknown()),
        };
        Ok(plain.into())
    }

    fn code(&mut self, at: usize, digits: usize) -> Result<char, Failed> {
        let value = self.hex(at, digits)?;
        char::from_u32(value)
            .ok_or_else(|| Failed::syntax(at, "escape sequence is no Unicode character"))
    }

    fn hex(&mut self, at: usize, digits: usize) -> Result<u32, Failed> {
        let mut value = 0_u32;
        for _ in 0..digits {
            let digit = self.chars.next().and_then(|(_, c)| c.to_digit(16));
            let digit = digit.ok_or_else(|| Failed::syntax(at, "unknown escape sequence"))?;
            value = value.checked_mul(16).map_or(u32::MAX, |v| v | digit);
        }
        Ok(value)
    }

    /// Reads `\xHH`, and those that follow at once: bytes, which together have to be UTF-8.
    fn bytes(&mut self, at: usize) -> Result<String, Failed> {
        let mut bytes = vec![self.hex(at, 2)?];
        while let Some(&(next, _)) = self.chars.peek()
            && self.text[next..].starts_with("\\x")
        {
            self.skip_to(next + 2);
            bytes.push(self.hex(next, 2)?);
        }
        let bytes: Vec<u8> = bytes
            .into_iter()
            .filter_map(|b| u8::try_from(b).ok())
            .collect();
        String::from_utf8(bytes).map_err(|_| Failed::syntax(at, "escape sequence is no UTF-8"))
    }

    fn sign(&mut self, start: usize, first: char) -> Result<Tok, Failed> {
        let rest = &self.text[start..];
        let found = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let Some(&sign) = found else {
            return Err(Failed::syntax(
                start,
                format!("unexpected character: {first:?}"),
            ));
        };
        match sign {
            "[" => self.in_brackets = true,
            "]" => self.in_brackets = false,
            _ => {}
        }
        self.skip_to(start + sign.len());
        Ok(Tok::Sign(sign))
    }
}

/// Returns how many bytes belong to the number or duration in front.
fn number_length(bytes: &[u8]) -> usize {
    let is_hex = bytes.len() > 1 && bytes[0] == b'0' && matches!(bytes[1], b'x' | b'X');
    let mut length = 0;
    while let Some(&byte) = bytes.get(length) {
        let after_exponent = !is_hex
            && matches!(byte, b'+' | b'-')
            && length > 0
            && matches!(bytes[length - 1], b'e' | b'E');
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || after_exponent {
            length += 1;
        } else {
            break;
        }
    }
    length
}
