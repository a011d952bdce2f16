//! Acting on verdicts: procedures run, people are told, messages go out, other tools hear of it.

mod cdevents;
mod notices;
mod outbox;
mod procedures;
mod tell;

pub use cdevents::{CdeventSink, Cdevents};
pub use notices::Notices;
pub use outbox::Outbox;
pub use procedures::Procedures;
