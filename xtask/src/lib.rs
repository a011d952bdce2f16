//! What the tidy test reads of this repository: its files, its crates, the tables in its pages.
//!
//! **Invariant.** Reads and never writes; the same tree gives the same answer, in the same order.
//!
//! **Must not know** the rules: they stand in `tests/tidy.rs`, each with its reason.

pub mod files;
pub mod markdown;
pub mod patterns;
pub mod workspace;
