//! What the screens look like, whole, and what no screen may ever contain.

mod fixture;
mod hostile;
mod lines;
mod screens;
