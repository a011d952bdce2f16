//! What happened, in words: every fact of the journal as a sentence, where a change stands and why,
//! and the walk over causes that `sleepwell why` prints.
//!
//! **Invariant.** Every entry has a sentence, also one whose body this program cannot read; every walk
//! ends, whatever the causes say. A host that is silent is *unknown*, whatever it said last.
//!
//! **Must not know**: where entries are kept, how text is drawn (no HTML, no escape codes), what is to
//! be done about it (`act`). No clock, no I/O.

pub mod alert;
pub mod change;
pub mod sentence;
pub mod why;
