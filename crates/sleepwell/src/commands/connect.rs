//! Finds the server and the token of the command line.

use anyhow::{Context, Result};
use client::{Client, Distrust};
use model::{KeyPin, Secret};

use super::note;
use crate::args::Global;
use crate::data::Data;

const DEFAULT_URL: &str = "http://127.0.0.1:7700";

/// Returns a client of the server named, or of the one that runs on the data folder. Says so when the token could be
/// read on its way there.
pub(crate) fn connect(global: &Global) -> Result<Client> {
    let client = connect_quietly(global)?;
    if !is_private(client.base_url()) {
        note(&format!(
            "warning: the connection to {} is not encrypted; anybody on the way can read your token",
            client.base_url()
        ));
    }
    Ok(client)
}

/// As [`connect`], and says nothing.
pub(crate) fn connect_quietly(global: &Global) -> Result<Client> {
    let data = Data::new(global)?;
    let written = address(&data);
    let url = global.server.as_deref().or(written.as_deref());
    let url = url.unwrap_or(DEFAULT_URL);
    let token = match token_of_environment() {
        Some(token) => Some(token),
        None => token_of(&data)?,
    };
    let pin = match global.pin {
        Some(pin) => Some(pin),
        None if Some(url) == written.as_deref() => pin_of(&data)?,
        None => None,
    };
    Ok(Client::pinned(url, token, pin))
}

/// Returns a client of the server that runs on `data`, whatever the environment says of another one.
pub(crate) fn connect_to(data: &Data) -> Result<Client> {
    let url = address(data);
    let url = url.as_deref().unwrap_or(DEFAULT_URL);
    Ok(Client::pinned(url, token_of(data)?, pin_of(data)?))
}

/// Tells whether nobody on the way can read what is said to this address.
pub(crate) fn is_private(url: &str) -> bool {
    url.starts_with("https://") || client::is_loopback(url)
}

/// Says what helps when a server is not believed to be the one that was meant.
pub(crate) fn advice(why: &Distrust) -> &'static str {
    match why {
        Distrust::OtherKey { .. } => {
            "compare with the key `sleepwell doctor` names on the server; if it has a new one, name that with --pin, and join hosts again with a new token; if not, somebody else answers here"
        }
        Distrust::UnknownSigner { .. } => {
            "compare this key with the one `sleepwell doctor` names on the server, and name it with --pin; or name a file with the signer's certificate in SSL_CERT_FILE"
        }
        Distrust::OutOfDate { .. } => {
            "renew the server's certificate, or look at the clock of this machine"
        }
        Distrust::OtherName { .. } => {
            "ask for the server by a name its certificate is for, or name its key with --pin"
        }
        Distrust::Refused(_) => "look at the server's certificate",
        Distrust::NoTls => "look at what listens there; a server without TLS is asked with http://",
        Distrust::NotAsked => "write https://, or leave --pin out",
    }
}

fn address(data: &Data) -> Option<String> {
    let written = std::fs::read_to_string(data.address()).ok()?;
    Some(written.trim().to_owned())
}

/// Returns the key the server on this folder is known by; none when it is not known by one.
pub(crate) fn pin_of(data: &Data) -> Result<Option<KeyPin>> {
    let path = data.pin();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    let pin = text.parse().map_err(anyhow::Error::msg);
    pin.map(Some)
        .with_context(|| format!("{} is damaged; start the server again", path.display()))
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
