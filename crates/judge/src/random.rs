//! A small seeded generator for tests: what a seed gives once it gives for ever.

use model::judge::Counts;

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xA076_1D64_78BD_642F) ^ 0xE703_7ED1_A0B4_28DB)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number above 0 and below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Draws from a Poisson distribution: products of uniforms while the mean is small, the rounded
    /// normal above.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let floor = (-mean).exp();
        let (mut product, mut count) = (self.uniform(), 0);
        while product > floor {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Draws from a normal distribution around 0.
    #[cfg(test)]
    pub(crate) fn deviation(&mut self, deviation: f64) -> f64 {
        deviation * self.normal()
    }

    /// Draws a factor around 1 that is log-normal with this deviation.
    pub(crate) fn noise(&mut self, deviation: f64) -> f64 {
        if deviation == 0.0 {
            return 1.0;
        }
        (deviation * self.normal() - deviation * deviation / 2.0).exp()
    }

    /// Draws a batch of Poisson many events, each bad with this probability.
    pub(crate) fn counts(&mut self, events: f64, share: f64) -> Counts {
        let bad = self.poisson(events * share);
        let good = self.poisson(events * (1.0 - share));
        Counts {
            bad,
            total: bad + good,
        }
    }
}
