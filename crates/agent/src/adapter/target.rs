//! One host as the server knows it: its identity, its journal, and its calls.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use client::Client;
use model::api::agent::Sync;
use model::deliver::{Desired, Refused, Reported};
use model::{Digest, HostName, Labels, Secret};

use crate::clock::Clock;
use crate::identity::VERSION;
use crate::state::State;
use crate::{Config, Identity, install, join, procfs};

/// How long one call may take; the others wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Target {
    pub(super) host: HostName,
    pub(super) labels: Labels,
    client: Client,
    state: State,
    base: PathBuf,
    refused: Vec<Refused>,
}

/// Returns the folder of one target.
fn folder(base: &Path, host: &HostName) -> PathBuf {
    base.join("targets").join(host.as_str())
}

/// Tells whether a target has joined.
pub(super) fn has_joined(base: &Path, host: &HostName) -> anyhow::Result<bool> {
    Ok(Identity::load(&folder(base, host))?.is_some())
}

/// Enrols a target with a join token of its own.
pub(super) fn enrol(
    base: &Path,
    server_url: &str,
    (host, labels): (&HostName, &Labels),
    token: &Secret,
) -> anyhow::Result<()> {
    let mut config = Config::new(server_url, folder(base, host), host.clone());
    config.labels = labels.clone();
    // The machine this program runs on is none of the hosts it speaks for.
    let name = format!("adapter/{host}");
    config.machine_id = Some(Digest::of(name.as_bytes()).short());
    join(&config, token).map(drop)
}

impl Target {
    pub(super) fn open(base: &Path, host: &HostName, labels: &Labels) -> anyhow::Result<Self> {
        let folder = folder(base, host);
        let identity = Identity::load(&folder)?.with_context(|| {
            format!("{host} has not joined a server; see `sleepwell adapter join --help`")
        })?;
        Ok(Self {
            host: host.clone(),
            labels: labels.clone(),
            client: identity.client().with_timeout(PATIENCE),
            state: State::open(&folder)?,
            base: folder,
            refused: vec![],
        })
    }

    /// Returns a client that may fetch artifacts.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the epoch the newest wish came under.
    pub(super) fn epoch(&self) -> anyhow::Result<u64> {
        Ok(self.state.seen()?.0)
    }

    /// Returns what is wanted of the host, by service.
    pub(super) fn wishes(&self) -> anyhow::Result<Vec<Desired>> {
        let services = self.state.services()?;
        Ok(services.into_iter().map(|(wish, _)| wish).collect())
    }

    /// Reports and asks once; returns what is newly wanted.
    pub(super) fn sync(
        &mut self,
        reported: Vec<Reported>,
        clock: &dyn Clock,
    ) -> anyhow::Result<Vec<Desired>> {
        let (epoch_seen, revision_seen) = self.state.seen()?;
        let request = Sync {
            boot_id: procfs::boot_id().to_owned(),
            run_id: procfs::run_id().to_owned(),
            agent_version: VERSION.to_owned(),
            epoch_seen,
            revision_seen,
            wait_ms: 0,
            reported,
            refused: self.refused.clone(),
            disk_free_bytes: install::free_bytes(&self.base).unwrap_or(0),
            now: clock.now(),
            monotonic_ms: clock.monotonic_ms(),
            steady: None,
            program: Some(crate::update::of_adapter()),
        };
        let Some(wish) = self.client.sync(&request)? else {
            return Ok(vec![]);
        };
        let (taken, refused) = self.state.take(&wish)?;
        for refusal in refused
            .iter()
            .filter(|refusal| !self.refused.contains(refusal))
        {
            tracing::error!(
                host.name = %self.host,
                kind = refusal.kind,
                seen = refusal.seen,
                offered = refusal.offered,
                "refused an order older than one that was recorded"
            );
        }
        self.refused = refused;
        Ok(taken)
    }
}
