//! Which series of two sides belong together.

use std::collections::HashMap;

use super::row::{Row, is_there};
use crate::NAME;
use crate::ast::Matching;
use crate::labels::Labels;

/// Returns the labels two series have to share.
pub(super) fn signature(labels: &Labels, matching: &Matching) -> Labels {
    let listed = |name: &str| matching.labels.iter().any(|label| label == name);
    if matching.on {
        labels.filtered(listed)
    } else {
        labels.filtered(|name| name != NAME && !listed(name))
    }
}

/// Is the rows of one side by what has to match.
pub(super) struct Side {
    groups: HashMap<Labels, Vec<usize>>,
}

impl Side {
    pub(super) fn of(rows: &[Row], matching: &Matching) -> Self {
        let mut groups: HashMap<Labels, Vec<usize>> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            groups
                .entry(signature(&row.labels, matching))
                .or_default()
                .push(at);
        }
        Self { groups }
    }

    pub(super) fn get(&self, signature: &Labels) -> &[usize] {
        self.groups.get(signature).map_or(&[], Vec::as_slice)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = (&Labels, &[usize])> {
        self.groups
            .iter()
            .map(|(labels, rows)| (labels, rows.as_slice()))
    }
}

/// Returns two rows of a group that both have a value at the same step, of the steps that `counts`.
pub(super) fn clash<'a>(
    rows: &'a [Row],
    group: &[usize],
    counts: impl Fn(usize) -> bool,
) -> Option<(&'a Row, &'a Row)> {
    if group.len() < 2 {
        return None;
    }
    let steps = rows[group[0]].values.len();
    (0..steps).filter(|step| counts(*step)).find_map(|step| {
        let mut there = group
            .iter()
            .map(|at| &rows[*at])
            .filter(|r| is_there(r.values[step]));
        Some((there.next()?, there.next()?))
    })
}
