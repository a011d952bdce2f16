//! Functions of the samples in one window.

use super::select::Window;
use super::sum::{Mean, Sum, Variance, quantile};

/// Makes one value of a window, or none.
pub(crate) type Fold = fn(&Window<'_>) -> Option<f64>;

pub(crate) fn first(window: &Window<'_>) -> Option<f64> {
    window.values.first().copied()
}

pub(crate) fn last(window: &Window<'_>) -> Option<f64> {
    window.values.last().copied()
}

pub(crate) fn count(window: &Window<'_>) -> Option<f64> {
    Some(window.values.len() as f64)
}

pub(crate) fn present(_: &Window<'_>) -> Option<f64> {
    Some(1.0)
}

pub(crate) fn sum(window: &Window<'_>) -> Option<f64> {
    let mut sum = Sum::default();
    window.values.iter().for_each(|value| sum.add(*value));
    Some(sum.value())
}

pub(crate) fn avg(window: &Window<'_>) -> Option<f64> {
    let mut mean = Mean::default();
    window.values.iter().for_each(|value| mean.add(*value));
    Some(mean.value())
}

pub(crate) fn stdvar(window: &Window<'_>) -> Option<f64> {
    let mut variance = Variance::default();
    window.values.iter().for_each(|value| variance.add(*value));
    Some(variance.value())
}

pub(crate) fn stddev(window: &Window<'_>) -> Option<f64> {
    stdvar(window).map(f64::sqrt)
}

pub(crate) fn min(window: &Window<'_>) -> Option<f64> {
    extreme(window, |value, best| value < best).map(|at| window.values[at])
}

pub(crate) fn max(window: &Window<'_>) -> Option<f64> {
    extreme(window, |value, best| value > best).map(|at| window.values[at])
}

/// Returns where the best value stands, the first of several; any number is better than NaN.
fn extreme(window: &Window<'_>, better: impl Fn(f64, f64) -> bool) -> Option<usize> {
    let mut best = 0;
    for (at, value) in window.values.iter().enumerate() {
        if better(*value, window.values[best]) || window.values[best].is_nan() {
            best = at;
        }
    }
    (!window.values.is_empty()).then_some(best)
}

/// Returns the last place of the best value, as its time is told.
fn last_extreme(window: &Window<'_>, better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let at = extreme(window, |value, best| better(value, best) || value == best)?;
    Some(seconds(window.times[at]))
}

pub(crate) fn ts_of_max(window: &Window<'_>) -> Option<f64> {
    last_extreme(window, |value, best| value > best)
}

pub(crate) fn ts_of_min(window: &Window<'_>) -> Option<f64> {
    last_extreme(window, |value, best| value < best)
}

pub(crate) fn ts_of_first(window: &Window<'_>) -> Option<f64> {
    window.times.first().copied().map(seconds)
}

pub(crate) fn ts_of_last(window: &Window<'_>) -> Option<f64> {
    window.times.last().copied().map(seconds)
}

/// Returns the median of the distances from the median; NaN where any value is.
pub(crate) fn mad(window: &Window<'_>) -> Option<f64> {
    if window.values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let median = quantile(0.5, window.values.to_vec());
    let distances = window.values.iter().map(|value| (value - median).abs());
    Some(quantile(0.5, distances.collect()))
}

pub(crate) fn changes(window: &Window<'_>) -> Option<f64> {
    let pairs = window.values.windows(2);
    let changed =
        pairs.filter(|pair| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan()));
    Some(changed.count() as f64)
}

pub(crate) fn resets(window: &Window<'_>) -> Option<f64> {
    Some(window.drops.count() as f64)
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
