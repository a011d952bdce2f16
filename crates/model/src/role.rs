//! Who may call what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Is what a token allows. The first three are people's and each includes the one before;
/// `Agent`, `Join` and `Ingest` open their own rows only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Ships, undoes, holds.
    Operator,
    /// Tokens, settings, join tokens.
    Admin,
    /// One host's own rows; the host is named by the token.
    Agent,
    /// Enrols one host, once.
    Join,
    /// Tells what other tools did: writes CDEvents, reads nothing.
    Ingest,
}

impl Role {
    pub const ALL: [Role; 6] = [
        Role::Viewer,
        Role::Operator,
        Role::Admin,
        Role::Agent,
        Role::Join,
        Role::Ingest,
    ];

    /// Tells whether this role may do what `needed` may.
    pub fn allows(self, needed: Role) -> bool {
        let rank = |role| match role {
            Role::Viewer => Some(1),
            Role::Operator => Some(2),
            Role::Admin => Some(3),
            Role::Agent | Role::Join | Role::Ingest => None,
        };
        match (rank(self), rank(needed)) {
            (Some(mine), Some(needed)) => mine >= needed,
            _ => self == needed,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
            Role::Agent => "agent",
            Role::Join => "join",
            Role::Ingest => "ingest",
        })
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Role::ALL
            .into_iter()
            .find(|role| role.to_string() == s)
            .ok_or_else(|| {
                format!("unknown role `{s}`; known: viewer, operator, admin, agent, join, ingest")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peoples_roles_include_the_lower_ones_and_machines_do_not() {
        assert!(Role::Admin.allows(Role::Viewer) && Role::Operator.allows(Role::Viewer));
        assert!(!Role::Viewer.allows(Role::Operator));
        assert!(!Role::Agent.allows(Role::Viewer) && !Role::Admin.allows(Role::Agent));
        assert!(!Role::Ingest.allows(Role::Viewer) && !Role::Admin.allows(Role::Ingest));
        for role in Role::ALL {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
        }
    }
}
