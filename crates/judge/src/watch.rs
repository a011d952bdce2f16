//! The watch behind the last ring: a stream without an end, and without a control.
//!
//! Every host has the release, so what it counts is compared with what was counted before it and beside
//! it: the hour before the change and the control of its rings. That is a weaker comparison than two arms
//! at the same time (a busy evening looks like harm), so it asks for more: bad events count as harm when
//! their odds are at least twice those from before, and above the tolerated share.
//!
//! **The detector** (judge specification 2.B.8). For odds `o_j` on a grid above that bound `o_0` each look
//! weighs `e_j = (p_j/p_0)^x ((1-p_j)/(1-p_0))^(n-x)`, `x` bad of `n`, its log divided by the dispersion;
//! `R_j = (R_j + 1) e_j`, which begins anew with every look, so that harm is found whenever it begins. The
//! mean over odds, thresholds and signals, by their weights, is a detector as well. It speaks at
//! [`RUN_LENGTH`]: with nothing wrong its expected value after `t` looks is at most `t`, so that an hour of
//! looks speaks falsely at most once in 672.

use std::collections::BTreeMap;

use model::judge::{
    Band, Control, Counts, Evidence, LatencyEvidence, MetricEvidence, Reason, ThresholdEvidence,
    VerdictState,
};
use model::observe::Unit;
use model::{Digest, Timestamp, limit};
use serde::{Deserialize, Serialize};

use crate::batch::mean;
use crate::budget::ALPHA;
use crate::counts::{add, odds_ratio};
use crate::dispersion::Phi;
use crate::ends::{Arrival, Ends};
use crate::exact::{Exact, log_sum_exp};
use crate::look::{Batch, Judgement, Look};
use crate::refusal::refusal;
use crate::state;
use crate::trace::Trace;
use crate::verdict::{JUDGE_VERSION, chain};

/// Looks until a false alarm at the least, on average: four weeks of one a second.
const RUN_LENGTH: f64 = 4.0 * 7.0 * 86_400.0;
/// Odds above the bound, as a multiple of it, that are looked for.
const PSI: [f64; 6] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0];
/// How many times the odds from before are no harm, whatever a smaller margin says: nothing runs beside
/// the release any more that would show the time of day.
const LEAST_TIMES: f64 = 2.0;
/// Normal quantile of a one-sided 99 %: the odds from before are known only as well as they were counted.
const SURE: f64 = 2.326_347_9;

/// Is the watch of one change. All of its state is in its JSON, as a [`crate::Test`]'s is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    definition: Digest,
    started: Timestamp,
    signals: BTreeMap<String, Watched>,
    looks: u64,
    ends: Ends,
    inputs: Digest,
    failed: Option<Reason>,
}

/// Is one signal under watch. One without a past to compare with, such as a mean, has no detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) kind: Kind,
    pub(crate) critical: bool,
    pub(crate) advisory: bool,
    pub(crate) weight: Exact,
    pub(crate) detectors: Vec<Detector>,
    pub(crate) trace: Trace,
}

/// Is what is counted as bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Count,
    Latency { unit: Unit, bounds: usize },
    Mean,
}

/// Is what is known from before: how many were bad, how noisy that was, and what is fine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Past {
    pub(crate) counts: Counts,
    pub(crate) phi: Phi,
    pub(crate) margin: f64,
    pub(crate) tolerated: f64,
    /// Fewer events than this are no past.
    pub(crate) least: u64,
}

/// Is the place of a latency's threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slower {
    /// Among the bounds of a batch.
    pub(crate) at: usize,
    pub(crate) than: Exact,
    pub(crate) quantiles: Vec<Exact>,
}

/// Is the detector of one kind of bad event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Detector {
    slower: Option<Slower>,
    before: Counts,
    phi: Phi,
    /// The largest share of bad events that is no harm.
    fine: Exact,
    /// Since there was last no evidence at all.
    since: Counts,
    /// By [`PSI`]; minus infinity before the first look.
    log_r: [Exact; PSI.len()],
}

impl Detector {
    /// None without enough of a past.
    pub(crate) fn new(past: Past, slower: Option<Slower>) -> Option<Self> {
        if past.counts.total < past.least.max(1) {
            return None;
        }
        let fine = fine(&past);
        // Where twice as much is everything, nothing can be worse.
        (fine < 1.0).then_some(Self {
            slower,
            before: past.counts,
            phi: past.phi,
            fine: Exact(fine),
            since: Counts::default(),
            log_r: [Exact(f64::NEG_INFINITY); PSI.len()],
        })
    }

