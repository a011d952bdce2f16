//! The normaliser of Fisher's noncentral hypergeometric distribution.
//!
//! Given `bad` bad events among `n_c + n_t`, the number of them on the canary has weight
//! `psi^k C(n_c, k) C(n_t, bad - k)` when the odds of a bad event there are `psi` times the control's.

use std::sync::LazyLock;

/// Terms below this share of the largest change no bit of the sum.
const NEGLIGIBLE: f64 = 1e-18;
/// Log-factorials up to here are looked up.
const TABLE: usize = 4_096;

/// Is one batch: how many events in each arm and how many of all are bad.
pub(crate) struct Hypergeometric {
    n_c: f64,
    n_t: f64,
    bad: f64,
    /// Range of bad events the canary can have.
    low: f64,
    high: f64,
    /// The weights with `psi` 1, which sum to `C(n_c + n_t, bad)`.
    plain: Weights,
}

/// Is a sum of weights: `exp(log_base(mode)) * psi^mode * relative`.
struct Weights {
    mode: f64,
    relative: f64,
}

impl Hypergeometric {
    /// Takes counts below 2^53 with `bad <= n_c + n_t`.
    pub(crate) fn new(n_c: u64, n_t: u64, bad: u64) -> Self {
        let mut this = Self {
            n_c: n_c as f64,
            n_t: n_t as f64,
            bad: bad as f64,
            low: bad.saturating_sub(n_t) as f64,
            high: bad.min(n_c) as f64,
            plain: Weights {
                mode: 0.0,
                relative: 1.0,
            },
        };
        this.plain = this.weights(1.0);
        this
    }

    /// Returns the log of the expected value of `psi^x_c` when the arms do not differ; `psi > 0`.
    ///
    /// Both sums are kept relative to their largest term: where the modes agree the factorials cancel
    /// before any rounding, so a tiny result is as exact as a large one.
    pub(crate) fn log_z(&self, psi: f64) -> f64 {
        let tilted = self.weights(psi);
        let ratio = (tilted.relative / self.plain.relative).ln();
        if tilted.mode == self.plain.mode {
            return tilted.mode * psi.ln() + ratio;
        }
        let bases = self.log_base(tilted.mode) - self.log_base(self.plain.mode);
        bases + tilted.mode * psi.ln() + ratio
    }

    fn weights(&self, psi: f64) -> Weights {
        let mode = self.mode(psi);
        Weights {
            mode,
            relative: 1.0 + self.above(psi, mode) + self.below(psi, mode),
        }
    }

    /// Returns the sum of the terms above the mode, relative to the mode's. Weights are log-concave in
    /// `k`, so the first negligible term ends it.
    fn above(&self, psi: f64, mode: f64) -> f64 {
        let (mut k, mut term, mut sum) = (mode, 1.0, 0.0);
        while k < self.high && term > NEGLIGIBLE {
            term *= psi * self.step(k);
            sum += term;
            k += 1.0;
        }
        sum
    }

    fn below(&self, psi: f64, mode: f64) -> f64 {
        let (mut k, mut term, mut sum) = (mode, 1.0, 0.0);
        while k > self.low && term > NEGLIGIBLE {
            k -= 1.0;
            term /= psi * self.step(k);
            sum += term;
        }
        sum
    }

    /// Returns the weight of `k + 1` over that of `k`, without `psi`.
    fn step(&self, k: f64) -> f64 {
        (self.n_c - k) * (self.bad - k) / ((k + 1.0) * (self.n_t - self.bad + k + 1.0))
    }

    /// Returns the `k` of the largest weight: the smaller root of `weight(k) = weight(k - 1)`, a
    /// quadratic, in the form that stays exact as `psi` nears 1. One off by rounding does no harm.
    fn mode(&self, psi: f64) -> f64 {
        let b = psi * (self.n_c + self.bad + 2.0) + self.n_t - self.bad;
        let c = psi * (self.n_c + 1.0) * (self.bad + 1.0);
        let discriminant = (b * b - 4.0 * (psi - 1.0) * c).max(0.0);
        let root = 2.0 * c / (b + discriminant.sqrt());
        root.floor().clamp(self.low, self.high)
    }

    /// Returns `log(C(n_c, k) C(n_t, bad - k))` less `log(n_c! n_t!)`, which all terms share.
    fn log_base(&self, k: f64) -> f64 {
        let canary = log_factorial(k) + log_factorial(self.n_c - k);
        let control = log_factorial(self.bad - k) + log_factorial(self.n_t - self.bad + k);
        -(canary + control)
    }
}

/// Returns `log(n!)` for a whole `n >= 0`.
fn log_factorial(n: f64) -> f64 {
    static LOG_FACTORIALS: LazyLock<Vec<f64>> = LazyLock::new(log_factorials);
    match LOG_FACTORIALS.get(n as usize) {
        Some(&value) => value,
        None => stirling(n),
    }
}

/// Sums the logs with Kahan's compensation: a plain running sum would lose three digits by 4,096.
fn log_factorials() -> Vec<f64> {
    let (mut sum, mut lost) = (0.0, 0.0);
    let mut n = 0.0;
    let mut table = Vec::with_capacity(TABLE + 1);
    table.push(0.0);
    for _ in 0..TABLE {
        n += 1.0;
        let term = f64::ln(n) - lost;
        let next = sum + term;
        lost = (next - sum) - term;
        sum = next;
        table.push(sum);
    }
    table
}

