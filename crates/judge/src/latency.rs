//! The test of a latency: how many requests are slower than each of a few thresholds, from histogram
//! buckets alone (judge specification 2.B.3).
//!
//! The thresholds lie where the control's requests lay before, at bounds both sides count by. Each is a
//! test of counts of its own; the mean of their evidence is as honest as each, however much they depend
//! on each other.

use model::judge::{Counts, LatencyEvidence, ThresholdEvidence};
use model::observe::Unit;
use serde::{Deserialize, Serialize};

use crate::band::band;
use crate::batch::{Bounds, Grid, mean};
use crate::count::CountTest;
use crate::counts::odds_ratio;
use crate::exact::Exact;
use crate::look::{Arms, Histogram, History};
use crate::thresholds::{choose, kept};
use crate::watch::{Detector, Kind, Slower};

/// A ring passes when the margin is excluded at each of these. To ask the same of one request in a
/// hundred would hold healthy rings for minutes; p75 and p99 show harm only (2.B.7).
const CLEARED_AT: [f64; 3] = [0.5, 0.9, 0.95];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LatencyTest {
    unit: Unit,
    margin: Exact,
    tolerated: Exact,
    rings: usize,
    /// Requests are counted within these; empty until they are chosen.
    within: Vec<Exact>,
    /// Ascending.
    thresholds: Vec<At>,
    canary: Sum,
    control: Sum,
    /// Both sides' histograms had no bound in common when they were last looked at.
    pub(crate) is_mismatched: bool,
}

/// Is the test at one threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct At {
    /// Its place in `within`.
    at: usize,
    quantiles: Vec<Exact>,
    test: CountTest,
}

/// Is a histogram over all looks, for the picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    at_most: Vec<u64>,
    total: u64,
}

impl Sum {
    fn add(&mut self, more: &Histogram) {
        if more.total == 0 {
            return;
        }
        self.at_most.resize(more.at_most.len(), 0);
        for (sum, more) in self.at_most.iter_mut().zip(&more.at_most) {
            *sum = sum.saturating_add(*more);
        }
        self.total = self.total.saturating_add(more.total);
    }

    fn to_histogram(&self) -> Histogram {
        Histogram {
            at_most: self.at_most.clone(),
            total: self.total,
        }
    }
}

impl LatencyTest {
    pub(crate) fn new(unit: Unit, margin: f64, tolerated: f64, rings: usize) -> Self {
        Self {
            unit,
            margin: Exact(margin),
            tolerated: Exact(tolerated),
            rings,
            within: Vec::new(),
            thresholds: Vec::new(),
            canary: Sum::default(),
            control: Sum::default(),
            is_mismatched: false,
        }
    }

    /// Returns the bounds requests are counted within, ascending; none until they are chosen.
    pub(crate) fn bounds(&self) -> Option<Vec<f64>> {
        let is_chosen = !self.thresholds.is_empty();
        is_chosen.then(|| self.within.iter().map(|bound| bound.0).collect())
    }

    /// Chooses the thresholds, once; see [`crate::Test::choose_thresholds`].
    pub(crate) fn choose(
        &mut self,
        bounds: &[f64],
        before: &Histogram,
        history: impl Fn(f64) -> History,
    ) {
        if !self.thresholds.is_empty() {
            return;
        }
        let chosen = choose(bounds, before);
        let kept = kept(bounds.len(), &chosen);
        let odds = Bounds::new(Grid::Slow, self.margin.0, self.tolerated.0);
        for threshold in chosen {
            let at = kept.iter().position(|&at| at == threshold.at);
            let history = history(bounds[threshold.at]);
            self.thresholds.push(At {
                at: at.expect("every threshold is kept"),
                quantiles: threshold.quantiles.into_iter().map(Exact).collect(),
                test: CountTest::new(odds, &history, self.rings),
            });
        }
        self.within = kept.into_iter().map(|at| Exact(bounds[at])).collect();
    }

    pub(crate) fn watched_kind(&self) -> Kind {
        Kind::Latency {
            unit: self.unit,
            bounds: self.within.len(),
        }
    }

    /// Makes a detector of each threshold.
    pub(crate) fn watched(
        &self,
        detector: impl Fn(Slower, &CountTest) -> Option<Detector>,
    ) -> Vec<Option<Detector>> {
        let slower = |threshold: &At| Slower {
            at: threshold.at,
            than: self.within[threshold.at],
            quantiles: threshold.quantiles.clone(),
        };
        let thresholds = self.thresholds.iter();
        thresholds.map(|t| detector(slower(t), &t.test)).collect()
    }

