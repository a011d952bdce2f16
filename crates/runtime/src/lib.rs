//! The machinery loops run on: clock, randomness, loops and their supervisor, nudges, shutdown.
//!
//! **Invariant.** Only [`Clock`] asks the system for the time and only [`Random`] for randomness, so that
//! a whole world can run on a manual clock from one seed.
//!
//! **Must not know** what any loop does: no store, no HTTP, no nouns beyond ids and times.

mod clock;
mod random;
mod shutdown;
mod supervisor;
mod wake;

pub use clock::Clock;
pub use random::{Ids, Random};
pub use shutdown::{Shutdown, Trigger};
pub use supervisor::{FailedInPart, Loop, LoopStatus, Supervisor, Turn};
pub use wake::{Listener, Wake, Wakes};