    fn add(&mut self, counts: Counts) {
        if counts.total == 0 {
            return;
        }
        let (x, n) = (counts.bad as f64, counts.total as f64);
        let p0 = self.fine.0;
        for (log_r, psi) in self.log_r.iter_mut().zip(PSI) {
            let p = share(odds(p0) * psi);
            let log_e = x * (p / p0).ln() + (n - x) * ((1.0 - p) / (1.0 - p0)).ln();
            log_r.0 = log_sum_exp(&[log_r.0, 0.0]) + log_e / self.phi.value();
        }
        if self.log_r() <= 0.0 {
            self.since = Counts::default();
        }
        add(&mut self.since, counts);
    }

    fn log_r(&self) -> f64 {
        mean(&self.log_r.map(|log_r| log_r.0))
    }

    fn leading(&self) -> f64 {
        let best = (0..PSI.len()).max_by(|a, b| self.log_r[*a].0.total_cmp(&self.log_r[*b].0));
        best.map_or(1.0, |at| PSI[at])
    }

    fn to_evidence(&self) -> Option<ThresholdEvidence> {
        let slower = self.slower.as_ref()?;
        Some(ThresholdEvidence {
            slower_than: slower.than.0,
            quantiles: slower.quantiles.iter().map(|q| q.0).collect(),
            log_e: shown(self.log_r()),
            log_e_pass: 0.0,
            cleared: None,
            canary: self.since,
            control: self.before,
            odds_ratio: odds_ratio(self.since, self.before),
            odds_at_least: None,
            odds_at_most: None,
            dispersion: self.phi.to_evidence(),
            psi_leading: self.leading(),
        })
    }
}

/// Returns the largest share of bad events that is no harm: the upper limit of the share from before
/// (Wilson's, of counts divided by their dispersion), its odds times the margin, or what is tolerated.
fn fine(past: &Past) -> f64 {
    let n = past.counts.total as f64 / past.phi.value();
    let p = past.counts.bad as f64 / past.counts.total as f64;
    let (z2, spread) = (SURE * SURE, p * (1.0 - p) / n + SURE * SURE / (4.0 * n * n));
    let upper = (p + z2 / (2.0 * n) + SURE * spread.sqrt()) / (1.0 + z2 / n);
    let times = (1.0 + past.margin).max(LEAST_TIMES);
    share(odds(upper.min(1.0)) * times).max(past.tolerated)
}

fn odds(share: f64) -> f64 {
    share / (1.0 - share)
}

fn share(odds: f64) -> f64 {
    if odds.is_finite() {
        odds / (1.0 + odds)
    } else {
        1.0
    }
}

/// Evidence is shown from 0 on: less than none says nothing.
fn shown(log_r: f64) -> f64 {
    log_r.max(0.0)
}

impl Watched {
    /// Counts a batch; false when it is of another kind.
    fn add(&mut self, batch: &Batch) -> bool {
        match (self.kind, batch) {
            (Kind::Count, Batch::Counts(arms)) => {
                for detector in &mut self.detectors {
                    detector.add(arms.canary);
                }
            }
            (Kind::Latency { .. }, Batch::Latency { canary, .. }) => {
                for detector in &mut self.detectors {
                    let at = detector.slower.as_ref().map_or(0, |slower| slower.at);
                    detector.add(canary.slower(at));
                }
            }
            (Kind::Latency { .. }, Batch::Mismatch) | (Kind::Mean, Batch::Mean { .. }) => {}
            (Kind::Count | Kind::Latency { .. } | Kind::Mean, _) => return false,
        }
        true
    }

    fn bounds(&self) -> Option<usize> {
        match self.kind {
            Kind::Latency { bounds, .. } => Some(bounds),
            Kind::Count | Kind::Mean => None,
        }
    }

    /// Minus infinity without a detector.
    fn log_r(&self) -> f64 {
        let logs: Vec<f64> = self.detectors.iter().map(Detector::log_r).collect();
        if logs.is_empty() {
            return f64::NEG_INFINITY;
        }
        mean(&logs)
    }

    fn leading_at(&self) -> usize {
        let log_r = |at: &usize| self.detectors[*at].log_r();
        let best = (0..self.detectors.len()).max_by(|a, b| log_r(a).total_cmp(&log_r(b)));
        best.unwrap_or(0)
    }

