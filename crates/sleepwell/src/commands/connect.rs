//! Finds the server and the token of the command line.

use anyhow::{Context, Result};
use client::Client;
use model::Secret;

use crate::args::Global;
use crate::data::Data;

const DEFAULT_URL: &str = "http://127.0.0.1:7700";

/// Returns a client of the server named, or of the one that runs on the data folder.
pub(crate) fn connect(global: &Global) -> Result<Client> {
    let data = Data::new(global)?;
    let written = address(&data);
    let url = global.server.as_deref().or(written.as_deref());
    let token = match token_of_environment() {
        Some(token) => Some(token),
        None => token_of(&data)?,
    };
    Ok(Client::new(url.unwrap_or(DEFAULT_URL), token))
}

/// Returns a client of the server that runs on `data`, whatever the environment says of another one.
pub(crate) fn connect_to(data: &Data) -> Result<Client> {
    let url = address(data);
    let url = url.as_deref().unwrap_or(DEFAULT_URL);
    Ok(Client::new(url, token_of(data)?))
}

fn address(data: &Data) -> Option<String> {
    let written = std::fs::read_to_string(data.address()).ok()?;
    Some(written.trim().to_owned())
}

fn token_of_environment() -> Option<Secret> {
    let token = std::env::var("SLEEPWELL_TOKEN").ok();
    token.filter(|token| !token.is_empty()).map(Secret::new)
}

/// Returns the token in the data folder; none when there is none, which the server will say better.
fn token_of(data: &Data) -> Result<Option<Secret>> {
    let path = data.admin_token();
    match std::fs::read_to_string(&path) {
        Ok(token) => Ok(Some(Secret::new(token.trim()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}
