//! What is done about a verdict or an alert: which procedure follows, what the owner is told, when a message is
//! tried again.
//!
//! **Invariant.** What is told of an incident follows from what was told and what is, so asking again tells nothing
//! twice. An action of a procedure is made once per change and state of the verdict, however
//! often the judge looks again; a message is tried at most [`model::limit::SEND_ATTEMPTS`] times.
//!
//! **Must not know**: how an undo is carried out (`deliver` plans it), how a message is sent
//! (`engine`), how evidence is put into words (`learn`; the clause is handed in). No clock, no I/O.

pub mod alert_message;
#[cfg(test)]
mod fixture;
pub mod incident;
pub mod message;
pub mod outbox;
pub mod procedure;
