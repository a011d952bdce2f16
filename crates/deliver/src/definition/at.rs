//! Reads one node as one type, and says what stands there instead when it is another.
//!
//! A reader returns nothing when it has reported a fault; its caller goes on with the next key, so that
//! one pass finds all faults.

use std::cell::RefCell;
use std::str::FromStr;
use std::time::Duration;

use model::time::parse_duration;

use super::Fault;
use super::fault::{did_you_mean, listed, shown};
use super::scalar::{Kind, Scalar};
use super::substitute;
use super::tree::{Key, Node, Place, Value};

const DURATION: &str = "write a number and a unit, such as 250ms, 10s, 15m, 2h or 7d";

/// Collects what is wrong, and where the service's port is used.
#[derive(Default)]
pub(super) struct Report {
    faults: RefCell<Vec<Fault>>,
    port_uses: RefCell<Vec<(Place, String)>>,
}

impl Report {
    fn add(&self, place: Place, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let fault = Fault {
            path: path.to_owned(),
            ..place.fault(what, remedy)
        };
        self.faults.borrow_mut().push(fault);
    }

    /// Reports every use of the service's port, for a service that has none.
    pub(super) fn fault_port_uses(&self) {
        for (place, path) in self.port_uses.borrow().iter() {
            let what = "the service's port is used here, but it has none";
            self.add(*place, path, what, "add `ports: [8101]` under `run`");
        }
    }

    /// Returns the faults in the order of their places; two of one place stay in the order found.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults
    }
}

