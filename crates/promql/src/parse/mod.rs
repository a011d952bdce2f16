//! Text to expression: tokens, then a parser by how strongly operators bind, then a check of types.

mod check;
mod expr;
mod lexer;

use crate::NAME;
use crate::ast::Expression;
use crate::error::{Failed, ParseError};

/// Reads an expression; what comes back is one whose types fit.
///
/// # Errors
/// A text that is none, with the place of the first mistake.
///
/// ```
/// let expr = promql::parse("sum by (job) (rate(http_requests_total[5m]))").unwrap();
/// assert_eq!(expr.to_string(), "sum by (job) (rate(http_requests_total[5m]))");
/// assert_eq!(
///     promql::parse("sum(").unwrap_err().to_string(),
///     "1:5: parse error: unexpected end of input in aggregation"
/// );
/// ```
pub fn parse(text: &str) -> Result<Expression, ParseError> {
    let read = || -> Result<Expression, Failed> {
        let tokens = lexer::tokens(text)?;
        let root = expr::Parser::new(tokens, text.len()).whole()?;
        check::check(&root)?;
        let text = text.to_owned();
        Ok(Expression { text, root })
    };
    read().map_err(|failed| ParseError::new(text, failed.at, failed.kind))
}

/// Reads one series, such as `up{job="a"}`, from the front of a text, and returns the rest behind it.
pub(crate) fn series(text: &str) -> Result<(crate::Labels, &str), ParseError> {
    let failed = |failed: Failed| ParseError::new(text, failed.at, failed.kind);
    let (pairs, rest) = expr::series(text).map_err(failed)?;
    Ok((crate::Labels::new(pairs), &text[rest..]))
}

/// Tells whether a name may stand in front of braces.
pub(crate) fn is_metric_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// Tells whether a label's name may stand without quotes.
pub(crate) fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

fn name_matcher(name: &str) -> crate::Matcher {
    crate::Matcher::new(NAME, crate::MatchOp::Equal, name).expect("`=` compiles no pattern")
}
