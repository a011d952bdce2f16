//! A script as commands.

use super::ScriptError;
use super::points::{self, Sample};
use crate::duration::parse_duration;
use crate::labels::Labels;
use crate::number::parse_number;
use crate::parse::series;

pub(super) enum Command {
    Clear,
    Load(Load),
    Eval(Box<Case>),
}

pub(super) struct Load {
    pub(super) step_ms: i64,
    /// Classic histograms are loaded as native ones as well.
    pub(super) makes_histograms: bool,
    pub(super) series: Vec<(Labels, Vec<Option<Sample>>)>,
    /// Series whose samples say when their counters began, which nothing evaluates yet.
    pub(super) with_starts: Vec<Labels>,
}

/// Is an expression and what it has to come to.
pub(super) struct Case {
    pub(super) line: usize,
    pub(super) expression: String,
    pub(super) when: When,
    pub(super) expected: Expected,
    pub(super) ordered: bool,
    pub(super) warnings: Notes,
    pub(super) infos: Notes,
}

#[derive(Clone, Copy)]
pub(super) enum When {
    Instant(i64),
    Range { from: i64, to: i64, step: i64 },
}

pub(super) enum Expected {
    Failure(Wanted),
    Scalar(f64),
    Text(String),
    Series(Vec<(Labels, Vec<Option<Sample>>)>),
    /// Raw samples of a window, the first at this time, and so far apart.
    Window {
        from: i64,
        step: i64,
        series: Vec<(Labels, Vec<Option<Sample>>)>,
    },
}

/// Is what a text has to be.
pub(super) enum Wanted {
    Any,
    Exactly(String),
    Matching(String),
}

/// Is what has to be said beside the answer.
pub(super) enum Notes {
    Ignored,
    None,
    These(Vec<Wanted>),
}

impl Case {
    pub(super) fn has_histograms(&self) -> bool {
        let (Expected::Series(series) | Expected::Window { series, .. }) = &self.expected else {
            return false;
        };
        series
            .iter()
            .any(|(_, points)| points.contains(&Some(Sample::Histogram)))
    }
}

type Lines<'a> = std::iter::Peekable<std::vec::IntoIter<(usize, &'a str)>>;

/// Reads all commands. A comment counts as an empty line, and an empty line ends what stands above it.
pub(super) fn commands(text: &str) -> Result<Vec<Command>, ScriptError> {
    let lines = text.lines().enumerate().map(|(at, line)| {
        let line = line.trim();
        (at + 1, if line.starts_with('#') { "" } else { line })
    });
    let mut lines = lines.collect::<Vec<_>>().into_iter().peekable();
    let mut commands = Vec::new();
    while let Some((line, text)) = lines.next() {
        if text.is_empty() {
            continue;
        }
        let failed = |why: String| ScriptError { line, why };
        let word = text.split_whitespace().next().unwrap_or_default();
        commands.push(match word {
            "clear" => Command::Clear,
            "load" | "load_with_nhcb" => {
                Command::Load(load(text, &mut lines).map_err(|e| e.at(line))?)
            }
            _ if word.starts_with("eval") => Command::Eval(Box::new(
                eval(line, text, &mut lines).map_err(|e| e.at(line))?,
            )),
            _ => {
                return Err(failed(format!(
                    "`{word}` is no command; known: clear, load, eval"
                )));
            }
        });
    }
    Ok(commands)
}

/// Is a mistake, perhaps in a line below the command.
struct Bad(Option<usize>, String);

impl Bad {
    fn at(self, line: usize) -> ScriptError {
        ScriptError {
            line: self.0.unwrap_or(line),
            why: self.1,
        }
    }
}

impl From<String> for Bad {
    fn from(why: String) -> Self {
        Bad(None, why)
    }
}

/// Takes the lines of a block, up to an empty one.
fn block<'a>(lines: &mut Lines<'a>) -> Vec<(usize, &'a str)> {
    let mut block = Vec::new();
    while let Some(line) = lines.next_if(|(_, text)| !text.is_empty()) {
        block.push(line);
    }
    block
}

fn load(text: &str, lines: &mut Lines<'_>) -> Result<Load, Bad> {
    let (command, step) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let step_ms = time(step.trim())?;
    let (mut loaded, mut with_starts) = (Vec::new(), Vec::new());
    for (line, text) in block(lines) {
        if let Some((name, _)) = text.split_once("@st ") {
            let (labels, _) = series(name).map_err(|e| Bad(Some(line), e.to_string()))?;
            with_starts.push(labels);
            continue;
        }
        loaded.push(line_of_series(text).map_err(|why| Bad(Some(line), why))?);
    }
    Ok(Load {
        step_ms,
        makes_histograms: command == "load_with_nhcb",
        series: loaded,
        with_starts,
    })
}

fn line_of_series(text: &str) -> Result<(Labels, Vec<Option<Sample>>), String> {
    let (labels, rest) = series(text).map_err(|e| e.to_string())?;
    Ok((labels, points::read(rest)?))
}

