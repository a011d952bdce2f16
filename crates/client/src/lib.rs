//! Typed blocking calls to our own API, as the CLI, the agents and the lab make them.
//!
//! **Invariant.** Every call ends within its time-out in an answer or an [`Error`] that says whether the
//! server refused, could not be reached, is not the one that was meant, or spoke nonsense; a token is never
//! printed, never follows a redirect, and is shown over TLS only to a server that proved who it is.
//!
//! **Must not know**: what an answer means. It decides nothing, retries nothing and keeps nothing.

mod calls;
mod error;
mod http;
mod tls;

pub use calls::escaped;
pub use error::Error;
pub use http::{Client, Download, is_loopback};
pub use tls::Distrust;
