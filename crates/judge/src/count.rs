//! The test of one kind of bad event: evidence over the whole change and anew in each ring.

use model::judge::Counts;
use serde::{Deserialize, Serialize};

use crate::batch::{Bounds, LIMITS, Sums};
use crate::budget::{ALPHA, PASS_ALPHA, over_rings};
use crate::counts::add;
use crate::dispersion::Phi;
use crate::look::{Arms, History};

/// Share of the passing budget the odds get when the absolute bound may clear a signal too.
const ODDS_SHARE: f64 = 0.9;

/// Is the test of a counted signal, or of one threshold of a latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CountTest {
    bounds: Bounds,
    pub(crate) phi: Phi,
    /// On all hosts in the time before the change.
    #[serde(default)]
    before: Counts,
    /// Over all rings.
    pub(crate) all: Sums,
    /// One for each ring; one that has not started holds nothing, which is evidence of 1.
    rings: Vec<Sums>,
}

impl CountTest {
    pub(crate) fn new(bounds: Bounds, history: &History, rings: usize) -> Self {
        let nothing = Sums::nothing(bounds.grid());
        Self {
            bounds,
            phi: Phi::of(history),
            before: history.sum(),
            all: nothing.clone(),
            rings: vec![nothing; rings.max(1)],
        }
    }

    /// Returns what was counted without the change: before it, and beside it.
    pub(crate) fn past(&self) -> Counts {
        let mut past = self.before;
        add(&mut past, self.all.control);
        past
    }

    /// Weighs a batch that `refusal` finds nothing wrong with.
    pub(crate) fn add(&mut self, arms: &Arms, ring: usize) {
        let batch = Sums::of(arms, &self.bounds);
        let ring = ring.min(self.rings.len() - 1);
        self.all.add(&batch);
        self.rings[ring].add(&batch);
    }

    /// Returns the log evidence of harm over all rings.
    pub(crate) fn log_e(&self) -> f64 {
        self.over_rings(|sums, phi| sums.harm(self.bounds.grid(), phi))
    }

    fn over_rings(&self, log_e: impl Fn(&Sums, f64) -> f64) -> f64 {
        let phi = self.phi.value();
        over_rings(&self.all, &self.rings, |sums| log_e(sums, phi))
    }

    /// Returns what this ring saw; a ring beyond the last is the last.
    pub(crate) fn ring(&self, ring: usize) -> &Sums {
        &self.rings[ring.min(self.rings.len() - 1)]
    }

    /// Returns the log evidence against "worse by the margin or more" in this ring.
    pub(crate) fn log_e_pass(&self, ring: usize) -> f64 {
        self.ring(ring).pass(self.phi.value())
    }

    /// Returns the log evidence against "the tolerated share or more is bad" in this ring.
    pub(crate) fn log_e_abs(&self, ring: usize) -> f64 {
        self.ring(ring).absolute(self.phi.value())
    }

    /// Whether this ring is shown to be fine: worse by the margin is excluded, or more than the
    /// tolerated share of bad events is. Both share one budget, so that the absolute bound, which lets
    /// a service without errors pass, costs no extra risk.
    pub(crate) fn is_cleared(&self, ring: usize) -> bool {
        if !self.bounds.has_tolerated() {
            return self.log_e_pass(ring) >= (1.0 / PASS_ALPHA).ln();
        }
        let by_odds = self.log_e_pass(ring) >= (1.0 / (ODDS_SHARE * PASS_ALPHA)).ln();
        let by_share = self.log_e_abs(ring) >= (1.0 / ((1.0 - ODDS_SHARE) * PASS_ALPHA)).ln();
        by_odds || by_share
    }

    /// Returns the smallest odds ratio of [`LIMITS`] that this ring excludes.
    pub(crate) fn odds_at_most(&self, ring: usize) -> Option<f64> {
        let (sums, phi) = (self.ring(ring), self.phi.value());
        let excluded = |limit: f64| {
            let at = self.bounds.grid().at(limit);
            sums.below(at, phi) >= (1.0 / PASS_ALPHA).ln()
        };
        LIMITS.into_iter().find(|&limit| excluded(limit))
    }

    /// Returns the largest odds ratio of [`LIMITS`] that the canary exceeds.
    pub(crate) fn odds_at_least(&self) -> Option<f64> {
        let exceeded = |limit: f64| {
            let at = self.bounds.grid().at(limit);
            self.over_rings(|sums, phi| sums.above(at, phi)) >= (1.0 / ALPHA).ln()
        };
        let (_, limits) = LIMITS.split_last().expect("there are limits");
        limits.iter().copied().rev().find(|&limit| exceeded(limit))
    }

    /// Returns the alternative that carries most of the evidence.
    pub(crate) fn psi_leading(&self) -> f64 {
        let grid = self.bounds.grid();
        let log_e = |at: usize| self.over_rings(|sums, phi| sums.harm_at(at, phi));
        let best = grid
            .harm()
            .iter()
            .copied()
            .max_by(|&a, &b| log_e(a).total_cmp(&log_e(b)));
        best.map_or(1.0, |at| grid.odds()[at])
    }
}
