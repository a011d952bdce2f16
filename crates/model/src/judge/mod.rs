//! What is judged: verdicts and the evidence they stand on.

pub mod last_look;
pub mod verdict;

pub use last_look::{LastLook, SeenReport};
pub use verdict::{
    Control, Counts, Dispersion, Evidence, Excluded, MetricEvidence, Reason, Verdict, VerdictState,
    f64Eq,
};
