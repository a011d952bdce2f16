//! A machine that is expected to report.

use serde::{Deserialize, Serialize};

use crate::{HostId, HostName, Labels, Timestamp, TokenId, limit};

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
}

impl Host {
    /// Returns since when the host is unknown, or nothing while its lease lasts.
    pub fn unknown_since(&self, now: Timestamp) -> Option<Timestamp> {
        (now.since(self.last_seen) > limit::HOST_LEASE).then_some(self.last_seen)
    }
}
