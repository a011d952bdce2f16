//! Journal entries and verdicts in words.

mod alert;
mod evidence;
mod fact;
mod foreign;
mod host;

pub use evidence::{Tense, paragraphs, reason, verdict};
pub(crate) use evidence::{harm, signal_state};
pub(crate) use fact::part;
pub(crate) use fact::passed;
pub use fact::{Told, held, of};
