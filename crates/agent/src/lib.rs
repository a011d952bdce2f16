//! What runs on every host: it takes the wish of the server, makes the host match it, and proves from
//! the running processes that it does.
//!
//! One agent may run several services. Under its `base` folder lie `identity.json`, `state.db` (the
//! journal of steps), `blobs/sha256-…` (what was fetched, shared), `agent/` (the agent's own programs, where it
//! was updated), and for each service
//! `<service>/releases/<digest12>-<config12>/` (immutable), `<service>/current` (a relative symbolic
//! link for people; never a proof) and `<service>/log`.
//!
//! **Invariant.** The agent may be killed at any moment and the service it looks after does not notice;
//! on return the agent finds out from `/proc`, the folders and the journal where it was, and goes on.
//! A generation or epoch lower than one recorded is never followed. `converged` is said only of a
//! process that was looked at.
//!
//! **Must not know**: rings, verdicts, rollouts. It knows one wish per service and needs no server to
//! keep it, nor to go back to the last release that worked.

pub mod adapter;
mod ballast;
mod cgroup;
pub mod clock;
mod config;
mod download;
mod events;
mod health;
mod hook;
mod hub;
mod identity;
mod install;
mod leftover;
mod link;
mod ports;
pub mod procfs;
mod prove;
mod reconcile;
mod record;
mod run;
mod scrape;
mod sha;
mod state;
mod stop;
mod supervise;
mod sync;
mod systemd;
mod unpack;
mod update;
mod worker;

pub use cgroup::control_groups;
pub use config::{Config, Timings};
pub use identity::{Identity, Joined, join, join_again};
pub use leftover::{Leftover, end_leftovers, leftovers};
pub use run::{run, run_by};
pub use stop::Stop;
pub use supervise::exec_service;
pub use systemd::{Supervisor, Systemd};
pub use update::{SelfUpdate, exec_trial};
