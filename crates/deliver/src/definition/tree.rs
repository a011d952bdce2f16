//! Turns YAML text into nodes that know where they stand.
//!
//! Aliases are copied out here, within limits on nodes, bytes and depth that are checked before each
//! copy, so that a small file cannot become a large one. What a node means is not known here.

use std::collections::HashMap;

use model::limit;
use serde_saphyr::granit_parser::{self, ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag};

use super::Fault;
use super::fault::shown;
use super::scalar::Scalar;

/// Is a position in the text, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

const START: Place = Place { line: 1, column: 1 };

impl Place {
    pub(super) fn of(marker: granit_parser::Marker) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            line: number(marker.line()),
            column: number(marker.col().saturating_add(1)),
        }
    }

    pub(super) fn fault(self, what: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault {
            line: Some(self.line),
            column: Some(self.column),
            path: String::new(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the text; a key may stand twice.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) text: String,
}

/// Reads the only document of the text.
///
/// # Errors
/// The first thing that is no YAML, or that is over a limit.
pub(super) fn build(text: &str) -> Result<Node, Fault> {
    check_size(text)?;
    let mut builder = Builder::default();
    for event in events(text) {
        let (event, span) = event.map_err(|error| syntax(text, &error))?;
        builder.take(event, Place::of(span.start))?;
    }
    builder
        .root
        .ok_or_else(|| START.fault("the file is empty", "begin with `service: NAME`"))
}

/// Refuses a text over the limit before anything reads it.
pub(super) fn check_size(text: &str) -> Result<(), Fault> {
    if text.len() <= limit::DEFINITION_BYTES {
        return Ok(());
    }
    let what = format!("the file has more than {} bytes", limit::DEFINITION_BYTES);
    Err(START.fault(what, "a service file has a few thousand"))
}

/// Returns the events of a YAML text with the positions they stand at.
pub(super) fn events(
    text: &str,
) -> impl Iterator<Item = Result<(Event<'_>, granit_parser::Span), ScanError>> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: limit::DEFINITION_DEPTH + 1,
        block_nesting_limit: limit::DEFINITION_DEPTH + 1,
    };
    Parser::new_from_str_with_options(text, options)
}

/// Returns the fault of a text that is no YAML.
pub(super) fn syntax(text: &str, error: &ScanError) -> Fault {
    let place = Place::of(*error.marker());
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(place),
        ErrorKind::UnknownAnchor => place.fault(
            "an alias (`*name`) stands before its anchor (`&name`), or has none",
            "put `&name` in front of the value that is to be repeated, or quote a text that begins with `*`",
        ),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => {
            tab_after(text, place).fault("a tab stands where YAML wants spaces", "indent with spaces")
        }
        kind => place.fault(
            format!("this is no YAML: {kind}"),
            "check the indentation and the brackets here, and quote text that holds any of `: # { } [ ] , & * !`",
        ),
    }
}

/// Returns the place of the first tab from a line on: the parser notices it only after the value before.
fn tab_after(text: &str, place: Place) -> Place {
    let skipped = (place.line as usize).saturating_sub(1);
    let mut lines = (1_u32..).zip(text.lines()).skip(skipped);
    let found = lines.find_map(|(line, text)| Some((line, text.find('\t')?)));
    found.map_or(place, |(line, before)| Place {
        line,
        column: u32::try_from(before + 1).unwrap_or(u32::MAX),
    })
}

fn too_deep(place: Place) -> Fault {
    place.fault(
        format!(
            "lists and keys stand more than {} deep in each other",
            limit::DEFINITION_DEPTH
        ),
        "a service file needs five levels",
    )
}

/// Is a list or map whose end has not come yet; a map holds keys and values by turns.
struct Open {
    place: Place,
    anchor: usize,
    is_map: bool,
    items: Vec<Node>,
}

impl Open {
    fn close(self) -> Result<Node, Fault> {
        let value = if self.is_map {
            Value::Map(pairs(self.items)?)
        } else {
            Value::List(self.items)
        };
        Ok(Node {
            place: self.place,
            value,
        })
    }
}

