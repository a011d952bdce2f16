//! What can go wrong, with the place or the limit that says what would help.

use crate::ast::Pos;

/// Says where and why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {kind}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    pub kind: ParseErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    #[error("{0}")]
    Syntax(String),
    /// A part of the language that Prometheus itself calls experimental and that is not built here.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

impl ParseError {
    pub(crate) fn new(text: &str, at: usize, kind: ParseErrorKind) -> Self {
        let (line, column) = line_and_column(text, at);
        Self { line, column, kind }
    }
}

/// Returns line and column of a byte, each counted from 1.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let begun = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[begun..].chars().count() + 1)
}

/// A place inside the parser, before lines are counted.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) at: usize,
    pub(crate) kind: ParseErrorKind,
}

impl Failed {
    pub(crate) fn syntax(at: usize, why: impl Into<String>) -> Self {
        Self {
            at,
            kind: ParseErrorKind::Syntax(why.into()),
        }
    }

    pub(crate) fn unsupported(at: usize, what: &'static str) -> Self {
        Self {
            at,
            kind: ParseErrorKind::Unsupported(what),
        }
    }

    pub(crate) fn of(pos: Pos, why: impl Into<String>) -> Self {
        Self::syntax(pos.start, why)
    }
}

/// Says why an expression has no answer on this data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The expression does not fit the data: two series for one match, say.
    #[error("{0}")]
    Execution(String),
    #[error(
        "query processing would load too many samples into memory in query execution: the limit is {limit}"
    )]
    TooManySamples { limit: u64 },
    #[error(
        "exceeded maximum resolution of {limit} points per timeseries. Try decreasing the query resolution (?step=XX)"
    )]
    TooManySteps { limit: u64 },
    /// Whoever asked does not wait any longer.
    #[error("query was canceled in query execution")]
    Canceled,
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl EvalError {
    pub(crate) fn execution(why: impl Into<String>) -> Self {
        EvalError::Execution(why.into())
    }
}

/// Says why a source did not give its samples.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There are samples of a kind that cannot be evaluated yet.
    #[error("{0} cannot be evaluated yet")]
    Unsupported(&'static str),
    #[error("{0}")]
    Failed(String),
}
