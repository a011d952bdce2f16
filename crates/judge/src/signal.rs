//! The test of one signal: what all kinds have in common, and which kind it is.

use model::Timestamp;
use model::judge::{Counts, Dispersion, MetricEvidence};
use model::observe::{Signal, SignalKind};
use serde::{Deserialize, Serialize};

use crate::batch::{Bounds, Grid};
use crate::budget::ALPHA;
use crate::count::CountTest;
use crate::counts::odds_ratio;
use crate::exact::Exact;
use crate::latency::LatencyTest;
use crate::look::{Batch, History};
use crate::mean::MeanTest;
use crate::trace::Trace;
use crate::watch::{Detector, Kind, Past, Watched};

/// Is one signal's test; all of it is saved with each look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SignalTest {
    pub(crate) critical: bool,
    pub(crate) advisory: bool,
    /// Share of the change's error budget, 0 for advisory signals.
    pub(crate) weight: Exact,
    min_requests: u64,
    #[serde(flatten)]
    of: Of,
    trace: Trace,
    /// End of the last batch.
    pub(crate) heard_at: Option<Timestamp>,
    /// Batches refused since the last good one.
    pub(crate) refused_in_row: u32,
}

/// Is the test of a signal's kind. Its fields stand beside the others, and each has some of its own, so
/// that a test saved before there were kinds is a count's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Of {
    Latency(LatencyTest),
    Mean(MeanTest),
    Count(CountTest),
}

/// Is when a batch came, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    pub(crate) ring: usize,
    pub(crate) from: Timestamp,
    pub(crate) at: Timestamp,
    pub(crate) look: u64,
}

impl SignalTest {
    /// A latency has its noise measured when its thresholds are chosen; the `history` is of counts.
    pub(crate) fn new(signal: &Signal, weight: f64, rings: usize, history: &History) -> Self {
        let of = match &signal.kind {
            SignalKind::Count { .. } => {
                let bounds = Bounds::new(Grid::Errors, signal.margin, signal.tolerated);
                Of::Count(CountTest::new(bounds, history, rings))
            }
            SignalKind::Latency { unit, .. } => Of::Latency(LatencyTest::new(
                *unit,
                signal.margin,
                signal.tolerated,
                rings,
            )),
            SignalKind::Mean { worse, .. } => {
                let share = if weight > 0.0 { weight } else { 1.0 };
                Of::Mean(MeanTest::new(*worse, signal.margin, ALPHA * share, rings))
            }
        };
        Self {
            critical: signal.critical,
            advisory: signal.advisory,
            weight: Exact(weight),
            min_requests: signal.min_requests,
            of,
            trace: Trace::default(),
            heard_at: None,
            refused_in_row: 0,
        }
    }

    /// Returns the test of a latency.
    pub(crate) fn latency(&self) -> Option<&LatencyTest> {
        match &self.of {
            Of::Latency(test) => Some(test),
            Of::Mean(_) | Of::Count(_) => None,
        }
    }

    pub(crate) fn latency_mut(&mut self) -> Option<&mut LatencyTest> {
        match &mut self.of {
            Of::Latency(test) => Some(test),
            Of::Mean(_) | Of::Count(_) => None,
        }
    }

    /// Weighs a batch that `refusal` finds nothing wrong with; false when it is not one of this
    /// signal's kind.
    pub(crate) fn add(&mut self, batch: &Batch, when: When) -> bool {
        match (&mut self.of, batch) {
            (Of::Count(test), Batch::Counts(arms)) => test.add(arms, when.ring),
            (Of::Latency(test), Batch::Latency { canary, control }) => {
                test.add(canary, control, when.ring);
            }
            (Of::Latency(test), Batch::Mismatch) => test.is_mismatched = true,
            (Of::Mean(test), Batch::Mean { canary, control }) => {
                test.add((*canary, *control), when.ring, (when.from, when.at));
            }
            (Of::Count(_) | Of::Latency(_) | Of::Mean(_), _) => return false,
        }
        self.heard_at = self.heard_at.max(Some(when.at));
        self.refused_in_row = 0;
        self.trace.push(when.look, self.log_e());
        true
    }

