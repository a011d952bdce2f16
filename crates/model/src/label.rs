//! Label sets, as Prometheus has them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::limit;

/// Is a set of name-value pairs, sorted by name, names unique, values never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Builds a set from pairs; a later pair replaces an earlier one of the same name, and a pair with
    /// an empty value is left out (as in Prometheus, where an empty label equals a missing one).
    ///
    /// # Errors
    /// A name that is not `[a-zA-Z_][a-zA-Z0-9_]*`, or anything over its [`limit`].
    pub fn new<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, String> {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.insert(name, value)?;
        }
        Ok(labels)
    }

    /// Sets one label, or removes it when `value` is empty.
    ///
    /// # Errors
    /// As [`Labels::new`].
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), String> {
        let (name, value) = (name.into(), value.into());
        check_name(&name)?;
        if value.len() > limit::LABEL_VALUE_BYTES {
            return Err(format!(
                "the value of label `{name}` is over {} bytes",
                limit::LABEL_VALUE_BYTES
            ));
        }
        if value.is_empty() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, value);
        }
        if self.0.len() > limit::LABELS {
            return Err(format!("more than {} labels", limit::LABELS));
        }
        Ok(())
    }

    /// Returns the value, or "" when the label is missing.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether every label of `wanted` stands here with the same value.
    pub fn contains_all(&self, wanted: &Labels) -> bool {
        wanted.iter().all(|(name, value)| self.get(name) == value)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let mut chars = name.chars();
    let ok = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !ok || name.len() > limit::LABEL_NAME_BYTES {
        return Err(format!(
            "`{}` is not a label name; it holds letters, digits and `_`, and starts with no digit",
            name.escape_debug()
        ));
    }
    Ok(())
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        write!(f, "{{{}}}", pairs.join(", "))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Labels::new(BTreeMap::<String, String>::deserialize(d)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_equals_a_missing_label() {
        let labels = Labels::new([("a", "1"), ("b", "")]).unwrap();
        assert_eq!(labels.to_string(), "{a=\"1\"}");
        assert!(labels.contains_all(&Labels::new([("b", "")]).unwrap()));
    }

    #[test]
    fn limits_are_kept_when_read_from_json_too() {
        assert!(serde_json::from_str::<Labels>(r#"{"1a": "x"}"#).is_err());
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(limit::LABEL_VALUE_BYTES + 1));
        assert!(serde_json::from_str::<Labels>(&long).is_err());
    }
}
