//! The walk over the tree.

use super::row::{Column, Row};
use super::{Evaluator, Steps};
use crate::ast::{Expr, Node};
use crate::error::EvalError;
use crate::function::Does;

impl Evaluator<'_> {
    /// Evaluates a node at each of `steps`. Windows have no value of their own: functions read them.
    pub(super) fn eval(&self, expr: &Expr, steps: Steps) -> Result<Column, EvalError> {
        if steps.count > 1 && is_invariant(expr) {
            let once = self.at_steps(expr, steps.first())?;
            if let Column::Rows(rows) = &once {
                self.takes(rows.len() * steps.count)?;
            }
            return Ok(once.repeated(steps.count));
        }
        self.at_steps(expr, steps)
    }

    fn at_steps(&self, expr: &Expr, steps: Steps) -> Result<Column, EvalError> {
        Ok(match &expr.node {
            Node::Number(value) => Column::Scalar(vec![*value; steps.count]),
            Node::Text(text) => Column::Text(text.clone()),
            Node::Vector(selector) => Column::Rows(self.instant(selector, steps)?),
            Node::Call { function, args } => self.call(expr, function, args, steps)?,
            Node::Aggregate(aggregate) => Column::Rows(self.aggregate(aggregate, steps)?),
            Node::Binary(binary) => self.binary(binary, steps)?,
            Node::Paren(of) => self.eval(of, steps)?,
            Node::Negate(of) => negated(self.eval(of, steps)?),
            Node::Range { .. } | Node::Subquery(_) => {
                return Err(EvalError::execution(
                    "a range vector has no value of its own here",
                ));
            }
        })
    }

    pub(super) fn rows(&self, expr: &Expr, steps: Steps) -> Result<Vec<Row>, EvalError> {
        Ok(self.eval(expr, steps)?.rows())
    }

    pub(super) fn scalar(&self, expr: &Expr, steps: Steps) -> Result<Vec<f64>, EvalError> {
        Ok(self.eval(expr, steps)?.scalar())
    }
}

fn negated(column: Column) -> Column {
    match column {
        Column::Scalar(values) => Column::Scalar(values.into_iter().map(|v| -v).collect()),
        Column::Rows(mut rows) => {
            for row in &mut rows {
                row.map(|_, value| -value);
                row.nameless = true;
            }
            Column::Rows(rows)
        }
        Column::Text(text) => Column::Text(text),
    }
}

/// Tells whether a node has the same value at every step: all its times are pinned by `@`, and no function in it
/// asks for the time.
fn is_invariant(expr: &Expr) -> bool {
    let mut invariant = true;
    expr.walk(&mut |part| {
        let below = match &part.node {
            Node::Vector(selector) | Node::Range { selector, .. } => {
                invariant &= selector.shift.at.is_some();
                false
            }
            Node::Subquery(subquery) => {
                invariant &= subquery.shift.at.is_some();
                false
            }
            Node::Call { function, args } => {
                invariant &= !asks_for_time(function.does, args.len(), function.name);
                true
            }
            Node::Number(_)
            | Node::Text(_)
            | Node::Aggregate(_)
            | Node::Binary(_)
            | Node::Negate(_)
            | Node::Paren(_) => true,
        };
        invariant && below
    });
    invariant
}

fn asks_for_time(does: Does, args: usize, name: &str) -> bool {
    match does {
        Does::Time | Does::Timestamp => true,
        Does::Calendar(_) => args == 0,
        Does::Window(_) => name == "predict_linear",
        _ => false,
    }
}
