//! Which bounds of a histogram a latency is judged at.

use model::limit;

use crate::look::Histogram;

/// Quantiles of the control's latency that are watched (judge specification 2.B.3).
const QUANTILES: [f64; 5] = [0.5, 0.75, 0.9, 0.95, 0.99];
/// Requests of the control that thresholds are chosen from: of fewer the rare ones, one in a hundred, say
/// nothing about where they usually lie.
pub const THRESHOLD_REQUESTS: u64 = 200;

/// Is a bound and what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    /// Its place among the bounds.
    pub(crate) at: usize,
    /// Ascending; several quantiles may share a bound.
    pub(crate) quantiles: Vec<f64>,
}

/// Moves each quantile of the histogram to the nearest bound. Returns the thresholds by bound, nothing
/// while there are too few requests, or no bounds.
pub(crate) fn choose(bounds: &[f64], histogram: &Histogram) -> Vec<Threshold> {
    let mut thresholds: Vec<Threshold> = Vec::new();
    if histogram.total < THRESHOLD_REQUESTS || bounds.len() != histogram.at_most.len() {
        return thresholds;
    }
    for quantile in QUANTILES {
        let Some(at) = nearest(bounds, value_of(quantile, bounds, histogram)) else {
            return thresholds;
        };
        match thresholds.last_mut() {
            Some(last) if last.at == at => last.quantiles.push(quantile),
            _ => thresholds.push(Threshold {
                at,
                quantiles: vec![quantile],
            }),
        }
    }
    thresholds
}

/// Returns a quantile, taking the requests of a bucket to be spread evenly over it; beyond the last
/// bound nothing is known but that.
fn value_of(quantile: f64, bounds: &[f64], histogram: &Histogram) -> f64 {
    let rank = quantile * histogram.total as f64;
    let (mut low, mut below) = (0.0, 0.0);
    for (&bound, &at_most) in bounds.iter().zip(&histogram.at_most) {
        let at_most = at_most as f64;
        if at_most >= rank {
            let share = (rank - below) / (at_most - below).max(1.0);
            return low + (bound - low) * share;
        }
        (low, below) = (bound, at_most);
    }
    f64::INFINITY
}

fn nearest(bounds: &[f64], value: f64) -> Option<usize> {
    if value == f64::INFINITY {
        return bounds.len().checked_sub(1);
    }
    let distance = |at: usize| (bounds[at] - value).abs();
    (0..bounds.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
}

/// Returns the places of the bounds that are kept: every threshold, and as many others as there is room
/// for, evenly thinned out.
pub(crate) fn kept(bounds: usize, thresholds: &[Threshold]) -> Vec<usize> {
    let room = limit::BAND_POINTS - QUANTILES.len();
    let every = bounds.div_ceil(room).max(1);
    let is_threshold = |at: usize| thresholds.iter().any(|t| t.at == at);
    (0..bounds)
        .filter(|&at| at % every == 0 || is_threshold(at))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(at_most: &[u64], total: u64) -> Histogram {
        Histogram {
            at_most: at_most.to_vec(),
            total,
        }
    }

    fn chosen(bounds: &[f64], at_most: &[u64], total: u64) -> Vec<(f64, Vec<f64>)> {
        choose(bounds, &histogram(at_most, total))
            .into_iter()
            .map(|t| (bounds[t.at], t.quantiles))
            .collect()
    }

    #[test]
    fn each_quantile_goes_to_the_nearest_bound() {
        let found = chosen(
            &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5],
            &[100, 480, 760, 910, 960, 995],
            1_000,
        );
        let expected = [
            (0.1, vec![0.5]),
            (0.25, vec![0.75]),
            (0.5, vec![0.9]),
            (1.0, vec![0.95]),
            (2.5, vec![0.99]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn quantiles_of_one_bound_are_one_threshold() {
        assert_eq!(
            chosen(&[0.1, 10.0], &[700, 1_000], 1_000),
            [(0.1, vec![0.5, 0.75]), (10.0, vec![0.9, 0.95, 0.99])]
        );
        let fast = chosen(&[0.005, 0.01], &[1_000, 1_000], 1_000);
        assert_eq!(fast, [(0.005, vec![0.5, 0.75, 0.9, 0.95, 0.99])]);
        let slow = chosen(&[0.005, 0.01], &[0, 0], 1_000);
        assert_eq!(slow, [(0.01, vec![0.5, 0.75, 0.9, 0.95, 0.99])]);
    }

    #[test]
    fn too_few_requests_or_no_bounds_choose_nothing() {
        assert!(chosen(&[0.1], &[150], 199).is_empty());
        assert!(!chosen(&[0.1], &[150], 200).is_empty());
        assert!(chosen(&[], &[], 1_000).is_empty());
    }

    #[test]
    fn the_bounds_that_are_kept_are_few_and_hold_every_threshold() {
        for bounds in [0, 1, 11, 35, 36, 160, 5_000] {
            let step = (bounds / 5).max(1);
            let thresholds: Vec<Threshold> = (0..5)
                .map(|i| i * step)
                .filter(|&at| at < bounds)
                .map(|at| Threshold {
                    at,
                    quantiles: vec![],
                })
                .collect();
            let kept = kept(bounds, &thresholds);
            assert!(kept.len() <= limit::BAND_POINTS, "{bounds}: {}", kept.len());
            assert!(kept.is_sorted());
            assert!(thresholds.iter().all(|t| kept.contains(&t.at)));
        }
        assert_eq!(kept(11, &[]).len(), 11);
    }
}
