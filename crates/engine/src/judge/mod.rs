//! Judging at work: counts come in every second, a verdict goes out at each flip; alerts lapse.

mod alerts;
mod buckets;
mod counts;
mod dispersion;
mod verdicts;

pub use alerts::Alerts;
pub use dispersion::Dispersions;
pub use verdicts::Verdicts;
