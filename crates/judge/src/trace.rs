//! How a signal's evidence grew, in few points.

use model::limit;
use serde::{Deserialize, Serialize};

use crate::exact::Exact;

/// Keeps the first point, the latest, and running maxima: what a picture of "when did it turn bad"
/// needs. When there are too many maxima every second one goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trace {
    /// Starts with the first point; never empty.
    maxima: Vec<(u64, Exact)>,
    last: (u64, Exact),
}

impl Default for Trace {
    /// Starts at look 0 with no evidence.
    fn default() -> Self {
        Self {
            maxima: vec![(0, Exact(0.0))],
            last: (0, Exact(0.0)),
        }
    }
}

impl Trace {
    pub(crate) fn push(&mut self, look: u64, log_e: f64) {
        self.last = (look, Exact(log_e));
        if log_e <= self.highest() {
            return;
        }
        // One point is kept free for the latest.
        if self.maxima.len() + 1 >= limit::TRACE_POINTS {
            self.thin_out();
        }
        self.maxima.push(self.last);
    }

    /// Returns `(look, log_e)`, looks increasing, at most [`limit::TRACE_POINTS`].
    pub(crate) fn points(&self) -> Vec<(u64, f64)> {
        let newer = (self.last.0 > self.newest_maximum().0).then_some(&self.last);
        let points = self.maxima.iter().chain(newer);
        points.map(|&(look, Exact(log_e))| (look, log_e)).collect()
    }

    fn highest(&self) -> f64 {
        self.newest_maximum().1.0
    }

    fn newest_maximum(&self) -> (u64, Exact) {
        *self
            .maxima
            .last()
            .expect("starts with one point and is only thinned out")
    }

    fn thin_out(&mut self) {
        let mut at = 0;
        self.maxima.retain(|_| {
            at += 1;
            at % 2 == 1
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_last_and_highest_stay() {
        let mut trace = Trace::default();
        for look in 1..=10_000u32 {
            trace.push(look.into(), f64::from(look) / 100.0);
            let points = trace.points();
            assert!(points.len() <= limit::TRACE_POINTS);
            assert_eq!(points[0], (0, 0.0));
            assert_eq!(points.last(), Some(&(look.into(), f64::from(look) / 100.0)));
            assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
        }
        trace.push(10_001, -3.0);
        let points = trace.points();
        assert_eq!(
            points[points.len() - 2..],
            [(10_000, 100.0), (10_001, -3.0)]
        );
    }

    #[test]
    fn evidence_that_only_falls_is_two_points() {
        let mut trace = Trace::default();
        for look in 1..=50u32 {
            trace.push(look.into(), -f64::from(look));
        }
        assert_eq!(trace.points(), [(0, 0.0), (50, -50.0)]);
    }
}
