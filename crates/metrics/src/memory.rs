//! The store in memory: per metric name the series by labels, per series a ring of samples.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use model::observe::{Sample, Series};
use model::{Labels, Timestamp, limit};

use crate::buckets::{HostBuckets, LE, bound, buckets};
use crate::increase::{HostIncrease, Track, increases};
use crate::ring::{Pushed, Ring};
use crate::selector::Selector;

/// An agent keeps samples about this long while the server does not answer; older ones judge nothing.
const TOO_OLD: Duration = Duration::from_secs(3_600);
/// A clock this wrong would keep the series' later, right samples out.
const TOO_FAR_AHEAD: Duration = Duration::from_secs(600);
/// A series that got nothing for this long makes room when the limit is reached.
const IDLE: Duration = Duration::from_secs(2 * 3_600);
/// Looking for idle series reads all of them, so a flood of new ones may not ask for it each time.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// What every series keeps when the samples of all of them are used up: growth needs two.
const LEAST_SAMPLES: usize = 2;

/// Is how large the store may grow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub series: usize,
    pub samples_per_series: usize,
    /// Of all series; above it each series gives its oldest sample for its newest.
    pub samples: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: limit::SERIES,
            samples_per_series: limit::SAMPLES_PER_SERIES,
            samples: limit::SAMPLES,
        }
    }
}

/// Counts what became of the samples of one write; the sum of all counts is what was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteReport {
    pub stored: u64,
    /// Already here with the same time and bits: a batch sent again is no error.
    pub repeated: u64,
    /// By reason: `series_limit`, `too_old`, `too_far_ahead`, `out_of_order`, `bad_labels`.
    pub refused: BTreeMap<&'static str, u64>,
}

impl WriteReport {
    fn refuse(&mut self, reason: &'static str, samples: usize) {
        if samples > 0 {
            *self.refused.entry(reason).or_default() += samples as u64;
        }
    }
}

/// Is a handle on one store in memory.
#[derive(Clone, Debug)]
pub struct Memory(Arc<RwLock<State>>);

#[derive(Debug)]
struct State {
    limits: Limits,
    /// Every query names a metric. Within a metric all series are read; that is right for the thousands
    /// a service has, and an index by label becomes worth it at tens of thousands under one name.
    metrics: HashMap<String, BTreeMap<Labels, Ring>>,
    series: usize,
    samples: usize,
    newest_by_host: HashMap<String, Timestamp>,
    swept_at: Option<Timestamp>,
    /// Whether a series was ever dropped or kept out. From then on a series that is new here may be an
    /// old one that comes back, so its first value says nothing about how much it grew.
    forgetful: bool,
}

impl Memory {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(RwLock::new(State {
            limits,
            metrics: HashMap::new(),
            series: 0,
            samples: 0,
            newest_by_host: HashMap::new(),
            swept_at: None,
            forgetful: false,
        })))
    }

    pub(crate) fn write(&self, batch: Vec<Series>, now: Timestamp) -> WriteReport {
        let mut state = self.lock();
        let mut report = WriteReport::default();
        for series in batch {
            state.write(series, now, &mut report);
        }
        report
    }

    pub(crate) fn select(
        &self,
        selector: &Selector,
        extra: &[(&str, &str)],
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Series> {
        let state = self.read();
        let matching = state
            .of_metric(selector.name(), extra)
            .filter(|(labels, _)| selector.matches(labels));
        matching
            .map(|(labels, ring)| Series {
                labels: labels.clone(),
                samples: ring.between(from, to),
            })
            .filter(|series| !series.samples.is_empty())
            .collect()
    }

    pub(crate) fn increases(
        &self,
        selector: &Selector,
        extra: &[(&str, &str)],
        after: Timestamp,
        until: Timestamp,
    ) -> Vec<HostIncrease> {
        let tracks = {
            let state = self.read();
            let series = state.of_metric(selector.name(), extra);
            series
                .map(|(labels, ring)| track(labels, ring, selector, after, until))
                .collect()
        };
        increases(tracks)
    }

    pub(crate) fn buckets(
        &self,
        selector: &Selector,
        extra: &[(&str, &str)],
        within: Option<&[f64]>,
        (after, until): (Timestamp, Timestamp),
    ) -> Vec<HostBuckets> {
        let is_wanted = |labels: &Labels| {
            let bound = bound(labels.get(LE));
            bound.is_some_and(|b| b == f64::INFINITY || within.is_none_or(|w| w.contains(&b)))
        };
        let tracks = {
            let state = self.read();
            let series = state.of_metric(selector.name(), extra);
            series
                .filter(|(labels, _)| is_wanted(labels))
                .map(|(labels, ring)| track(labels, ring, selector, after, until))
                .collect()
        };
        buckets(tracks)
    }

    pub(crate) fn newest_at(&self, host: &str) -> Option<Timestamp> {
        self.read().newest_by_host.get(host).copied()
    }

    // A panic elsewhere cannot leave the state half written in a way that matters: counts may be off by
    // one sample, which is better than no samples for the rest of the night.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn track(
    labels: &Labels,
    ring: &Ring,
    selector: &Selector,
    after: Timestamp,
    until: Timestamp,
) -> Track {
    Track {
        labels: labels.clone(),
        counted: selector.matches(labels),
        from_birth: ring.from_birth,
        before: ring.last_number_until(after),
        samples: ring.numbers_after(after, until),
    }
}

