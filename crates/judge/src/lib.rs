//! Judges a change: counts of bad events on the hosts that have it (canary) against those that do not
//! (control), looked at as often as one likes.
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
//! **Must not know**: where counts come from, which host belongs to which ring and why, what is done
//! about a verdict, clocks, files, sockets.

mod batch;
mod budget;
mod counts;
mod dispersion;
mod ends;
mod exact;
mod excluded;
mod hypergeometric;
mod look;
mod signal;
mod state;
mod trace;
mod verdict;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod random;
#[cfg(test)]
mod simulation;

pub use look::{Arms, History, HostCondition, Judgement, Look};
pub use verdict::Test;
