//! The nouns every other crate speaks about: ids, times, labels, the journal, and what is delivered,
//! observed, judged and done.
//!
//! **Invariant.** A value of these types is valid by construction or refused with a sentence that says
//! what would help; every limit on input stands in [`limit`].
//!
//! **Must not know**: files, sockets, clocks, SQL, HTTP. Nothing here decides anything; decisions are
//! in the stage crates (`deliver`, `judge`, `act`, `learn`).

pub mod act;
pub mod api;
pub mod deliver;
pub mod digest;
pub mod fact;
pub mod id;
pub mod journal;
pub mod judge;
pub mod label;
pub mod limit;
pub mod name;
pub mod observe;
pub mod pin;
pub mod role;
mod schema;
pub mod secret;
pub mod time;
pub mod words;

pub use digest::Digest;
pub use fact::Fact;
pub use id::{
    ActionId, AlertId, ChangeId, EntryId, HostId, IncidentId, PageId, TokenId, Ulid, VerdictId,
};
pub use journal::{Entry, Kind, Subject};
pub use label::Labels;
pub use name::{
    ApiVersion, ClientName, EnvironmentName, FreezeName, HostName, RingName, ServiceName, Version,
};
pub use pin::KeyPin;
pub use role::Role;
pub use secret::Secret;
pub use time::Timestamp;
