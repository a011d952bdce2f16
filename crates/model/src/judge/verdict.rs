//! A judgement of one change at one ring, with everything it stands on (judge specification 2.B.9, 2.B.10).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::observe::{Unit, Worse};
use crate::{ChangeId, Digest, HostName, Timestamp, VerdictId};

/// Is a judgement. Only the judge gives one; each flip of (state, reason) is a new verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Verdict {
    pub id: VerdictId,
    pub change: ChangeId,
    /// The ring it was given in, counted from 0.
    pub ring: usize,
    pub state: VerdictState,
    pub reason: Reason,
    pub at: Timestamp,
    pub evidence: Evidence,
}

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum VerdictState {
    Pass,
    Marginal,
    Fail,
    Undecided,
}

impl fmt::Display for VerdictState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            VerdictState::Pass => "pass",
            VerdictState::Marginal => "marginal",
            VerdictState::Fail => "fail",
            VerdictState::Undecided => "undecided",
        })
    }
}

/// Is the one reason a verdict has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum Reason {
    /// Fail: the evidence of harm reached its bound.
    Harm,
    /// Fail without statistics: unexpected exits of the process on a host of the ring.
    Crashing {
        host: HostName,
        exits: u32,
    },
    /// Fail without statistics: failed health checks in a row, or a host that went back by itself.
    Unhealthy {
        host: HostName,
        failed_checks: u32,
    },
    /// Pass: every required signal is cleared.
    Cleared,
    /// Pass at the deadline: no sign of harm, but odds up to this could not be excluded.
    NotExcluded {
        odds_at_most: Option<f64Eq>,
    },
    /// Marginal: some evidence of harm, below its bound.
    Suspicion,
    /// Marginal: only signals marked advisory are bad.
    AdvisoryOnly,
    /// Marginal: the deadline came and the ring asks a person.
    DeadlineHold,
    Collecting,
    NotEnoughTraffic,
    /// Nothing was proved before this release; rings pass on proof, health and time.
    NoControl,
    NoData,
    /// A latency's histograms have no bucket bound in common on both sides.
    BucketMismatch,
    /// The control itself left its band, or is being changed by something else.
    ControlSick,
}

/// Is an `f64` that is never NaN, so that reasons can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
#[expect(non_camel_case_types, reason = "reads as the number it is")]
pub struct f64Eq(pub f64);
impl Eq for f64Eq {}

impl Reason {
    /// Returns the word that stands in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::Harm => "harm",
            Reason::Crashing { .. } => "crashing",
            Reason::Unhealthy { .. } => "unhealthy",
            Reason::Cleared => "cleared",
            Reason::NotExcluded { .. } => "not_excluded",
            Reason::Suspicion => "suspicion",
            Reason::AdvisoryOnly => "advisory_only",
            Reason::DeadlineHold => "deadline_hold",
            Reason::Collecting => "collecting",
            Reason::NotEnoughTraffic => "not_enough_traffic",
            Reason::NoControl => "no_control",
            Reason::NoData => "no_data",
            Reason::BucketMismatch => "bucket_mismatch",
            Reason::ControlSick => "control_sick",
        }
    }
}

/// Is what a verdict stands on; enough to read it without looking anything up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    pub started: Timestamp,
    pub looks: u64,
    pub alpha: f64,
    /// `global`: all signals share one budget.
    pub rule: String,
    /// Log of the evidence of harm over all signals and rings, and what it needs to fail.
    pub log_e: f64,
    /// What of it other services add that were shipped with this one; none for one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<f64>,
    pub needed: f64,
    pub metrics: Vec<MetricEvidence>,
    pub control: Control,
    /// Batches that count in neither arm, and why.
    pub excluded: Vec<Excluded>,
    /// Requests that could be attributed to no arm.
    pub unattributed: u64,
    /// Names the signals' definitions; another definition is another test.
    pub definition: Digest,
    pub judge_version: String,
    /// Names all batches that were looked at, in order.
    pub inputs_digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MetricEvidence {
    /// The signal's name.
    pub metric: String,
    /// `count`, `latency` or `mean`.
    pub kind: String,
    pub critical: bool,
    pub advisory: bool,
    /// Share of the error budget.
    pub weight: f64,
    /// Over all rings.
    pub log_e: f64,
    /// Against "worse by the margin or more", in this ring.
    pub log_e_pass: f64,
    /// Against "more than the tolerated share is bad", in this ring.
    pub log_e_abs: f64,
    pub cleared: bool,
    /// Of a latency: requests slower than the threshold that shows most harm, as are the odds. Of a
    /// mean: its events, none of them bad, and no odds.
    pub canary: Counts,
    pub control: Counts,
    /// Sample odds ratio over all batches; none when a cell is empty.
    pub odds_ratio: Option<f64>,
    /// Largest odds ratio of the grid that is exceeded at confidence `1 - alpha`.
    pub odds_at_least: Option<f64>,
    /// Smallest odds ratio of the grid that is excluded at confidence `1 - alpha_p`.
    pub odds_at_most: Option<f64>,
    pub dispersion: Dispersion,
    /// The alternative that carries most of the evidence.
    pub psi_leading: f64,
    /// `(look, log_e)`, at most [`crate::limit::TRACE_POINTS`].
    pub trace: Vec<(u64, f64)>,
    /// Only a latency has it, from the look its thresholds were chosen at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyEvidence>,
    /// Only a mean has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<MeanEvidence>,
}

