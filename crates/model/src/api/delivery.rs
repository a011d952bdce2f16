//! What we answer to other tools that deliver something.

use serde::{Deserialize, Serialize};

use crate::deliver::DeliveryOutcome;

/// The answer to a git host's webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Receipt {
    /// The first one, when this is a repeat.
    pub outcome: DeliveryOutcome,
    /// Whether it had been delivered before; then nothing was done.
    pub repeat: bool,
}

/// The answer to CDEvents: one item per event, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CdeventReceipts {
    pub items: Vec<CdeventReceipt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CdeventReceipt {
    /// Absent when it could not be read.
    pub source: Option<String>,
    pub id: Option<String>,
    #[serde(flatten)]
    pub end: CdeventEnd,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum CdeventEnd {
    Taken(Receipt),
    /// Not kept; sending it again as it is will not help.
    Refused {
        refused: String,
    },
}
