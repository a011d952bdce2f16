//! The end of an evaluation: names go that had to stay until here, and columns become points.

use super::label::joined;
use super::row::{Column, Row, is_there};
use super::select::Windows;
use super::{Evaluator, Steps, Value};
use crate::ast::{Expr, Node};
use crate::error::EvalError;
use crate::labels::Labels;

type Points = Vec<(i64, f64)>;

impl Evaluator<'_> {
    pub(super) fn whole(&self, root: &Expr, steps: Steps) -> Result<Value, EvalError> {
        if let Node::Range { .. } | Node::Subquery(_) = root.inner().node {
            if !self.is_instant() {
                let why = "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector";
                return Err(EvalError::execution(why));
            }
            return Ok(Value::Range(raw(&self.windows(root, steps)?, steps)));
        }
        Ok(match self.eval(root, steps)? {
            Column::Text(text) => Value::Text(text),
            Column::Scalar(values) => Value::Scalar(steps.times().zip(values).collect()),
            Column::Rows(rows) => {
                let mut series = named(rows, steps)?;
                if !self.is_instant() {
                    series.sort_by(|a, b| a.0.cmp(&b.0));
                }
                Value::Vector(series)
            }
        })
    }
}

/// Takes names away where they have to go, and makes one of series that are the same then.
fn named(mut rows: Vec<Row>, steps: Steps) -> Result<Vec<(Labels, Points)>, EvalError> {
    for row in rows.iter_mut().filter(|row| row.nameless) {
        row.labels = row.labels.without_metric();
        row.nameless = false;
    }
    let points = |values: Vec<f64>| {
        let points = steps.times().zip(values);
        points.filter(|(_, value)| is_there(*value)).collect()
    };
    let rows = joined(rows)?.into_iter();
    Ok(rows.map(|row| (row.labels, points(row.values))).collect())
}

fn raw(windows: &Windows, steps: Steps) -> Vec<(Labels, Points)> {
    let mut series = Vec::new();
    for row in &windows.rows {
        windows.each(row, steps, &[], |_, window| {
            let labels = if row.nameless {
                row.labels.without_metric()
            } else {
                row.labels.clone()
            };
            let points = window
                .times
                .iter()
                .copied()
                .zip(window.values.iter().copied());
            series.push((labels, points.collect()));
        });
    }
    series.sort_by(|a: &(Labels, Points), b| a.0.cmp(&b.0));
    series
}
