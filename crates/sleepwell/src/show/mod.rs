//! What people and programs read on the terminal: pure functions from views to text.
//!
//! **Invariant.** No text from outside reaches the terminal as it came: control characters, escape
//! sequences and invisible format characters are written out (`\u{1b}`). No line of a frame or a table
//! is wider than [`Style::width`]. Colour says nothing that a sign and a word do not say as well.
//!
//! Texts of several lines end with a line feed; the one-line forms ([`lines`], [`json::line`]) do not.
//!
//! **Must not know**: the terminal itself, the clock, the network, the configuration. The caller asks
//! for the size, respects `NO_COLOR` and writes.

pub(crate) mod adopt;
pub(crate) mod alerts;
pub(crate) mod changes;
pub(crate) mod doctor;
pub(crate) mod exit;
mod facts;
pub(crate) mod freezes;
pub(crate) mod hosts;
mod ink;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod live;
mod mark;
pub(crate) mod pages;
pub(crate) mod problem;
pub(crate) mod rehearsal;
mod result;
pub(crate) mod schemas;
mod signals;
mod table;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod tree;
pub(crate) mod trouble;
pub(crate) mod why;

/// Is how text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether colours are written; false for a pipe, `NO_COLOR` and `--no-color`.
    pub(crate) color: bool,
    /// Columns a line may take.
    pub(crate) width: usize,
    /// False where the terminal shows ASCII only; signs are then replaced one for one.
    pub(crate) unicode: bool,
}
