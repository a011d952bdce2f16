//! What is done about it: procedures, orders, messages.

pub mod incident;
pub mod outbox;
pub mod procedure;

pub use incident::{Incident, IncidentState, Told};
pub use outbox::{Destination, Message, OutboxRow, OutboxState, Urgency};
pub use procedure::{Do, Procedure, When};
