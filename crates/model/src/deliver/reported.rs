//! What a host proves about one service, read from its running processes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ReleaseNumber, Slot};
use crate::{ChangeId, Digest, ServiceName, Timestamp};

/// Is the agent's word about one service on its host; taken from `/proc`, never from the symlink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reported {
    pub service: ServiceName,
    /// The newest generation the agent has recorded durably.
    pub generation_seen: u64,
    /// The generation whose release is what runs now (an older one after a local revert).
    pub generation_applied: u64,
    /// The release `current` points to, for comparison only.
    pub symlink_release: Option<ReleaseNumber>,
    pub processes: Vec<Process>,
    /// The artifact an adapter's tool saw running, where no agent looks at processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Digest>,
    /// The redeploy for which what runs now was unpacked and started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeploy: Option<ChangeId>,
    /// The slot a router's tool saw it send everything to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// The port the service answers on now.
    pub port: Option<u16>,
    pub healthy: Option<bool>,
    pub proof: Proof,
    /// Names what stands in the way: a pid, an error, a full disk. Empty when converged.
    pub why: String,
    /// Since when the proof is what it is.
    pub since: Timestamp,
    /// When the running process was started; its counts are judged only after a warm-up.
    pub started_at: Option<Timestamp>,
    /// Exits of the process nobody asked for, since `generation_seen` was first applied.
    pub unexpected_exits: u32,
    /// The longest run of failed health checks since `generation_seen` became healthy.
    pub failed_checks: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Process {
    pub pid: u32,
    /// Clock ticks after boot; with the pid and the boot it names one process.
    pub starttime: u64,
    pub exe_sha256: Option<Digest>,
    /// The file was removed or replaced under the running process.
    pub exe_deleted: bool,
    pub release_from_exe: Option<String>,
    pub release_from_cwd: Option<String>,
    pub release_from_env: Option<String>,
}

/// Is what the host can prove about the release it was asked to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Every process of the service runs the wanted release, and no other one does.
    Converged,
    /// Under way.
    Pending,
    /// The host went back to the last proved-good release by itself.
    Reverted,
    /// Something else runs than what was proved before.
    Drifted,
    /// Nothing runs, as wanted.
    Stopped,
    /// It cannot be done; `why` says what a person must change.
    Blocked,
    /// The host cannot tell (no right to read, or it has not reported).
    Unknown,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Proof::Converged => "converged",
            Proof::Pending => "pending",
            Proof::Reverted => "reverted",
            Proof::Drifted => "drifted",
            Proof::Stopped => "stopped",
            Proof::Blocked => "blocked",
            Proof::Unknown => "unknown",
        })
    }
}

/// Is an order the host did not follow because it was older than one it has recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refused {
    /// `generation` or `epoch`.
    pub kind: String,
    pub service: Option<ServiceName>,
    pub seen: u64,
    pub offered: u64,
}