impl State {
    /// Returns the series of a metric that have all of the `extra` labels, by labels.
    fn of_metric<'a>(
        &'a self,
        name: &str,
        extra: &'a [(&str, &str)],
    ) -> impl Iterator<Item = (&'a Labels, &'a Ring)> {
        self.metrics
            .get(name)
            .into_iter()
            .flatten()
            .filter(|(labels, _)| extra.iter().all(|(name, value)| labels.get(name) == *value))
    }

    fn write(&mut self, series: Series, now: Timestamp, report: &mut WriteReport) {
        let Series {
            labels,
            mut samples,
        } = series;
        if !is_metric_name(labels.get("__name__")) {
            return report.refuse("bad_labels", samples.len());
        }
        // Before a series is made for them, so that every series has a sample.
        samples.retain(|sample| match misplaced(sample.at, now) {
            Some(reason) => {
                report.refuse(reason, 1);
                false
            }
            None => true,
        });
        if samples.is_empty() {
            return;
        }
        let host = labels.get("host").to_owned();
        if !self.make_room(&labels, now) {
            return report.refuse("series_limit", samples.len());
        }
        let stored = self.push(labels, samples, report);
        if let Some(stored) = stored.filter(|_| !host.is_empty()) {
            let newest = self.newest_by_host.entry(host);
            newest
                .and_modify(|at| *at = stored.max(*at))
                .or_insert(stored);
        }
    }

    /// Appends to a series, which is made if it is new; returns the newest time stored.
    fn push(
        &mut self,
        labels: Labels,
        samples: Vec<Sample>,
        report: &mut WriteReport,
    ) -> Option<Timestamp> {
        let State {
            limits,
            metrics,
            series,
            samples: held,
            forgetful,
            ..
        } = self;
        let name = labels.get("__name__").to_owned();
        let ring = metrics
            .entry(name)
            .or_default()
            .entry(labels)
            .or_insert_with(|| {
                *series += 1;
                Ring::new(!*forgetful)
            });
        let mut newest = None;
        for sample in samples {
            let capacity = if *held < limits.samples {
                limits.samples_per_series
            } else {
                limits.samples_per_series.min(ring.len().max(LEAST_SAMPLES))
            };
            match ring.push(sample, capacity) {
                Pushed::Repeated => report.repeated += 1,
                Pushed::OutOfOrder => report.refuse("out_of_order", 1),
                pushed => {
                    *held += usize::from(pushed == Pushed::Grown);
                    report.stored += 1;
                    newest = Some(sample.at);
                }
            }
        }
        newest
    }

    /// Returns whether the series is here or there is room for it.
    fn make_room(&mut self, labels: &Labels, now: Timestamp) -> bool {
        let known = self.metrics.get(labels.get("__name__"));
        if known.is_some_and(|metric| metric.contains_key(labels)) {
            return true;
        }
        if self.series >= self.limits.series {
            self.sweep(now);
        }
        let room = self.series < self.limits.series;
        self.forgetful |= !room;
        room
    }

    /// Drops the series and hosts that got nothing for long.
    fn sweep(&mut self, now: Timestamp) {
        // A clock that went back must not keep the sweep from running.
        let recent = |at: Timestamp| at <= now && now.since(at) < SWEEP_EVERY;
        if self.swept_at.is_some_and(recent) {
            return;
        }
        self.swept_at = Some(now);
        let before = self.series;
        let alive = |at: Timestamp| now.since(at) <= IDLE;
        let (mut series, mut samples) = (0, 0);
        self.metrics.retain(|_, metric| {
            metric.retain(|_, ring| ring.newest().is_some_and(alive));
            series += metric.len();
            samples += metric.values().map(Ring::len).sum::<usize>();
            !metric.is_empty()
        });
        (self.series, self.samples) = (series, samples);
        self.newest_by_host.retain(|_, at| alive(*at));
        self.forgetful |= series < before;
    }
}

/// Returns why a sample of this time is refused, if it is.
fn misplaced(at: Timestamp, now: Timestamp) -> Option<&'static str> {
    if now.since(at) > TOO_OLD {
        Some("too_old")
    } else if at.since(now) > TOO_FAR_AHEAD {
        Some("too_far_ahead")
    } else {
        None
    }
}

fn is_metric_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(fits)
}

#[cfg(test)]
mod tests;