    fn to_evidence(&self, name: &str) -> Option<MetricEvidence> {
        let leading = self.detectors.get(self.leading_at())?;
        let (kind, latency) = match self.kind {
            Kind::Count => ("count", None),
            Kind::Mean => ("mean", None),
            Kind::Latency { unit, .. } => ("latency", Some(self.latency(unit))),
        };
        Some(MetricEvidence {
            metric: name.to_owned(),
            kind: kind.to_owned(),
            critical: self.critical,
            advisory: self.advisory,
            weight: self.weight.0,
            log_e: shown(self.log_r()),
            log_e_pass: 0.0,
            log_e_abs: 0.0,
            cleared: false,
            canary: leading.since,
            control: leading.before,
            odds_ratio: odds_ratio(leading.since, leading.before),
            odds_at_least: None,
            odds_at_most: None,
            dispersion: leading.phi.to_evidence(),
            psi_leading: leading.leading(),
            trace: self.trace.points(),
            latency,
            mean: None,
        })
    }

    fn latency(&self, unit: Unit) -> LatencyEvidence {
        LatencyEvidence {
            unit,
            thresholds: self
                .detectors
                .iter()
                .filter_map(Detector::to_evidence)
                .collect(),
            leading: self.leading_at(),
            band: Band {
                alpha: ALPHA,
                canary_half_width: None,
                control_half_width: None,
                points: Vec::new(),
            },
        }
    }
}

impl Watch {
    pub(crate) fn new(
        definition: Digest,
        signals: BTreeMap<String, Watched>,
        inputs: Digest,
        now: Timestamp,
    ) -> Self {
        Self {
            definition,
            started: now,
            signals,
            looks: 0,
            ends: Ends::starting(now),
            inputs,
            failed: None,
        }
    }

    /// Tells whether any signal has a past to be compared with; without one only crashes and failed
    /// health checks are seen.
    pub fn compares(&self) -> bool {
        self.signals.values().any(|s| !s.detectors.is_empty())
    }

    /// Takes in one batch; only a bad verdict says something. The control of the look is not looked at.
    pub fn look(&mut self, look: &Look) -> Judgement {
        if self.ends.arrival(look.at) == Arrival::New {
            self.take(look);
        }
        let log_r = self.log_r();
        if self.failed.is_none() {
            self.failed = match state::sick(&look.conditions) {
                None if log_r >= RUN_LENGTH.ln() => Some(Reason::Harm),
                sick => sick,
            };
        }
        let (state, reason) = match &self.failed {
            Some(reason) => (VerdictState::Fail, reason.clone()),
            None => (VerdictState::Undecided, Reason::Collecting),
        };
        Judgement {
            state,
            reason,
            evidence: self.evidence(log_r),
            control_emptied: true,
        }
    }

    fn take(&mut self, look: &Look) {
        self.looks += 1;
        self.inputs = chain(self.inputs, look);
        for (name, batch) in &look.metrics {
            let Some(signal) = self.signals.get_mut(name) else {
                continue;
            };
            // What cannot be is no evidence; the signal's silence is not the watch's matter.
            if refusal(batch, signal.bounds()).is_none() && signal.add(batch) {
                signal.trace.push(self.looks, shown(signal.log_r()));
            }
        }
        self.ends.remember(look.at);
    }

    fn log_r(&self) -> f64 {
        // An advisory signal has no weight.
        let weighed = self.signals.values().map(|s| s.weight.0.ln() + s.log_r());
        let logs: Vec<f64> = weighed.collect();
        log_sum_exp(&logs)
    }

    fn evidence(&self, log_r: f64) -> Evidence {
        let metrics = self.signals.iter();
        let metrics = metrics.filter_map(|(name, signal)| signal.to_evidence(name));
        Evidence {
            started: self.started,
            looks: self.looks,
            alpha: ALPHA,
            rule: "watch".to_owned(),
            log_e: shown(log_r),
            beside: None,
            needed: RUN_LENGTH.ln(),
            metrics: metrics.take(limit::SIGNALS).collect(),
            control: match self.compares() {
                true => Control::Before,
                false => Control::None,
            },
            excluded: Vec::new(),
            unattributed: 0,
            definition: self.definition,
            judge_version: JUDGE_VERSION.to_owned(),
            inputs_digest: self.inputs,
        }
    }
}
