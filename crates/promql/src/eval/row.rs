//! A series inside an evaluation: a column with a value for each step, or none.

use crate::labels::Labels;
use crate::number::{is_stale, stale_marker};

/// Stands in a column where a series has no value. No value of an expression has these bits: markers of a series'
/// end are taken out when samples are read.
pub(super) const ABSENT: f64 = stale_marker();

pub(super) fn is_there(value: f64) -> bool {
    !is_stale(value)
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) labels: Labels,
    /// The name goes at the very end: until then functions can still read it.
    pub(super) nameless: bool,
    pub(super) values: Vec<f64>,
}

impl Row {
    pub(super) fn has_any(&self) -> bool {
        self.values.iter().any(|value| is_there(*value))
    }

    /// Changes each value that is there.
    pub(super) fn map(&mut self, mut change: impl FnMut(usize, f64) -> f64) {
        for (step, value) in self.values.iter_mut().enumerate() {
            if is_there(*value) {
                *value = change(step, *value);
            }
        }
    }
}

/// Leaves out rows without any value.
pub(super) fn present(mut rows: Vec<Row>) -> Vec<Row> {
    rows.retain(Row::has_any);
    rows
}

/// Is what a node answers with.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// A number for each step.
    Scalar(Vec<f64>),
    Rows(Vec<Row>),
    Text(String),
}

impl Column {
    /// Returns the numbers of what the check of types has made a scalar.
    pub(super) fn scalar(self) -> Vec<f64> {
        match self {
            Column::Scalar(values) => values,
            Column::Rows(_) | Column::Text(_) => Vec::new(),
        }
    }

    pub(super) fn rows(self) -> Vec<Row> {
        match self {
            Column::Rows(rows) => rows,
            Column::Scalar(_) | Column::Text(_) => Vec::new(),
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Column::Text(text) => text,
            Column::Scalar(_) | Column::Rows(_) => String::new(),
        }
    }

    /// Repeats the only step `count` times.
    pub(super) fn repeated(self, count: usize) -> Self {
        let wide = |values: Vec<f64>| vec![values.first().copied().unwrap_or(ABSENT); count];
        match self {
            Column::Scalar(values) => Column::Scalar(wide(values)),
            Column::Rows(rows) => {
                let rows = rows.into_iter().map(|row| Row {
                    values: wide(row.values),
                    ..row
                });
                Column::Rows(rows.collect())
            }
            Column::Text(text) => Column::Text(text),
        }
    }
}
