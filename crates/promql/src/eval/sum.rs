//! Sums that keep what rounding would lose (Kahan, Neumaier), and what is made of them.

/// Is a sum with its compensation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - sum) + value;
        } else {
            self.lost += (value - sum) + self.sum;
        }
        self.sum = sum;
    }

    pub(super) fn value(self) -> f64 {
        if self.sum.is_infinite() {
            self.sum
        } else {
            self.sum + self.lost
        }
    }

    fn scaled(self, by: f64) -> Self {
        Self {
            sum: self.sum * by,
            lost: self.lost * by,
        }
    }
}

/// Is a mean, taken of the sum as long as that is finite, and from then on carried along as a mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    count: f64,
    sum: Sum,
    carried: bool,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.carried {
            let mut sum = self.sum;
            sum.add(value);
            if self.count == 1.0 || !sum.value().is_infinite() {
                self.sum = sum;
                return;
            }
            self.carried = true;
            let before = self.count - 1.0;
            self.sum = Sum {
                sum: self.sum.sum / before,
                lost: self.sum.lost / before,
            };
        }
        // A mean that is infinite already takes nothing more in, except what makes it NaN.
        let mean = self.sum.sum + self.sum.lost;
        if mean.is_infinite() {
            let same_infinity = value.is_infinite() && (mean > 0.0) == (value > 0.0);
            if same_infinity || !value.is_infinite() && !value.is_nan() {
                return;
            }
        }
        let kept = (self.count - 1.0) / self.count;
        self.sum = self.sum.scaled(kept);
        self.sum.add(value / self.count);
    }

    pub(super) fn value(self) -> f64 {
        if self.carried {
            return self.sum.value();
        }
        if self.sum.sum.is_infinite() {
            return self.sum.sum;
        }
        self.sum.sum / self.count + self.sum.lost / self.count
    }
}

/// Is a variance in one pass (Welford), with compensated sums.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Variance {
    count: f64,
    mean: Sum,
    squares: Sum,
}

impl Variance {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean.value();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (value - self.mean.value()));
    }

    /// Returns the variance of all values there are, not of a sample of more.
    pub(super) fn value(self) -> f64 {
        self.squares.value() / self.count
    }
}

/// Returns the `q`-quantile, linear between neighbours.
pub(super) fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // NaN counts as smaller than all numbers.
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => a.total_cmp(b),
    });
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = (rank.floor() as usize).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = Sum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum.value()
    }

    fn mean(values: &[f64]) -> f64 {
        let mut mean = Mean::default();
        values.iter().for_each(|value| mean.add(*value));
        mean.value()
    }

    #[test]
    fn a_sum_keeps_what_rounding_would_lose() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn a_mean_of_numbers_whose_sum_is_too_large_is_a_number() {
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(mean(&[f64::INFINITY, 5.0]), f64::INFINITY);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(0.5, vec![4.0, 1.0]), 2.5);
        assert_eq!(quantile(1.0, vec![4.0, 1.0]), 4.0);
        assert_eq!(quantile(2.0, vec![4.0]), f64::INFINITY);
        assert!(quantile(0.5, vec![]).is_nan());
    }
}
