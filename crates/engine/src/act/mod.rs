//! Acting on verdicts and alerts: procedures run, incidents grow, people are told, messages go out, other tools hear of it.

mod cdevents;
mod incidents;
mod notices;
mod outbox;
mod procedures;
mod tell;

pub use cdevents::{CdeventSink, Cdevents};
pub use incidents::Incidents;
pub use notices::Notices;
pub use outbox::Outbox;
pub use procedures::Procedures;
