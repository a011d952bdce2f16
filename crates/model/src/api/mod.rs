//! Bodies of our own API: what the server answers and what the CLI, the agents and the pages read.

pub mod agent;
pub mod alert;
pub mod change;
pub mod deliver;
pub mod delivery;
pub mod freeze;
pub mod journal;
pub mod problem;
pub mod rehearsal;
pub mod schema;
pub mod token;

pub use problem::Problem;
