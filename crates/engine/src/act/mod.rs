//! Acting on verdicts: procedures run, people are told, messages go out.

mod notices;
mod outbox;
mod procedures;
mod tell;

pub use notices::Notices;
pub use outbox::Outbox;
pub use procedures::Procedures;
