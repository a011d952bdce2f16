//! Counted signals: both arms as Poisson streams of events, some of them bad (judge specification 4.2).

use model::Timestamp;
use model::observe::{Level, Signal, SignalKind};

use crate::look::{Arms, History};
use crate::random::Random;
use crate::signal::SignalTest;
use crate::state::needed;

/// Is how both arms behave: events a second, bad share, and a noise each arm keeps for a minute.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub canary_per_s: f64,
    pub control_per_s: f64,
    pub canary_share: f64,
    pub control_share: f64,
    pub noise: f64,
    /// The base rate of both arms swings by this much over 200 minutes.
    pub swing: f64,
}

impl World {
    /// Returns a world in which both arms get this many events a minute.
    pub fn even(per_minute: f64, control_share: f64, canary_share: f64) -> Self {
        World {
            canary_per_s: per_minute / 60.0,
            control_per_s: per_minute / 60.0,
            canary_share,
            control_share,
            noise: 0.0,
            swing: 0.5,
        }
    }

    /// Returns the batches of one run, `step_s` seconds each.
    pub(crate) fn run(self, seed: u64, step_s: u32) -> impl FnMut() -> Arms {
        let mut random = Random::new(seed);
        let phase = 6.0 * random.uniform();
        let (mut second, mut canary_noise, mut control_noise) = (0u32, 1.0, 1.0);
        move || {
            if second.is_multiple_of(60) {
                canary_noise = random.noise(self.noise);
                control_noise = random.noise(self.noise);
            }
            let angle = f64::from(second) / 12_000.0 * std::f64::consts::TAU + phase;
            let level = 1.0 + self.swing * angle.sin();
            let step = f64::from(step_s);
            second += step_s;
            Arms {
                canary: random.counts(
                    self.canary_per_s * step,
                    self.canary_share * level * canary_noise,
                ),
                control: random.counts(
                    self.control_per_s * step,
                    self.control_share * level * control_noise,
                ),
            }
        }
    }

    /// Returns what two halves of the control counted in the hours before.
    pub(crate) fn history(self, seed: u64, seconds: usize) -> History {
        let halves = World {
            canary_share: self.control_share,
            ..self
        };
        let mut run = halves.run(seed ^ 0x5EED, 1);
        let (a, b) = (0..seconds)
            .map(|_| run())
            .map(|arms| (arms.canary, arms.control))
            .unzip();
        History {
            hosts: vec![a, b],
            quarters: vec![],
        }
    }

    /// Returns after how many of `looks` a change fails that is looked at every `step_s` seconds, when it does. The
    /// dispersion was measured over `history_s` seconds before.
    pub fn fails(self, seed: u64, history_s: usize, (step_s, looks): (u32, u64)) -> Option<u64> {
        let history = self.history(seed, history_s);
        let mut test = SignalTest::new(&signal(0.5, 0.0), 1.0, 1, &history);
        first(&mut test, self.run(seed, step_s), looks, harmful)
    }
}

pub(crate) fn signal(margin: f64, tolerated: f64) -> Signal {
    Signal {
        level: Level::Service,
        kind: SignalKind::Count {
            bad: "errors".to_owned(),
            total: "requests".to_owned(),
        },
        critical: true,
        advisory: false,
        margin,
        tolerated,
        min_requests: 500,
        owner: None,
    }
}

/// Returns the first look at which `done` holds, of at most `looks`.
pub(crate) fn first(
    test: &mut SignalTest,
    mut batches: impl FnMut() -> Arms,
    looks: u64,
    done: impl Fn(&SignalTest) -> bool,
) -> Option<u64> {
    (1..=looks).find(|&look| {
        let arms = batches();
        test.count(&arms, 0, Timestamp::UNIX_EPOCH, look);
        done(test)
    })
}

pub(crate) fn harmful(test: &SignalTest) -> bool {
    test.log_e() >= needed()
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
