//! Anything somebody or something did to production.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ChangeId, EnvironmentName, ServiceName, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Change {
    pub id: ChangeId,
    pub kind: ChangeKind,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    /// `shop 1.1`.
    pub title: String,
    pub by: String,
    pub state: ChangeState,
    pub started_at: Timestamp,
    /// When the state last changed.
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Deploy,
}

/// Is a change's state in the words people see, whatever the rollout's own is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    Planned,
    Running,
    Held,
    Undoing,
    Undone,
    Done,
    Stuck,
    Superseded,
}

impl ChangeState {
    pub const ALL: [ChangeState; 8] = {
        use ChangeState::{Done, Held, Planned, Running, Stuck, Superseded, Undoing, Undone};
        [
            Planned, Running, Held, Undoing, Undone, Done, Stuck, Superseded,
        ]
    };
}

impl fmt::Display for ChangeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ChangeState::Planned => "planned",
            ChangeState::Running => "running",
            ChangeState::Held => "held",
            ChangeState::Undoing => "undoing",
            ChangeState::Undone => "undone",
            ChangeState::Done => "done",
            ChangeState::Stuck => "stuck",
            ChangeState::Superseded => "superseded",
        })
    }
}
