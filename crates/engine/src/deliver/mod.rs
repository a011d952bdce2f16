//! Delivery at work: rollouts move on, hosts are missed and welcomed back.

mod ask;
mod facts;
mod gate;
mod hosts;
mod queue;
mod redeploys;
mod rollouts;
mod together;

pub(crate) use facts::host_facts;
pub use hosts::Hosts;
pub use redeploys::Redeploys;
pub use rollouts::Rollouts;
pub(crate) use together::{Because, hold_others, undo_others, way_back};
