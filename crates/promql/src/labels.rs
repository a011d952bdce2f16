//! Label sets: sorted by name, names unique, values never empty, cheap to clone.

use std::fmt;
use std::sync::Arc;

use crate::NAME;
use crate::parse::is_metric_name;
use crate::print::{label_name, quoted};

/// Is a set of labels. Sets are ordered label by label, as Prometheus sorts its answers.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl Labels {
    /// Builds a set from pairs in any order. A pair with an empty value is left out, as in Prometheus an empty
    /// label equals a missing one; of pairs with the same name the last one counts.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut labels: Vec<(Arc<str>, Arc<str>)> = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        // Stable, so that the last of a name comes first once reversed.
        labels.reverse();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        labels.dedup_by(|later, kept| later.0 == kept.0);
        labels.retain(|(_, value)| !value.is_empty());
        Self(labels.into())
    }

    /// Returns the value, or "" when the label is missing.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).map_or("", |at| &self.0[at].1)
    }

    /// Returns the metric's name, or "" when there is none.
    pub fn name(&self) -> &str {
        self.get(NAME)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the set with one label set, or removed when `value` is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        match self.find(name) {
            Some(at) if &*self.0[at].1 == value => return self.clone(),
            None if value.is_empty() => return self.clone(),
            Some(_) | None => {}
        }
        let others = self.0.iter().filter(|(n, _)| &**n != name).cloned();
        let new = (!value.is_empty()).then(|| (Arc::from(name), Arc::from(value)));
        let mut labels: Vec<(Arc<str>, Arc<str>)> = others.chain(new).collect();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        Self(labels.into())
    }

    /// Returns the set with only those labels that `keep` says.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        let kept = self.0.iter().filter(|(name, _)| keep(name));
        Self(kept.cloned().collect())
    }

    /// Returns the set without what says of which metric it is: its name, type and unit.
    #[must_use]
    pub fn without_metric(&self) -> Self {
        self.filtered(|name| !is_of_metric(name))
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok()
    }
}

/// Tells whether a label says of which metric a series is.
pub(crate) fn is_of_metric(name: &str) -> bool {
    matches!(name, NAME | "__type__" | "__unit__")
}

/// Shows a series as Prometheus writes it: `up{job="a"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        let plain = is_metric_name(name);
        if plain {
            f.write_str(name)?;
        }
        let shown = self.iter().filter(|(label, _)| !(plain && *label == NAME));
        let pairs: Vec<String> = shown
            .map(|(label, value)| format!("{}={}", label_name(label), quoted(value)))
            .collect();
        if pairs.is_empty() && plain {
            return Ok(());
        }
        write!(f, "{{{}}}", pairs.join(", "))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_unique_and_never_empty() {
        let labels = Labels::new([("b", "1"), ("a", "2"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="2", b="3"}"#);
        assert_eq!(labels.get("c"), "");
        assert_eq!(labels.with("b", "").to_string(), r#"{a="2"}"#);
        assert_eq!(
            labels.with("0", "x").to_string(),
            r#"{"0"="x", a="2", b="3"}"#
        );
    }

    #[test]
    fn a_series_is_shown_with_its_name_in_front() {
        assert_eq!(Labels::new([(NAME, "up")]).to_string(), "up");
        assert_eq!(
            Labels::new([(NAME, "up"), ("job", "a\"b")]).to_string(),
            r#"up{job="a\"b"}"#
        );
        assert_eq!(Labels::default().to_string(), "{}");
    }
}
