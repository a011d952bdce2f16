//! The language of Prometheus' own test scripts (`*.test`), read and run.
//!
//! A script loads series and evaluates expressions. Each instant case is run in several ways that have to come to
//! the same: as written, as the middle of a range, and with every selector pinned by `@` at other moments.

mod compare;
mod memory;
mod points;
mod read;
mod variant;

use std::fmt;

use read::{Case, Command, Expected, When};

use crate::error::{EvalError, ParseError, ParseErrorKind, SourceError};
use crate::eval::{Answer, Limits, evaluate};
use crate::parse::parse;
use crate::{Expression, Query};
use memory::Memory;

/// Says that a text is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    pub why: String,
}

/// Is how the cases of a script went, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub cases: Vec<(usize, Outcome)>,
}

/// Is how one case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In every way it can be run.
    Pass,
    /// As written, but not in the way named.
    ValueOnly(String),
    Fail(String),
    /// It needs what is not built yet.
    Skip(String),
}

impl Report {
    pub fn passed(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Pass)
    }

    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::ValueOnly(_) | Outcome::Fail(_)))
    }

    pub fn skipped(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Skip(_)))
    }

    fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.cases
            .iter()
            .filter(|(_, outcome)| which(outcome))
            .count()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Pass => f.write_str("pass"),
            Outcome::ValueOnly(why) => write!(f, "value-only {why}"),
            Outcome::Fail(why) => write!(f, "fail {why}"),
            Outcome::Skip(why) => write!(f, "skip {why}"),
        }
    }
}

/// Runs a script on samples of its own.
///
/// # Errors
/// A [`ScriptError`] when the text is no script; nothing is run then.
///
/// ```
/// let script = "load 1m\n  up{job=\"a\"} 1 1 0\n\neval instant at 2m sum(up)\n  {} 0\n";
/// assert_eq!(promql::script::run(script).unwrap().passed(), 1);
/// ```
pub fn run(text: &str) -> Result<Report, ScriptError> {
    let (mut memory, mut report) = (Memory::default(), Report::default());
    for command in read::commands(text)? {
        match command {
            Command::Clear => memory = Memory::default(),
            Command::Load(load) => memory.load(load),
            Command::Eval(case) => report.cases.push((case.line, outcome(&case, &memory))),
        }
    }
    Ok(report)
}

/// Is why one run of a case is not what it should be.
enum Wrong {
    Differs(String),
    Unsupported(String),
}

fn outcome(case: &Case, memory: &Memory) -> Outcome {
    if case.has_histograms() {
        return Outcome::Skip(HISTOGRAMS.into());
    }
    let expression = match parse(&case.expression) {
        Ok(expression) => expression,
        Err(error) => return not_parsed(case, &error),
    };
    match as_written(case, &expression, memory) {
        Ok(()) => {}
        Err(Wrong::Unsupported(why)) => return Outcome::Skip(why),
        Err(Wrong::Differs(why)) => return Outcome::Fail(why),
    }
    for variant in variant::of(case, &expression) {
        let answer = evaluate(
            &variant.expression,
            variant.query,
            memory,
            &Limits::default(),
        );
        let checked = match answer {
            Ok(answer) => compare::at(case, &answer, variant.look_at_ms).map_err(Wrong::Differs),
            Err(error) => Err(wrong(&error)),
        };
        match checked {
            Ok(()) => {}
            // Seen from another moment the windows may reach into samples that cannot be evaluated yet.
            Err(Wrong::Unsupported(why)) => return Outcome::Skip(why),
            Err(Wrong::Differs(why)) => {
                return Outcome::ValueOnly(format!("{}: {why}", variant.name));
            }
        }
    }
    Outcome::Pass
}

const HISTOGRAMS: &str = "native histograms";

fn not_parsed(case: &Case, error: &ParseError) -> Outcome {
    match (&error.kind, &case.expected) {
        (ParseErrorKind::Unsupported(what), _) => Outcome::Skip((*what).into()),
        (ParseErrorKind::Syntax(_), Expected::Failure(wanted)) => {
            match compare::text(wanted, &error.to_string()) {
                Ok(()) => Outcome::Pass,
                Err(why) => Outcome::Fail(why),
            }
        }
        (ParseErrorKind::Syntax(_), _) => Outcome::Fail(error.to_string()),
    }
}

fn as_written(case: &Case, expression: &Expression, memory: &Memory) -> Result<(), Wrong> {
    let query = match case.when {
        When::Instant(at) => Query::instant(at),
        When::Range { from, to, step } => Query::range(from, to, step),
    };
    match (
        evaluate(expression, query, memory, &Limits::default()),
        &case.expected,
    ) {
        (Err(error), Expected::Failure(wanted)) => {
            if let Wrong::Unsupported(why) = wrong(&error) {
                return Err(Wrong::Unsupported(why));
            }
            compare::text(wanted, &error.to_string()).map_err(Wrong::Differs)
        }
        (Err(error), _) => Err(wrong(&error)),
        (Ok(answer), Expected::Failure(_)) => Err(Wrong::Differs(format!(
            "expected an error, got {}",
            shown(&answer)
        ))),
        (Ok(answer), _) => compare::whole(case, &answer).map_err(Wrong::Differs),
    }
}

fn wrong(error: &EvalError) -> Wrong {
    match error {
        EvalError::Source(SourceError::Unsupported(what)) => Wrong::Unsupported((*what).into()),
        other => Wrong::Differs(other.to_string()),
    }
}

fn shown(answer: &Answer) -> String {
    format!("{:?}", answer.value)
}
