//! The other ways in which an instant case has to come to the same.

use super::read::{Case, Expected, When};
use crate::Query;
use crate::ast::{At, Expr, Expression, Node};
use crate::function::Does;

/// Is one other way.
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) expression: Expression,
    pub(super) query: Query,
    /// The moment whose values are compared.
    pub(super) look_at_ms: i64,
}

const MINUTE_MS: i64 = 60_000;

pub(super) fn of(case: &Case, expression: &Expression) -> Vec<Variant> {
    let When::Instant(at_ms) = case.when else {
        return Vec::new();
    };
    if matches!(case.expected, Expected::Failure(_)) {
        return Vec::new();
    }
    let mut variants = Vec::new();
    let as_range = may_be_a_range(case, &expression.root);
    if as_range {
        variants.push(around(expression, at_ms, "as the middle of a range".into()));
    }
    if asks_for_time(&expression.root) {
        return variants;
    }
    let mut pinned = expression.clone();
    pin(&mut pinned.root, at_ms);
    let moments = match at_ms {
        0 => vec![-1_000, 0, 1_000],
        t => vec![-10 * t, 0, t / 5, t, 10 * t],
    };
    for moment in moments {
        let name = format!("pinned, at {moment} ms");
        if as_range {
            variants.push(around(&pinned, moment, format!("{name}, in a range")));
        }
        variants.push(Variant {
            name,
            expression: pinned.clone(),
            query: Query::instant(moment),
            look_at_ms: moment,
        });
    }
    variants
}

fn around(expression: &Expression, at_ms: i64, name: String) -> Variant {
    Variant {
        name,
        expression: expression.clone(),
        query: Query::range(at_ms - MINUTE_MS, at_ms + MINUTE_MS, MINUTE_MS),
        look_at_ms: at_ms,
    }
}

fn may_be_a_range(case: &Case, root: &Expr) -> bool {
    let is_series = matches!(case.expected, Expected::Series(_) | Expected::Scalar(_));
    is_series
        && !case.ordered
        && !calls(root, |does| {
            matches!(does, Does::Start | Does::End | Does::Step | Does::Length)
        })
        && !pins_to_query(root)
}

/// Tells whether `@ start()` or `@ end()` stands anywhere.
fn pins_to_query(root: &Expr) -> bool {
    let mut found = false;
    root.walk(&mut |part| {
        let at = match &part.node {
            Node::Vector(selector) | Node::Range { selector, .. } => selector.shift.at,
            Node::Subquery(subquery) => subquery.shift.at,
            _ => None,
        };
        found |= matches!(at, Some(At::Start | At::End));
        true
    });
    found
}

fn asks_for_time(root: &Expr) -> bool {
    pins_to_query(root)
        || calls(root, |does| {
            matches!(
                does,
                Does::Calendar(_)
                    | Does::Time
                    | Does::Timestamp
                    | Does::Start
                    | Does::End
                    | Does::Step
                    | Does::Length
            )
        })
        || names(root, "predict_linear")
}

fn calls(root: &Expr, which: impl Fn(Does) -> bool) -> bool {
    let mut found = false;
    root.walk(&mut |part| {
        if let Node::Call { function, .. } = &part.node {
            found |= which(function.does);
        }
        true
    });
    found
}

fn names(root: &Expr, name: &str) -> bool {
    let mut found = false;
    root.walk(&mut |part| {
        if let Node::Call { function, .. } = &part.node {
            found |= function.name == name;
        }
        true
    });
    found
}

/// Pins selectors and outermost subqueries that are not pinned yet.
fn pin(expr: &mut Expr, at_ms: i64) {
    let at = Some(At::Time(at_ms));
    match &mut expr.node {
        Node::Number(_) | Node::Text(_) => {}
        Node::Vector(selector) | Node::Range { selector, .. } => {
            selector.shift.at = selector.shift.at.or(at);
        }
        Node::Subquery(subquery) => subquery.shift.at = subquery.shift.at.or(at),
        Node::Call { args, .. } => args.iter_mut().for_each(|arg| pin(arg, at_ms)),
        Node::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                pin(param, at_ms);
            }
            pin(&mut aggregate.of, at_ms);
        }
        Node::Binary(binary) => {
            pin(&mut binary.left, at_ms);
            pin(&mut binary.right, at_ms);
        }
        Node::Negate(of) | Node::Paren(of) => pin(of, at_ms),
    }
}
