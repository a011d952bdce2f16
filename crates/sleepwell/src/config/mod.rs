//! Settings of the server and of adapters, read and checked before anything starts.

pub(crate) mod adapter;
mod server;
mod tls;

pub(crate) use server::{ServerConfig, Smtp};
pub(crate) use tls::{Files, TlsConfig};
