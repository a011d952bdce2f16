//! What one batch of counts says, and sums of it.

use model::judge::Counts;
use serde::{Deserialize, Serialize};

use crate::counts::add;
use crate::exact::{Exact, log_sum_exp};
use crate::hypergeometric::Hypergeometric;
use crate::look::Arms;

/// Odds ratios of the limits that are printed.
pub(crate) const LIMITS: [f64; 8] = [1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0];
/// For bad events: [`LIMITS`], of which all but the first are the alternatives harm is tested with.
const ERRORS: [f64; 8] = LIMITS;
const ERRORS_HARM: [usize; 7] = [1, 2, 3, 4, 5, 6, 7];
/// For slow requests: [`LIMITS`], and the alternatives 1.05, 1.1, 1.2, 1.35, 1.6, 2 and 3. What slows
/// down a little moves many requests over a threshold, so small odds matter more than for errors.
const SLOW: [f64; 11] = [1.05, 1.1, 1.2, 1.25, 1.35, 1.5, 1.6, 2.0, 3.0, 5.0, 10.0];
const SLOW_HARM: [usize; 7] = [0, 1, 2, 4, 6, 7, 8];
/// The clean service of the absolute bound has a tenth of the tolerated share.
const CLEAN_SHARE: f64 = 0.1;

/// Is which odds ratios evidence is kept for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Grid {
    /// What a test saved before there were others has.
    #[default]
    Errors,
    Slow,
}

impl Grid {
    /// Returns the odds ratios, ascending.
    pub(crate) fn odds(self) -> &'static [f64] {
        match self {
            Grid::Errors => &ERRORS,
            Grid::Slow => &SLOW,
        }
    }

    /// Returns which of the odds ratios are the alternatives harm is tested with.
    pub(crate) fn harm(self) -> &'static [usize] {
        match self {
            Grid::Errors => &ERRORS_HARM,
            Grid::Slow => &SLOW_HARM,
        }
    }

    /// Returns where in the grid one of [`LIMITS`] stands.
    pub(crate) fn at(self, limit: f64) -> usize {
        let found = self.odds().iter().position(|&odds| odds == limit);
        found.expect("every grid holds the limits that are printed")
    }
}

/// Is what a signal's evidence is about, beside the odds ratios all signals of its kind share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    #[serde(default)]
    grid: Grid,
    /// The odds ratio a ring must exclude, above 1.
    margin: Exact,
    /// The share of bad events that is fine in absolute terms, between 0 and 1; none when off.
    tolerated: Option<Exact>,
}

impl Bounds {
    /// A margin that is not above 0 can be excluded by nothing, and a tolerated share outside 0 to 1
    /// is off: a definition that slipped through its checks holds rings rather than passing them.
    pub(crate) fn new(grid: Grid, margin: f64, tolerated: f64) -> Self {
        let margin = if margin.is_finite() {
            margin.max(0.0)
        } else {
            0.0
        };
        Self {
            grid,
            margin: Exact(1.0 + margin),
            tolerated: (tolerated > 0.0 && tolerated < 1.0).then_some(Exact(tolerated)),
        }
    }

    pub(crate) fn has_tolerated(&self) -> bool {
        self.tolerated.is_some()
    }

    pub(crate) fn grid(&self) -> Grid {
        self.grid
    }
}

/// Is the evidence of a run of batches: for each odds ratio psi of a grid the log likelihood ratio of
/// "the canary's odds are psi times the control's" to "no difference", before dispersion.
///
/// Everything printed and decided is a function of these sums, so that nothing is kept twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// In the order of the grid.
    odds: Vec<Exact>,
    /// The same at the margin.
    margin: Exact,
    /// "A tenth of the tolerated share is bad" to "the tolerated share", canary alone.
    absolute: Exact,
    pub(crate) canary: Counts,
    pub(crate) control: Counts,
}

impl Sums {
    pub(crate) fn nothing(grid: Grid) -> Self {
        Self {
            odds: vec![Exact(0.0); grid.odds().len()],
            margin: Exact(0.0),
            absolute: Exact(0.0),
            canary: Counts::default(),
            control: Counts::default(),
        }
    }

    /// Weighs one batch. An empty arm or no bad event says nothing about odds.
    pub(crate) fn of(arms: &Arms, bounds: &Bounds) -> Self {
        let mut sums = Self {
            canary: arms.canary,
            control: arms.control,
            absolute: Exact(absolute(&arms.canary, bounds)),
            ..Self::nothing(bounds.grid)
        };
        let bad = arms.canary.bad + arms.control.bad;
        if bad == 0 || arms.canary.total == 0 || arms.control.total == 0 {
            return sums;
        }
        let table = Hypergeometric::new(arms.canary.total, arms.control.total, bad);
        let weigh = |psi: f64| arms.canary.bad as f64 * psi.ln() - table.log_z(psi);
        sums.odds = bounds
            .grid
            .odds()
            .iter()
            .map(|&psi| Exact(weigh(psi)))
            .collect();
        sums.margin = Exact(weigh(bounds.margin.0));
        sums
    }

    /// Adds a later batch, or sums of later ones.
    pub(crate) fn add(&mut self, more: &Sums) {
        for (sum, more) in self.odds.iter_mut().zip(&more.odds) {
            sum.0 += more.0;
        }
        self.margin.0 += more.margin.0;
        self.absolute.0 += more.absolute.0;
        add(&mut self.canary, more.canary);
        add(&mut self.control, more.control);
    }

