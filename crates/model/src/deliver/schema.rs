//! The schema of a service's data in an environment, as whoever migrates it says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EntryId, EnvironmentName, ServiceName, Timestamp};

/// Is the recorded schema of one service in one environment. Nobody looks into the database: it is what
/// the migration's job said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Schema {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub version: u64,
    /// Set while a migration is under way: the data may have either shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub becoming: Option<Migration>,
    /// The newest step that took an old shape away for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_of_no_return: Option<Migration>,
    pub by: String,
    pub at: Timestamp,
    /// The journal entry that said so, cause of what follows.
    pub entry: EntryId,
}

impl Schema {
    /// Returns the versions the data may have now, one or two.
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        let becoming = self.becoming.as_ref().map(|step| step.to);
        [Some(self.version), becoming].into_iter().flatten()
    }
}

/// Is one step from a version to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Migration {
    pub from: u64,
    pub to: u64,
    pub kind: MigrationKind,
    pub by: String,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MigrationKind {
    /// Adds something: what runs goes on, and the step can be taken back.
    Expand,
    /// Moves data over; it can be stopped and started again.
    Migrate,
    /// Takes the old shape away: a point of no return.
    Contract,
}

impl fmt::Display for MigrationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            MigrationKind::Expand => "expand",
            MigrationKind::Migrate => "migrate",
            MigrationKind::Contract => "contract",
        })
    }
}
