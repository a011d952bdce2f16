//! Quantiles and shares of classic histograms: series with a label `le` whose counts include those of all smaller
//! buckets.

use std::collections::HashMap;

use super::row::{ABSENT, Row, is_there};
use super::{Evaluator, Steps};
use crate::ast::Expr;
use crate::error::EvalError;
use crate::format_number;
use crate::labels::Labels;

const LE: &str = "le";
/// Differences below this part of a count are rounding, not decrease.
const TOLERANCE: f64 = 1e-12;

/// Is the buckets of one histogram, each a bound and the row of its counts, by rising bounds.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, Row)>,
}

/// Is a bucket at one step: its upper bound, and how many values were at most that.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    upper: f64,
    count: f64,
}

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(
        &self,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Vec<Row>, EvalError> {
        let quantiles = self.scalar(&args[0], steps)?;
        self.warn_of_quantiles(&args[0], &quantiles);
        let histograms = self.histograms(&args[1], steps)?;
        let rows = histograms.iter().map(|histogram| {
            self.per_step(histogram, steps, |step, buckets| {
                let (value, forced) = quantile(quantiles[step], buckets);
                if forced {
                    self.tell_forced(&args[1], &histogram.labels);
                }
                value
            })
        });
        Ok(rows.collect())
    }

    /// As `histogram_quantile` for several quantiles, each in a label of its own.
    pub(super) fn histogram_quantiles(
        &self,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Vec<Row>, EvalError> {
        let label = self.eval(&args[1], steps)?.text();
        let histograms = self.histograms(&args[0], steps)?;
        let mut rows = Vec::new();
        for arg in &args[2..] {
            let quantiles = self.scalar(arg, steps)?;
            self.warn_of_quantiles(arg, &quantiles);
            for histogram in &histograms {
                let mut row = self.per_step(histogram, steps, |step, buckets| {
                    let (value, forced) = quantile(quantiles[step], buckets);
                    if forced {
                        self.tell_forced(&args[0], &histogram.labels);
                    }
                    value
                });
                row.labels = row.labels.with(&label, &bound(quantiles[0]));
                rows.push(row);
            }
        }
        Ok(rows)
    }

    pub(super) fn histogram_fraction(
        &self,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Vec<Row>, EvalError> {
        let (lower, upper) = (self.scalar(&args[0], steps)?, self.scalar(&args[1], steps)?);
        let histograms = self.histograms(&args[2], steps)?;
        let rows = histograms.iter().map(|histogram| {
            self.per_step(histogram, steps, |step, buckets| {
                share(lower[step], upper[step], buckets)
            })
        });
        Ok(rows.collect())
    }

    fn tell_forced(&self, arg: &Expr, labels: &Labels) {
        let what = format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name {:?}",
            labels.name()
        );
        self.info(arg.pos, &what);
    }

    fn per_step(
        &self,
        histogram: &Histogram,
        steps: Steps,
        see: impl Fn(usize, Vec<Bucket>) -> f64,
    ) -> Row {
        let at = |step: usize| {
            let there = histogram.buckets.iter().map(|(upper, row)| Bucket {
                upper: *upper,
                count: row.values[step],
            });
            let buckets: Vec<Bucket> = there.filter(|bucket| is_there(bucket.count)).collect();
            if buckets.is_empty() {
                ABSENT
            } else {
                see(step, buckets)
            }
        };
        Row {
            labels: histogram.labels.clone(),
            nameless: true,
            values: (0..steps.count).map(at).collect(),
        }
    }

    /// Puts the buckets of each histogram together; series without a readable bound are told and left out.
    fn histograms(&self, arg: &Expr, steps: Steps) -> Result<Vec<Histogram>, EvalError> {
        let mut histograms: Vec<Histogram> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for row in self.rows(arg, steps)? {
            let bound = row.labels.get(LE);
            let Some(upper) = crate::parse_number(bound) else {
                let what = format!(
                    "bucket label \"le\" is missing or has a malformed value of {bound:?} for metric name {:?}",
                    row.labels.name()
                );
                self.warn(arg.pos, &what);
                continue;
            };
            let labels = row.labels.filtered(|name| name != LE);
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                histograms.push(Histogram {
                    labels,
                    buckets: Vec::new(),
                });
                histograms.len() - 1
            });
            histograms[place].buckets.push((upper, row));
        }
        for histogram in &mut histograms {
            histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        Ok(histograms)
    }
}

/// Shows a quantile as OpenMetrics writes the bounds of buckets: a whole number keeps its `.0`.
fn bound(value: f64) -> String {
    let text = format_number(value);
    let is_whole = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_whole { text + ".0" } else { text }
}