/// Is a node, with the path that leads to it.
#[derive(Clone)]
pub(super) struct At<'a> {
    node: &'a Node,
    /// Where a fault is shown: the node's place, or that of its key.
    place: Place,
    path: String,
    report: &'a Report,
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node, report: &'a Report) -> Self {
        Self {
            node,
            place: node.place,
            path: String::new(),
            report,
        }
    }

    /// Returns the value under a key of this node.
    pub(super) fn child(&self, key: &Key, node: &'a Node) -> Self {
        let key = shown(&key.text);
        let path = if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        };
        Self {
            node,
            place: node.place,
            path,
            report: self.report,
        }
    }

    fn item(&self, index: usize, node: &'a Node) -> Self {
        let path = format!("{}[{index}]", self.path);
        Self {
            node,
            place: node.place,
            path,
            report: self.report,
        }
    }

    /// Returns the same node, with its faults shown at its key.
    pub(super) fn at_key(self, key: &Key) -> Self {
        Self {
            place: key.place,
            ..self
        }
    }

    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    pub(super) fn value(&self) -> &'a Value {
        &self.node.value
    }

    /// Reports a fault of this node.
    pub(super) fn fault(&self, what: impl Into<String>, remedy: impl Into<String>) {
        self.report.add(self.place, &self.path, what, remedy);
    }

    /// Reports a fault written as one sentence, `what; remedy`, as the readers of `model` write it.
    pub(super) fn sentence(&self, sentence: &str) {
        match sentence.rsplit_once("; ") {
            Some((what, remedy)) => self.fault(what, remedy),
            None => self.fault("this cannot stand here", sentence),
        }
    }

    /// Reports another type than the one expected.
    pub(super) fn wrong<T>(&self, expected: &str, remedy: &str) -> Option<T> {
        let found = match &self.node.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map of keys".to_owned(),
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Nothing => "nothing".to_owned(),
                Kind::Truth => format!("the truth value `{}`", self.written()),
                Kind::Number => format!("the number `{}`", self.written()),
                Kind::Text => format!("the text `{}`", self.written()),
            },
        };
        self.fault(format!("expected {expected}, found {found}"), remedy);
        None
    }

    fn scalar(&self) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Returns a scalar as a message may show it.
    pub(super) fn written(&self) -> String {
        self.scalar()
            .map(|scalar| shown(&scalar.text))
            .unwrap_or_default()
    }

    /// Returns what kind of scalar stands here.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.scalar().map(Scalar::kind)
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Reads text that is not empty and in which nothing is filled in.
    pub(super) fn text(&self) -> Option<&'a str> {
        let Some(scalar) = self.scalar().filter(|scalar| scalar.kind() == Kind::Text) else {
            return self.wrong(
                "text",
                "write text; put quotes round a number or a truth value",
            );
        };
        if scalar.text.is_empty() {
            self.fault("the text is empty", "write the value");
            return None;
        }
        if scalar.text.contains("${") {
            self.fault(
                format!("`{}` holds `${{`, and nothing is filled in here", self.written()),
                "`${PORT}` and `${RELEASE}` are filled in under `run`, `health` and `metrics`, `${env.NAME}` before the file is read",
            );
            return None;
        }
        self.without_nul(&scalar.text)
    }

    /// Reads any scalar but null as it is written, so that `8080` and `true` need no quotes.
    pub(super) fn word(&self) -> Option<&'a str> {
        match self
            .scalar()
            .filter(|scalar| scalar.kind() != Kind::Nothing)
        {
            Some(scalar) => self.without_nul(&scalar.text),
            None => self.wrong("text", "write a value; `\"\"` is the empty text"),
        }
    }

    /// Reads a word in which the host fills in `${PORT}` and `${RELEASE}`.
    pub(super) fn template(&self) -> Option<String> {
        let text = self.word()?;
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            rest = &rest[start + 2..];
            let name = rest.find('}').map(|end| &rest[..end]);
            match name {
                Some("PORT") => self.uses_port(),
                Some("RELEASE") => {}
                _ => {
                    self.unknown_placeholder(name);
                    return None;
                }
            }
        }
        Some(text.to_owned())
    }

    fn unknown_placeholder(&self, name: Option<&str>) {
        let (what, remedy) = match name {
            None => substitute::unclosed(),
            Some(name) if name.starts_with("env.") => (
                format!("`${{{}}}` was not filled in", shown(name)),
                "fill it in before the file is sent, as `sleepwell ship` does".to_owned(),
            ),
            Some(name) => substitute::unknown(name),
        };
        self.fault(what, remedy);
    }

    fn without_nul(&self, text: &'a str) -> Option<&'a str> {
        if text.contains('\0') {
            self.fault(
                "the text holds a NUL character",
                "remove it; no program can be given one",
            );
            return None;
        }
        Some(text)
    }

    /// Notes that this is of no use to a service without a port.
    pub(super) fn uses_port(&self) {
        self.report
            .port_uses
            .borrow_mut()
            .push((self.place, self.path.clone()));
    }

    /// Reads a name or whatever else says in one sentence what it may hold.
    pub(super) fn parsed<T: FromStr<Err = String>>(self) -> Option<T> {
        self.text()?
            .parse()
            .map_err(|error: String| self.sentence(&error))
            .ok()
    }

    pub(super) fn duration(self) -> Option<Duration> {
        if self
            .scalar()
            .is_none_or(|scalar| matches!(scalar.kind(), Kind::Nothing | Kind::Truth))
        {
            return self.wrong("a duration", DURATION);
        }
        let duration = parse_duration(self.word()?).ok();
        if duration.is_none() {
            self.fault(format!("`{}` is not a duration", self.written()), DURATION);
        }
        duration
    }

    /// Reads a duration that is not shorter than `least`.
    pub(super) fn duration_of(self, least: Duration) -> Option<Duration> {
        let duration = self.clone().duration()?;
        if duration < least {
            let remedy = format!("write at least {}ms", least.as_millis());
            self.fault(format!("`{}` is too short", self.written()), remedy);
            return None;
        }
        Some(duration)
    }

    /// Reads a whole number of `least` or more.
    pub(super) fn count<T: TryFrom<i128>>(self, least: i128) -> Option<T> {
        let number = self.scalar().and_then(|scalar| scalar.number()?.whole());
        let Some(number) = number else {
            return self.wrong(
                "a whole number",
                "write digits only, without quotes or a unit",
            );
        };
        let fits = (number >= least)
            .then(|| T::try_from(number).ok())
            .flatten();
        if fits.is_none() {
            let (size, remedy) = match number < least {
                true => ("small", format!("write {least} or more")),
                false => ("large", "write a smaller number".to_owned()),
            };
            self.fault(format!("`{}` is too {size}", self.written()), remedy);
        }
        fits
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self.scalar().and_then(Scalar::number) {
            Some(number) => Some(number.fraction()),
            None => self.wrong("a number", "write it without quotes, such as 0.5"),
        }
    }

    pub(super) fn truth(self) -> Option<bool> {
        let truth = self.scalar().and_then(Scalar::truth);
        truth.or_else(|| {
            self.wrong(
                "true or false",
                "write `true` or `false`; `yes`, `no`, `on` and `off` are text",
            )
        })
    }

    /// Reads one of some words. A word of the specification that is not built is refused as such.
    pub(super) fn choice<T: Clone>(&self, words: &[(&str, T)], not_built: &[&str]) -> Option<T> {
        let text = self.text()?;
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| value.clone());
        if found.is_none() {
            if not_built.contains(&text) {
                let remedy = format!("use {}", listed(&known, "or"));
                self.fault(format!("`{text}` is not built yet"), remedy);
            } else {
                let what = format!("unknown value `{}`", shown(text));
                self.fault(what, did_you_mean(text, &known));
            }
        }
        found
    }

    /// Reads every item of a list; a fault in one does not keep the others from being read.
    pub(super) fn list<T>(&self, read: impl Fn(At<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(items) = &self.node.value else {
            return self.wrong(
                "a list",
                "write `[first, second]`, or one `- item` per line",
            );
        };
        let items = items
            .iter()
            .enumerate()
            .map(|(i, node)| read(self.item(i, node)));
        all(items)
    }
}

/// Returns all values, or nothing when one is missing; unlike `collect` alone it asks for every one, so
/// that every fault is found.
pub(super) fn all<T, C: FromIterator<T>>(values: impl Iterator<Item = Option<T>>) -> Option<C> {
    let values: Vec<Option<T>> = values.collect();
    values.into_iter().collect()
}