fn pairs(items: Vec<Node>) -> Result<Vec<(Key, Node)>, Fault> {
    let mut items = items.into_iter();
    let mut pairs = Vec::with_capacity(items.len() / 2);
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let Value::Scalar(scalar) = key.value else {
            return Err(key.place.fault(
                "a list or map stands where a key is expected",
                "quote a key or value that begins with `{` or `[`",
            ));
        };
        pairs.push((
            Key {
                place: key.place,
                text: scalar.text,
            },
            value,
        ));
    }
    Ok(pairs)
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// Complete nodes that have an anchor, by the parser's number for it.
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    used: Weight,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                no_tag(tag.as_deref(), place)?;
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar(Scalar {
                    text: text.into_owned(),
                    plain,
                });
                self.add(&Weight::of_scalar(&value), place)?;
                self.put(Node { place, value }, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(false, anchor, tag.as_deref(), place)?
            }
            Event::MappingStart(_, anchor, tag) => {
                self.begin(true, anchor, tag.as_deref(), place)?
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().expect("the parser pairs starts and ends");
                let anchor = open.anchor;
                let node = open.close()?;
                self.put(node, anchor);
            }
            Event::Alias(anchor) => self.alias(anchor, place)?,
            Event::DocumentStart(..) if self.root.is_some() => {
                let remedy = "keep one service in one file, and no `---` between its parts";
                return Err(place.fault("a second document begins here", remedy));
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(
        &mut self,
        is_map: bool,
        anchor: usize,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<(), Fault> {
        no_tag(tag, place)?;
        self.add(
            &Weight {
                nodes: 1,
                bytes: 0,
                depth: 1,
            },
            place,
        )?;
        self.open.push(Open {
            place,
            anchor,
            is_map,
            items: Vec::new(),
        });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Fault> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(place.fault(
                "an alias stands inside the value it repeats",
                "write the value out",
            ));
        };
        let node = node.clone();
        self.add(&Weight::of(&node), place)?;
        self.put(node, 0);
        Ok(())
    }

    /// Counts what is about to be put at the current depth.
    fn add(&mut self, weight: &Weight, place: Place) -> Result<(), Fault> {
        self.used.nodes += weight.nodes;
        self.used.bytes += weight.bytes;
        if self.open.len() + weight.depth > limit::DEFINITION_DEPTH {
            return Err(too_deep(place));
        }
        if self.used.nodes > limit::DEFINITION_NODES || self.used.bytes > limit::DEFINITION_BYTES {
            let what = format!(
                "the file has more than {} values or {} bytes with its aliases (`*name`) written out",
                limit::DEFINITION_NODES,
                limit::DEFINITION_BYTES
            );
            return Err(place.fault(what, "a service file has a few hundred values"));
        }
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.root = Some(node),
        }
    }
}

fn no_tag(tag: Option<&Tag>, place: Place) -> Result<(), Fault> {
    match tag {
        None => Ok(()),
        Some(tag) => Err(place.fault(
            format!(
                "`{}` is a YAML tag, and tags mean nothing here",
                shown(&tag.original())
            ),
            "remove it; put quotes round a value that is to be text",
        )),
    }
}

/// Is how much of the limits a node takes.
#[derive(Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    /// Lists and maps on the longest way down.
    depth: usize,
}

impl Weight {
    fn of_scalar(value: &Value) -> Self {
        let bytes = if let Value::Scalar(scalar) = value {
            scalar.text.len()
        } else {
            0
        };
        Self {
            nodes: 1,
            bytes,
            depth: 0,
        }
    }

    fn of(node: &Node) -> Self {
        let mut sum = Self::of_scalar(&node.value);
        let mut deepest = 0;
        let mut add = |child: &Node, key: Option<&Key>| {
            let weight = Self::of(child);
            sum.nodes += weight.nodes + usize::from(key.is_some());
            sum.bytes += weight.bytes + key.map_or(0, |key| key.text.len());
            deepest = deepest.max(weight.depth);
        };
        match &node.value {
            Value::Scalar(_) => return sum,
            Value::List(items) => items.iter().for_each(|item| add(item, None)),
            Value::Map(pairs) => pairs.iter().for_each(|(key, value)| add(value, Some(key))),
        }
        Self {
            depth: deepest + 1,
            ..sum
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        build(text).unwrap_err().to_string()
    }

    #[test]
    fn nodes_know_where_they_stand() {
        let node = build("a: 1\nb:\n  - x\n  - 'y'\n").unwrap();
        let Value::Map(pairs) = node.value else {
            panic!("no map")
        };
        let Value::List(items) = &pairs[1].1.value else {
            panic!("no list")
        };
        assert_eq!((pairs[1].0.place.line, pairs[1].0.place.column), (2, 1));
        assert_eq!((items[1].place.line, items[1].place.column), (4, 5));
    }

    #[test]
    fn aliases_are_copied_out() {
        let node = build("a: &x { b: [1, 2] }\nc: *x\n").unwrap();
        let weight = Weight::of(&node);
        assert_eq!((weight.nodes, weight.depth), (13, 3));
    }

    #[test]
    fn an_alias_bomb_is_refused_where_it_passes_the_limit() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..9 {
            let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
        }
        assert!(fault(&text).starts_with("line 4: the file has more than 10000 values"));
    }

    #[test]
    fn one_long_text_repeated_is_refused_by_its_bytes() {
        let text = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(500_000),
            ["*a"; 50].join(", ")
        );
        assert!(fault(&text).starts_with("line 2: the file has more than 10000 values"));
    }

    #[test]
    fn depth_has_a_limit_also_by_aliases() {
        assert!(fault(&"[".repeat(5_000)).contains("more than 32 deep"));
        let mut text = "a0: &a0 [x]\n".to_owned();
        for i in 1..100 {
            text.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
        }
        assert!(fault(&text).starts_with("line 32: lists and keys stand more than 32 deep"));
    }

    #[test]
    fn an_alias_cannot_hold_itself() {
        assert_eq!(
            fault("a: &a [*a]\n"),
            "line 1: an alias stands inside the value it repeats; write the value out"
        );
    }
}