/// Is Stirling's series; above the table its next term is below 1e-28.
fn stirling(n: f64) -> f64 {
    let inverse = 1.0 / n;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1_260.0));
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binomial(n: u64, k: u64) -> f64 {
        let product = (0..k).fold(1u128, |c, i| c * u128::from(n - i) / u128::from(i + 1));
        product as f64
    }

    /// Sums the definition term by term with exact binomials.
    fn by_definition(n_c: u64, n_t: u64, bad: u64, psi: f64) -> f64 {
        let terms = bad.saturating_sub(n_t)..=bad.min(n_c);
        let sum: f64 = terms
            .map(|k| psi.powi(k as i32) * binomial(n_c, k) * binomial(n_t, bad - k))
            .sum();
        (sum / binomial(n_c + n_t, bad)).ln()
    }

    #[track_caller]
    fn assert_close(actual: f64, expected: f64, relative: f64) {
        let error = (actual - expected).abs();
        assert!(
            error <= relative * expected.abs().max(1e-3),
            "{actual} is not {expected}"
        );
    }

    #[test]
    fn log_z_is_its_definition() {
        for (n_c, n_t, bad) in [(3, 4, 2), (17, 16, 1), (5, 3, 8), (30, 60, 25), (60, 2, 40)] {
            for psi in [0.5, 1.0, 1.1, 1.5, 3.0, 10.0] {
                let expected = by_definition(n_c, n_t, bad, psi);
                assert_close(
                    Hypergeometric::new(n_c, n_t, bad).log_z(psi),
                    expected,
                    1e-12,
                );
            }
        }
    }

    #[test]
    fn one_request_on_the_canary_is_a_coin() {
        for (n_t, bad) in [(100_000, 40), (9, 5), (1_000_000_000, 7)] {
            let share = bad as f64 / (n_t + 1) as f64;
            for psi in [1.05, 2.0, 10.0] {
                let expected = ((psi - 1.0) * share).ln_1p();
                let actual = Hypergeometric::new(1, n_t, bad).log_z(psi);
                assert!((actual - expected).abs() <= 1e-12 * expected.abs() + 1e-15);
            }
        }
    }

    #[test]
    fn no_difference_needs_no_normaliser() {
        for (n_c, n_t, bad) in [
            (0, 5, 3),
            (5, 0, 3),
            (70_000, 3_000_000, 90_000),
            (8, 8, 16),
        ] {
            assert_eq!(Hypergeometric::new(n_c, n_t, bad).log_z(1.0), 0.0);
        }
    }

    #[test]
    fn arms_can_be_swapped() {
        for (n_c, n_t, bad) in [(30, 90, 25), (5_000, 700, 300), (2, 40_000, 1_000)] {
            for psi in [1.1, 2.0, 10.0] {
                let there = Hypergeometric::new(n_c, n_t, bad).log_z(psi);
                let back = Hypergeometric::new(n_t, n_c, bad).log_z(1.0 / psi);
                assert_close(there, bad as f64 * f64::ln(psi) + back, 1e-10);
            }
        }
    }

    #[test]
    fn the_table_meets_the_series() {
        assert_close(log_factorial(5.0), 120f64.ln(), 1e-15);
        let next = log_factorial(4_096.0) + 4_097f64.ln();
        assert_close(log_factorial(4_097.0), next, 1e-15);
    }

    /// `E[psi^x_c / Z]` over every table of up to 12 events an arm; at most 1 unless the canary is worse.
    #[test]
    fn a_fair_bet_is_never_favourable() {
        for (n_c, n_t) in (0..=12).flat_map(|n_c| (0..=12).map(move |n_t| (n_c, n_t))) {
            for bad in 0..=n_c + n_t {
                for odds in [0.3, 0.7, 1.0] {
                    expect_at_most_one(n_c, n_t, bad, odds);
                }
            }
        }
    }

    fn expect_at_most_one(n_c: u64, n_t: u64, bad: u64, odds: f64) {
        let table = Hypergeometric::new(n_c, n_t, bad);
        let weight = |k: u64| odds.powi(k as i32) * binomial(n_c, k) * binomial(n_t, bad - k);
        let range = || bad.saturating_sub(n_t)..=bad.min(n_c);
        let total: f64 = range().map(weight).sum();
        for psi in [1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0] {
            let log_z = table.log_z(psi);
            let factor = |k: u64| (k as f64 * f64::ln(psi) - log_z).exp();
            let mean: f64 = range().map(|k| weight(k) / total * factor(k)).sum();
            assert!(
                mean <= 1.0 + 1e-12,
                "{n_c} {n_t} {bad} {odds} {psi}: {mean}"
            );
            assert!(odds < 1.0 || mean > 1.0 - 1e-12, "no bet at all: {mean}");
        }
    }

    #[test]
    fn enumerated_means_are_those_of_the_specification() {
        let table = Hypergeometric::new(30, 90, 25);
        let odds: f64 = 0.7;
        let weight = |k: u64| odds.powi(k as i32) * binomial(30, k) * binomial(90, 25 - k);
        let total: f64 = (0..=25).map(weight).sum();
        for (psi, expected) in [(1.1, 0.885), (2.0, 0.381), (10.0, 0.032)] {
            let log_z = table.log_z(psi);
            let factor = |k: u64| (k as f64 * f64::ln(psi) - log_z).exp();
            let mean: f64 = (0..=25).map(|k| weight(k) / total * factor(k)).sum();
            assert!((mean - expected).abs() < 6e-4, "{psi}: {mean}");
        }
    }
}
