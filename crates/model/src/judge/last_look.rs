//! What the judge saw when it looked last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deliver::Reported;
use crate::{HostId, Timestamp};

/// Is the judge's newest look at a change, kept with its test. Whoever passes a ring without a verdict
/// of its own asks whether this look came late enough and saw what the hosts say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LastLook {
    pub at: Timestamp,
    /// Of the hosts that were asked for the release, as far as they had reported.
    pub seen: BTreeMap<HostId, SeenReport>,
}

/// Is the part of a host's report that may be a verdict by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeenReport {
    pub generation: u64,
    pub unexpected_exits: u32,
    pub failed_checks: u32,
}

impl From<&Reported> for SeenReport {
    fn from(reported: &Reported) -> Self {
        Self {
            generation: reported.generation_applied,
            unexpected_exits: reported.unexpected_exits,
            failed_checks: reported.failed_checks,
        }
    }
}
