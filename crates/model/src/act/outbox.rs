//! Messages on their way out.
//!
//! A row is written in the transaction of the flip that asks for it and stays until its end is known:
//! `queued → leased(attempt, until) → accepted | failed`. A lease that runs out is tried again and the
//! message is marked "may be a repeat".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ChangeId, EntryId, IncidentId, PageId, Subject, Timestamp};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OutboxRow {
    pub id: PageId,
    pub destination: Destination,
    pub message: Message,
    pub state: OutboxState,
    /// Attempts begun.
    pub attempt: u32,
    /// When it is to be tried next; for a leased row, when the lease ends.
    pub due_at: Timestamp,
    pub created_at: Timestamp,
    /// The journal entry that asked for it.
    pub cause: EntryId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "by", content = "to")]
pub enum Destination {
    Mail(String),
    Webhook(String),
    /// A tool that speaks CDEvents; the message's data is the event.
    Cdevents(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Mail(to) => write!(f, "mail to {to}"),
            // A webhook's path may hold a key, and what stands in front of an `@` a password.
            Destination::Webhook(url) => write!(f, "webhook {}", without_secrets(url)),
            Destination::Cdevents(url) => write!(f, "CDEvents to {}", without_secrets(url)),
        }
    }
}

impl Destination {
    /// Returns whom it goes through, so that no one of them gets too much at once: `mail`, or the host of a
    /// URL with its port.
    pub fn via(&self) -> &str {
        match self {
            Destination::Mail(_) => "mail",
            Destination::Webhook(url) | Destination::Cdevents(url) => host(url).1,
        }
    }
}

fn without_secrets(url: &str) -> String {
    let (scheme, host) = host(url);
    format!("{scheme}://{host}/…")
}

/// Returns scheme and host of a URL, without what may be a secret.
fn host(url: &str) -> (&str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    (scheme, host)
}

/// Is what is said; each sender gives it its own form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Message {
    pub urgency: Urgency,
    /// One line: what happened, to what.
    pub title: String,
    /// Paragraphs, plain text, first the most important one.
    pub text: Vec<String>,
    pub change: Option<ChangeId>,
    /// Rows of an earlier program know none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// The verdict's evidence or whatever a program would want to read.
    pub data: serde_json::Value,
}

impl Message {
    /// Returns what it is about, none for one that is no news of ours.
    pub fn subject(&self) -> Option<Subject> {
        let incident = self.incident.map(Subject::Incident);
        incident.or(self.change.map(Subject::Change))
    }
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Told, not woken.
    Low,
    /// Woken.
    High,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum OutboxState {
    Queued,
    Leased {
        fence: u64,
    },
    /// The receiver took it.
    Accepted {
        at: Timestamp,
    },
    Failed {
        at: Timestamp,
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::Destination;

    #[test]
    fn a_webhook_is_shown_without_its_secrets() {
        for (url, shown) in [
            (
                "https://chat.example.test/hook/SECRET",
                "webhook https://chat.example.test/…",
            ),
            (
                "https://user:SECRET@chat.example.test:8443/x",
                "webhook https://chat.example.test:8443/…",
            ),
            (
                "http://127.0.0.1:9?key=SECRET",
                "webhook http://127.0.0.1:9/…",
            ),
        ] {
            assert_eq!(Destination::Webhook(url.into()).to_string(), shown);
            let events = Destination::Cdevents(url.into()).to_string();
            assert!(!events.contains("SECRET"), "{events}");
        }
    }
}
