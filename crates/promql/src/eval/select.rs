//! Selectors: samples from the source, looked at from each step.

use super::row::{ABSENT, Row, present};
use super::{Evaluator, Steps};
use crate::ast::{At, Expr, Node, Selector, Shift, Subquery};
use crate::error::EvalError;
use crate::labels::Labels;
use crate::number::is_stale;

/// Is the samples functions over windows read.
pub(super) struct Windows {
    pub(super) rows: Vec<RangeRow>,
    pub(super) range_ms: i64,
    shift: Shifted,
}

/// Is a series with all samples of all its windows, markers of its end left out.
pub(super) struct RangeRow {
    pub(super) labels: Labels,
    pub(super) nameless: bool,
    pub(super) times: Vec<i64>,
    pub(super) values: Vec<f64>,
}

/// Is what a function over a window sees of one series at one step; never empty.
pub(crate) struct Window<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    /// Where the window ends: the window is `(end_ms − range_ms, end_ms]`.
    pub(crate) end_ms: i64,
    pub(crate) range_ms: i64,
    /// The step's own time.
    pub(crate) step_ms: i64,
    /// The other arguments at this step.
    pub(crate) params: &'a [f64],
    /// Places of the samples, but for the first, that are below the one before. Windows overlap, so these are
    /// looked for once per series.
    pub(crate) drops: Drops<'a>,
}

/// Is where a series falls, as seen from one window.
#[derive(Clone, Copy)]
pub(crate) struct Drops<'a> {
    /// In the whole series.
    places: &'a [usize],
    /// Where the window begins in it.
    from: usize,
}

impl Drops<'_> {
    pub(crate) fn places(self) -> impl Iterator<Item = usize> {
        self.places.iter().map(move |place| place - self.from)
    }

    pub(crate) fn count(self) -> usize {
        self.places.len()
    }
}

/// Is how a selector's time follows from the step's.
#[derive(Clone, Copy)]
struct Shifted {
    pinned_ms: Option<i64>,
    offset_ms: i64,
}

impl Shifted {
    fn of(self, step_ms: i64) -> i64 {
        self.pinned_ms.unwrap_or(step_ms) - self.offset_ms
    }
}

impl Evaluator<'_> {
    fn shifted(&self, shift: Shift) -> Shifted {
        let pinned_ms = shift.at.map(|at| match at {
            At::Time(ms) => ms,
            At::Start => self.query.start_ms,
            At::End => self.query.end_ms,
        });
        Shifted {
            pinned_ms,
            offset_ms: shift.offset_ms,
        }
    }

    /// Returns the newest value of each series at each step, if it is not too old.
    pub(super) fn instant(&self, selector: &Selector, steps: Steps) -> Result<Vec<Row>, EvalError> {
        self.newest(selector, steps, |_, value| value)
    }

    /// As `instant`, with the time of each sample in seconds instead of its value.
    pub(super) fn instant_times(
        &self,
        selector: &Selector,
        steps: Steps,
    ) -> Result<Vec<Row>, EvalError> {
        self.newest(selector, steps, |ms, _| ms as f64 / 1000.0)
    }

    fn newest(
        &self,
        selector: &Selector,
        steps: Steps,
        take: impl Fn(i64, f64) -> f64,
    ) -> Result<Vec<Row>, EvalError> {
        let (shift, lookback) = (self.shifted(selector.shift), self.limits.lookback_ms);
        let (first, last) = (shift.of(steps.start_ms), shift.of(steps.last()));
        let series = self
            .source
            .select(&selector.matchers, first - lookback, last)?;
        let mut rows = Vec::with_capacity(series.len());
        for one in series {
            self.takes(one.times.len().max(steps.count))?;
            let mut behind = 0;
            let values = steps.times().map(|step| {
                let at = shift.of(step);
                behind += one.times[behind..]
                    .iter()
                    .take_while(|time| **time <= at)
                    .count();
                let Some(newest) = behind.checked_sub(1) else {
                    return ABSENT;
                };
                let (time, value) = (one.times[newest], one.values[newest]);
                if time <= at - lookback || is_stale(value) {
                    ABSENT
                } else {
                    take(time, value)
                }
            });
            rows.push(Row {
                values: values.collect(),
                labels: one.labels,
                nameless: false,
            });
        }
        Ok(present(rows))
    }

    /// Returns the windows of a selector or subquery.
    pub(super) fn windows(&self, expr: &Expr, steps: Steps) -> Result<Windows, EvalError> {
        match &expr.inner().node {
            Node::Range { selector, range_ms } => self.raw_windows(selector, *range_ms, steps),
            Node::Subquery(subquery) => self.subquery(subquery, steps),
            _ => Err(EvalError::execution("expected a range vector")),
        }
    }

    fn raw_windows(
        &self,
        selector: &Selector,
        range_ms: i64,
        steps: Steps,
    ) -> Result<Windows, EvalError> {
        let shift = self.shifted(selector.shift);
        let (first, last) = (shift.of(steps.start_ms), shift.of(steps.last()));
        let series = self
            .source
            .select(&selector.matchers, first - range_ms, last)?;
        let mut rows = Vec::with_capacity(series.len());
        for mut one in series {
            self.takes(one.times.len())?;
            if one.values.iter().any(|value| is_stale(*value)) {
                let kept = one.values.iter().map(|value| !is_stale(*value));
                let mut keep = kept.collect::<Vec<bool>>().into_iter();
                one.times.retain(|_| keep.next().unwrap_or(false));
                one.values.retain(|value| !is_stale(*value));
            }
            rows.push(RangeRow {
                labels: one.labels,
                nameless: false,
                times: one.times,
                values: one.values,
            });
        }
        Ok(Windows {
            rows,
            range_ms,
            shift,
        })
    }

    /// Evaluates the inner expression at each multiple of the step that any window holds.
    fn subquery(&self, subquery: &Subquery, steps: Steps) -> Result<Windows, EvalError> {
        let (shift, range_ms) = (self.shifted(subquery.shift), subquery.range_ms);
        let step_ms = subquery
            .step_ms
            .unwrap_or(self.limits.default_step_ms)
            .max(1);
        let (first, last) = (shift.of(steps.start_ms), shift.of(steps.last()));
        let mut start_ms = step_ms * ((first - range_ms) / step_ms);
        if start_ms <= first - range_ms {
            start_ms += step_ms;
        }
        let empty = Windows {
            rows: Vec::new(),
            range_ms,
            shift,
        };
        if start_ms > last {
            return Ok(empty);
        }
        let count = usize::try_from((last - start_ms) / step_ms).unwrap_or(usize::MAX) + 1;
        self.takes(count)?;
        let inner = Steps {
            start_ms,
            step_ms,
            count,
        };
        let rows = self.rows(&subquery.of, inner)?;
        let rows = rows.into_iter().map(|row| {
            let points = inner
                .times()
                .zip(row.values)
                .filter(|(_, value)| !is_stale(*value));
            let (times, values) = points.unzip();
            RangeRow {
                labels: row.labels,
                nameless: row.nameless,
                times,
                values,
            }
        });
        Ok(Windows {
            rows: rows.collect(),
            ..empty
        })
    }
}

