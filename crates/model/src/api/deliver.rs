//! Releases, rollouts and hosts as the API shows them.

use serde::{Deserialize, Serialize};

use crate::deliver::{
    Adoption, DesiredState, IfRunning, Part, Program, Proof, ReleaseNumber, Reported,
};
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
    /// What to do about an earlier one that is not over; left out: what the definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_running: Option<IfRunning>,
    /// Other services that go with it: in the order of what they depend on, judged as one, undone
    /// together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<ShipWith>,
}

/// `POST /api/v1/deliver/redeploys`: has every host set up anew with what runs there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewRedeploy {
    pub service: ServiceName,
    /// May be left out where the service runs in only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
}

/// Is a release that goes with another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShipWith {
    pub service: ServiceName,
    pub version: Version,
}

/// Is the answer to it: the change, and what became of those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Shipped {
    pub change: ChangeId,
    /// Those it takes over from, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<ChangeId>,
    /// The one it waits for; none: it begins at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_behind: Option<ChangeId>,
    /// What was shipped together, this one included, in the order it goes out; empty for one alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ShippedPart>,
}

/// Is one of several services that were shipped as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShippedPart {
    #[serde(flatten)]
    pub part: Part,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<ChangeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_behind: Option<ChangeId>,
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

/// `POST /api/v1/deliver/hosts/{id}/agent`: the program must be uploaded before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UpdateAgent {
    pub digest: Digest,
    /// What it is, for people; may be empty.
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub reason: String,
}

/// Is the answer to it; the host says what comes of the wish of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AgentAsked {
    pub number: u64,
}

/// Is what `exclude` answers: the changes that wait for the host no longer, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostExcluded {
    pub changes: Vec<ChangeId>,
}

/// `POST /api/v1/deliver/hosts/{id}/fix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fix {
    /// Absent: every service that needs it.
    #[serde(default)]
    pub service: Option<ServiceName>,
    #[serde(default)]
    pub reason: String,
}

/// Is what `fix` answers: what the host tries again, by service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostFixed {
    pub tries: Vec<TriedAgain>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TriedAgain {
    pub service: ServiceName,
    pub version: Version,
    /// What the host said of it until then, and why.
    pub proof: Proof,
    pub why: String,
}

/// `GET /api/v1/deliver/fleet`: whether hosts have seen newer orders than this server knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FleetView {
    pub epoch: u64,
    /// By host and service; empty when the server is where its fleet is. While it is not, nothing is
    /// shipped.
    pub ahead: Vec<HostAhead>,
}

/// Is one host that is ahead, with what adopting it would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostAhead {
    pub host: HostName,
    /// None: the epoch of the server.
    pub service: Option<ServiceName>,
    pub seen: u64,
    pub ours: u64,
    /// The version it runs now, when this server knows it.
    pub running: Option<Version>,
    /// The release folder it runs from: digests of artifact and configuration.
    pub running_release: Option<String>,
    /// What it is asked for when the server is to be followed; none when nothing is to run.
    pub wanted: Option<Version>,
    pub wanted_release: Option<String>,
}

/// `POST /api/v1/deliver/fleet/adopt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Adopt {
    pub how: Adoption,
    #[serde(default)]
    pub reason: String,
}

/// `POST /api/v1/deliver/join-tokens`: whom the token is to let in.
///
/// A misspelt field is refused: without it the token would let in more than was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJoinToken {
    /// Only the host of this name, and that one even if it is enrolled or shares its machine id with
    /// another: whoever asks says so. None: any host that is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JoinToken {
    /// Behind a point, where there is one, stands the key the server has ([`crate::pin::split_join_token`]).
    pub token: String,
    pub expires_at: Timestamp,
}

/// Is one host with everything it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostView {
    pub id: HostId,
    pub name: HostName,
    pub labels: Labels,
    /// Of its agent, as it said last.
    #[serde(default)]
    pub agent_version: String,
    /// The program its agent runs from, and the one it is to become.
    #[serde(default)]
    pub program: Program,
    pub last_seen: Timestamp,
    pub unknown_since: Option<Timestamp>,
    /// What is wrong with the host itself, the worst first.
    #[serde(default)]
    pub troubles: Vec<HostTrouble>,
    pub services: Vec<HostService>,
}

/// Is what is wrong with a host and is for a person to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "trouble")]
pub enum HostTrouble {
    /// Every token it has was revoked: nothing it says is heard.
    LockedOut { since: Timestamp },
    /// Several agents speak as this host; the one on `heard` is heard, those on `others` are not.
    Doubled {
        since: Timestamp,
        heard_boot: String,
        other_boots: Vec<String>,
    },
    /// Its clock differs from the server's, below zero when it is behind.
    ClockOff { since: Timestamp, ahead_ms: i64 },
    /// Its agent did not become the program it was asked to be, and goes on with the one it had.
    UpdateFailed {
        since: Timestamp,
        digest: Digest,
        version: String,
        why: String,
    },
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