    /// Weighs a batch that `refusal` finds nothing wrong with. Before there are thresholds it
    /// says nothing.
    pub(crate) fn add(&mut self, canary: &Histogram, control: &Histogram, ring: usize) {
        self.is_mismatched = false;
        if self.thresholds.is_empty() {
            return;
        }
        for threshold in &mut self.thresholds {
            let arms = Arms {
                canary: canary.slower(threshold.at),
                control: control.slower(threshold.at),
            };
            threshold.test.add(&arms, ring);
        }
        self.canary.add(canary);
        self.control.add(control);
    }

    /// Returns the log evidence of harm: the mean over the thresholds, 0 without any.
    pub(crate) fn log_e(&self) -> f64 {
        let logs: Vec<f64> = self.thresholds.iter().map(|t| t.test.log_e()).collect();
        if logs.is_empty() {
            return 0.0;
        }
        mean(&logs)
    }

    pub(crate) fn is_cleared(&self, ring: usize) -> bool {
        let mut needed = self.to_clear().peekable();
        needed.peek().is_some() && needed.all(|t| t.test.is_cleared(ring))
    }

    /// Returns the requests of this ring, the same at every threshold; none before there is one.
    pub(crate) fn requests(&self, ring: usize) -> Option<[Counts; 2]> {
        let sums = self.thresholds.first()?.test.ring(ring);
        Some([sums.canary, sums.control])
    }

    /// Returns the odds ratio this ring excludes at every threshold that must be cleared.
    pub(crate) fn odds_at_most(&self, ring: usize) -> Option<f64> {
        let limits = self.to_clear().map(|t| t.test.odds_at_most(ring));
        limits.reduce(|a, b| Some(a?.max(b?))).flatten()
    }

    /// Returns the least of the evidence that must clear the ring: what the ring waits for.
    pub(crate) fn log_e_pass(&self, ring: usize) -> f64 {
        let logs = self.to_clear().map(|t| t.test.log_e_pass(ring));
        logs.reduce(f64::min).unwrap_or(0.0)
    }

    pub(crate) fn log_e_abs(&self, ring: usize) -> f64 {
        let logs = self.to_clear().map(|t| t.test.log_e_abs(ring));
        logs.reduce(f64::min).unwrap_or(0.0)
    }

    /// Returns the test that shows most harm.
    pub(crate) fn leading(&self) -> Option<&CountTest> {
        self.thresholds.get(self.leading_at()).map(|t| &t.test)
    }

    fn leading_at(&self) -> usize {
        let log_e = |at: &usize| self.thresholds[*at].test.log_e();
        let best = (0..self.thresholds.len()).max_by(|a, b| log_e(a).total_cmp(&log_e(b)));
        best.unwrap_or(0)
    }

    fn to_clear(&self) -> impl Iterator<Item = &At> {
        self.thresholds.iter().filter(|t| t.must_be_cleared())
    }

    pub(crate) fn to_evidence(&self, ring: usize) -> Option<LatencyEvidence> {
        if self.thresholds.is_empty() {
            return None;
        }
        let (canary, control) = (self.canary.to_histogram(), self.control.to_histogram());
        Some(LatencyEvidence {
            unit: self.unit,
            thresholds: self
                .thresholds
                .iter()
                .map(|t| t.to_evidence(self.within[t.at].0, ring))
                .collect(),
            leading: self.leading_at(),
            band: band(&self.within, &canary, &control),
        })
    }
}

impl At {
    fn must_be_cleared(&self) -> bool {
        self.quantiles.iter().any(|q| CLEARED_AT.contains(&q.0))
    }

    fn to_evidence(&self, slower_than: f64, ring: usize) -> ThresholdEvidence {
        let test = &self.test;
        ThresholdEvidence {
            slower_than,
            quantiles: self.quantiles.iter().map(|q| q.0).collect(),
            log_e: test.log_e(),
            log_e_pass: test.log_e_pass(ring),
            cleared: self.must_be_cleared().then(|| test.is_cleared(ring)),
            canary: test.all.canary,
            control: test.all.control,
            odds_ratio: odds_ratio(test.all.canary, test.all.control),
            odds_at_least: test.odds_at_least(),
            odds_at_most: test.odds_at_most(ring),
            dispersion: test.phi.to_evidence(),
            psi_leading: test.psi_leading(),
        }
    }
}
