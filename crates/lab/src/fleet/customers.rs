//! The customers of one process: how many come, and how many of them fail.

use std::time::Duration;

use runtime::Random;

/// Is what customers do on every host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// At each host's process, on average.
    pub per_second: f64,
    /// The share of requests that fail with a good release.
    pub failing: f64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            per_second: 100.0,
            failing: 0.005,
        }
    }
}

/// Counts requests since a process was started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counters {
    pub(super) ok: f64,
    pub(super) failed: f64,
}

impl Counters {
    /// Serves customers for a while; `failing` is the share that fails.
    pub(super) fn serve(&mut self, per_second: f64, failing: f64, span: Duration, random: &Random) {
        let expected = per_second * span.as_secs_f64();
        self.ok += arrivals(expected * (1.0 - failing), random);
        self.failed += arrivals(expected * failing, random);
    }
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
