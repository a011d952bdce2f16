//! What a host is asked to run: the whole wish, never a command, so that lost, repeated or reordered
//! answers do no harm.

use serde::{Deserialize, Serialize};

use super::{ArtifactFormat, Health, ReleaseNumber, Run, Scrape};
use crate::{Digest, EnvironmentName, RingName, ServiceName, Version};

/// Is what one host should run of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Desired {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub ring: RingName,
    /// Counts up per host and service; a lower one than seen before is refused by the host.
    pub generation: u64,
    pub priority: Priority,
    pub state: DesiredState,
    pub release: DesiredRelease,
    pub run: Run,
    pub health: Option<Health>,
    pub metrics: Option<Scrape>,
    /// Releases kept on disk beside the running and the last proved-good one.
    pub keep: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DesiredRelease {
    pub number: ReleaseNumber,
    pub version: Version,
    pub digest: Digest,
    pub size_bytes: u64,
    pub format: ArtifactFormat,
    /// What a `file` artifact is called in the release folder.
    pub file_name: String,
    /// Names how it is run; a release folder belongs to one pair of digests.
    pub config_digest: Digest,
}

impl DesiredRelease {
    /// Returns the name of the release's folder on a host: `<digest12>-<config12>`.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.digest.short(), self.config_digest.short())
    }
}

/// Orders a host's work: a rollback before a rollout, always.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Rollout,
    Rollback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    Running,
    /// Nothing of the service runs here (the undo of a first release).
    Stopped,
}