fn drops(values: &[f64]) -> Vec<usize> {
    let pairs = values.windows(2).enumerate();
    let drops = pairs.filter(|(_, pair)| pair[1] < pair[0]);
    drops.map(|(at, _)| at + 1).collect()
}

#[cfg(test)]
impl<'a> Window<'a> {
    /// Makes a window of a minute that ends at one.
    pub(crate) fn for_test(times: &'a [i64], values: &'a [f64], params: &'a [f64]) -> Self {
        Window {
            times,
            values,
            end_ms: 60_000,
            range_ms: 60_000,
            step_ms: 60_000,
            params,
            drops: Drops {
                places: drops(values).leak(),
                from: 0,
            },
        }
    }
}

impl Windows {
    /// Calls `see` with each step at which the series has samples in its window.
    pub(super) fn each(
        &self,
        row: &RangeRow,
        steps: Steps,
        params: &[Vec<f64>],
        mut see: impl FnMut(usize, &Window<'_>),
    ) {
        let drops = drops(&row.values);
        let (mut from, mut to, mut drops_from, mut drops_to) = (0, 0, 0, 0);
        let mut here = vec![0.0; params.len()];
        for step in 0..steps.count {
            let step_ms = steps.at(step);
            let end_ms = self.shift.of(step_ms);
            to += row.times[to..]
                .iter()
                .take_while(|time| **time <= end_ms)
                .count();
            let begin = end_ms - self.range_ms;
            from += row.times[from..]
                .iter()
                .take_while(|time| **time <= begin)
                .count();
            if from >= to {
                continue;
            }
            let below = |end: usize| move |place: &&usize| **place < end;
            drops_to += drops[drops_to..].iter().take_while(below(to)).count();
            drops_from += drops[drops_from..]
                .iter()
                .take_while(below(from + 1))
                .count();
            for (value, column) in here.iter_mut().zip(params) {
                *value = column.get(step).copied().unwrap_or(f64::NAN);
            }
            see(
                step,
                &Window {
                    times: &row.times[from..to],
                    values: &row.values[from..to],
                    end_ms,
                    range_ms: self.range_ms,
                    step_ms,
                    params: &here,
                    drops: Drops {
                        places: &drops[drops_from..drops_to.max(drops_from)],
                        from,
                    },
                },
            );
        }
    }

    /// Returns what `fold` makes of each window.
    pub(super) fn folded(
        &self,
        steps: Steps,
        params: &[Vec<f64>],
        keeps_name: bool,
        fold: impl Fn(&Window<'_>) -> Option<f64>,
    ) -> Vec<Row> {
        let rows = self.rows.iter().map(|row| {
            let mut values = vec![ABSENT; steps.count];
            self.each(row, steps, params, |step, window| {
                if let Some(value) = fold(window) {
                    values[step] = value;
                }
            });
            Row {
                labels: row.labels.clone(),
                nameless: row.nameless || !keeps_name,
                values,
            }
        });
        present(rows.collect())
    }
}
