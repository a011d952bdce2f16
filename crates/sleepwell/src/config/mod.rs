//! The server's settings, read and checked before anything starts.

mod server;

pub(crate) use server::{ServerConfig, Smtp};