/// Is what a latency's evidence consists of: a test of counts at each threshold (2.B.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LatencyEvidence {
    pub unit: Unit,
    /// Ascending, at most five.
    pub thresholds: Vec<ThresholdEvidence>,
    /// Which of them shows most harm.
    pub leading: usize,
    pub band: Band,
}

impl LatencyEvidence {
    /// Returns the threshold that shows most harm; none when there is no threshold.
    pub fn led_by(&self) -> Option<&ThresholdEvidence> {
        self.thresholds.get(self.leading)
    }
}

/// Is the test of "slower than this", with the fields of [`MetricEvidence`] that are its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ThresholdEvidence {
    /// A bound of the histogram's buckets, in the evidence's unit.
    pub slower_than: f64,
    /// The quantiles of the control it stands for: `0.5`, `0.9`, …
    pub quantiles: Vec<f64>,
    pub log_e: f64,
    pub log_e_pass: f64,
    /// None for a threshold that need not be cleared.
    pub cleared: Option<bool>,
    pub canary: Counts,
    pub control: Counts,
    pub odds_ratio: Option<f64>,
    pub odds_at_least: Option<f64>,
    pub odds_at_most: Option<f64>,
    pub dispersion: Dispersion,
    pub psi_leading: f64,
}

/// Is the picture of a latency: which share of the requests of each side is within a bound, and how far
/// from that the true share may be, for all bounds and all looks at once (2.B.5). It decides nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Band {
    /// Two-sided, over all bounds and looks.
    pub alpha: f64,
    /// Half of each side's width; above 1 nothing is known. None without requests.
    pub canary_half_width: Option<f64>,
    pub control_half_width: Option<f64>,
    /// By bound, at most [`crate::limit::BAND_POINTS`].
    pub points: Vec<BandPoint>,
}

/// Is the share of requests that took at most `at_most`; none without requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BandPoint {
    pub at_most: f64,
    pub canary: Option<f64>,
    pub control: Option<f64>,
}

/// Is what a mean's evidence consists of: differences batch by batch (2.B.4). Limits are of how much
/// worse the canary is, in the unit of the value, whichever direction that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MeanEvidence {
    pub worse: Worse,
    /// The mean over all events; none without events.
    pub canary: Option<f64>,
    pub control: Option<f64>,
    /// Whole batches of at least a minute; nothing is claimed before batch 20.
    pub batches: u64,
    /// At confidence `1 - alpha`, over all rings.
    pub worse_by_at_least: Option<f64>,
    /// At confidence `1 - alpha_p`, in this ring.
    pub worse_by_at_most: Option<f64>,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Counts {
    pub bad: u64,
    pub total: u64,
}

impl Counts {
    /// Returns the bad share, nothing when there were no events.
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| self.bad as f64 / self.total as f64)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Dispersion {
    pub phi: f64,
    /// `aa`: measured on history; `assumed`: too little of it, and no error rate is promised.
    pub source: String,
    /// One-look batches the estimate stands on.
    pub batches: u64,
    /// The widest window that was looked at.
    pub widest_s: u64,
}

/// Is what the canary was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Control {
    Hosts {
        hosts: usize,
    },
    /// The time before the change and its control: the watch behind the last ring, when every host has it.
    Before,
    None,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Excluded {
    pub from: Timestamp,
    pub to: Timestamp,
    pub why: String,
}
