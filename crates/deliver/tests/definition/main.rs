//! `sleepwell.yaml`: good files, faults with their exact words, and that no text does harm.

mod faults;
mod good;
mod harmless;
mod shape;

const FULL: &str = include_str!("full.yaml");
const MINIMAL: &str = include_str!("minimal.yaml");

/// Returns the text with each of some passages, which must be there, written otherwise.
fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "`{from}` is not in the text");
        text.replacen(from, to, 1)
    })
}
