//! Freezes as the API shows them.

use serde::{Deserialize, Serialize};

use crate::deliver::FreezeRule;
use crate::{EnvironmentName, ServiceName, Timestamp};

/// `POST /api/v1/deliver/freezes`: a rule of the server, in place of one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewFreeze {
    #[serde(flatten)]
    pub rule: FreezeRule,
    /// Every environment where none is named.
    #[serde(default)]
    pub environment: Option<EnvironmentName>,
    /// Every service where none is named.
    #[serde(default)]
    pub service: Option<ServiceName>,
    pub reason: String,
}

/// `POST /api/v1/act/changes/{id}/override`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewOverride {
    /// Why it cannot wait; not empty.
    pub reason: String,
    /// For how long; an hour where nothing is said, a day at most.
    #[serde(default = "hour")]
    pub for_ms: u64,
}

fn hour() -> u64 {
    3_600_000
}

/// Is one freeze, whoever declared it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FreezeView {
    #[serde(flatten)]
    pub rule: FreezeRule,
    pub environment: Option<EnvironmentName>,
    pub service: Option<ServiceName>,
    pub source: FreezeSource,
    pub reason: String,
    pub by: String,
    pub is_in_force: bool,
    /// When it came or comes into force and when it ends; none for one that is over for good.
    pub begins_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
}

/// Is where a freeze is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FreezeSource {
    /// By `sleepwell freeze set`.
    Server,
    /// In the `sleepwell.yaml` of the release that went there last.
    File,
}
