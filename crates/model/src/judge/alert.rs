//! Alerts: what a rule, here or in another tool, says is wrong now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AlertId, ChangeId, EntryId, IncidentId, Labels, ServiceName, Timestamp};

/// Is the service of an alert that names none we could keep it under.
pub const UNASSIGNED: &str = "unassigned";

/// Is one time of trouble of one set of labels, from firing to resolved. While it is open, its service and
/// key name no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alert {
    pub id: AlertId,
    pub service: ServiceName,
    /// What its sender means by "the same alert"; of a set of labels, their fingerprint.
    pub dedup_key: String,
    pub labels: Labels,
    pub annotations: BTreeMap<String, String>,
    /// Where its rule is shown.
    pub generator_url: Option<String>,
    /// As its sender says; the earliest that was said.
    pub starts_at: Timestamp,
    /// When it counts as resolved unless it is sent again; of a resolved one, when it ended.
    pub ends_at: Timestamp,
    pub state: AlertState,
    /// When it was first sent.
    pub received_at: Timestamp,
    /// Whose token it came with.
    pub sender: String,
    /// Changes of its service that ran or ended shortly before it began, newest first.
    pub changes: Vec<ChangeId>,
    /// What grew of it; none until the next turn of the loop.
    pub incident: Option<IncidentId>,
    /// The newest journal entry about it.
    pub last_entry: EntryId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum AlertState {
    Firing,
    Resolved { at: Timestamp, how: Resolution },
}

/// Is how an alert ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Its sender said so.
    Told,
    /// It was not sent again in time.
    Lapsed,
}

impl Alert {
    pub fn is_open(&self) -> bool {
        match self.state {
            AlertState::Firing => true,
            AlertState::Resolved { .. } => false,
        }
    }

    /// Returns what people call it: its label `alertname`, else its key.
    pub fn name(&self) -> &str {
        match self.labels.get("alertname") {
            "" => &self.dedup_key,
            name => name,
        }
    }

    /// Returns what it says of itself, empty when it says nothing.
    pub fn summary(&self) -> &str {
        let texts = ["summary", "description", "message"].iter();
        let mut said = texts.filter_map(|name| self.annotations.get(*name));
        said.next().map_or("", String::as_str)
    }
}

/// Is an alert as it came in: valid, and nothing known of whether it is a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    pub service: ServiceName,
    pub dedup_key: String,
    /// At least one.
    pub labels: Labels,
    pub annotations: BTreeMap<String, String>,
    pub generator_url: Option<String>,
    /// Not after `ends_at` where both are known.
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
}
