//! Who this agent is to its server: enrolled once, kept in a file only its owner can read.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use client::Client;
use model::api::agent::Enrol;
use model::pin::split_join_token;
use model::{Digest, HostId, HostName, KeyPin, Secret};
use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::{Config, procfs};

/// Is what the server knows this host by.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    pub agent_id: HostId,
    pub host: HostName,
    pub server_url: String,
    /// The key the server has, where the join token named it; no other server is listened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<KeyPin>,
    token: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("agent_id", &self.agent_id)
            .field("server_url", &self.server_url)
            .finish_non_exhaustive()
    }
}

/// Is the outcome of joining.
#[derive(Debug)]
pub struct Joined {
    pub identity: Identity,
    /// It had joined this server before, and was not enrolled anew.
    pub already: bool,
    /// It had, and knows the server by what this token says from now on: another key, or none.
    pub repinned: bool,
}

impl Identity {
    /// Returns a client that speaks as this agent.
    pub fn client(&self) -> Client {
        let token = Secret::new(self.token.clone());
        Client::pinned(&self.server_url, Some(token), self.pin)
    }

    /// Reads the identity kept under `base`; none when this agent never joined.
    pub fn load(base: &Path) -> anyhow::Result<Option<Self>> {
        let path = file(base);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
        };
        let identity = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged; join again", path.display()))?;
        Ok(Some(identity))
    }

    /// Keeps where the server is from now on and which key it has; what it knows this host by stays the same.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn move_server(
        &mut self,
        base: &Path,
        server_url: &str,
        pin: Option<KeyPin>,
    ) -> anyhow::Result<()> {
        if (self.server_url.as_str(), self.pin) != (server_url, pin) {
            server_url.clone_into(&mut self.server_url);
            self.pin = pin;
            self.save(base)?;
        }
        Ok(())
    }

    fn save(&self, base: &Path) -> anyhow::Result<()> {
        let path = file(base);
        let part = path.with_extension("part");
        let _ = std::fs::remove_file(&part); // of a join that was cut short
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .with_context(|| format!("cannot write {}", part.display()))?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        std::fs::rename(&part, &path)?;
        crate::install::sync_dir(base)?;
        Ok(())
    }
}

/// Enrols this host with a join token and keeps the identity under `base`. Joining the same server
/// again enrols nobody and says so; a server that has a new key is known by it from then on.
///
/// A join that got no answer may be repeated with the same token: the server gives this machine another
/// identity in place of the one that was lost. A token that names the server's key is shown to the server with that
/// key only, and so is everything after it.
///
/// # Errors
/// The server's refusal, a server that is not the one the token names, or a `base` that belongs to another server.
pub fn join(config: &Config, join_token: &Secret) -> anyhow::Result<Joined> {
    std::fs::create_dir_all(&config.base)
        .with_context(|| format!("cannot make {}", config.base.display()))?;
    let token = read(join_token)?;
    if let Some(mut identity) = Identity::load(&config.base)? {
        if identity.server_url == config.server_url {
            let repinned = identity.pin != token.1;
            identity.move_server(&config.base, &config.server_url, token.1)?;
            return Ok(Joined {
                identity,
                already: true,
                repinned,
            });
        }
        bail!(
            "{} belongs to {}; give the agent another base folder to join {}",
            config.base.display(),
            identity.server_url,
            config.server_url
        );
    }
    let identity = enrol(config, token)?;
    identity.save(&config.base)?;
    Ok(Joined {
        identity,
        already: false,
        repinned: false,
    })
}

/// Enrols this host although it may have joined before: the identity kept under `base` is replaced.
///
/// Services that run go on. Where the server knows it as another host than before, orders count from the
/// beginning: the numbers of the one it was mean nothing for the one it is.
///
/// # Errors
/// An agent runs on this `base`, or the server's refusal; then nothing is replaced.
pub fn join_again(config: &Config, join_token: &Secret) -> anyhow::Result<Joined> {
    std::fs::create_dir_all(&config.base)
        .with_context(|| format!("cannot make {}", config.base.display()))?;
    let _lock = crate::run::lock(&config.base).context("stop the agent first")?;
    let before = Identity::load(&config.base)?;
    let identity = enrol(config, read(join_token)?)?;
    if before.is_none_or(|before| before.agent_id != identity.agent_id) {
        State::open(&config.base)?.count_anew()?;
    }
    identity.save(&config.base)?;
    Ok(Joined {
        identity,
        already: false,
        repinned: false,
    })
}

/// Reads what the server is shown, and the key it has to have.
fn read(join_token: &Secret) -> anyhow::Result<(Secret, Option<KeyPin>)> {
    split_join_token(join_token.reveal()).map_err(anyhow::Error::msg)
}

fn enrol(config: &Config, (secret, pin): (Secret, Option<KeyPin>)) -> anyhow::Result<Identity> {
    let client = Client::pinned(&config.server_url, Some(secret), pin);
    let enrolled = client.enrol(&enrolment(config))?;
    Ok(Identity {
        agent_id: enrolled.agent_id,
        host: config.host.clone(),
        server_url: config.server_url.clone(),
        pin,
        token: enrolled.token,
    })
}

fn enrolment(config: &Config) -> Enrol {
    Enrol {
        hostname: config.host.clone(),
        labels: config.labels.clone(),
        boot_id: procfs::boot_id().to_owned(),
        machine_id: config
            .machine_id
            .clone()
            .unwrap_or_else(|| machine_id(&config.host)),
        agent_version: VERSION.to_owned(),
    }
}

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the machine's own id; where there is none, one made of the host's name.
fn machine_id(host: &HostName) -> String {
    std::fs::read_to_string("/etc/machine-id")
        .map(|text| text.trim().to_owned())
        .ok()
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| Digest::of(host.as_str().as_bytes()).short())
}

fn file(base: &Path) -> PathBuf {
    base.join("identity.json")
}
