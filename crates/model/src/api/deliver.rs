//! Releases, rollouts and hosts as the API shows them.

use serde::{Deserialize, Serialize};

use crate::deliver::{DesiredState, Proof, ReleaseNumber, Reported};
use crate::{
    ChangeId, Digest, EnvironmentName, HostId, HostName, Labels, RingName, ServiceName, Timestamp,
    Version,
};

/// `POST /api/v1/deliver/releases`: the artifact must be uploaded before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewRelease {
    pub version: Version,
    pub digest: Digest,
    /// The text of `sleepwell.yaml`, with `${env.…}` already filled in.
    pub definition: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReleaseView {
    pub service: ServiceName,
    pub number: ReleaseNumber,
    pub version: Version,
    pub digest: Digest,
    pub size_bytes: u64,
    pub created_at: Timestamp,
    pub created_by: String,
}

/// `POST /api/v1/deliver/rollouts`: ship.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewRollout {
    pub service: ServiceName,
    pub version: Version,
    /// May be left out when the definition has only one.
    pub environment: Option<EnvironmentName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Started {
    pub change: ChangeId,
}

/// `POST /api/v1/deliver/hosts/{id}/exclude` and `…/retire`: why, for the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostOrder {
    #[serde(default)]
    pub reason: String,
}

/// Is what `exclude` answers: the changes that wait for the host no longer, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostExcluded {
    pub changes: Vec<ChangeId>,
}

/// `POST /api/v1/deliver/join-tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JoinToken {
    pub token: String,
    pub expires_at: Timestamp,
}

/// Is one host with everything it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostView {
    pub id: HostId,
    pub name: HostName,
    pub labels: Labels,
    pub last_seen: Timestamp,
    pub unknown_since: Option<Timestamp>,
    pub services: Vec<HostService>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostService {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub ring: RingName,
    pub wanted: Version,
    pub wanted_release: ReleaseNumber,
    /// `stopped` after the undo of a first release: nothing is to run.
    pub wanted_state: DesiredState,
    /// What the running process was proved to be, when it is one of our releases.
    pub running: Option<Version>,
    pub running_digest: Option<Digest>,
    /// `unknown` when the host is silent, whatever it said last.
    pub proof: Proof,
    pub why: String,
    pub since: Timestamp,
    pub reported: Option<Reported>,
}