/// Adds up buckets with the same bound; none where the last one does not hold all values.
fn merged(buckets: Vec<Bucket>) -> Option<Vec<Bucket>> {
    let mut merged: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match merged.last_mut() {
            Some(last) if last.upper == bucket.upper => last.count += bucket.count,
            _ => merged.push(bucket),
        }
    }
    merged
        .last()
        .is_some_and(|last| last.upper == f64::INFINITY)
        .then_some(merged)
}

/// Raises counts that fell from one bucket to the next; tells whether one fell by more than rounding.
fn raised(buckets: &mut [Bucket]) -> bool {
    let (mut before, mut forced) = (f64::NEG_INFINITY, false);
    for bucket in buckets {
        if before.is_finite() && is_rounding(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            bucket.count = before;
            forced = true;
        } else {
            before = bucket.count;
        }
    }
    forced
}

fn is_rounding(a: f64, b: f64) -> bool {
    if a == b {
        return true;
    }
    let (difference, sum) = ((a - b).abs(), a.abs() + b.abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// Returns the quantile, linear inside its bucket, and whether counts had to be raised by more than rounding.
fn quantile(q: f64, buckets: Vec<Bucket>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if !(0.0..=1.0).contains(&q) {
        return (
            if q < 0.0 {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            },
            false,
        );
    }
    let Some(mut buckets) = merged(buckets) else {
        return (f64::NAN, false);
    };
    let forced = raised(&mut buckets);
    let all = buckets.last().map_or(0.0, |last| last.count);
    if buckets.len() < 2 || all == 0.0 || all.is_nan() {
        return (f64::NAN, forced);
    }
    let rank = q * all;
    let last = buckets.len() - 1;
    let place = buckets[..last]
        .iter()
        .position(|b| b.count >= rank)
        .unwrap_or(last);
    let value = match place {
        // Nothing is known of the values above the highest bound.
        place if place == last => buckets[last - 1].upper,
        0 if buckets[0].upper <= 0.0 => buckets[0].upper,
        0 => buckets[0].upper * (rank / buckets[0].count),
        _ => {
            let (below, bucket) = (buckets[place - 1], buckets[place]);
            let part = (rank - below.count) / (bucket.count - below.count);
            below.upper + (bucket.upper - below.upper) * part
        }
    };
    (value, forced)
}

/// Returns the share of the values above `lower` and at most `upper`, linear inside buckets.
fn share(lower: f64, upper: f64, buckets: Vec<Bucket>) -> f64 {
    let Some(mut buckets) = merged(buckets) else {
        return f64::NAN;
    };
    raised(&mut buckets);
    let all = buckets.last().map_or(0.0, |last| last.count);
    if all == 0.0 || all.is_nan() || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (count_to(upper, &buckets) - count_to(lower, &buckets)) / all
}

/// Returns how many values are at most `value`.
fn count_to(value: f64, buckets: &[Bucket]) -> f64 {
    let (mut below, mut bound) = (0.0, f64::NEG_INFINITY);
    for (at, bucket) in buckets.iter().enumerate() {
        if at == 0 && bucket.upper > 0.0 {
            bound = 0.0;
        }
        if value <= bound {
            return below;
        }
        if value < bucket.upper {
            if bound.is_infinite() || bucket.upper.is_infinite() {
                // Nothing is known of where in an endless bucket its values are.
                return if bound.is_infinite() {
                    bucket.count
                } else {
                    below
                };
            }
            return below + (bucket.count - below) * (value - bound) / (bucket.upper - bound);
        }
        (below, bound) = (bucket.count, bucket.upper);
    }
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: &[(f64, f64)]) -> Vec<Bucket> {
        let bucket = |&(upper, count): &(f64, f64)| Bucket { upper, count };
        counts.iter().map(bucket).collect()
    }

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let all = [(0.1, 1.0), (0.2, 3.0), (f64::INFINITY, 4.0)];
        assert_eq!(quantile(0.5, buckets(&all)), (0.15000000000000002, false));
        assert_eq!(quantile(1.0, buckets(&all)), (0.2, false));
        assert!(quantile(0.5, buckets(&all[..2])).0.is_nan());
    }

    #[test]
    fn a_count_that_falls_is_raised_and_told() {
        let falling = [(0.1, 2.0), (0.2, 1.0), (f64::INFINITY, 4.0)];
        assert!(quantile(0.5, buckets(&falling)).1);
        let rounding = [(0.1, 2.0), (0.2, 2.0 - 1e-13), (f64::INFINITY, 4.0)];
        assert!(!quantile(0.5, buckets(&rounding)).1);
    }

    #[test]
    fn shares_add_up() {
        let all = [(1.0, 1.0), (2.0, 3.0), (f64::INFINITY, 4.0)];
        assert_eq!(share(0.0, 2.0, buckets(&all)), 0.75);
        assert_eq!(share(0.5, 1.5, buckets(&all)), 0.375);
        assert_eq!(share(2.0, 1.0, buckets(&all)), 0.0);
    }
}
