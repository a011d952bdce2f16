//! Operators between two sides.

use std::collections::HashMap;

use super::matching::{Side, clash, signature};
use super::row::{ABSENT, Column, Row, is_there, present};
use super::{Evaluator, Steps};
use crate::NAME;
use crate::ast::{Binary, BinaryOp, Group, Matching};
use crate::error::EvalError;
use crate::labels::Labels;

impl Evaluator<'_> {
    pub(super) fn binary(&self, binary: &Binary, steps: Steps) -> Result<Column, EvalError> {
        let (left, right) = (
            self.eval(&binary.left, steps)?,
            self.eval(&binary.right, steps)?,
        );
        Ok(match (left, right) {
            (Column::Scalar(left), Column::Scalar(right)) => {
                let values = left
                    .into_iter()
                    .zip(right)
                    .map(|(l, r)| number(binary.op, l, r));
                Column::Scalar(values.collect())
            }
            (Column::Rows(rows), Column::Scalar(by)) => {
                Column::Rows(with_scalar(binary, rows, |step, value| (value, by[step])))
            }
            (Column::Scalar(by), Column::Rows(rows)) => {
                Column::Rows(with_scalar(binary, rows, |step, value| (by[step], value)))
            }
            (Column::Rows(left), Column::Rows(right)) => {
                Column::Rows(present(self.vectors(binary, left, right, steps)?))
            }
            (Column::Text(_), _) | (_, Column::Text(_)) => {
                return Err(EvalError::execution("operators take no strings"));
            }
        })
    }

    fn vectors(
        &self,
        binary: &Binary,
        left: Vec<Row>,
        right: Vec<Row>,
        steps: Steps,
    ) -> Result<Vec<Row>, EvalError> {
        match binary.op {
            BinaryOp::And => Ok(kept_where(left, &right, &binary.matching, true)),
            BinaryOp::Unless => Ok(kept_where(left, &right, &binary.matching, false)),
            BinaryOp::Or => {
                let others = kept_where(right, &left, &binary.matching, false);
                Ok(left.into_iter().chain(others).collect())
            }
            _ => self.matched(binary, &left, &right, steps),
        }
    }

    /// Joins rows that match, one to one or many to one.
    fn matched(
        &self,
        binary: &Binary,
        left: &[Row],
        right: &[Row],
        steps: Steps,
    ) -> Result<Vec<Row>, EvalError> {
        let matching = &binary.matching;
        let many_is_left = matching.group != Group::Right;
        let (many, one) = if many_is_left {
            (left, right)
        } else {
            (right, left)
        };
        let ones = Side::of(one, matching);
        for (labels, group) in ones.groups() {
            if let Some((a, b)) = clash(one, group, |_| true) {
                return Err(duplicate(labels, a, b, many_is_left));
            }
        }
        if matching.group == Group::One {
            refuse_several(many, one, &ones, matching)?;
        }
        let mut rows = Vec::with_capacity(many.len());
        for row in many {
            for other in ones.get(&signature(&row.labels, matching)) {
                self.takes(steps.count)?;
                rows.push(join(binary, row, &one[*other], many_is_left));
            }
        }
        match matching.group {
            Group::One => Ok(rows),
            Group::Left | Group::Right => refuse_same(&rows).map(|()| rows),
        }
    }
}

/// Refuses two series that meet the same one, whatever comes of it.
fn refuse_several(
    many: &[Row],
    one: &[Row],
    ones: &Side,
    matching: &Matching,
) -> Result<(), EvalError> {
    for (labels, group) in Side::of(many, matching).groups() {
        let met = |step: usize| {
            ones.get(labels)
                .iter()
                .any(|at| is_there(one[*at].values[step]))
        };
        if clash(many, group, met).is_some() {
            let why = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
            return Err(EvalError::execution(why));
        }
    }
    Ok(())
}

/// Refuses results that cannot be told apart.
fn refuse_same(rows: &[Row]) -> Result<(), EvalError> {
    let mut same: HashMap<&Labels, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        same.entry(&row.labels).or_default().push(at);
    }
    if same
        .values()
        .any(|group| clash(rows, group, |_| true).is_some())
    {
        let why = "multiple matches for labels: grouping labels must ensure unique matches";
        return Err(EvalError::execution(why));
    }
    Ok(())
}

fn duplicate(labels: &Labels, a: &Row, b: &Row, many_is_left: bool) -> EvalError {
    let side = if many_is_left { "right" } else { "left" };
    EvalError::execution(format!(
        "found duplicate series for the match group {labels} on the {side} hand-side of the operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
        a.labels, b.labels
    ))
}

fn join(binary: &Binary, many: &Row, one: &Row, many_is_left: bool) -> Row {
    let values = many.values.iter().zip(&one.values).map(|(many, one)| {
        if !is_there(*many) || !is_there(*one) {
            return ABSENT;
        }
        let (left, right) = if many_is_left {
            (*many, *one)
        } else {
            (*one, *many)
        };
        // A comparison that filters keeps the value of the left side.
        compared(binary, left, right, left)
    });
    let matching = &binary.matching;
    let is_comparison = binary.op.is_comparison();
    let mut labels = many.labels.clone();
    if !is_comparison {
        labels = labels.without_metric();
    }
    if matching.group == Group::One {
        let listed = |name: &str| matching.labels.iter().any(|label| label == name);
        labels = labels.filtered(|name| listed(name) == matching.on);
    }
    for label in &matching.include {
        labels = labels.with(label, one.labels.get(label));
    }
    let wrote_name = matching.include.iter().any(|label| label == NAME);
    Row {
        labels,
        nameless: (many.nameless || binary.to_bool) && !wrote_name,
        values: values.collect(),
    }
}

/// Keeps the values of rows at steps where a row of the other side that matches has one, or where none has.
fn kept_where(mut rows: Vec<Row>, others: &[Row], matching: &Matching, wanted: bool) -> Vec<Row> {
    let side = Side::of(others, matching);
    for row in &mut rows {
        let group = side.get(&signature(&row.labels, matching));
        row.map(|step, value| {
            let met = group.iter().any(|at| is_there(others[*at].values[step]));
            if met == wanted { value } else { ABSENT }
        });
    }
    rows
}

fn with_scalar(
    binary: &Binary,
    mut rows: Vec<Row>,
    sides: impl Fn(usize, f64) -> (f64, f64),
) -> Vec<Row> {
    for row in &mut rows {
        row.nameless |= binary.to_bool || !binary.op.is_comparison();
        row.map(|step, value| {
            let (left, right) = sides(step, value);
            compared(binary, left, right, value)
        });
    }
    present(rows)
}

/// Calculates, or compares and answers with `kept` where the comparison holds.
fn compared(binary: &Binary, left: f64, right: f64, kept: f64) -> f64 {
    let value = number(binary.op, left, right);
    if !binary.op.is_comparison() || binary.to_bool {
        value
    } else if value == 1.0 {
        kept
    } else {
        ABSENT
    }
}

fn number(op: BinaryOp, left: f64, right: f64) -> f64 {
    let truth = |holds: bool| f64::from(u8::from(holds));
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        BinaryOp::Equal => truth(left == right),
        BinaryOp::NotEqual => truth(left != right),
        BinaryOp::Less => truth(left < right),
        BinaryOp::LessOrEqual => truth(left <= right),
        BinaryOp::Greater => truth(left > right),
        BinaryOp::GreaterOrEqual => truth(left >= right),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
    }
}
