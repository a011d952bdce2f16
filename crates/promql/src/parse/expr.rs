//! The parser: primary expressions with what may follow them, joined by operators that bind more or less.

use crate::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Expr, Group, Grouping, Matching, Node, POWER,
    Pos, Selector, Shift, Subquery,
};
use crate::error::Failed;
use crate::function::{self, Function};
use crate::matcher::{Matcher, Op};
use crate::number::parse_number;
use crate::{NAME, ValueType};

use super::lexer::{self, Tok, Token};
use super::name_matcher;

/// How deep expressions may stand inside each other; those people write have ten levels.
const DEPTH: usize = 256;
/// How many operators and ranges one expression may hold: `a + a + …` is a tree as deep as it is long.
const JOINTS: usize = 200;

pub(super) struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// Where the text ends.
    end: usize,
    depth: usize,
    joints: usize,
}

impl Parser {
    pub(super) fn new(tokens: Vec<Token>, end: usize) -> Self {
        Self {
            tokens,
            next: 0,
            end,
            depth: 0,
            joints: 0,
        }
    }

    pub(super) fn whole(mut self) -> Result<Expr, Failed> {
        if self.tokens.is_empty() {
            return Err(Failed::syntax(self.end, "no expression found in input"));
        }
        let expr = self.expr(0)?;
        match self.peek() {
            None => Ok(expr),
            Some(_) => Err(self.unexpected("")),
        }
    }

