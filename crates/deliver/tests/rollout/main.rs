//! The rollout planner, asked the way the engine asks it.
//!
//! Every turn of the [`fleet::World`] also checks what must hold always: that a stored rollout plans
//! like the one in memory, that asking again changes nothing, that nothing changes before `wake_at`,
//! and the invariants of `deliver::rollout`. So each test here is a test of those too.

mod exclude;
mod fixes;
mod fleet;
mod freezes;
mod gate;
mod holds;
mod invariants;
mod looks;
mod many;
mod orders;
mod owed;
mod queue;
mod random;
mod redeploys;
mod rehearsal;
mod rings;
mod starting;
mod stories;
mod swaps;
mod together;
mod verdicts;
mod watch;
mod way_back;
