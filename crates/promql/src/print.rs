//! Expressions as text that reads back as the same.

use std::fmt;

use crate::NAME;
use crate::ast::{
    Aggregate, At, Binary, Expr, Expression, Group, Grouping, Node, Selector, Shift, Subquery,
};
use crate::duration::format_duration;
use crate::matcher::Op;
use crate::number::format_number;
use crate::parse::{is_label_name, is_metric_name};

/// Returns a label's name as it may stand in braces.
pub(crate) fn label_name(name: &str) -> String {
    if is_label_name(name) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// Returns a text in quotes as the parser reads it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Number(value) => f.write_str(&format_number(*value)),
            Node::Text(text) => f.write_str(&quoted(text)),
            Node::Vector(selector) => write!(f, "{}{}", Series(selector), selector.shift),
            Node::Range { selector, range_ms } => {
                let range = format_duration(*range_ms);
                write!(f, "{}[{range}]{}", Series(selector), selector.shift)
            }
            Node::Subquery(subquery) => subquery.fmt(f),
            Node::Call { function, args } => write!(f, "{}({})", function.name, list(args)),
            Node::Aggregate(aggregate) => aggregate.fmt(f),
            Node::Binary(binary) => binary.fmt(f),
            Node::Negate(of) => write!(f, "-{of}"),
            Node::Paren(of) => write!(f, "({of})"),
        }
    }
}

/// Shows a selector without its shift.
struct Series<'a>(&'a Selector);

impl fmt::Display for Series<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matchers = &self.0.matchers;
        let name = matchers
            .iter()
            .position(|m| m.label == NAME && m.op == Op::Equal && is_metric_name(&m.value));
        if let Some(name) = name {
            f.write_str(&matchers[name].value)?;
        }
        let others = matchers
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != name);
        let others: Vec<String> = others.map(|(_, matcher)| matcher.to_string()).collect();
        if others.is_empty() && name.is_some() {
            return Ok(());
        }
        write!(f, "{{{}}}", others.join(","))
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(At::Time(ms)) => write!(f, " @ {:.3}", ms as f64 / 1000.0)?,
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            None => {}
        }
        match self.offset_ms {
            0 => Ok(()),
            ms => write!(f, " offset {}", format_duration(ms)),
        }
    }
}

impl fmt::Display for Subquery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = self.step_ms.map(format_duration).unwrap_or_default();
        write!(
            f,
            "{}[{}:{step}]{}",
            self.of,
            format_duration(self.range_ms),
            self.shift
        )
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.name())?;
        match &self.grouping {
            Grouping::By(labels) if labels.is_empty() => {}
            Grouping::By(labels) => write!(f, " by ({}) ", names(labels))?,
            Grouping::Without(labels) => write!(f, " without ({}) ", names(labels))?,
        }
        match &self.param {
            Some(param) => write!(f, "({param}, {})", self.of),
            None => write!(f, "({})", self.of),
        }
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.left, self.op.text())?;
        if self.to_bool {
            f.write_str(" bool")?;
        }
        let matching = &self.matching;
        if matching.on || !matching.labels.is_empty() {
            let word = if matching.on { "on" } else { "ignoring" };
            write!(f, " {word} ({})", names(&matching.labels))?;
        }
        match matching.group {
            Group::One => {}
            Group::Left => write!(f, " group_left ({})", names(&matching.include))?,
            Group::Right => write!(f, " group_right ({})", names(&matching.include))?,
        }
        write!(f, " {}", self.right)
    }
}

fn list(args: &[Expr]) -> String {
    let args: Vec<String> = args.iter().map(Expr::to_string).collect();
    args.join(", ")
}

fn names(labels: &[String]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| label_name(label)).collect();
    labels.join(", ")
}
