//! A rehearsal: what a rollout would do, worked out by the planner and carried out by nobody.

use serde::{Deserialize, Serialize};

use super::deliver::{NewRelease, NewRollout};
use crate::deliver::AtDeadline;
use crate::{EnvironmentName, HostName, RingName, ServiceName, Timestamp, Version};

/// `POST /api/v1/deliver/rehearsals`; nothing is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rehearse {
    #[serde(flatten)]
    pub rollout: NewRollout,
    /// The release as `ship` would make it, for a version the server does not have yet. Its artifact
    /// need not be uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<NewRelease>,
}

/// Is how a rollout would go if it began now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rehearsal {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub release: Version,
    /// To which an undo would go.
    pub previous: Option<Version>,
    /// None: everybody at once.
    pub max_unavailable: Option<u32>,
    /// In order.
    pub rings: Vec<RehearsedRing>,
    /// What would stop it as things stand now; empty when nothing would.
    pub obstacles: Vec<Obstacle>,
    /// When it would be done at the earliest: hosts take no time, the judge passes each ring at its first
    /// look, and silent hosts are back. None where no such moment was found.
    pub done_at: Option<Timestamp>,
    /// The server's clock, from which everything here is counted.
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RehearsedRing {
    pub name: RingName,
    /// In the order they would be asked.
    pub hosts: Vec<RehearsedHost>,
    pub bake_ms: u64,
    pub deadline_ms: u64,
    pub at_deadline: AtDeadline,
    /// When its first host would be asked, at the earliest.
    pub begins_after_ms: Option<u64>,
    /// When it would have passed, at the earliest.
    pub passes_after_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RehearsedHost {
    pub host: HostName,
    /// Hosts with the same number are asked together; counted from 1 over the whole rollout. None for one
    /// that would not be asked, since it is asked to run the release already.
    pub step: Option<usize>,
    /// What it was last asked to run and proves; none where nothing is proved.
    pub from: Option<Version>,
    pub to: Version,
    /// Set while the host is silent.
    pub unknown_since: Option<Timestamp>,
}

/// Is one thing that would stop the rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Obstacle {
    /// For programs: `behind_fleet`, `refused`, `waits`, `waiting_for`, `blocked`, `frozen`,
    /// `incompatible`.
    pub code: String,
    /// One sentence without full stop.
    pub text: String,
    /// What would help, likewise; may be empty.
    pub hint: String,
}
