//! Seeded simulations of whole changes: how often a harmless one fails, and how soon a harmful one does. One run is
//! one change, and a seed gives the same run for ever.
//!
//! Built for the tests of this crate, and with the feature `simulation` for `make bench BENCH=judge`, which repeats
//! them at full size.

pub mod counts;
pub mod latency;
pub mod rollout;
