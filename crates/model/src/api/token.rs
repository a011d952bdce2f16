//! Tokens as the API shows them: never the secret, except once.

use serde::{Deserialize, Serialize};

use crate::{HostId, HostName, Role, Timestamp, TokenId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewToken {
    pub name: String,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TokenView {
    pub id: TokenId,
    pub name: String,
    pub role: Role,
    pub host: Option<HostId>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// When a join token let its host in.
    pub used_at: Option<Timestamp>,
    /// The only host a join token lets in: also one that is enrolled, or shares its machine id with another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_host: Option<HostName>,
    pub revoked_at: Option<Timestamp>,
}

/// The answer to a new token; `secret` is shown here and never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TokenCreated {
    #[serde(flatten)]
    pub token: TokenView,
    pub secret: String,
}
