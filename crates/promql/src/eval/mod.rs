//! Evaluation: each node answers with columns, one value per step of the query.

mod aggregate;
mod binary;
pub(crate) mod calendar;
mod call;
mod finish;
mod histogram;
mod label;
mod matching;
pub(crate) mod math;
pub(crate) mod over_time;
pub(crate) mod rate;
mod row;
mod select;
mod smoothing;
mod sum;
mod walk;

use std::cell::{Cell, RefCell};

use crate::ast::{Expression, Pos};
use crate::error::{EvalError, SourceError};
use crate::labels::Labels;
use crate::matcher::Matcher;
use crate::notes::Notes;

/// Is where samples come from.
pub trait Source {
    /// Returns the series all `matchers` fit, each with its samples in `(after_ms, until_ms]`, oldest first, markers
    /// of their ends included. A series without a sample there may be left out.
    ///
    /// # Errors
    /// A [`SourceError`]; the query ends with it.
    fn select(
        &self,
        matchers: &[Matcher],
        after_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Series>, SourceError>;
}

/// Is a series: times in milliseconds since 1970, strictly rising, and as many values.
#[derive(Clone, Debug, Default)]
pub struct Series {
    pub labels: Labels,
    pub times: Vec<i64>,
    pub values: Vec<f64>,
}

/// Is when an expression is evaluated, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    pub start_ms: i64,
    pub end_ms: i64,
    /// None for a query at one moment.
    pub step_ms: Option<i64>,
}

impl Query {
    pub fn instant(at_ms: i64) -> Self {
        Self {
            start_ms: at_ms,
            end_ms: at_ms,
            step_ms: None,
        }
    }

    /// Asks for each `step_ms` from `start_ms` up to `end_ms`; the step is more than nothing.
    pub fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        Self {
            start_ms,
            end_ms,
            step_ms: Some(step_ms.max(1)),
        }
    }
}

/// Is what a query may take, and what it takes for granted.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Samples read and made, over all.
    pub samples: u64,
    /// Points of one series in the answer.
    pub steps: u64,
    /// How long the last sample of a series counts.
    pub lookback_ms: i64,
    /// The step of a subquery that names none.
    pub default_step_ms: i64,
    /// Asked now and then; `true` ends the query.
    pub is_canceled: &'a dyn Fn() -> bool,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self {
            samples: 50_000_000,
            steps: 11_000,
            lookback_ms: 300_000,
            default_step_ms: 60_000,
            is_canceled: &|| false,
        }
    }
}

/// Is what an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub value: Value,
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
}

/// Is a value over time; each point is a time in milliseconds and a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(Vec<(i64, f64)>),
    /// Series with a point for each step at which they have a value. Those of a query over a range are sorted by
    /// their labels; at one moment they stand in the order the expression gives them.
    Vector(Vec<(Labels, Vec<(i64, f64)>)>),
    /// The raw samples of a window, of a query at one moment.
    Range(Vec<(Labels, Vec<(i64, f64)>)>),
    Text(String),
}

/// Evaluates an expression.
///
/// # Errors
/// An [`EvalError`] that names the limit, or what does not fit the data.
pub fn evaluate(
    expression: &Expression,
    query: Query,
    source: &dyn Source,
    limits: &Limits<'_>,
) -> Result<Answer, EvalError> {
    let steps = Steps::of(query, limits)?;
    let evaluator = Evaluator {
        text: &expression.text,
        query,
        source,
        limits,
        samples: Cell::new(0),
        notes: RefCell::default(),
    };
    let value = evaluator.whole(&expression.root, steps)?;
    let (warnings, infos) = evaluator.notes.into_inner().told();
    Ok(Answer {
        value,
        warnings,
        infos,
    })
}

/// Is the moments an expression is evaluated at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start_ms: i64,
    pub(crate) step_ms: i64,
    /// At least one.
    pub(crate) count: usize,
}

impl Steps {
    fn of(query: Query, limits: &Limits<'_>) -> Result<Self, EvalError> {
        let step_ms = query.step_ms.unwrap_or(1).max(1);
        let last = query.end_ms.saturating_sub(query.start_ms).max(0) / step_ms;
        let count = last.unsigned_abs() + 1;
        if count > limits.steps {
            let limit = limits.steps;
            return Err(EvalError::TooManySteps { limit });
        }
        Ok(Self {
            start_ms: query.start_ms,
            step_ms,
            count: usize::try_from(count).unwrap_or(usize::MAX),
        })
    }

    fn first(self) -> Self {
        Self { count: 1, ..self }
    }

    fn at(self, step: usize) -> i64 {
        self.start_ms + self.step_ms * i64::try_from(step).unwrap_or(i64::MAX)
    }

    fn times(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |step| self.at(step))
    }

    fn last(self) -> i64 {
        self.at(self.count - 1)
    }
}

/// Is one evaluation under way.
pub(crate) struct Evaluator<'a> {
    text: &'a str,
    query: Query,
    source: &'a dyn Source,
    limits: &'a Limits<'a>,
    samples: Cell<u64>,
    notes: RefCell<Notes>,
}

impl Evaluator<'_> {
    fn warn(&self, pos: Pos, what: &str) {
        self.notes.borrow_mut().warn(self.text, pos, what);
    }

    fn info(&self, pos: Pos, what: &str) {
        self.notes.borrow_mut().info(self.text, pos, what);
    }

    /// Counts samples that were read or made.
    fn takes(&self, samples: usize) -> Result<(), EvalError> {
        let all = self.samples.get() + u64::try_from(samples).unwrap_or(u64::MAX);
        self.samples.set(all);
        if all > self.limits.samples {
            let limit = self.limits.samples;
            return Err(EvalError::TooManySamples { limit });
        }
        if (self.limits.is_canceled)() {
            return Err(EvalError::Canceled);
        }
        Ok(())
    }

    fn is_instant(&self) -> bool {
        self.query.step_ms.is_none()
    }
}
