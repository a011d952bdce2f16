//! Several services shipped as one: each is a rollout of its own, and they stand or fall together.

use serde::{Deserialize, Serialize};

use crate::{ChangeId, ServiceName, Timestamp, Version};

/// Is what a rollout was shipped together with; the same in every part but for `freed_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Together {
    /// At least two, this rollout among them; each stands behind those it needs.
    pub parts: Vec<Part>,
    /// When the undo of this part could begin: those that need it were back, or stuck. None before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freed_at: Option<Timestamp>,
}

/// Is one of the rollouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Part {
    pub change: ChangeId,
    pub service: ServiceName,
    pub version: Version,
    /// Those that have to be live before it begins, and that go back behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<ChangeId>,
}

impl Together {
    /// Returns the other parts, in order.
    pub fn others(&self, change: ChangeId) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.change != change)
    }

    /// Returns the changes that a part needs.
    pub fn needs(&self, change: ChangeId) -> &[ChangeId] {
        let part = self.parts.iter().find(|part| part.change == change);
        part.map_or(&[], |part| &part.needs)
    }

    /// Returns the parts that need a change, in order.
    pub fn needed_by(&self, change: ChangeId) -> impl Iterator<Item = &Part> {
        self.parts
            .iter()
            .filter(move |part| part.needs.contains(&change))
    }
}
