//! The pure decisions of delivery: reading the service file, planning rollouts.
//!
//! **Invariant.** Everything here is a function of its arguments; `now` is one of them. The same input
//! gives the same answer, down to the order of a list and the words of a message. A host that is
//! expected and silent is never counted as done.
//!
//! **Must not know**: files, sockets, clocks, SQL, HTTP, and the other stages. How a verdict is reached
//! is `judge`'s; who saves a plan and asks the hosts is `engine`'s.

pub mod clock;
pub mod definition;
pub mod fix;
pub mod fleet;
pub mod freeze;
pub mod gate;
pub mod program;
pub mod redeploy;
pub mod rollout;
pub mod speakers;
