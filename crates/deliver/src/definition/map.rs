//! Reads a map key by key.
//!
//! A map knows the keys it was asked for, so the reader of each part of the file is the only list of its
//! keys, and what nobody asked for is unknown.

use std::collections::{BTreeMap, HashMap};

use super::at::{At, all};
use super::fault::{did_you_mean, nearest, shown};
use super::tree::{Key, Node, Value};

/// Is a map with fixed keys; [`Map::finish`] refuses the others.
pub(super) struct Map<'a> {
    at: At<'a>,
    pairs: &'a [(Key, Node)],
    asked: Vec<&'static str>,
    missing: Vec<Missing>,
    /// Keys that were refused with a word of their own.
    told: Vec<String>,
}

/// Is something none of some keys said.
struct Missing {
    keys: Vec<&'static str>,
    what: String,
    remedy: String,
}

impl<'a> Map<'a> {
    pub(super) fn of(at: &At<'a>) -> Option<Self> {
        let pairs = pairs(at)?;
        Some(Self {
            at: at.clone(),
            pairs,
            asked: Vec::new(),
            missing: Vec::new(),
            told: Vec::new(),
        })
    }

    pub(super) fn at(&self) -> &At<'a> {
        &self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Tells whether a key stands here, without its being known from then on.
    pub(super) fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|(k, _)| k.text == key)
    }

    /// Returns what stands under a key, which is known from then on.
    pub(super) fn get(&mut self, key: &'static str) -> Option<At<'a>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let (key, node) = self.pairs.iter().find(|(k, _)| k.text == key)?;
        Some(self.at.child(key, node))
    }

    /// Reads a key that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(At<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(at) => read(at),
            None => {
                self.missing(
                    &[key],
                    format!("`{key}` is missing"),
                    format!("add `{key}: {example}`"),
                );
                None
            }
        }
    }

    /// Notes that none of these keys is there; [`Map::finish`] says so unless one is only misspelt.
    pub(super) fn missing(&mut self, keys: &[&'static str], what: String, remedy: String) {
        self.missing.push(Missing {
            keys: keys.to_vec(),
            what,
            remedy,
        });
    }

    /// Reads a key that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(At<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.get(key) {
            Some(at) => read(at).map(Some),
            None => Some(None),
        }
    }

    /// Reads a key that means `default` when it is left out.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(At<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(at) => read(at),
            None => Some(default),
        }
    }

    /// Refuses a key that could stand here with another value beside it; it stays unknown to remedies.
    pub(super) fn refused(&mut self, key: &'static str, what: String, remedy: String) {
        let Some((key, node)) = self.pairs.iter().find(|(k, _)| k.text == key) else {
            return;
        };
        self.at.child(key, node).at_key(key).fault(what, remedy);
        self.told.push(key.text.clone());
    }

    /// Refuses every key nobody asked for, those of the specification as not built, and says which
    /// required ones are missing.
    pub(super) fn finish(self, not_built: &[&str]) {
        let mut meant = Vec::new();
        for (key, node) in self
            .pairs
            .iter()
            .filter(|(key, _)| !self.asked.contains(&key.text.as_str()))
            .filter(|(key, _)| !self.told.contains(&key.text))
        {
            let name = key.text.as_str();
            let at = self.at.child(key, node).at_key(key);
            if not_built.contains(&name) {
                at.fault(format!("`{name}` is not built yet"), "remove it");
            } else if name == "<<" {
                let remedy = "repeat the whole value by its alias, or write the keys out";
                at.fault("`<<` is no merge in YAML 1.2", remedy);
            } else {
                meant.extend(nearest(name, &self.asked));
                at.fault(
                    format!("unknown key `{}`", shown(name)),
                    did_you_mean(name, &self.asked),
                );
            }
        }
        for missing in self.missing {
            if !missing.keys.iter().any(|key| meant.contains(key)) {
                self.at.fault(missing.what, missing.remedy);
            }
        }
    }
}

/// Reads a map whose keys are the file's own names. A fault in one pair does not keep the others from
/// being read.
pub(super) fn named<'a, K: Ord, T>(
    at: &At<'a>,
    name: impl Fn(&At<'a>, &str) -> Option<K>,
    read: impl Fn(At<'a>) -> Option<T>,
) -> Option<BTreeMap<K, T>> {
    all(pairs(at)?.iter().map(|(key, node)| {
        let child = at.child(key, node);
        let name = name(&child.clone().at_key(key), &key.text);
        let value = read(child);
        Some((name?, value?))
    }))
}

fn pairs<'a>(at: &At<'a>) -> Option<&'a [(Key, Node)]> {
    let Value::Map(pairs) = at.value() else {
        return at.wrong(
            "a map of keys",
            "write `key: value` lines below it, or `{ key: value }`",
        );
    };
    fault_duplicates(at, pairs);
    Some(pairs)
}

fn fault_duplicates<'a>(at: &At<'a>, pairs: &'a [(Key, Node)]) {
    let mut first: HashMap<&str, u32> = HashMap::new();
    for (key, node) in pairs {
        match first.get(key.text.as_str()) {
            None => drop(first.insert(&key.text, key.place.line)),
            Some(line) => at.child(key, node).at_key(key).fault(
                format!("`{}` stands here a second time", shown(&key.text)),
                format!("keep this one or the one of line {line}"),
            ),
        }
    }
}
