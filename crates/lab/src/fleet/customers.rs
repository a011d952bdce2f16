//! The customers of one process: how many come, how many of them fail, and how long they wait.

use std::time::Duration;

use runtime::Random;

/// Is what customers do on every host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// At each host's process, on average.
    pub per_second: f64,
    /// The share of requests that fail with a good release.
    pub failing: f64,
    /// The share of them that comes to a slot no router sends anything to as well.
    pub mirrored: f64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            per_second: 100.0,
            failing: 0.005,
            mirrored: 0.0,
        }
    }
}

/// Upper bounds of the buckets of `pay_duration_seconds`, as Prometheus' clients have them; one more
/// counts all.
pub(super) const BOUNDS_S: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Half of the requests of a good release take less than this; the others are log-normal around it.
const MEDIAN_S: f64 = 0.08;
const SPREAD: f64 = 0.8;

/// What a payment is worth with a good release; half of them are worth a third of that, half more.
const WORTH: f64 = 30.0;

/// Is what is special about a release to its customers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    /// The share that fails.
    pub(super) failing: f64,
    /// How many times as long each waits.
    pub(super) slower: f64,
    /// How many times as much each pays.
    pub(super) earning: f64,
}

/// Counts requests since a process was started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counters {
    pub(super) ok: f64,
    pub(super) failed: f64,
    /// What the payments that went through were worth, and how many that were.
    pub(super) worth: f64,
    pub(super) paid: f64,
    /// Requests by how long they took, each counted in one bucket only; the last is above all bounds.
    took: [f64; BOUNDS_S.len() + 1],
}

impl Counters {
    /// Serves customers for a while.
    pub(super) fn serve(
        &mut self,
        per_second: f64,
        served: Served,
        span: Duration,
        random: &Random,
    ) {
        let expected = per_second * span.as_secs_f64();
        self.failed += arrivals(expected * served.failing, random);
        let small = arrivals(expected * (1.0 - served.failing) / 2.0, random);
        let large = arrivals(expected * (1.0 - served.failing) / 2.0, random);
        self.ok += small + large;
        self.paid += small + large;
        self.worth += WORTH * served.earning * (small / 3.0 + large * 5.0 / 3.0);
        let mut longer = 1.0;
        for (bucket, took) in self.took.iter_mut().enumerate() {
            let beyond = BOUNDS_S
                .get(bucket)
                .map_or(0.0, |&s| slower_than(s, served.slower));
            *took += arrivals(expected * (longer - beyond), random);
            longer = beyond;
        }
    }

    /// Returns how many took at most each bound, and how many there were.
    pub(super) fn buckets(&self) -> [f64; BOUNDS_S.len() + 1] {
        let mut sum = 0.0;
        self.took.map(|took| {
            sum += took;
            sum
        })
    }
}

/// Returns the share of requests that take longer than this.
fn slower_than(bound_s: f64, slower: f64) -> f64 {
    let deviations = (bound_s / (MEDIAN_S * slower)).ln() / SPREAD;
    above(deviations)
}

/// Returns the share of a normal distribution above `x` deviations (Abramowitz and Stegun 26.2.17, to
/// 1e-7).
fn above(x: f64) -> f64 {
    if x < 0.0 {
        return 1.0 - above(-x);
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let series = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let sum = series.iter().rev().fold(0.0, |sum, b| (sum + b) * t);
    (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum
}

/// Draws a Poisson number: by Knuth's product of uniforms (TAOCP 3.4.1) while that is short, beyond by
/// the normal distribution, drawn as a sum of twelve uniforms.
fn arrivals(expected: f64, random: &Random) -> f64 {
    if expected <= 0.0 {
        return 0.0;
    }
    if expected > 50.0 {
        let normal: f64 = (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
        return (expected + expected.sqrt() * normal).round().max(0.0);
    }
    let (floor, mut product, mut count) = ((-expected).exp(), random.unit(), 0.0);
    while product > floor {
        product *= random.unit();
        count += 1.0;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_requests_wait_less_than_the_median() {
        for (slower, median_s) in [(1.0, MEDIAN_S), (1.4, 1.4 * MEDIAN_S)] {
            assert!((slower_than(median_s, slower) - 0.5).abs() < 1e-6);
        }
        assert!((slower_than(0.25, 1.0) - 0.0773).abs() < 1e-3);
        assert!((slower_than(0.25, 1.4) - 0.1574).abs() < 1e-3);
        let mut counters = Counters::default();
        let second = Duration::from_secs(1);
        let good = Served {
            failing: 0.0,
            slower: 1.0,
            earning: 1.0,
        };
        counters.serve(10_000.0, good, second, &Random::seeded(3));
        assert!((counters.worth / counters.paid / WORTH - 1.0).abs() < 0.05);
        let buckets = counters.buckets();
        assert!(buckets.is_sorted());
        let share = 1.0 - buckets[5] / buckets[BOUNDS_S.len()];
        assert!((share - 0.0773).abs() < 0.01, "{share}");
    }

    #[test]
    fn as_many_come_as_expected_and_they_vary_as_much() {
        let random = Random::seeded(3);
        for expected in [0.5, 10.0, 49.0, 200.0] {
            let drawn: Vec<f64> = (0..4_000).map(|_| arrivals(expected, &random)).collect();
            let mean = drawn.iter().sum::<f64>() / 4_000.0;
            let variance = drawn.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 4_000.0;
            assert!(
                (mean / expected - 1.0).abs() < 0.1,
                "{expected}: mean {mean}"
            );
            assert!(
                (variance / expected - 1.0).abs() < 0.15,
                "{expected}: variance {variance}"
            );
        }
        assert!(arrivals(0.0, &random).abs() < f64::EPSILON);
    }
}
