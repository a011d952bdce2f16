//! Settings of the server and of adapters, read and checked before anything starts.

pub(crate) mod adapter;
mod server;

pub(crate) use server::{ServerConfig, Smtp};
