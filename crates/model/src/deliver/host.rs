//! A machine that is expected to report.

use serde::{Deserialize, Serialize};

use super::program::Program;
use crate::{HostId, HostName, Labels, ServiceName, Timestamp, TokenId, limit};

/// Is one sign that a host has seen newer orders than this server knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// Whose generation it is; none: the epoch of the server.
    pub service: Option<ServiceName>,
    pub seen: u64,
    pub ours: u64,
}

/// Is how a server that is behind its fleet goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adoption {
    /// Hosts that are ahead go on with what they run until something is shipped to them.
    Keep,
    /// They are asked for what this server knows, which may be older than what they run.
    Follow,
}

/// Is an enrolled host. It stays expected until somebody retires it, whether it reports or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Host {
    pub id: HostId,
    pub name: HostName,
    pub labels: Labels,
    pub machine_id: String,
    pub boot_id: String,
    pub agent_version: String,
    pub expected_since: Timestamp,
    pub retired_at: Option<Timestamp>,
    /// The join token that let it in, until it reports for the first time: so long it may not have heard
    /// who it is, and may ask again with that token.
    #[serde(default)]
    pub let_in_by: Option<TokenId>,
    /// When it last reported; before its first report, when it was enrolled.
    pub last_seen: Timestamp,
    /// Set by the server when it noticed the silence, so that it is told once.
    pub silent_noted: bool,
    #[serde(default)]
    pub speakers: Speakers,
    /// While its clock is further from the server's than is fine.
    #[serde(default)]
    pub clock_off: Option<ClockOff>,
    /// Of its agent.
    #[serde(default)]
    pub program: Program,
}

/// Is who speaks as one host, as far as calls tell agents apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Speakers {
    /// The agent that is heard.
    pub heard: Option<Speaker>,
    /// Those that spoke before or beside it, the newest first.
    pub others: Vec<Speaker>,
    /// How often one came back that had been replaced.
    pub returns: u32,
    /// While several speak, and one is heard.
    pub doubled_since: Option<Timestamp>,
}

/// Is one run of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Speaker {
    pub boot_id: String,
    pub run_id: String,
    pub heard_at: Timestamp,
}

/// Is by how much a host's clock differs from the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClockOff {
    pub since: Timestamp,
    /// Below zero when it is behind.
    pub ahead_ms: i64,
}

impl Host {
    /// Returns since when the host is unknown, or nothing while its lease lasts.
    pub fn unknown_since(&self, now: Timestamp) -> Option<Timestamp> {
        (now.since(self.last_seen) > limit::HOST_LEASE).then_some(self.last_seen)
    }
}
