//! An agent for hosts that run none: it takes the wishes of its targets and has a tool of the user's carry
//! them out, by a command or by a webhook (delivery specification 2.13).
//!
//! To the server each target is a host like any other: it enrols, is asked, and reports what was observed,
//! so that rings, budgets and undo are the same. The tool is only asked to change and to look.
//!
//! **Invariant.** What a target is said to run was observed by the tool after it was asked, in the process
//! or the image; what the tool merely declares is never a proof. The same wish is carried out under the same
//! idempotency key, however often this program is killed in between.

mod config;
mod contract;
mod decide;
mod exec;
mod item;
mod run;
mod target;
mod tool;
mod webhook;

pub use config::{Adapter, Raw};
pub use contract::{Observation, Source};
pub use run::{Checked, check, join, run};
