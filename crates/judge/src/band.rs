//! The band around an empirical distribution, for the picture of a latency (judge specification 2.B.5;
//! Howard and Ramdas, sequential estimation of quantiles, 2022). It decides nothing: it is several times
//! slower than the counts above a threshold and blind to a slow tail.

use model::judge::{Band, BandPoint};

use crate::exact::Exact;
use crate::look::Histogram;

/// Two-sided, over all quantiles and all looks.
const ALPHA: f64 = 0.05;
const WIDTH: f64 = 0.85;
/// Belongs to [`ALPHA`].
const C: f64 = 8.122_719_353_324_575;

/// Returns half of the band's width after `n` requests, none before the first.
pub(crate) fn half_width(n: u64, c: f64) -> Option<f64> {
    let n = (n > 0).then_some(n as f64)?;
    Some(WIDTH * (((1.0 + n.ln()).ln() + c) / n).sqrt())
}

/// Draws both sides, counted within the same bounds.
pub(crate) fn band(bounds: &[Exact], canary: &Histogram, control: &Histogram) -> Band {
    let share = |histogram: &Histogram, at: usize| {
        let within = *histogram.at_most.get(at)?;
        (histogram.total > 0).then(|| within as f64 / histogram.total as f64)
    };
    let point = |(at, bound): (usize, &Exact)| BandPoint {
        at_most: bound.0,
        canary: share(canary, at),
        control: share(control, at),
    };
    Band {
        alpha: ALPHA,
        canary_half_width: half_width(canary.total, C),
        control_half_width: half_width(control.total, C),
        points: bounds.iter().enumerate().map(point).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_of_a_side_without_requests() {
        let one = Histogram {
            at_most: vec![1, 2],
            total: 2,
        };
        let band = band(&[Exact(0.1), Exact(0.5)], &Histogram::default(), &one);
        assert_eq!(band.canary_half_width, None);
        assert!(band.control_half_width.unwrap() > 1.0);
        assert_eq!(band.points[0].canary, None);
        assert_eq!(band.points[0].control, Some(0.5));
    }
}
