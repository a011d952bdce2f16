//! The test of one signal: evidence over the whole change and anew in each ring.

use model::Timestamp;
use model::judge::MetricEvidence;
use model::observe::Signal;
use serde::{Deserialize, Serialize};

use crate::batch::{Bounds, ODDS, Sums, alternatives};
use crate::budget::{ALPHA, PASS_ALPHA, ring_weights};
use crate::counts::odds_ratio;
use crate::dispersion::Phi;
use crate::exact::{Exact, log_sum_exp};
use crate::look::{Arms, History};
use crate::trace::Trace;

/// Share of the passing budget the odds get when the absolute bound may clear a signal too.
const ODDS_SHARE: f64 = 0.9;

/// Is one signal's test; all of it is saved with each look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SignalTest {
    pub(crate) critical: bool,
    pub(crate) advisory: bool,
    /// Share of the change's error budget, 0 for advisory signals.
    pub(crate) weight: Exact,
    min_requests: u64,
    bounds: Bounds,
    phi: Phi,
    /// Over all rings.
    all: Sums,
    /// One for each ring; one that has not started holds nothing, which is evidence of 1.
    rings: Vec<Sums>,
    trace: Trace,
    /// End of the last batch.
    pub(crate) heard_at: Option<Timestamp>,
    /// Batches refused since the last good one.
    pub(crate) refused_in_row: u32,
}

impl SignalTest {
    pub(crate) fn new(signal: &Signal, weight: f64, rings: usize, history: &History) -> Self {
        Self {
            critical: signal.critical,
            advisory: signal.advisory,
            weight: Exact(weight),
            min_requests: signal.min_requests,
            bounds: Bounds::new(signal.margin, signal.tolerated),
            phi: Phi::of(history),
            all: Sums::default(),
            rings: vec![Sums::default(); rings.max(1)],
            trace: Trace::default(),
            heard_at: None,
            refused_in_row: 0,
        }
    }

    /// Weighs a batch that [`crate::counts::refusal`] finds nothing wrong with.
    pub(crate) fn add(&mut self, arms: &Arms, ring: usize, at: Timestamp, look: u64) {
        let batch = Sums::of(arms, &self.bounds);
        let ring = self.ring(ring);
        self.all.add(&batch);
        self.rings[ring].add(&batch);
        self.heard_at = self.heard_at.max(Some(at));
        self.refused_in_row = 0;
        self.trace.push(look, self.log_e());
    }

    /// Returns the log evidence of harm over all rings.
    pub(crate) fn log_e(&self) -> f64 {
        let phi = self.phi.value();
        self.over_rings(|sums| sums.harm(phi))
    }

    /// Returns the log of the mean of all rings together, each ring alone, and 1, by [`ring_weights`].
    /// So what only a late ring shows is not diluted by clean evidence from the ones before.
    fn over_rings(&self, log_e: impl Fn(&Sums) -> f64) -> f64 {
        let all = log_e(&self.all);
        if self.rings.len() == 1 {
            return all;
        }
        let each = self.rings.iter().map(&log_e);
        let parts = std::iter::once(all).chain(each).chain([0.0]);
        let weights = ring_weights(self.rings.len());
        let logs: Vec<f64> = weights.iter().zip(parts).map(|(w, e)| w.ln() + e).collect();
        log_sum_exp(&logs)
    }

    /// Whether this ring is shown to be fine: worse by the margin is excluded, or more than the
    /// tolerated share of bad events is. Both share one budget, so that the absolute bound, which lets
    /// a service without errors pass, costs no extra risk.
    pub(crate) fn is_cleared(&self, ring: usize) -> bool {
        let (sums, phi) = (&self.rings[self.ring(ring)], self.phi.value());
        if !self.bounds.has_tolerated() {
            return sums.pass(phi) >= (1.0 / PASS_ALPHA).ln();
        }
        let by_odds = sums.pass(phi) >= (1.0 / (ODDS_SHARE * PASS_ALPHA)).ln();
        let by_share = sums.absolute(phi) >= (1.0 / ((1.0 - ODDS_SHARE) * PASS_ALPHA)).ln();
        by_odds || by_share
    }

    /// Whether both arms had enough events in this ring; never with none, whatever was asked for.
    pub(crate) fn is_enough(&self, ring: usize) -> bool {
        let sums = &self.rings[self.ring(ring)];
        let needed = self.min_requests.max(1);
        sums.canary.total >= needed && sums.control.total >= needed
    }

    /// Returns the smallest odds ratio of the grid that this ring excludes.
    pub(crate) fn odds_at_most(&self, ring: usize) -> Option<f64> {
        let (sums, phi) = (&self.rings[self.ring(ring)], self.phi.value());
        let excluded = |at: usize| sums.below(at, phi) >= (1.0 / PASS_ALPHA).ln();
        (0..ODDS.len()).find(|&at| excluded(at)).map(|at| ODDS[at])
    }

    /// Returns the largest odds ratio of the grid that the canary exceeds.
    fn odds_at_least(&self) -> Option<f64> {
        let phi = self.phi.value();
        let exceeded = |at: usize| {
            let log_e = self.over_rings(|sums| sums.above(at, phi));
            log_e >= (1.0 / ALPHA).ln()
        };
        (0..ODDS.len() - 1)
            .rev()
            .find(|&at| exceeded(at))
            .map(|at| ODDS[at])
    }

    fn psi_leading(&self) -> f64 {
        let phi = self.phi.value();
        let log_e = |j: usize| self.over_rings(|sums| sums.harm_by_odds(phi)[j]);
        let best = (0..alternatives().len()).max_by(|&a, &b| log_e(a).total_cmp(&log_e(b)));
        best.map_or(1.0, |j| alternatives()[j])
    }

    pub(crate) fn to_evidence(&self, name: &str, ring: usize) -> MetricEvidence {
        let (sums, phi) = (&self.rings[self.ring(ring)], self.phi.value());
        MetricEvidence {
            metric: name.to_owned(),
            kind: "count".to_owned(),
            critical: self.critical,
            advisory: self.advisory,
            weight: self.weight.0,
            log_e: self.log_e(),
            log_e_pass: sums.pass(phi),
            log_e_abs: sums.absolute(phi),
            cleared: self.is_cleared(ring),
            canary: self.all.canary,
            control: self.all.control,
            odds_ratio: odds_ratio(self.all.canary, self.all.control),
            odds_at_least: self.odds_at_least(),
            odds_at_most: self.odds_at_most(ring),
            dispersion: self.phi.to_evidence(),
            psi_leading: self.psi_leading(),
            trace: self.trace.points(),
        }
    }

    fn ring(&self, ring: usize) -> usize {
        ring.min(self.rings.len() - 1)
    }
}
