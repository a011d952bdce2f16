//! An artifact with the configuration it is run with, numbered per service.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Definition;
use crate::{ChangeId, Digest, ServiceName, Timestamp, Version};

/// Counts a service's releases from 1; never used twice.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct ReleaseNumber(pub u64);

impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Is a release: these bytes, run this way. It never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Release {
    pub service: ServiceName,
    pub number: ReleaseNumber,
    /// What people call it; not used twice with other bytes.
    pub version: Version,
    pub digest: Digest,
    pub size_bytes: u64,
    pub config_digest: Digest,
    pub definition: Definition,
    pub created_at: Timestamp,
    pub created_by: String,
}

/// Names a release where its content is not needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReleaseRef {
    pub number: ReleaseNumber,
    pub version: Version,
    pub digest: Digest,
    /// The redeploy that brings or brought it: hosts unpack it anew for that one, into a folder of its own, and
    /// start a fresh process. None for the rollout that brought it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeploy: Option<ChangeId>,
}

impl Release {
    pub fn to_ref(&self) -> ReleaseRef {
        ReleaseRef {
            number: self.number,
            version: self.version.clone(),
            digest: self.digest,
            redeploy: None,
        }
    }
}
