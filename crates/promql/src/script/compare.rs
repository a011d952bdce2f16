//! Whether an answer is the expected one.

use std::collections::BTreeMap;

use super::points::Sample;
use super::read::{Case, Expected, Notes, Wanted, When};
use crate::eval::{Answer, Value};
use crate::labels::Labels;
use crate::number::is_stale;

/// How far two numbers may be apart, as a part of their sum.
const TOLERANCE: f64 = 1e-6;

type Points = Vec<(i64, f64)>;

/// Compares the answer to a case as it is written, with what is said beside it.
pub(super) fn whole(case: &Case, answer: &Answer) -> Result<(), String> {
    match case.when {
        When::Instant(at) => self::at(case, answer, at)?,
        When::Range { from, step, .. } => over_range(case, answer, from, step)?,
    }
    notes(&case.warnings, &answer.warnings, "warning")?;
    notes(&case.infos, &answer.infos, "info")
}

/// Compares what an answer says of one moment with an instant case.
pub(super) fn at(case: &Case, answer: &Answer, at_ms: i64) -> Result<(), String> {
    match (&case.expected, &answer.value) {
        (Expected::Scalar(wanted), Value::Scalar(points)) => {
            let found = points
                .iter()
                .find(|(time, _)| *time == at_ms)
                .map(|(_, value)| *value);
            match found {
                Some(found) if is_equal(*wanted, found) => Ok(()),
                found => Err(format!("expected {wanted}, got {found:?}")),
            }
        }
        (Expected::Text(wanted), Value::Text(found)) if wanted == found => Ok(()),
        (Expected::Series(wanted), Value::Vector(found)) => {
            let wanted = expected(wanted, at_ms, 1)?;
            let here = |(labels, points): &(Labels, Points)| {
                let points: Points = points
                    .iter()
                    .copied()
                    .filter(|(t, _)| *t == at_ms)
                    .collect();
                (!points.is_empty()).then(|| (labels.clone(), points))
            };
            let found: Vec<(Labels, Points)> = found.iter().filter_map(here).collect();
            same(&wanted, &found, case.ordered)
        }
        (Expected::Window { from, step, series }, Value::Range(found)) => {
            same(&expected(series, *from, *step)?, found, false)
        }
        (_, found) => Err(format!("another kind of value: {found:?}")),
    }
}

fn over_range(case: &Case, answer: &Answer, from: i64, step: i64) -> Result<(), String> {
    match (&case.expected, &answer.value) {
        (Expected::Series(wanted), Value::Vector(found)) => {
            if !found.is_sorted_by(|a, b| a.0 <= b.0) {
                return Err("the series are not sorted by their labels".into());
            }
            same(&expected(wanted, from, step)?, found, false)
        }
        // A scalar over a range is shown as a series without labels.
        (Expected::Series(wanted), Value::Scalar(points)) => {
            let found = [(Labels::default(), points.clone())];
            same(&expected(wanted, from, step)?, &found, false)
        }
        (_, found) => Err(format!("another kind of value: {found:?}")),
    }
}

/// Returns expected series with the times of their points.
fn expected(
    series: &[(Labels, Vec<Option<Sample>>)],
    from: i64,
    step: i64,
) -> Result<Vec<(Labels, Points)>, String> {
    let timed = |(labels, samples): &(Labels, Vec<Option<Sample>>)| {
        let mut points = Points::new();
        for (at, sample) in samples.iter().enumerate() {
            let time = from + step * i64::try_from(at).map_err(|e| e.to_string())?;
            match sample {
                Some(Sample::Number(value)) => points.push((time, *value)),
                Some(Sample::Histogram) => return Err("a histogram is expected".to_owned()),
                None => {}
            }
        }
        Ok((labels.clone(), points))
    };
    series.iter().map(timed).collect()
}

fn same(
    wanted: &[(Labels, Points)],
    found: &[(Labels, Points)],
    ordered: bool,
) -> Result<(), String> {
    if ordered
        && !wanted
            .iter()
            .map(|(l, _)| l)
            .eq(found.iter().map(|(l, _)| l))
    {
        return Err(format!("another order: expected {wanted:?}, got {found:?}"));
    }
    let by_labels: BTreeMap<&Labels, &Points> = found.iter().map(|(l, p)| (l, p)).collect();
    for (labels, points) in wanted {
        let Some(others) = by_labels.get(labels) else {
            if points.is_empty() {
                continue;
            }
            return Err(format!("{labels} is missing; got {found:?}"));
        };
        let equal = points.len() == others.len()
            && points
                .iter()
                .zip(*others)
                .all(|(a, b)| a.0 == b.0 && is_equal(a.1, b.1));
        if !equal {
            return Err(format!("{labels}: expected {points:?}, got {others:?}"));
        }
    }
    let more = found
        .iter()
        .find(|(labels, _)| !wanted.iter().any(|(l, _)| l == labels));
    match more {
        Some((labels, points)) => Err(format!("{labels} {points:?} was not expected")),
        None => Ok(()),
    }
}

/// Tells whether two numbers are the same but for rounding.
fn is_equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let (difference, sum) = ((a - b).abs(), a.abs() + b.abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

fn notes(wanted: &Notes, found: &[String], kind: &str) -> Result<(), String> {
    match wanted {
        Notes::Ignored => Ok(()),
        Notes::None if found.is_empty() => Ok(()),
        Notes::None => Err(format!("no {kind} was expected, got {found:?}")),
        Notes::These(all) => {
            let fits = |wanted: &Wanted, note: &String| text(wanted, note).is_ok();
            let missing = all
                .iter()
                .any(|wanted| !found.iter().any(|note| fits(wanted, note)));
            let more = found
                .iter()
                .any(|note| !all.iter().any(|wanted| fits(wanted, note)));
            if missing || more {
                return Err(format!("other {kind}s: {found:?}"));
            }
            Ok(())
        }
    }
}

/// Compares a message with what it has to be.
pub(super) fn text(wanted: &Wanted, found: &str) -> Result<(), String> {
    let fits = match wanted {
        Wanted::Any => true,
        Wanted::Exactly(exact) => exact == found,
        Wanted::Matching(pattern) => regex::Regex::new(pattern)
            .map_err(|e| e.to_string())?
            .is_match(found),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("the message is {found:?}"))
    }
}
