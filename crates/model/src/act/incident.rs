//! Incidents: alerts that are one trouble to a person, and what was told of them.

use serde::{Deserialize, Serialize};

use super::Urgency;
use crate::{EntryId, IncidentId, ServiceName, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Incident {
    pub id: IncidentId,
    pub service: ServiceName,
    /// What its alerts have in common beside the service: their name. Empty for the one that takes the alerts
    /// of a service with too many incidents.
    pub group: String,
    pub state: IncidentState,
    /// That of its most urgent alert so far.
    pub urgency: Urgency,
    pub opened_at: Timestamp,
    /// Alerts that ever were part of it.
    pub alerts: u64,
    /// Those of them that fire.
    pub firing: u64,
    /// What was last told; none before the first message.
    pub told: Option<Told>,
    /// When the next message is due at the latest, if nothing else happens.
    pub due_at: Option<Timestamp>,
    /// The newest journal entry about it.
    pub last_entry: EntryId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum IncidentState {
    Triggered,
    Resolved { at: Timestamp },
}

/// Is what the newest message about an incident said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Told {
    /// When it was last told that something fires, or did.
    pub at: Timestamp,
    /// It said that everything is resolved.
    pub resolved: bool,
    /// Alerts it knew of.
    pub alerts: u64,
    pub urgency: Urgency,
    /// To how many receivers; 0 when there was none.
    pub receivers: usize,
}

impl Incident {
    pub fn is_open(&self) -> bool {
        match self.state {
            IncidentState::Triggered => true,
            IncidentState::Resolved { .. } => false,
        }
    }

    /// Returns what it is called in a list: `HighErrorRate`.
    pub fn title(&self) -> &str {
        if self.group.is_empty() {
            "many alerts"
        } else {
            &self.group
        }
    }
}
