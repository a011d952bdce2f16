//! Whether the types of an expression fit, and its selectors mean anything.

use crate::ast::{Binary, Expr, Group, Node, Selector};
use crate::error::Failed;
use crate::function::Function;
use crate::matcher::Op;
use crate::{NAME, ValueType};

pub(super) fn check(expr: &Expr) -> Result<(), Failed> {
    match &expr.node {
        Node::Number(_) | Node::Text(_) => Ok(()),
        Node::Vector(selector) | Node::Range { selector, .. } => refuse_empty(expr, selector),
        Node::Subquery(subquery) => {
            check(&subquery.of)?;
            let found = subquery.of.value_type();
            match found {
                ValueType::Vector => Ok(()),
                _ => Err(Failed::of(
                    expr.pos,
                    format!("subquery is only allowed on instant vector, got {found} instead"),
                )),
            }
        }
        Node::Call { function, args } => call(expr, function, args),
        Node::Aggregate(aggregate) => {
            if let (Some(param), Some(wanted)) = (&aggregate.param, aggregate.op.param()) {
                check(param)?;
                expect(param, wanted, "aggregation parameter")?;
            }
            check(&aggregate.of)?;
            expect(&aggregate.of, ValueType::Vector, "aggregation expression")
        }
        Node::Binary(binary) => {
            check(&binary.left)?;
            check(&binary.right)?;
            operands(expr, binary)
        }
        Node::Negate(of) | Node::Paren(of) => check(of),
    }
}

fn expect(expr: &Expr, wanted: ValueType, place: &str) -> Result<(), Failed> {
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    let why = format!("expected type {wanted} in {place}, got {found}");
    Err(Failed::of(expr.pos, why))
}

/// Refuses a selector that would take every series there is.
fn refuse_empty(expr: &Expr, selector: &Selector) -> Result<(), Failed> {
    let named_twice = selector
        .matchers
        .iter()
        .filter(|m| m.label == NAME && m.op == Op::Equal)
        .count()
        > 1;
    if named_twice {
        return Err(Failed::of(expr.pos, "metric name must not be set twice"));
    }
    if selector.matchers.iter().all(|matcher| matcher.matches("")) {
        return Err(Failed::of(
            expr.pos,
            "vector selector must contain at least one non-empty matcher",
        ));
    }
    Ok(())
}

fn call(expr: &Expr, function: &Function, args: &[Expr]) -> Result<(), Failed> {
    let most = function.args.len();
    let least = most
        - if function.repeats {
            1
        } else {
            function.optional
        };
    let fits = if function.repeats {
        args.len() >= least
    } else {
        (least..=most).contains(&args.len())
    };
    if !fits {
        let wanted = match (function.repeats, function.optional) {
            (true, _) => format!("at least {least}"),
            (false, 0) => format!("{most}"),
            (false, _) => format!("{least} to {most}"),
        };
        let why = format!(
            "expected {wanted} argument(s) in call to {:?}, got {}",
            function.name,
            args.len()
        );
        return Err(Failed::of(expr.pos, why));
    }
    for (at, arg) in args.iter().enumerate() {
        check(arg)?;
        let wanted = function.args[at.min(most - 1)];
        expect(
            arg,
            wanted,
            &format!("call to function {:?}", function.name),
        )?;
    }
    Ok(())
}

fn operands(expr: &Expr, binary: &Binary) -> Result<(), Failed> {
    let (left, right) = (binary.left.value_type(), binary.right.value_type());
    for side in [&binary.left, &binary.right] {
        if !matches!(side.value_type(), ValueType::Scalar | ValueType::Vector) {
            return Err(Failed::of(
                side.pos,
                "binary expression must contain only scalar and instant vector types",
            ));
        }
    }
    let both_scalars = left == ValueType::Scalar && right == ValueType::Scalar;
    let both_vectors = left == ValueType::Vector && right == ValueType::Vector;
    if binary.op.is_comparison() && both_scalars && !binary.to_bool {
        return Err(Failed::of(
            expr.pos,
            "comparisons between scalars must use BOOL modifier",
        ));
    }
    if binary.op.is_set() && !both_vectors {
        let why = format!(
            "set operator {:?} not allowed in binary scalar expression",
            binary.op.text()
        );
        return Err(Failed::of(expr.pos, why));
    }
    let matching = &binary.matching;
    if !both_vectors && (matching.on || !matching.labels.is_empty() || matching.group != Group::One)
    {
        return Err(Failed::of(
            expr.pos,
            "vector matching only allowed between instant vectors",
        ));
    }
    Ok(())
}
