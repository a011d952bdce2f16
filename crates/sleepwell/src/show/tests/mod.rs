//! What the screens look like, whole, and what no screen may ever contain.

mod alert_fixture;
mod fixture;
mod hostile;
mod lines;
mod screens;
