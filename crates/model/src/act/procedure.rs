//! Which actions follow a verdict.

use serde::{Deserialize, Serialize};

use crate::judge::VerdictState;

/// Is one row of the table "when this, do that".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Procedure {
    /// Unique within a service.
    pub name: String,
    pub when: When,
    /// In order, at least one.
    pub actions: Vec<Do>,
    /// What follows at once when one of them fails.
    pub otherwise: Option<Do>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct When {
    pub verdict: VerdictState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Do {
    /// Undo the change the verdict is about.
    Undo,
    /// Hold it.
    Hold,
    /// Tell the owner by every contact there is; nobody is woken.
    NotifyOwner,
    /// Page the owner: the same contacts, marked urgent.
    PageOwner,
    /// POST the verdict to this URL.
    Webhook(String),
}

impl Do {
    /// Returns the word that stands in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Do::Undo => "undo",
            Do::Hold => "hold",
            Do::NotifyOwner => "notify",
            Do::PageOwner => "page",
            Do::Webhook(_) => "webhook",
        }
    }
}
