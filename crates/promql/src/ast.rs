//! The tree of an expression.

use crate::function::Function;
use crate::matcher::Matcher;

/// Is an expression whose types fit, with the text it was read from.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(crate) text: String,
    pub(crate) root: Expr,
}

impl Expression {
    pub fn value_type(&self) -> ValueType {
        self.root.value_type()
    }
}

/// Is a part of an expression, with its place in the text.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) pos: Pos,
    pub(crate) node: Node,
}

/// Is a place, in bytes; `end` is behind the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pos {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Number(f64),
    Text(String),
    Vector(Selector),
    Range {
        selector: Selector,
        range_ms: i64,
    },
    Subquery(Box<Subquery>),
    Call {
        function: &'static Function,
        args: Vec<Expr>,
    },
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
    Negate(Box<Expr>),
    Paren(Box<Expr>),
}

/// Is which series, and from when.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) shift: Shift,
}

/// Is what `offset` and `@` say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) offset_ms: i64,
    pub(crate) at: Option<At>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Milliseconds since 1970.
    Time(i64),
    /// When the query begins.
    Start,
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Subquery {
    pub(crate) of: Expr,
    pub(crate) range_ms: i64,
    /// None: the default step.
    pub(crate) step_ms: Option<i64>,
    pub(crate) shift: Shift,
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) grouping: Grouping,
    pub(crate) param: Option<Expr>,
    pub(crate) of: Expr,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Limitk,
    LimitRatio,
    Quantile,
    CountValues,
}

impl AggregateOp {
    pub(crate) const ALL: [(&'static str, AggregateOp); 14] = [
        ("sum", AggregateOp::Sum),
        ("avg", AggregateOp::Avg),
        ("min", AggregateOp::Min),
        ("max", AggregateOp::Max),
        ("count", AggregateOp::Count),
        ("group", AggregateOp::Group),
        ("stddev", AggregateOp::Stddev),
        ("stdvar", AggregateOp::Stdvar),
        ("topk", AggregateOp::Topk),
        ("bottomk", AggregateOp::Bottomk),
        ("limitk", AggregateOp::Limitk),
        ("limit_ratio", AggregateOp::LimitRatio),
        ("quantile", AggregateOp::Quantile),
        ("count_values", AggregateOp::CountValues),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, op)| *op == self)
            .map_or("", |(name, _)| name)
    }

    /// Returns what its first argument has to be; none for those that take one argument.
    pub(crate) fn param(self) -> Option<ValueType> {
        match self {
            AggregateOp::Topk
            | AggregateOp::Bottomk
            | AggregateOp::Limitk
            | AggregateOp::LimitRatio
            | AggregateOp::Quantile => Some(ValueType::Scalar),
            AggregateOp::CountValues => Some(ValueType::Text),
            AggregateOp::Sum
            | AggregateOp::Avg
            | AggregateOp::Min
            | AggregateOp::Max
            | AggregateOp::Count
            | AggregateOp::Group
            | AggregateOp::Stddev
            | AggregateOp::Stdvar => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) op: BinaryOp,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
    /// A comparison answers 0 or 1 instead of filtering.
    pub(crate) to_bool: bool,
    pub(crate) matching: Matching,
}

/// Is which series of the two sides belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matching {
    pub(crate) on: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) group: Group,
    /// Taken over from the side that has one series.
    pub(crate) include: Vec<String>,
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            on: false,
            labels: Vec::new(),
            group: Group::One,
            include: Vec::new(),
        }
    }
}

/// Is the side that may have several series to one of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    One,
    Left,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Atan2,
    Power,
}

impl BinaryOp {
    pub(crate) fn text(self) -> &'static str {
        match self {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Unless => "unless",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Less => "<",
            BinaryOp::LessOrEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterOrEqual => ">=",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
            BinaryOp::Atan2 => "atan2",
            BinaryOp::Power => "^",
        }
    }

    /// Returns how strongly it binds; a higher number binds first.
    pub(crate) fn binds(self) -> u8 {
        match self {
            BinaryOp::Or => 1,
            BinaryOp::And | BinaryOp::Unless => 2,
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => 3,
            BinaryOp::Add | BinaryOp::Subtract => 4,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo | BinaryOp::Atan2 => 5,
            BinaryOp::Power => POWER,
        }
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, BinaryOp::Or | BinaryOp::And | BinaryOp::Unless)
    }

    pub(crate) fn is_comparison(self) -> bool {
        self.binds() == 3
    }
}

/// A sign in front binds less than a power: `-2^2` is −4.
pub(crate) const POWER: u8 = 6;

/// Is what an expression answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Scalar,
    Vector,
    Range,
    Text,
}

impl std::fmt::Display for ValueType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            ValueType::Scalar => "scalar",
            ValueType::Vector => "instant vector",
            ValueType::Range => "range vector",
            ValueType::Text => "string",
        })
    }
}

impl Expr {
    pub(crate) fn value_type(&self) -> ValueType {
        match &self.node {
            Node::Number(_) => ValueType::Scalar,
            Node::Text(_) => ValueType::Text,
            Node::Vector(_) | Node::Aggregate(_) => ValueType::Vector,
            Node::Range { .. } | Node::Subquery(_) => ValueType::Range,
            Node::Call { function, .. } => function.returns,
            Node::Binary(binary) => {
                let scalar = |side: &Expr| side.value_type() == ValueType::Scalar;
                if scalar(&binary.left) && scalar(&binary.right) {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
            Node::Negate(of) | Node::Paren(of) => of.value_type(),
        }
    }

    /// Returns the expression without parentheses around it.
    pub(crate) fn inner(&self) -> &Expr {
        match &self.node {
            Node::Paren(of) => of.inner(),
            _ => self,
        }
    }

    /// Visits this part and all below it, from the outside in; `visit` says whether to go below.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr) -> bool) {
        if !visit(self) {
            return;
        }
        match &self.node {
            Node::Number(_) | Node::Text(_) | Node::Vector(_) | Node::Range { .. } => {}
            Node::Subquery(subquery) => subquery.of.walk(visit),
            Node::Call { args, .. } => {
                for arg in args {
                    arg.walk(visit);
                }
            }
            Node::Aggregate(aggregate) => {
                if let Some(param) = &aggregate.param {
                    param.walk(visit);
                }
                aggregate.of.walk(visit);
            }
            Node::Binary(binary) => {
                binary.left.walk(visit);
                binary.right.walk(visit);
            }
            Node::Negate(of) | Node::Paren(of) => of.walk(visit),
        }
    }
}
