//! The documents between us and the tool: one JSON document in, one out (delivery specification 2.13).

use std::collections::BTreeMap;
use std::fmt;

use model::deliver::{ArtifactFormat, ReleaseNumber, Slot};
use model::{ChangeId, Digest, EnvironmentName, HostName, Labels, ServiceName, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// The version of these documents.
pub(super) const CONTRACT: u32 = 1;

/// Is what the tool is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verb {
    /// Says what `apply` would change, and changes nothing.
    Plan,
    Apply,
    /// Looks at what really runs.
    Observe,
    /// As `apply`, to take a release back: nothing is more urgent.
    Rollback,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verb::Plan => "plan",
            Verb::Apply => "apply",
            Verb::Observe => "observe",
            Verb::Rollback => "rollback",
        })
    }
}

/// Is the question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Request {
    pub(super) contract: u32,
    pub(super) verb: Verb,
    /// The same whenever the same wish is carried out again; empty where nothing is changed.
    pub(super) idem_key: String,
    /// Rises with every server that takes over; a tool that remembers it refuses a lower one.
    pub(super) fence: u64,
    pub(super) service: ServiceName,
    pub(super) environment: EnvironmentName,
    /// What should run on the targets; absent where nothing should.
    pub(super) release: Option<Release>,
    /// Only for routers: the slot everything is to be sent to, where `release` runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slot: Option<Slot>,
    pub(super) targets: Vec<Target>,
    pub(super) params: serde_json::Map<String, serde_json::Value>,
}

/// Is a release as a tool needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Release {
    pub(super) number: ReleaseNumber,
    pub(super) version: Version,
    /// `sha256:…` of the artifact.
    pub(super) digest: Digest,
    pub(super) config_digest: Digest,
    /// The change for which it is to be set up anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redeploy: Option<ChangeId>,
    /// Where the artifact is had with a token that may read.
    pub(super) url: String,
    /// Where the artifact lies on this machine, already checked; only for a command that changes something.
    pub(super) path: Option<String>,
    pub(super) format: ArtifactFormat,
    pub(super) file_name: String,
    pub(super) exec: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) ports: Vec<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Target {
    pub(super) host: HostName,
    pub(super) labels: Labels,
    /// The digest observed there last.
    pub(super) previous: Option<Digest>,
}

/// Answers `plan`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Planned {
    #[serde(default)]
    pub(super) irreversible: bool,
    #[serde(default)]
    pub(super) text: String,
}

/// Answers `apply` and `rollback`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Accepted {
    pub(super) accepted: bool,
    /// What the tool calls this run, handed back when it is observed by GET.
    #[serde(rename = "ref")]
    pub(super) reference: Option<String>,
    /// Why not, where it was not accepted.
    #[serde(default)]
    pub(super) text: String,
    /// The targets that were not changed; all others were.
    #[serde(default)]
    pub(super) failed: Vec<FailedTarget>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct FailedTarget {
    pub(super) host: HostName,
    pub(super) why: String,
    /// What is in the way may go away by itself.
    #[serde(default)]
    pub(super) again: bool,
}

/// Answers `observe`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Observed {
    pub(super) targets: Vec<Observation>,
}

/// Is what the tool saw on one target.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Observation {
    pub host: HostName,
    /// Absent where nothing of the service runs.
    pub release_digest: Option<Digest>,
    /// The slot a router sends everything to; absent where it sends nothing to any.
    pub slot: Option<Slot>,
    #[serde(default)]
    pub source: Source,
    pub health: Option<Condition>,
    pub at: Option<Timestamp>,
    /// What is wrong there.
    #[serde(default)]
    pub why: String,
    /// Why it could not look; then nothing else counts.
    pub error: Option<String>,
}

/// Is where the digest was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Of the file behind the running process.
    Process,
    /// Of the image a running container was made from.
    Image,
    /// What the tool believes it did: no proof.
    #[default]
    Declared,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Source::Process => "process",
            Source::Image => "image",
            Source::Declared => "declared",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Healthy,
    Unhealthy,
    Unknown,
}
