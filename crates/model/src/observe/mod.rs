//! What is observed: changes, signals, samples.

pub mod change;
pub mod sample;
pub mod signal;

pub use change::{Change, ChangeKind, ChangeState};
pub use sample::{Sample, Series};
pub use signal::{Level, Signal, SignalKind, Unit, Worse};