/// Reads a time or a length of time; it may be negative.
fn time(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let ms = parse_duration(digits)
        .or_else(|| parse_number(digits).map(|seconds| (seconds * 1000.0) as i64))
        .ok_or_else(|| format!("`{text}` is no duration"))?;
    Ok(if negative { -ms } else { ms })
}

fn eval(line: usize, text: &str, lines: &mut Lines<'_>) -> Result<Case, Bad> {
    let (command, rest) = word(text);
    let (kind, rest) = word(rest);
    let (when, expression) = match kind {
        "instant" => {
            let rest = rest.strip_prefix("at ").unwrap_or(rest).trim_start();
            let (at, expression) = word(rest);
            (When::Instant(time(at)?), expression)
        }
        "range" => {
            let ([from, to, step], expression) = spans(rest)?;
            (When::Range { from, to, step }, expression)
        }
        other => return Err(format!("`{other}` is neither instant nor range").into()),
    };
    let mut case = Case {
        line,
        expression: expression.to_owned(),
        when,
        expected: Expected::Series(Vec::new()),
        ordered: false,
        warnings: Notes::Ignored,
        infos: Notes::Ignored,
    };
    match command.strip_prefix("eval_") {
        None => {}
        Some("fail") => case.expected = Expected::Failure(Wanted::Any),
        Some("ordered") => case.ordered = true,
        Some("warn") => case.warnings.add(Wanted::Any),
        Some("info") => case.infos.add(Wanted::Any),
        Some(_) => return Err(format!("`{command}` is no command").into()),
    }
    for (line, text) in block(lines) {
        case.take(text).map_err(|why| Bad(Some(line), why))?;
    }
    Ok(case)
}

/// Splits the first word off.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

/// Reads `from A to B step C` and returns what follows.
fn spans(text: &str) -> Result<([i64; 3], &str), String> {
    let (mut rest, mut times) = (text, [0; 3]);
    for (value, name) in times.iter_mut().zip(["from", "to", "step"]) {
        let (found, after) = word(rest);
        if found != name {
            return Err(format!("expected `{name}`, found `{found}`"));
        }
        let (written, after) = word(after);
        (*value, rest) = (time(written)?, after);
    }
    if times[2] <= 0 {
        return Err("the step must be more than nothing".into());
    }
    Ok((times, rest))
}

impl Notes {
    fn add(&mut self, wanted: Wanted) {
        match self {
            Notes::These(all) => all.push(wanted),
            Notes::Ignored | Notes::None => *self = Notes::These(vec![wanted]),
        }
    }
}

impl Case {
    /// Takes a line below the expression.
    fn take(&mut self, text: &str) -> Result<(), String> {
        if let Some(rest) = text.strip_prefix("expect ") {
            return self.expect(rest.trim());
        }
        if let Some(value) = parse_number(text) {
            self.expected = Expected::Scalar(value);
            return Ok(());
        }
        let new = line_of_series(text)?;
        match &mut self.expected {
            Expected::Series(series) | Expected::Window { series, .. } => series.push(new),
            Expected::Failure(_) => {}
            Expected::Scalar(_) | Expected::Text(_) => {
                return Err("series beside a scalar or a string".into());
            }
        }
        Ok(())
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        let (what, rest) = word(text);
        match what {
            "fail" => self.expected = Expected::Failure(wanted(rest)?),
            "warn" => self.warnings.add(wanted(rest)?),
            "info" => self.infos.add(wanted(rest)?),
            "no_warn" => self.warnings = Notes::None,
            "no_info" => self.infos = Notes::None,
            "ordered" => self.ordered = true,
            "string" => self.expected = Expected::Text(quoted(rest)?),
            "range" => {
                let rest = rest
                    .strip_prefix("vector")
                    .ok_or("expected `range vector`")?;
                let ([from, _, step], _) = spans(rest)?;
                let series = Vec::new();
                self.expected = Expected::Window { from, step, series };
            }
            other => return Err(format!("`expect {other}` is unknown")),
        }
        Ok(())
    }
}

fn wanted(text: &str) -> Result<Wanted, String> {
    if text.is_empty() {
        Ok(Wanted::Any)
    } else if let Some(exact) = text.strip_prefix("msg:") {
        Ok(Wanted::Exactly(exact.trim().into()))
    } else if let Some(pattern) = text.strip_prefix("regex:") {
        Ok(Wanted::Matching(pattern.trim().into()))
    } else {
        Err(format!("`{text}`: expected `msg:` or `regex:`"))
    }
}

fn quoted(text: &str) -> Result<String, String> {
    let parsed = crate::parse(text).map_err(|e| e.to_string())?;
    match parsed.root.node {
        crate::ast::Node::Text(text) => Ok(text),
        _ => Err(format!("`{text}` is no string")),
    }
}
