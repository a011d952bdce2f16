//! What another tool delivered to us: a git host's webhook, a CDEvent.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::GitHost;
use crate::{EntryId, Timestamp};

/// Is one thing that came in, as it came, and what became of it. Senders repeat what they are not sure
/// arrived; (`origin`, `sender`, `key`) tells a repeat from something new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Delivery {
    pub origin: Origin,
    /// The `source` of a CDEvent; empty for a git host, whose keys are unique by themselves.
    pub sender: String,
    /// The sender's id of it; for a git host that sends none, the digest of the body.
    pub key: String,
    pub at: Timestamp,
    pub outcome: DeliveryOutcome,
    /// The journal entry that says so.
    pub entry: EntryId,
    /// As it was sent, without what is secret in it.
    pub body: serde_json::Value,
}

/// Is the door something came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    Hook(GitHost),
    Cdevents,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Hook(host) => host.fmt(f),
            Origin::Cdevents => f.pad("cdevents"),
        }
    }
}

impl FromStr for Origin {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "cdevents" => Ok(Origin::Cdevents),
            host => host.parse().map(Origin::Hook),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Is the one end of everything that was accepted. What is refused is told to the sender and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// A deployment by another tool; it stands in the journal of the service.
    Deployment,
    /// An artifact that lies elsewhere.
    Artifact,
    /// Read, and kept for those who ask later.
    Recorded,
    /// Kept as it was sent; its kind or its form is not one we read.
    NotUnderstood,
}

impl fmt::Display for DeliveryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DeliveryOutcome::Deployment => "deployment",
            DeliveryOutcome::Artifact => "artifact",
            DeliveryOutcome::Recorded => "recorded",
            DeliveryOutcome::NotUnderstood => "not_understood",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_it_is_read() {
        let hooks = GitHost::ALL.into_iter().map(Origin::Hook);
        for origin in hooks.chain([Origin::Cdevents]) {
            assert_eq!(origin.to_string().parse::<Origin>().unwrap(), origin);
        }
        assert!("bitbucket".parse::<Origin>().unwrap_err().contains("gitea"));
    }
}
