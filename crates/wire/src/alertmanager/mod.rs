//! What Prometheus, vmalert and others post to Alertmanager, version 2 of its API.
//!
//! Read as Alertmanager 0.25 reads it: an alert that is not valid is named and harms no other, a body of
//! another shape is refused as a whole. Keys that stand twice in an object count once, the last one, as
//! vmalert sends `alertname`.

mod fingerprint;
mod read;

#[cfg(test)]
mod tests;

pub use fingerprint::fingerprint;
pub use read::{Malformed, read};
