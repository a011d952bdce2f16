//! PromQL as Prometheus 3 means it: a parser with places, an evaluator over any [`Source`] of samples, and
//! the language of Prometheus' own test scripts.
//!
//! An expression is evaluated whole: each node answers with one column of values per series, a value for each step
//! of the query, so that labels are looked at once per series and not once per step.
//!
//! **Invariant.** Any text parses to a value or to an error with a place; evaluation ends within its
//! [`Limits`], reads samples through [`Source::select`] only, and never panics on any data.
//!
//! **Must not know**: how samples are kept, HTTP, clocks. The times of a query come from whoever asks.

mod ast;
mod duration;
mod error;
mod eval;
mod function;
mod labels;
mod matcher;
mod notes;
mod number;
mod parse;
mod print;
pub mod script;

pub use ast::{Expression, ValueType};
pub use error::{EvalError, ParseError, ParseErrorKind, SourceError};
pub use eval::{Answer, Limits, Query, Series, Source, Value, evaluate};
pub use labels::Labels;
pub use matcher::{Matcher, Op as MatchOp};
pub use number::{format_number, is_stale, parse_number, stale_marker};
pub use parse::parse;

/// The label that holds a metric's name.
pub const NAME: &str = "__name__";
