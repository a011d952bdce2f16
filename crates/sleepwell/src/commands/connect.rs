//! Finds the server and the token of the command line.

use anyhow::{Context, Result};
use client::{Client, Secret};

use crate::args::Global;
use crate::data::Data;

const DEFAULT_URL: &str = "http://127.0.0.1:7700";

/// Returns a client of the server named, or of the one that runs on the data folder.
pub(crate) fn connect(global: &Global) -> Result<Client> {
    connect_to(global.server.as_deref(), &Data::new(global)?)
}

/// Returns a client of `server`, else of the one that runs on `data`.
pub(crate) fn connect_to(server: Option<&str>, data: &Data) -> Result<Client> {
    let written = std::fs::read_to_string(data.address()).ok();
    let url = server
        .or(written.as_deref().map(str::trim))
        .unwrap_or(DEFAULT_URL);
    Ok(Client::new(url, token(data)?))
}

/// Returns the token of the environment, else of the data folder; none when there is neither, which the
/// server will say better.
fn token(data: &Data) -> Result<Option<Secret>> {
    if let Some(token) = std::env::var("SLEEPWELL_TOKEN")
        .ok()
        .filter(|token| !token.is_empty())
    {
        return Ok(Some(Secret::new(token)));
    }
    let path = data.admin_token();
    match std::fs::read_to_string(&path) {
        Ok(token) => Ok(Some(Secret::new(token.trim()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}
