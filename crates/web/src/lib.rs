//! How everything is seen and asked for over HTTP: our own API, what agents call, and a plain page.
//!
//! **Invariant.** Every route stands in one table with the access it needs ([`routes::all`]); the router
//! is built from it and a test walks it. Nothing is answered 2xx before it is durable. Errors have one
//! shape, made in [`error`].
//!
//! **Must not know** the loops: a handler writes rows and nudges; what follows is the engine's.

mod access;
mod agent;
mod api;
mod app;
mod blobs;
mod describe;
mod dialect;
mod error;
mod health;
mod hooks;
mod ingest;
mod load;
mod object_store;
pub mod openapi;
mod page;
mod patience;
mod range;
pub mod routes;
mod serve;
mod tls;
mod unread;

pub use access::Access;
pub use app::{App, streams};
pub use blobs::Blobs;
pub use hooks::Hooks;
pub use object_store::ObjectStore;
pub use routes::router;
pub use serve::serve;
pub use tls::{Tls, TlsError};
