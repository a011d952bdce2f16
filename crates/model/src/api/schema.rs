//! Schemas of services' data as the API shows them, and what an undo would meet.

use serde::{Deserialize, Serialize};

use crate::deliver::{MigrationKind, Range, Schema};
use crate::{EnvironmentName, HostName, ServiceName, Version};

/// `POST /api/v1/deliver/schemas`: a migration begins, or what the schema is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewSchema {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub version: u64,
    pub step: SchemaStep,
    /// What kind of step leads there; not needed for what began before, or was found to be so.
    #[serde(default)]
    pub kind: Option<MigrationKind>,
    /// Take it as it is, whatever does not work with it; only for `set`, and only with a reason.
    #[serde(default)]
    pub anyway: bool,
    #[serde(default)]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaStep {
    /// The migration begins now, if it may: from here on both versions count.
    Begin,
    /// The schema is this now.
    Set,
}

/// Is the schema of one service in one environment, with what runs there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SchemaView {
    #[serde(flatten)]
    pub schema: Schema,
    /// The releases that count as running there, by number.
    pub runs: Vec<SchemaRun>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SchemaRun {
    pub version: Version,
    /// None: it does not say.
    pub needs: Option<Range<u64>>,
    /// Whether what it needs holds every version the data may have now; none where it does not say.
    pub fits: Option<bool>,
    /// By name.
    pub hosts: Vec<HostName>,
}

/// `GET /api/v1/act/changes/{id}/way-back`: where an undo would go, and whether it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WayBack {
    /// None: to nothing.
    pub to: Option<Version>,
    /// Why an undo would be refused; none: it would be taken.
    pub refused: Option<String>,
    /// What would help then.
    pub hint: Option<String>,
}
