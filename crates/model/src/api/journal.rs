//! The journal as the API answers about it.

use serde::{Deserialize, Serialize};

/// `GET /api/v1/learn/journal/check`: the chain of hashes, walked from its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JournalCheck {
    /// Entries whose hashes agree.
    pub sealed: u64,
    /// Entries that wait for the sealer, at most a second's worth while it works.
    pub unsealed: u64,
    /// The first entry that is not as it was written.
    pub broken: Option<Broken>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Broken {
    pub seq: u64,
    pub why: String,
}
