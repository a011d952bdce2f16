//! What agents send and get under `/agent/v1/` (delivery specification 2.8).

use serde::{Deserialize, Serialize};

use crate::deliver::{Desired, ProgramReport, ProgramWish, Refused, Reported};
use crate::{HostId, HostName, Labels, ServiceName, Timestamp};

/// `POST /agent/v1/enrol`, with the join token as bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Enrol {
    pub hostname: HostName,
    pub labels: Labels,
    pub boot_id: String,
    pub machine_id: String,
    pub agent_version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Enrolled {
    pub agent_id: HostId,
    /// Shown once; goes with every later call.
    pub token: String,
}

/// `POST /agent/v1/sync`: what runs, and what is known of the wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Sync {
    pub boot_id: String,
    /// Another one each time the agent is started; empty from agents that do not tell.
    #[serde(default)]
    pub run_id: String,
    pub agent_version: String,
    pub epoch_seen: u64,
    pub revision_seen: u64,
    /// How long the server may keep the call open when nothing differs; 0 answers at once.
    pub wait_ms: u64,
    pub reported: Vec<Reported>,
    #[serde(default)]
    pub refused: Vec<Refused>,
    pub disk_free_bytes: u64,
    /// By the host's clock, which may be wrong.
    pub now: Timestamp,
    pub monotonic_ms: u64,
    /// The same moment on the timeline on which `reported` tells when things were; it never steps within a
    /// boot. None: it is that of `now`.
    #[serde(default)]
    pub steady: Option<Timestamp>,
    /// The program the agent runs from; none from agents that do not tell.
    #[serde(default)]
    pub program: Option<ProgramReport>,
}

/// The answer; status 304 without a body when `revision_seen` and `epoch_seen` are current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Wish {
    /// Counts up with every server that took over; a lower one than seen before is refused.
    pub epoch: u64,
    /// Counts up with every change of this host's desired state.
    pub revision: u64,
    pub server_time: Timestamp,
    /// The whole state: what is not here is not managed by us.
    pub desired: Vec<Desired>,
    pub lease_ttl_ms: u64,
    /// What the agent itself is to become, until it has said what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramWish>,
}

/// `POST /agent/v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Events {
    pub boot_id: String,
    pub events: Vec<Event>,
}

/// Is one thing that happened on a host; repeats of (host, boot, seq) are dropped by the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Event {
    pub seq: u64,
    pub at: Timestamp,
    pub service: Option<ServiceName>,
    pub generation: u64,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum EventKind {
    /// A step of the way to a release began or ended.
    Step {
        step: String,
        phase: StepPhase,
        detail: String,
    },
    /// The process ended and nobody had asked it to.
    Exited { pid: u32, how: String },
    /// A line for people.
    Log { text: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepPhase {
    Intent,
    Done,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventsStored {
    /// The highest `seq` stored for this boot.
    pub seq: u64,
}
