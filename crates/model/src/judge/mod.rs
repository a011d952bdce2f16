//! What is judged: verdicts and the evidence they stand on.

pub mod verdict;

pub use verdict::{
    Control, Counts, Dispersion, Evidence, Excluded, MetricEvidence, Reason, Verdict, VerdictState,
    f64Eq,
};
