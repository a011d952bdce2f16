//! One change as people see it: the rings, the hosts, the evidence, the story.

use serde::{Deserialize, Serialize};

use crate::deliver::{Part, Proof};
use crate::judge::{Band, Counts, MeanEvidence, VerdictState};
use crate::observe::{Change, ChangeState, Level, Unit};
use crate::{Digest, EntryId, HostName, Kind, RingName, Timestamp, Version};

/// `GET /api/v1/observe/changes/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChangeView {
    #[serde(flatten)]
    pub change: Change,
    /// One plain sentence with the numbers in it: where the change stands and why.
    pub sentence: String,
    pub release: Version,
    pub digest: Digest,
    pub previous: Option<Version>,
    pub rings: Vec<RingView>,
    /// None before the first look and for the first release of a service.
    pub verdict: Option<VerdictView>,
    pub signals: Vec<SignalView>,
    /// The service's other hosts and those that do not run what they should.
    pub drifted: Vec<HostLine>,
    /// Until when a change that is live stays watched, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_until: Option<Timestamp>,
    /// What was shipped together, this change included, in the order it goes out; empty for one alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartView>,
    /// Everything that happened, oldest first.
    pub timeline: Vec<TimelineItem>,
    /// The server's clock, so that ages can be shown.
    pub now: Timestamp,
}

/// Is one of several services that were shipped as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PartView {
    #[serde(flatten)]
    pub part: Part,
    pub state: ChangeState,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RingView {
    pub name: RingName,
    pub state: RingState,
    pub proved: usize,
    pub hosts: Vec<HostLine>,
    pub proved_at: Option<Timestamp>,
    pub bake_ms: u64,
    pub deadline_ms: u64,
    /// How it passed, or what it waits for; may be empty.
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RingState {
    Waiting,
    Releasing,
    Proving,
    Baking,
    Judging,
    Held,
    Passed,
    Undoing,
    Undone,
    /// It never began because an earlier ring stopped the change.
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostLine {
    pub host: HostName,
    pub running: Option<Version>,
    pub digest: Option<Digest>,
    pub proof: Proof,
    pub why: String,
    pub unknown_since: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VerdictView {
    pub id: crate::VerdictId,
    pub state: VerdictState,
    pub reason: String,
    pub at: Timestamp,
    pub sentence: String,
}

/// Is one line of the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SignalView {
    pub name: String,
    pub level: Level,
    pub critical: bool,
    pub canary: Counts,
    pub control: Counts,
    pub odds_ratio: Option<f64>,
    pub odds_at_least: Option<f64>,
    pub odds_at_most: Option<f64>,
    /// The share of the way to a bad verdict, 0 to 1 and beyond.
    pub harm: f64,
    pub state: SignalState,
    /// What the counts of a latency are slower than, such as `250 ms`: the threshold that shows most
    /// harm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slower_than: Option<String>,
    /// A latency's requests on both sides, by how long they took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<LatencyPicture>,
    /// A mean has this in place of bad events and odds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<MeanEvidence>,
}

/// Is what is drawn of a latency, as it was at the newest verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LatencyPicture {
    pub unit: Unit,
    pub band: Band,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalState {
    Bad,
    Suspicious,
    /// Harm of the margin or more is excluded.
    Cleared,
    Collecting,
    NoTraffic,
}

/// Is one entry of the journal in words. Also the answer of `GET /api/v1/learn/why/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TimelineItem {
    pub id: EntryId,
    pub at: Timestamp,
    pub kind: Kind,
    pub actor: String,
    /// The fact's name, for programs: `ring_started`.
    pub event: String,
    pub text: String,
    /// Paragraphs below the line: the evidence of a verdict, the failure of a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<String>,
    pub causes: Vec<EntryId>,
    /// How many causes away from the first cause of the story this entry is.
    #[serde(default)]
    pub depth: usize,
    pub body: serde_json::Value,
}

/// `GET /api/v1/learn/why/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Why {
    pub subject: String,
    /// The answer in one sentence.
    pub sentence: String,
    /// The chain of causes, oldest first.
    pub chain: Vec<TimelineItem>,
}
