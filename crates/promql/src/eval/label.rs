//! Functions that change labels.

use std::collections::HashMap;

use super::row::{Row, is_there};
use crate::NAME;
use crate::error::EvalError;
use crate::labels::Labels;
use crate::matcher::anchored;

/// Sets `target` to what the regular expression makes of `source`, where it matches the whole of it.
pub(super) fn replace(
    rows: Vec<Row>,
    [target, replacement, source, pattern]: [&str; 4],
) -> Result<Vec<Row>, EvalError> {
    let regex = anchored(pattern).map_err(|_| {
        EvalError::execution(format!(
            "invalid regular expression in label_replace(): {pattern}"
        ))
    })?;
    if target.is_empty() {
        let why = format!("invalid destination label name in label_replace(): {target}");
        return Err(EvalError::execution(why));
    }
    let change = |row: &Row| {
        let captures = regex.captures(row.labels.get(source))?;
        let mut value = String::new();
        captures.expand(replacement, &mut value);
        Some(value)
    };
    relabelled(rows, target, change)
}

/// Sets `target` to the values of `sources`, with a separator between them.
pub(super) fn join(
    rows: Vec<Row>,
    target: &str,
    separator: &str,
    sources: &[String],
) -> Result<Vec<Row>, EvalError> {
    if target.is_empty() {
        let why = format!("invalid destination label name in label_join(): {target}");
        return Err(EvalError::execution(why));
    }
    let change = |row: &Row| {
        let values: Vec<&str> = sources
            .iter()
            .map(|source| row.labels.get(source))
            .collect();
        Some(values.join(separator))
    };
    relabelled(rows, target, change)
}

fn relabelled(
    mut rows: Vec<Row>,
    target: &str,
    change: impl Fn(&Row) -> Option<String>,
) -> Result<Vec<Row>, EvalError> {
    for row in &mut rows {
        let Some(value) = change(row) else {
            continue;
        };
        row.labels = row.labels.with(target, &value);
        // A name that was written is no longer one that goes.
        row.nameless &= target != NAME;
    }
    joined(rows)
}

const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";

/// Makes one row of those that have the same labels, and whose names go or stay alike.
///
/// # Errors
/// Two of them have a value at the same step.
pub(super) fn joined(rows: Vec<Row>) -> Result<Vec<Row>, EvalError> {
    let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
    let mut places: HashMap<(Labels, bool), usize> = HashMap::with_capacity(rows.len());
    for row in rows {
        let key = (row.labels.clone(), row.nameless);
        let Some(place) = places.get(&key) else {
            places.insert(key, kept.len());
            kept.push(row);
            continue;
        };
        for (value, other) in kept[*place].values.iter_mut().zip(row.values) {
            match (is_there(*value), is_there(other)) {
                (true, true) => return Err(EvalError::execution(SAME_LABELS)),
                (false, true) => *value = other,
                (_, false) => {}
            }
        }
    }
    Ok(kept)
}

/// Sorts by the values of labels, numbers in them by their size; rows that are equal there, by all labels.
pub(super) fn sorted(rows: &mut [Row], labels: &[String], descending: bool) {
    rows.sort_by(|a, b| {
        let differ = labels
            .iter()
            .map(|label| natural(a.labels.get(label), b.labels.get(label)))
            .find(|order| order.is_ne());
        let order = differ.unwrap_or_else(|| a.labels.cmp(&b.labels));
        if descending { order.reverse() } else { order }
    });
}

/// Compares as people sort: digits by their number, all else by character.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (left, right) = (digits(a), digits(b));
        let order = if left > 0 && right > 0 {
            let order = number(&a[..left], &b[..right]);
            (a, b) = (&a[left..], &b[right..]);
            order
        } else {
            let (mut of_a, mut of_b) = (a.chars(), b.chars());
            let order = of_a.next().cmp(&of_b.next());
            (a, b) = (of_a.as_str(), of_b.as_str());
            order
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn number(a: &str, b: &str) -> std::cmp::Ordering {
    let (left, right) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    let by_value = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
    by_value.then_with(|| a.len().cmp(&b.len()))
}

/// Sorts by the value at the only step; NaN comes last either way.
pub(super) fn sorted_by_value(rows: &mut [Row], descending: bool) {
    let value = |row: &Row| {
        row.values
            .first()
            .copied()
            .filter(|v| is_there(*v))
            .unwrap_or(f64::NAN)
    };
    rows.sort_by(|a, b| {
        let (a, b) = (value(a), value(b));
        match (a.is_nan(), b.is_nan()) {
            (true, true) => std::cmp::Ordering::Equal,
            (true, false) => std::cmp::Ordering::Greater,
            (false, true) => std::cmp::Ordering::Less,
            (false, false) if descending => b.total_cmp(&a),
            (false, false) => a.total_cmp(&b),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_sorted_by_their_size() {
        let mut names = vec!["web-10", "web-9", "web-09", "web", "api-1"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["api-1", "web", "web-9", "web-09", "web-10"]);
    }
}
