//! What is done about it: procedures, orders, messages.

pub mod outbox;
pub mod procedure;

pub use outbox::{Destination, Message, OutboxRow, OutboxState, Urgency};
pub use procedure::{Do, Procedure, When};