    /// Reads an expression whose operators bind at least as strongly as `least`.
    fn expr(&mut self, least: u8) -> Result<Expr, Failed> {
        self.depth += 1;
        if self.depth > DEPTH {
            let why = format!("expressions may stand {DEPTH} deep inside each other");
            return Err(Failed::syntax(self.at(), why));
        }
        let mut left = self.signed()?;
        while let Some(op) = self.operator()? {
            if op.binds() < least {
                break;
            }
            self.joint()?;
            self.next += 1;
            left = self.binary(left, op)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// Counts what makes the tree deeper without the parser going deeper.
    fn joint(&mut self) -> Result<(), Failed> {
        self.joints += 1;
        if self.joints > JOINTS {
            let why = format!("more than {JOINTS} operators and ranges in one expression");
            return Err(Failed::syntax(self.at(), why));
        }
        Ok(())
    }

    fn binary(&mut self, left: Expr, op: BinaryOp) -> Result<Expr, Failed> {
        let (to_bool, matching) = self.modifiers(op)?;
        // Powers are read from the right, all others from the left.
        let least = if op == BinaryOp::Power {
            POWER
        } else {
            op.binds() + 1
        };
        let right = self.expr(least)?;
        let pos = Pos {
            start: left.pos.start,
            end: right.pos.end,
        };
        let binary = Binary {
            op,
            left,
            right,
            to_bool,
            matching,
        };
        Ok(Expr {
            pos,
            node: Node::Binary(Box::new(binary)),
        })
    }

    /// Returns the operator that comes next, without taking it.
    fn operator(&self) -> Result<Option<BinaryOp>, Failed> {
        let Some(token) = self.peek() else {
            return Ok(None);
        };
        let text = match &token.what {
            Tok::Sign(">/" | "</") => {
                let what = "trimming of histograms by `</` and `>/`";
                return Err(Failed::unsupported(token.pos.start, what));
            }
            Tok::Sign(sign) => *sign,
            Tok::Word(word) => word,
            Tok::Number(_) | Tok::Duration(_) | Tok::Text(_) => return Ok(None),
        };
        const OPS: [BinaryOp; 16] = [
            BinaryOp::Or,
            BinaryOp::And,
            BinaryOp::Unless,
            BinaryOp::Equal,
            BinaryOp::NotEqual,
            BinaryOp::Less,
            BinaryOp::LessOrEqual,
            BinaryOp::Greater,
            BinaryOp::GreaterOrEqual,
            BinaryOp::Add,
            BinaryOp::Subtract,
            BinaryOp::Multiply,
            BinaryOp::Divide,
            BinaryOp::Modulo,
            BinaryOp::Atan2,
            BinaryOp::Power,
        ];
        Ok(OPS
            .into_iter()
            .find(|op| op.text().eq_ignore_ascii_case(text)))
    }

    /// Reads `bool`, `on`, `ignoring` and `group_…` behind an operator.
    fn modifiers(&mut self, op: BinaryOp) -> Result<(bool, Matching), Failed> {
        let to_bool = self.is_word("bool");
        if to_bool {
            if !op.is_comparison() {
                let why = "bool modifier can only be used on comparison operators";
                return Err(Failed::syntax(self.at(), why));
            }
            self.next += 1;
        }
        let mut matching = Matching::default();
        if self.followed_by_list("on") || self.followed_by_list("ignoring") {
            matching.on = self.is_word("on");
            self.next += 1;
            matching.labels = self.label_list()?;
        }
        for (word, group) in [("group_left", Group::Left), ("group_right", Group::Right)] {
            if self.is_word(word) {
                let at = self.at();
                self.next += 1;
                matching.group = group;
                if self.is_sign("(") {
                    matching.include = self.label_list()?;
                }
                refuse_group(&matching, op, at)?;
            }
        }
        for word in ["fill", "fill_left", "fill_right"] {
            if self.followed_by_list(word) {
                return Err(Failed::unsupported(self.at(), "the modifier `fill`"));
            }
        }
        Ok((to_bool, matching))
    }

    fn signed(&mut self) -> Result<Expr, Failed> {
        let start = self.at();
        let negative = match self.peek().map(|token| &token.what) {
            Some(Tok::Sign("-")) => true,
            Some(Tok::Sign("+")) => false,
            _ => return self.primary(),
        };
        self.next += 1;
        let of = self.expr(POWER)?;
        let pos = Pos {
            start,
            end: of.pos.end,
        };
        if !matches!(of.value_type(), ValueType::Scalar | ValueType::Vector) {
            let why = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got \"{}\"",
                of.value_type()
            );
            return Err(Failed::syntax(start, why));
        }
        let node = match of.node {
            Node::Number(value) if negative => Node::Number(-value),
            Node::Number(value) => Node::Number(value),
            node if negative => Node::Negate(Box::new(Expr { pos: of.pos, node })),
            node => node,
        };
        Ok(Expr { pos, node })
    }

    /// Reads an expression without operators, and what follows it in brackets or as a shift in time.
    fn primary(&mut self) -> Result<Expr, Failed> {
        let mut expr = self.atom()?;
        loop {
            match self.peek().map(|token| &token.what) {
                Some(Tok::Sign("[")) => {
                    self.joint()?;
                    expr = self.range(expr)?;
                }
                Some(Tok::Sign("@")) => self.at_modifier(&mut expr)?,
                Some(Tok::Word(word)) if word.eq_ignore_ascii_case("offset") => {
                    self.offset(&mut expr)?;
                }
                Some(Tok::Word(word)) if matches!(word.as_str(), "anchored" | "smoothed") => {
                    return Err(Failed::unsupported(
                        self.at(),
                        "the modifiers `anchored` and `smoothed`",
                    ));
                }
                _ => return Ok(expr),
            }
        }
    }

    fn atom(&mut self) -> Result<Expr, Failed> {
        let Some(token) = self.peek().cloned() else {
            return Err(self.unexpected(""));
        };
        let pos = token.pos;
        match token.what {
            Tok::Number(value) => Ok(self.taken(pos, Node::Number(value))),
            Tok::Duration(ms) => Ok(self.taken(pos, Node::Number(ms as f64 / 1000.0))),
            Tok::Text(text) => Ok(self.taken(pos, Node::Text(text))),
            Tok::Sign("(") => self.parenthesis(pos.start),
            Tok::Sign("{") => self.selector(pos.start, None),
            Tok::Word(word) => self.named(pos, &word),
            Tok::Sign(_) => Err(self.unexpected("")),
        }
    }

    fn taken(&mut self, pos: Pos, node: Node) -> Expr {
        self.next += 1;
        Expr { pos, node }
    }

    fn parenthesis(&mut self, start: usize) -> Result<Expr, Failed> {
        self.next += 1;
        let of = self.expr(0)?;
        let end = self.expect(")", "parenthesized expression")?.end;
        Ok(Expr {
            pos: Pos { start, end },
            node: Node::Paren(Box::new(of)),
        })
    }

    /// Reads what begins with a name: a call, an aggregation, a number in letters, or a metric.
    fn named(&mut self, pos: Pos, word: &str) -> Result<Expr, Failed> {
        let called = self
            .tokens
            .get(self.next + 1)
            .is_some_and(|t| t.what == Tok::Sign("("));
        let lower = word.to_ascii_lowercase();
        let aggregation = AggregateOp::ALL.iter().find(|(name, _)| *name == lower);
        if let Some((_, op)) = aggregation {
            let grouped = self.tokens.get(self.next + 1).is_some_and(|t| {
                matches!(&t.what, Tok::Word(w)
                    if w.eq_ignore_ascii_case("by") || w.eq_ignore_ascii_case("without"))
            });
            if called || grouped {
                return self.aggregation(pos.start, *op);
            }
        }
        if called {
            return match function::find(word) {
                Some(function) => self.call(pos.start, function),
                None if function::UNSUPPORTED.contains(&word) => Err(Failed::unsupported(
                    pos.start,
                    "a function that looks at more than its arguments (`info`, `start_timestamp`)",
                )),
                None => Err(Failed::of(
                    pos,
                    format!("unknown function with name {word:?}"),
                )),
            };
        }
        if let Some(value) = parse_number(word).filter(|_| matches!(lower.as_str(), "inf" | "nan"))
        {
            return Ok(self.taken(pos, Node::Number(value)));
        }
        self.next += 1;
        if self.is_sign("{") {
            return self.selector(pos.start, Some(word));
        }
        Ok(Expr {
            pos,
            node: Node::Vector(Selector {
                matchers: vec![name_matcher(word)],
                shift: Shift::default(),
            }),
        })
    }

    fn call(&mut self, start: usize, function: &'static Function) -> Result<Expr, Failed> {
        self.next += 1;
        let (args, end) = self.arguments("function call")?;
        Ok(Expr {
            pos: Pos { start, end },
            node: Node::Call { function, args },
        })
    }

    fn aggregation(&mut self, start: usize, op: AggregateOp) -> Result<Expr, Failed> {
        self.next += 1;
        let mut grouping = self.grouping()?;
        let (mut args, mut end) = self.arguments("aggregation")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
            if grouping.is_some() {
                end = self.tokens[self.next - 1].pos.end;
            }
        }
        let wanted = if op.param().is_some() { 2 } else { 1 };
        if args.len() != wanted {
            let why = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            return Err(Failed::syntax(start, why));
        }
        let of = args.pop().expect("there is one at least");
        let aggregate = Aggregate {
            op,
            grouping: grouping.unwrap_or(Grouping::By(Vec::new())),
            param: args.pop(),
            of,
        };
        Ok(Expr {
            pos: Pos { start, end },
            node: Node::Aggregate(Box::new(aggregate)),
        })
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, Failed> {
        let by = self.is_word("by");
        if !by && !self.is_word("without") {
            return Ok(None);
        }
        self.next += 1;
        let labels = self.label_list()?;
        Ok(Some(if by {
            Grouping::By(labels)
        } else {
            Grouping::Without(labels)
        }))
    }

    /// Reads arguments in parentheses and returns where they end.
    fn arguments(&mut self, of: &str) -> Result<(Vec<Expr>, usize), Failed> {
        self.expect("(", of)?;
        let mut args = Vec::new();
        loop {
            if self.is_sign(")") {
                let end = self.expect(")", of)?.end;
                return Ok((args, end));
            }
            if self.peek().is_none() {
                return Err(self.unexpected(of));
            }
            args.push(self.expr(0)?);
            if !self.is_sign(")") {
                self.expect(",", of)?;
            }
        }
    }

    fn label_list(&mut self) -> Result<Vec<String>, Failed> {
        self.expect("(", "grouping opts")?;
        let mut labels = Vec::new();
        while !self.is_sign(")") {
            let Some(token) = self.peek().cloned() else {
                return Err(self.unexpected("grouping opts"));
            };
            match token.what {
                Tok::Word(word) if super::is_label_name(&word) => labels.push(word),
                Tok::Text(text) if !text.is_empty() => labels.push(text),
                _ => return Err(self.unexpected("grouping opts, expected label")),
            }
            self.next += 1;
            if !self.is_sign(")") {
                self.expect(",", "grouping opts")?;
            }
        }
        self.expect(")", "grouping opts")?;
        Ok(labels)
    }

    /// Reads label matchers in braces.
    fn selector(&mut self, start: usize, name: Option<&str>) -> Result<Expr, Failed> {
        self.expect("{", "label matching")?;
        let mut matchers: Vec<Matcher> = Vec::new();
        let mut name = name.map(str::to_owned);
        while !self.is_sign("}") {
            let token = self.peek().cloned();
            let Some(token) = token else {
                return Err(self.unexpected("label matching"));
            };
            self.next += 1;
            match (token.what, self.matcher_op()) {
                (Tok::Word(label), Some(op)) if super::is_label_name(&label) => {
                    matchers.push(self.matcher(&label, op)?);
                }
                (Tok::Text(label), Some(op)) => matchers.push(self.matcher(&label, op)?),
                (Tok::Text(quoted), None) if name.is_none() => name = Some(quoted),
                (Tok::Text(_), None) => {
                    return Err(Failed::of(token.pos, "metric name must not be set twice"));
                }
                _ => {
                    self.next -= 1;
                    return Err(self.unexpected("label matching"));
                }
            }
            if !self.is_sign("}") {
                self.expect(",", "label matching")?;
            }
        }
        let end = self.expect("}", "label matching")?.end;
        if let Some(name) = name {
            if matchers
                .iter()
                .any(|m| m.label == NAME && m.op == Op::Equal)
            {
                let why = format!("metric name must not be set twice: {name:?}");
                return Err(Failed::syntax(start, why));
            }
            matchers.insert(0, name_matcher(&name));
        }
        Ok(Expr {
            pos: Pos { start, end },
            node: Node::Vector(Selector {
                matchers,
                shift: Shift::default(),
            }),
        })
    }

    fn matcher_op(&mut self) -> Option<Op> {
        let op = match self.peek()?.what {
            Tok::Sign("=") => Op::Equal,
            Tok::Sign("!=") => Op::NotEqual,
            Tok::Sign("=~") => Op::Matches,
            Tok::Sign("!~") => Op::NotMatches,
            _ => return None,
        };
        self.next += 1;
        Some(op)
    }

    fn matcher(&mut self, label: &str, op: Op) -> Result<Matcher, Failed> {
        let Some(Token {
            what: Tok::Text(value),
            pos,
        }) = self.peek().cloned()
        else {
            return Err(self.unexpected("label matching, expected string"));
        };
        self.next += 1;
        Matcher::new(label, op, &value).map_err(|why| Failed::of(pos, why))
    }

    /// Reads `[5m]` or `[1h:5m]` behind an expression.
    fn range(&mut self, expr: Expr) -> Result<Expr, Failed> {
        let open = self.expect("[", "range")?;
        let range_ms = self.positive_duration()?;
        if self.is_sign(":") {
            self.next += 1;
            let step_ms = match self.is_sign("]") {
                true => None,
                false => Some(self.positive_duration()?),
            };
            let end = self.expect("]", "subquery selector")?.end;
            let start = expr.pos.start;
            let subquery = Subquery {
                of: expr,
                range_ms,
                step_ms,
                shift: Shift::default(),
            };
            return Ok(Expr {
                pos: Pos { start, end },
                node: Node::Subquery(Box::new(subquery)),
            });
        }
        let end = self.expect("]", "range selector")?.end;
        match expr.node {
            Node::Vector(selector) if selector.shift == Shift::default() => Ok(Expr {
                pos: Pos {
                    start: expr.pos.start,
                    end,
                },
                node: Node::Range { selector, range_ms },
            }),
            Node::Vector(_) => Err(Failed::of(
                open,
                "no offset or @ modifiers allowed before range",
            )),
            _ => Err(Failed::of(open, "ranges only allowed for vector selectors")),
        }
    }

    /// Reads a duration of more than nothing; a plain number counts seconds.
    fn positive_duration(&mut self) -> Result<i64, Failed> {
        let at = self.at();
        let ms = self.duration()?;
        if ms <= 0 {
            return Err(Failed::syntax(at, "duration must be greater than 0"));
        }
        Ok(ms)
    }

    fn duration(&mut self) -> Result<i64, Failed> {
        let at = self.at();
        let ms = match self.peek().map(|token| &token.what) {
            Some(Tok::Duration(ms)) => *ms,
            Some(Tok::Number(seconds)) => {
                millis(*seconds).ok_or_else(|| Failed::syntax(at, "duration out of range"))?
            }
            Some(Tok::Sign("(" | "-" | "+") | Tok::Word(_)) => {
                return Err(Failed::unsupported(at, ARITHMETIC));
            }
            _ => return Err(self.unexpected("duration")),
        };
        self.next += 1;
        // Behind `offset 5m` an operator belongs to the expression, in brackets to the duration.
        if let Some(Tok::Sign("+" | "-" | "*" | "/" | "%" | "^")) = self.peek().map(|t| &t.what)
            && self.within_brackets()
        {
            return Err(Failed::unsupported(at, ARITHMETIC));
        }
        Ok(ms)
    }

    fn within_brackets(&self) -> bool {
        let before = self.tokens[..self.next].iter().rev();
        before
            .map(|token| &token.what)
            .find(|what| matches!(what, Tok::Sign("[" | "]")))
            .is_some_and(|what| *what == Tok::Sign("["))
    }

    fn offset(&mut self, expr: &mut Expr) -> Result<(), Failed> {
        let at = self.at();
        self.next += 1;
        let negative = self.is_sign("-");
        if negative || self.is_sign("+") {
            self.next += 1;
        }
        let ms = self.duration()?;
        let end = self.tokens[self.next - 1].pos.end;
        let shift = shift_of(expr).ok_or_else(|| {
            Failed::syntax(at, "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery")
        })?;
        if shift.offset_ms != 0 {
            return Err(Failed::syntax(at, "offset may not be set multiple times"));
        }
        shift.offset_ms = if negative { -ms } else { ms };
        expr.pos.end = end;
        Ok(())
    }

    fn at_modifier(&mut self, expr: &mut Expr) -> Result<(), Failed> {
        let at = self.at();
        self.next += 1;
        let time = self.at_time(at)?;
        let end = self.tokens[self.next - 1].pos.end;
        let shift = shift_of(expr).ok_or_else(|| {
            Failed::syntax(at, "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery")
        })?;
        if shift.at.is_some() {
            return Err(Failed::syntax(
                at,
                "@ <timestamp> may not be set multiple times",
            ));
        }
        shift.at = Some(time);
        expr.pos.end = end;
        Ok(())
    }

    fn at_time(&mut self, at: usize) -> Result<At, Failed> {
        for (word, time) in [("start", At::Start), ("end", At::End)] {
            if self.followed_by_list(word) {
                self.next += 2;
                self.expect(")", "@")?;
                return Ok(time);
            }
        }
        let negative = self.is_sign("-");
        if negative || self.is_sign("+") {
            self.next += 1;
        }
        let seconds = match self.peek().map(|token| &token.what) {
            Some(Tok::Number(seconds)) => *seconds,
            Some(Tok::Duration(ms)) => *ms as f64 / 1000.0,
            Some(Tok::Word(word)) if parse_number(word).is_some() => f64::NAN,
            _ => return Err(self.unexpected("@, expected timestamp")),
        };
        self.next += 1;
        let ms = millis(if negative { -seconds } else { seconds });
        ms.map(At::Time)
            .ok_or_else(|| Failed::syntax(at, "timestamp out of bounds for @ modifier"))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    /// Returns where the next token begins.
    fn at(&self) -> usize {
        self.peek().map_or(self.end, |token| token.pos.start)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token { what: Tok::Sign(s), .. }) if *s == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token { what: Tok::Word(w), .. }) if w.eq_ignore_ascii_case(word))
    }

    /// Tells whether a word with `(` behind it comes next.
    fn followed_by_list(&self, word: &str) -> bool {
        let next = self.tokens.get(self.next + 1);
        self.is_word(word) && next.is_some_and(|token| token.what == Tok::Sign("("))
    }

    fn expect(&mut self, sign: &str, within: &str) -> Result<Pos, Failed> {
        if !self.is_sign(sign) {
            return Err(self.unexpected(&format!("{within}, expected {sign:?}")));
        }
        let pos = self.tokens[self.next].pos;
        self.next += 1;
        Ok(pos)
    }

    fn unexpected(&self, within: &str) -> Failed {
        let what = match self.peek().map(|token| &token.what) {
            None => "end of input".to_owned(),
            Some(Tok::Word(word)) => format!("identifier {word:?}"),
            Some(Tok::Number(value)) => format!("number {value}"),
            Some(Tok::Duration(ms)) => {
                format!("duration {}", crate::duration::format_duration(*ms))
            }
            Some(Tok::Text(text)) => format!("string {text:?}"),
            Some(Tok::Sign(sign)) => format!("{sign:?}"),
        };
        match within {
            "" => Failed::syntax(self.at(), format!("unexpected {what}")),
            within => Failed::syntax(self.at(), format!("unexpected {what} in {within}")),
        }
    }
}

