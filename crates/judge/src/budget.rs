//! One error budget for a whole change: split over its signals, and over its rings.

use std::collections::BTreeMap;

use model::observe::Signal;

use crate::exact::log_sum_exp;

/// The chance that a harmless change is ever called harmful, however long and often one looks.
pub(crate) const ALPHA: f64 = 0.01;
/// The chance that a ring in which a signal is worse by its margin is cleared of it.
pub(crate) const PASS_ALPHA: f64 = 0.01;
/// What critical signals get of [`ALPHA`] when there are others.
const CRITICAL_SHARE: f64 = 0.7;

/// Returns each signal's weight in the evidence of the change, in the order of the map. They sum to the
/// service's share of what was shipped together, 1 for one alone; advisory signals have none.
pub(crate) fn signal_weights(signals: &BTreeMap<String, Signal>, parts: usize) -> Vec<f64> {
    let share = 1.0 / parts.max(1) as f64;
    let of_class = |critical: bool| {
        let class = signals
            .values()
            .filter(|s| !s.advisory && s.critical == critical);
        class.count() as f64
    };
    let (critical, other) = (of_class(true), of_class(false));
    let critical_share = match (critical > 0.0, other > 0.0) {
        (true, true) => CRITICAL_SHARE,
        (has_critical, _) => f64::from(u8::from(has_critical)),
    };
    let weight = |s: &Signal| match (s.advisory, s.critical) {
        (true, _) => 0.0,
        (false, true) => share * critical_share / critical,
        (false, false) => share * (1.0 - critical_share) / other,
    };
    signals.values().map(weight).collect()
}

/// Returns the log of the mean of all rings together and each ring alone, by [`ring_weights`]; a single
/// ring needs no split. So what only a late ring shows is not diluted by clean evidence from the ones
/// before.
pub(crate) fn over_rings<T>(all: &T, rings: &[T], log_e: impl Fn(&T) -> f64) -> f64 {
    if rings.len() == 1 {
        return log_e(all);
    }
    let parts = std::iter::once(all).chain(rings);
    let weights = ring_weights(rings.len());
    let logs: Vec<f64> = weights
        .iter()
        .zip(parts)
        .map(|(w, part)| w.ln() + log_e(part))
        .collect();
    log_sum_exp(&logs)
}

/// Returns the weights of the evidence over all rings and of each ring alone: `1/2`, `1/2 * 2^-r` for
/// rings counted from 1, and twice that for the last ring. They sum to 1, so that the mean is as honest
/// as each part.
///
/// The halves leave `1/2 * 2^-R` over. Kept as evidence of 1 it would find nothing; the last ring, which
/// otherwise pays most and has most hosts, finds its own harm sooner by it.
pub(crate) fn ring_weights(rings: usize) -> Vec<f64> {
    let halves = std::iter::successors(Some(0.5), |w| Some(w / 2.0));
    let mut weights: Vec<f64> = halves.take(rings + 1).collect();
    if let Some(last) = weights.last_mut() {
        *last *= 2.0;
    }
    weights
}

#[cfg(test)]
mod tests {
    use model::observe::{Level, SignalKind};

    use super::*;

    fn weights(classes: &[(bool, bool)]) -> Vec<f64> {
        let signal = |&(critical, advisory): &(bool, bool)| Signal {
            level: Level::Service,
            kind: SignalKind::Count {
                bad: "errors".to_owned(),
                total: "requests".to_owned(),
            },
            critical,
            advisory,
            margin: 0.5,
            tolerated: 0.0,
            min_requests: 1,
            owner: None,
        };
        let named = classes.iter().enumerate();
        signal_weights(
            &named.map(|(i, c)| (format!("s{i}"), signal(c))).collect(),
            1,
        )
    }

    #[test]
    fn critical_signals_share_seventy_percent() {
        let all = [(true, false), (true, false), (false, false), (true, true)];
        let weights = weights(&all);
        for (weight, expected) in weights.iter().zip([0.35, 0.35, 0.3, 0.0]) {
            assert!((weight - expected).abs() < 1e-15, "{weights:?}");
        }
    }

    #[test]
    fn a_class_alone_gets_everything() {
        assert_eq!(weights(&[(true, false), (false, true)]), [1.0, 0.0]);
        assert_eq!(weights(&[(false, false), (false, false)]), [0.5, 0.5]);
        assert_eq!(weights(&[(true, true)]), [0.0]);
        assert!(weights(&[]).is_empty());
    }

    #[test]
    fn ring_weights_sum_to_one() {
        for rings in 2..=model::limit::RINGS {
            let weights = ring_weights(rings);
            assert_eq!(weights.len(), rings + 1);
            assert_eq!(weights.iter().sum::<f64>(), 1.0, "{rings}");
        }
        assert_eq!(ring_weights(3), [0.5, 0.25, 0.125, 0.125]);
    }
}
