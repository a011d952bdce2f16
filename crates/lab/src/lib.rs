//! A whole world in one process: the real server, a fleet of modelled hosts, inboxes, under a manual
//! clock and from one seed.
//!
//! The store, the loops, the router and the formats on the wire are the real ones; hosts speak the
//! agents' protocol to the router, people speak the API. Loops are turned by hand. What is modelled is
//! said in [`fleet`]: processes, their customers, and everything that goes wrong with hosts.
//!
//! [`script`] reads stories in the product's own words, [`run`] plays them, [`walk`] lets chance write
//! them, and [`stops`] lets chance stop any part of the world at any [`failpoint`].
//!
//! **Invariant.** The same story and the same seed give the same world, tick by tick: nothing here asks
//! the system for the time or for randomness.
//!
//! **Must not know** how anything is decided: it looks at the world through the API, as people do.

pub mod failpoint;
pub mod fleet;
pub mod run;
pub mod script;
pub mod stops;
pub mod walk;
pub mod world;

pub use world::{OpenStore, World, sqlite};

/// Is the seed of a story that is played without one. Another one gives other customers: what a story
/// says of verdicts holds for almost all seeds, as the judge promises, not for each.
pub const SEED: u64 = 2;