const ARITHMETIC: &str = "arithmetic in durations";

fn refuse_group(matching: &Matching, op: BinaryOp, at: usize) -> Result<(), Failed> {
    if op.is_set() {
        let why = format!("no grouping allowed for {:?} operation", op.text());
        return Err(Failed::syntax(at, why));
    }
    let both = matching
        .include
        .iter()
        .find(|label| matching.labels.contains(label));
    match both {
        Some(label) if matching.on => {
            let why = format!("label {label:?} must not occur in ON and GROUP clause at once");
            Err(Failed::syntax(at, why))
        }
        _ => Ok(()),
    }
}

fn shift_of(expr: &mut Expr) -> Option<&mut Shift> {
    match &mut expr.node {
        Node::Vector(selector) | Node::Range { selector, .. } => Some(&mut selector.shift),
        Node::Subquery(subquery) => Some(&mut subquery.shift),
        _ => None,
    }
}

/// Returns milliseconds; none for what no time can be.
fn millis(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1000.0).round();
    // Far above any date, and far below what adding windows and offsets could overflow.
    (ms.abs() < 9e15).then_some(ms as i64)
}

/// Reads one series from the front of a text: its labels, and where it ends.
pub(super) fn series(text: &str) -> Result<(Vec<(String, String)>, usize), Failed> {
    let end = series_end(text);
    let tokens = lexer::tokens(&text[..end])?;
    let mut parser = Parser::new(tokens, end);
    let expr = parser.atom()?;
    if parser.peek().is_some() {
        return Err(parser.unexpected("series"));
    }
    let Node::Vector(selector) = expr.node else {
        return Err(Failed::syntax(0, "no series"));
    };
    let pair = |matcher: Matcher| match matcher.op {
        Op::Equal => Ok((matcher.label, matcher.value)),
        _ => Err(Failed::syntax(0, "a series has labels with `=` only")),
    };
    let pairs: Result<Vec<_>, Failed> = selector.matchers.into_iter().map(pair).collect();
    Ok((pairs?, end))
}

/// Returns where the series in front ends: behind its braces, or else at the first blank.
fn series_end(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    let mut inside = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(q) if c == '\\' && q != '`' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' | '`' => quote = Some(c),
                '{' => inside = true,
                '}' => return at + 1,
                c if c.is_whitespace() && !inside => {
                    // A blank may stand between the name and its braces.
                    let rest = text[at..].trim_start();
                    if rest.starts_with('{') && !rest.starts_with("{{") {
                        continue;
                    }
                    return at;
                }
                _ => {}
            },
        }
    }
    text.len()
}
