//! Typed blocking calls to our own API, as the CLI, the agents and the lab make them.
//!
//! **Invariant.** Every call ends within its time-out in an answer or an [`Error`] that says whether the
//! server refused, could not be reached, or spoke nonsense; a token is never printed and never follows
//! a redirect.
//!
//! **Must not know**: what an answer means. It decides nothing, retries nothing and keeps nothing.

mod calls;
mod error;
mod http;

pub use calls::escaped;
pub use error::Error;
pub use http::{Client, Download};