    /// Returns the log evidence that the canary's odds are `grid.odds()[at]` times the control's.
    pub(crate) fn harm_at(&self, at: usize, phi: f64) -> f64 {
        self.odds[at].0 / phi
    }

    /// Returns the log evidence that the canary's odds are higher: the mean over the alternatives.
    pub(crate) fn harm(&self, grid: Grid, phi: f64) -> f64 {
        let logs: Vec<f64> = grid
            .harm()
            .iter()
            .map(|&at| self.harm_at(at, phi))
            .collect();
        mean(&logs)
    }

    /// Returns the log evidence against "odds of `grid.odds()[at]` or less"; the alternatives are the
    /// larger odds of the grid, so `at` is not the last.
    pub(crate) fn above(&self, at: usize, phi: f64) -> f64 {
        let bound = self.odds[at].0;
        let beyond = self.odds[at + 1..].iter();
        let logs: Vec<f64> = beyond.map(|sum| (sum.0 - bound) / phi).collect();
        mean(&logs)
    }

    /// Returns the log evidence against "odds of `grid.odds()[at]` or more".
    pub(crate) fn below(&self, at: usize, phi: f64) -> f64 {
        -self.odds[at].0 / phi
    }

    /// Returns the log evidence against "worse by the margin or more".
    pub(crate) fn pass(&self, phi: f64) -> f64 {
        -self.margin.0 / phi
    }

    /// Returns the log evidence against "the tolerated share or more is bad".
    pub(crate) fn absolute(&self, phi: f64) -> f64 {
        self.absolute.0 / phi
    }
}

fn absolute(canary: &Counts, bounds: &Bounds) -> f64 {
    let Some(Exact(tolerated)) = bounds.tolerated else {
        return 0.0;
    };
    let clean = tolerated * CLEAN_SHARE;
    let good = (canary.total - canary.bad) as f64;
    canary.bad as f64 * CLEAN_SHARE.ln() + good * ((1.0 - clean) / (1.0 - tolerated)).ln()
}

/// Returns the log of the mean of numbers given by their logs.
pub(crate) fn mean(logs: &[f64]) -> f64 {
    log_sum_exp(logs) - (logs.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(canary: (u64, u64), control: (u64, u64)) -> Arms {
        let counts = |(bad, total)| Counts { bad, total };
        Arms {
            canary: counts(canary),
            control: counts(control),
        }
    }

    #[test]
    fn an_empty_arm_says_nothing_about_odds() {
        let bounds = Bounds::new(Grid::Errors, 0.5, 0.0);
        for batch in [
            arms((0, 0), (5, 9)),
            arms((5, 9), (0, 0)),
            arms((0, 9), (0, 9)),
        ] {
            let sums = Sums::of(&batch, &bounds);
            assert_eq!((sums.harm(Grid::Errors, 1.0), sums.pass(1.0)), (0.0, 0.0));
        }
    }

    #[test]
    fn about_1540_clean_requests_clear_the_absolute_bound() {
        let needed = |phi| {
            let one = Sums::of(
                &arms((0, 1), (0, 0)),
                &Bounds::new(Grid::Errors, 0.5, 0.005),
            )
            .absolute(phi);
            (1_000f64.ln() / one).ceil()
        };
        assert_eq!(needed(1.0), 1_531.0);
        assert_eq!(needed(2.0), 3_062.0);
    }

    #[test]
    fn a_tolerated_share_of_zero_is_off() {
        for off in [0.0, -1.0, 1.0, f64::NAN, f64::INFINITY] {
            let bounds = Bounds::new(Grid::Errors, 0.5, off);
            assert!(!bounds.has_tolerated());
            assert_eq!(
                Sums::of(&arms((0, 900), (0, 900)), &bounds).absolute(1.0),
                0.0
            );
        }
    }

    #[test]
    fn a_margin_that_is_none_clears_nothing() {
        for margin in [0.0, -0.5, f64::NAN, f64::INFINITY] {
            let sums = Sums::of(
                &arms((0, 900), (90, 900)),
                &Bounds::new(Grid::Errors, margin, 0.0),
            );
            assert_eq!(sums.pass(1.0), 0.0, "{margin}");
        }
    }

    #[test]
    fn every_grid_ascends_and_holds_the_limits() {
        for grid in [Grid::Errors, Grid::Slow] {
            assert!(grid.odds().is_sorted());
            for limit in LIMITS {
                assert_eq!(grid.odds()[grid.at(limit)], limit);
            }
        }
        let slow: Vec<f64> = SLOW_HARM.map(|at| SLOW[at]).to_vec();
        assert_eq!(slow, [1.05, 1.1, 1.2, 1.35, 1.6, 2.0, 3.0]);
    }

    #[test]
    fn limits_agree_with_their_definition() {
        let sums = Sums::of(
            &arms((9, 100), (3, 100)),
            &Bounds::new(Grid::Errors, 1.0, 0.0),
        );
        assert_eq!(sums.pass(1.0), sums.below(4, 1.0), "margin 1 is odds of 2");
        let table = Hypergeometric::new(100, 100, 12);
        let ratio =
            |psi: f64, psi0: f64| 9.0 * (psi / psi0).ln() + table.log_z(psi0) - table.log_z(psi);
        let expected = log_sum_exp(&[ratio(5.0, 3.0), ratio(10.0, 3.0)]) - 2f64.ln();
        assert!((sums.above(5, 1.0) - expected).abs() < 1e-12);
    }
}
