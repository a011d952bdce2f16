//! What is judged: verdicts and the evidence they stand on; alerts.

pub mod alert;
pub mod last_look;
pub mod verdict;

pub use alert::{Alert, AlertState, Posted, Resolution};
pub use last_look::{LastLook, SeenReport};
pub use verdict::{
    Band, BandPoint, Control, Counts, Dispersion, Evidence, Excluded, LatencyEvidence,
    MeanEvidence, MetricEvidence, Reason, ThresholdEvidence, Verdict, VerdictState, f64Eq,
};
