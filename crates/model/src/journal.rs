//! The spine: one append-only list of everything that flipped.
//!
//! Each entry is written in the transaction of the change it describes and carries its own hash; a
//! sealer gives entries their consecutive number and chains the hashes, so that an edited or removed
//! row is found.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::digest::Hasher;
use crate::{AlertId, ChangeId, Digest, EntryId, HostName, IncidentId, ServiceName, Timestamp};

/// Is one fact. `body` is an object whose `fact` names what happened; see [`crate::journal::Fact`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entry {
    pub id: EntryId,
    pub at: Timestamp,
    pub subject: Subject,
    pub kind: Kind,
    /// Who: a user, `host web-1`, `judge`, `procedure undo`, `sleepwell`.
    pub actor: String,
    /// Entries this one follows from, newest last.
    pub causes: Vec<EntryId>,
    pub body: serde_json::Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Kind {
    Change,
    Signal,
    Verdict,
    Action,
    Outcome,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Change => "Change",
            Kind::Signal => "Signal",
            Kind::Verdict => "Verdict",
            Kind::Action => "Action",
            Kind::Outcome => "Outcome",
        })
    }
}

impl FromStr for Kind {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        [
            Kind::Change,
            Kind::Signal,
            Kind::Verdict,
            Kind::Action,
            Kind::Outcome,
        ]
        .into_iter()
        .find(|kind| kind.to_string() == s)
        .ok_or_else(|| format!("unknown kind of entry `{s}`"))
    }
}

/// Is what an entry is about: `change/chg-7`, `alert/alt-12`, `incident/inc-3`, `host/web-1`, `service/shop`, `token/…`,
/// `repository/octo/hello-world`, `server`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    Change(ChangeId),
    Alert(AlertId),
    Incident(IncidentId),
    Host(HostName),
    Service(ServiceName),
    /// By the name people gave it.
    Token(String),
    /// With its owner, as its git host calls it: `repository/octo/hello-world`.
    Repository(String),
    /// Another tool, as it calls itself: `tool//ci/jenkins`.
    Tool(String),
    Server,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Change(id) => write!(f, "change/{id}"),
            Subject::Alert(id) => write!(f, "alert/{id}"),
            Subject::Incident(id) => write!(f, "incident/{id}"),
            Subject::Host(name) => write!(f, "host/{name}"),
            Subject::Service(name) => write!(f, "service/{name}"),
            Subject::Token(name) => write!(f, "token/{name}"),
            Subject::Repository(name) => write!(f, "repository/{name}"),
            Subject::Tool(name) => write!(f, "tool/{name}"),
            Subject::Server => f.write_str("server"),
        }
    }
}

impl FromStr for Subject {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s.split_once('/') {
            Some(("change", id)) => id.parse().map(Subject::Change),
            Some(("alert", id)) => id.parse().map(Subject::Alert),
            Some(("incident", id)) => id.parse().map(Subject::Incident),
            Some(("host", name)) => name.parse().map(Subject::Host),
            Some(("service", name)) => name.parse().map(Subject::Service),
            Some(("token", name)) => Ok(Subject::Token(name.to_owned())),
            Some(("repository", name)) => Ok(Subject::Repository(name.to_owned())),
            Some(("tool", name)) => Ok(Subject::Tool(name.to_owned())),
            None if s == "server" => Ok(Subject::Server),
            _ => Err(format!("`{s}` is not a subject such as change/chg-7")),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Entry {
    /// Returns the entry's hash; see [`hash_fields`].
    pub fn hash(&self) -> Digest {
        let causes: Vec<String> = self.causes.iter().map(EntryId::to_string).collect();
        hash_fields([
            &self.id.to_string(),
            &self.at.as_micros().to_string(),
            &self.subject.to_string(),
            &self.kind.to_string(),
            &self.actor,
            &causes.join(","),
            &self.body.to_string(),
        ])
    }
}

/// Returns the SHA-256 over an entry's fields in their order, as text, each with its length in front
/// (8 bytes, little endian), so that no two different entries have the same bytes.
///
/// Whoever checks a stored entry takes the stored text of its body: a number that was read and written
/// again need not have the same digits.
pub fn hash_fields(fields: [&str; 7]) -> Digest {
    let mut hasher = Hasher::default();
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
    hasher.finish()
}

/// Returns the chain hash of an entry that follows `previous`.
pub fn chain(previous: Digest, seq: u64, entry: Digest) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(previous.as_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(entry.as_bytes());
    hasher.finish()
}

/// Is the chain hash in front of the first entry.
pub const CHAIN_START: Digest = Digest::from_bytes([0; 32]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_it_was_written() {
        for text in [
            "repository/octo/hello-world",
            "tool//ci/x",
            "service/shop",
            "alert/alt-12",
            "incident/inc-3",
            "server",
        ] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
    }

    /// Numbers of 17 digits, as evidence has them: a parser that is only nearly exact changes the last
    /// digit of some, and the entry would look edited.
    #[test]
    fn an_entry_read_back_has_the_hash_it_was_written_with() {
        let mut bits = 1u64;
        for _ in 0..1_000 {
            bits = bits
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let share = (bits >> 11) as f64 / (1u64 << 53) as f64;
            let written = Entry {
                id: EntryId::new(Timestamp::from_micros(0), 0),
                at: Timestamp::from_micros(0),
                subject: Subject::Server,
                kind: Kind::Verdict,
                actor: "judge".to_owned(),
                causes: vec![],
                body: serde_json::json!({ "log_e": share * 20.0 - 10.0 }),
            };
            let body = written.body.to_string().parse().unwrap();
            let read = Entry {
                body,
                ..written.clone()
            };
            assert_eq!(read.hash(), written.hash(), "{}", written.body);
        }
    }
}
