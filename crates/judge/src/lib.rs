//! Judges a change: what is counted on the hosts that have it (canary) against those that do not
//! (control), looked at as often as one likes. Bad events are counted, and requests slower than a
//! threshold; means are compared minute by minute.
//!
//! The test is an e-process: with no difference between the arms its expected value never exceeds 1,
//! whatever the base rate does and however often it is looked at, so that "evidence of 100" happens to
//! a harmless change at most once in 100 changes. A ring passes early for the same kind of reason: harm
//! beyond the margin is excluded, not merely unseen.
//!
//! **Invariant.** The same looks in the same order give the same bits, also when the [`Test`] was
//! written to JSON and read back between any two of them. A `Fail` is for good. A ring never passes
//! without events in both arms.
//!
//! Beside changes it knows [`alert`]s: whether a posted one is new, goes on or is over.
//!
//! **Must not know**: where counts come from, which host belongs to which ring and why, what is done
//! about a verdict, clocks, files, sockets.

pub mod alert;
mod band;
mod batch;
mod budget;
mod count;
mod counts;
mod dispersion;
mod ends;
mod exact;
mod excluded;
mod hypergeometric;
mod latency;
mod look;
mod mean;
mod refusal;
mod signal;
mod state;
mod thresholds;
mod trace;
mod verdict;
mod watch;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod long_streams;
#[cfg(any(test, feature = "simulation"))]
mod random;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;

pub use dispersion::Quarter;
pub use look::{Arms, Batch, Histogram, History, HostCondition, Judgement, Look, Total};
pub use thresholds::THRESHOLD_REQUESTS;
pub use verdict::Test;
pub use watch::Watch;
