//! Judging at work: counts come in every second, a verdict goes out at each flip.

mod buckets;
mod counts;
mod verdicts;

pub use verdicts::Verdicts;
