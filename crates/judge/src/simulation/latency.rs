//! Latencies: looks are minutes, 200 requests each on each side, log-normal with a deviation of 0.8, under a load
//! that swings by 10 % (judge specification 4.3).

use std::sync::LazyLock;

use model::observe::Unit;

use crate::latency::LatencyTest;
use crate::look::{Histogram, History};
use crate::random::Random;
use crate::state::needed;

const LOOKS: u64 = 180;
const PER_LOOK: f64 = 200.0;
const SPREAD: f64 = 0.8;
/// Normal quantiles of 50, 75, 90, 95 and 99 %: the bounds, in deviations above the usual mean.
const BOUNDS: [f64; 5] = [0.0, 0.674_489_8, 1.281_551_6, 1.644_853_6, 2.326_347_9];

/// Is how much slower the canary is.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub ratio: f64,
    /// Only this share of the requests is.
    pub of: f64,
    /// A noise each side keeps for a minute.
    pub noise: f64,
}

/// As fast as before.
pub const EVEN: World = World {
    ratio: 1.0,
    of: 1.0,
    noise: 0.0,
};

/// Returns the share of a normal distribution above `x` (Abramowitz and Stegun 26.2.17, to 1e-7).
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

/// Draws a minute's requests whose logs are shifted: all of them by `shift`, some by `slower` more.
fn requests(random: &mut Random, shift: f64, (slower, of): (f64, f64)) -> Histogram {
    let share = |bound: f64| {
        let beyond = |shift: f64| above(bound - shift / SPREAD);
        of * beyond(shift + slower) + (1.0 - of) * beyond(shift)
    };
    let shares = BOUNDS.map(share);
    let mut at_most = Vec::new();
    let (mut total, mut before) = (0, 1.0);
    for share in shares {
        total += random.poisson(PER_LOOK * (before - share));
        at_most.push(total);
        before = share;
    }
    total += random.poisson(PER_LOOK * before);
    Histogram { at_most, total }
}

impl World {
    pub(crate) fn minutes(self, seed: u64) -> impl FnMut() -> (Histogram, Histogram) {
        let mut random = Random::new(seed);
        let phase = 6.0 * random.uniform();
        let mut minute = 0.0;
        move || {
            let load = 0.1 * (minute / 300.0 * std::f64::consts::TAU + phase).sin();
            minute += 1.0;
            let mut side = |slower| {
                let noise = random.noise(self.noise).ln();
                requests(&mut random, load + noise, slower)
            };
            (side((self.ratio.ln(), self.of)), side((0.0, 0.0)))
        }
    }

    /// Returns the minute at which a change fails, when it does within three hours.
    pub fn fails(self, seed: u64) -> Option<u64> {
        static START: LazyLock<LatencyTest> = LazyLock::new(|| latency(1, &calm(3_600)));
        let (mut test, mut minutes) = (START.clone(), self.minutes(seed));
        (1..=LOOKS).find(|_| {
            let (canary, control) = minutes();
            test.add(&canary, &control, 0);
            test.log_e() >= needed()
        })
    }
}

/// Returns a history whose dispersion is 1: the table's runs know nothing of the noise.
pub(crate) fn calm(seconds: usize) -> History {
    let mut random = Random::new(5);
    let mut host = || (0..seconds).map(|_| random.counts(50.0, 0.2)).collect();
    History {
        hosts: vec![host(), host()],
        quarters: vec![],
    }
}

pub(crate) fn latency(rings: usize, history: &History) -> LatencyTest {
    let mut test = LatencyTest::new(Unit::S, 0.25, 0.0, rings);
    let before = Histogram {
        at_most: vec![5_000, 7_500, 9_000, 9_500, 9_900],
        total: 10_000,
    };
    test.choose(&BOUNDS.map(f64::exp), &before, |_| history.clone());
    test
}

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;