    /// Weighs a batch of a counted signal.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn count(
        &mut self,
        arms: &crate::look::Arms,
        ring: usize,
        at: Timestamp,
        look: u64,
    ) {
        let when = When {
            ring,
            from: at,
            at,
            look,
        };
        assert!(self.add(&Batch::Counts(*arms), when));
    }

    /// Returns the signal under watch, with what is known from before and beside the change.
    pub(crate) fn watched(&self, signal: &Signal) -> Watched {
        let past = |test: &CountTest| Past {
            counts: test.past(),
            phi: test.phi.clone(),
            margin: signal.margin,
            tolerated: signal.tolerated,
            least: self.min_requests,
        };
        let (kind, detectors) = match &self.of {
            Of::Count(test) => (Kind::Count, vec![Detector::new(past(test), None)]),
            Of::Latency(test) => (
                test.watched_kind(),
                test.watched(|slower, test| Detector::new(past(test), Some(slower))),
            ),
            Of::Mean(_) => (Kind::Mean, Vec::new()),
        };
        Watched {
            kind,
            critical: self.critical,
            advisory: self.advisory,
            weight: self.weight,
            detectors: detectors.into_iter().flatten().collect(),
            trace: Trace::default(),
        }
    }

    /// Returns the log evidence of harm over all rings.
    pub(crate) fn log_e(&self) -> f64 {
        match &self.of {
            Of::Count(test) => test.log_e(),
            Of::Latency(test) => test.log_e(),
            Of::Mean(test) => test.log_e(),
        }
    }

    /// Whether this ring is shown to be fine.
    pub(crate) fn is_cleared(&self, ring: usize) -> bool {
        match &self.of {
            Of::Count(test) => test.is_cleared(ring),
            Of::Latency(test) => test.is_cleared(ring),
            Of::Mean(test) => test.is_cleared(ring),
        }
    }

    /// Whether both arms had enough events in this ring; never with none, whatever was asked for.
    pub(crate) fn is_enough(&self, ring: usize) -> bool {
        let arms = match &self.of {
            Of::Count(test) => Some([test.ring(ring).canary, test.ring(ring).control]),
            Of::Latency(test) => test.requests(ring),
            Of::Mean(test) => Some(test.events(ring)),
        };
        let needed = self.min_requests.max(1);
        arms.is_some_and(|arms| arms.iter().all(|arm| arm.total >= needed))
    }

    /// Returns the smallest odds ratio of the grid that this ring excludes; a mean has no odds.
    pub(crate) fn odds_at_most(&self, ring: usize) -> Option<f64> {
        match &self.of {
            Of::Count(test) => test.odds_at_most(ring),
            Of::Latency(test) => test.odds_at_most(ring),
            Of::Mean(_) => None,
        }
    }

    pub(crate) fn is_mismatched(&self) -> bool {
        self.latency().is_some_and(|test| test.is_mismatched)
    }

    pub(crate) fn to_evidence(&self, name: &str, ring: usize) -> MetricEvidence {
        let evidence = MetricEvidence {
            metric: name.to_owned(),
            kind: String::new(),
            critical: self.critical,
            advisory: self.advisory,
            weight: self.weight.0,
            log_e: self.log_e(),
            log_e_pass: 0.0,
            log_e_abs: 0.0,
            cleared: self.is_cleared(ring),
            canary: Counts::default(),
            control: Counts::default(),
            odds_ratio: None,
            odds_at_least: None,
            odds_at_most: None,
            dispersion: unmeasured(),
            psi_leading: 1.0,
            trace: self.trace.points(),
            latency: None,
            mean: None,
        };
        match &self.of {
            Of::Count(test) => MetricEvidence {
                kind: "count".to_owned(),
                log_e_pass: test.log_e_pass(ring),
                log_e_abs: test.log_e_abs(ring),
                ..led_by(test, ring, evidence)
            },
            Of::Latency(test) => MetricEvidence {
                kind: "latency".to_owned(),
                log_e_pass: test.log_e_pass(ring),
                log_e_abs: test.log_e_abs(ring),
                latency: test.to_evidence(ring),
                ..match test.leading() {
                    Some(leading) => led_by(leading, ring, evidence),
                    None => evidence,
                }
            },
            Of::Mean(test) => {
                let [canary, control] = test.all_events();
                MetricEvidence {
                    kind: "mean".to_owned(),
                    log_e_pass: test.log_e_pass(ring),
                    canary,
                    control,
                    mean: Some(test.to_evidence(ring)),
                    ..evidence
                }
            }
        }
    }
}

/// Fills in what a test of counts says by itself.
fn led_by(test: &CountTest, ring: usize, evidence: MetricEvidence) -> MetricEvidence {
    MetricEvidence {
        canary: test.all.canary,
        control: test.all.control,
        odds_ratio: odds_ratio(test.all.canary, test.all.control),
        odds_at_least: test.odds_at_least(),
        odds_at_most: test.odds_at_most(ring),
        dispersion: test.phi.to_evidence(),
        psi_leading: test.psi_leading(),
        ..evidence
    }
}

/// Is the dispersion of what has none: a mean, whose batches show their own spread, and a latency
/// without thresholds.
fn unmeasured() -> Dispersion {
    Dispersion {
        phi: 1.0,
        source: "none".to_owned(),
        batches: 0,
        widest_s: 0,
    }
}
