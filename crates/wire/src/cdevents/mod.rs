//! CDEvents 0.4 and 0.5: what tools of delivery tell each other, over CloudEvents on HTTP.
//!
//! Our own structs of the envelope, and the content as JSON. The crate the project of CDEvents publishes
//! (`cdevents-sdk` 0.4) is kept up and reads every example, but it is a type for each event of one list of
//! types: what the list does not hold it refuses, and we have to keep just that. It also asks for a newer
//! compiler than we do (1.94 against 1.90). We look into seven types of event, and pass on the rest as it
//! came.

pub mod binding;
mod read;
pub mod tell;
#[cfg(test)]
mod tests;

use model::{Timestamp, limit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use binding::{CloudEvent, Header, Malformed, Received, receive};
pub use read::{Look, Said, look, read};

/// Is one event as it is sent; written back it is the same JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub context: Context,
    pub subject: Subject,
    /// Data of the sender's own, and whatever later versions add.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// The version of CDEvents up to 0.4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of CDEvents from 0.5 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specversion: Option<String>,
    /// Unique for its source.
    pub id: String,
    pub source: String,
    /// `dev.cdevents.service.deployed.0.3.0`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// RFC 3339, as it was sent: another number of decimals would be another text.
    pub timestamp: String,
    /// Joins the events of one change, over all tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<String>,
    /// Links to other events, a schema, and whatever later versions add.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Up to 0.4 only; the type of the event says it as well.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub subject_type: Option<String>,
    pub content: Map<String, Value>,
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Says why something is no CDEvent, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct BadEvent {
    /// `context.source`.
    pub at: String,
    pub why: String,
}

const NO_NAME: &str = "it is no text, empty, too long, or holds control characters";

/// Tells whether a text may stand in the journal as a name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= limit::FOREIGN_NAME_BYTES && !text.contains(char::is_control)
}

impl BadEvent {
    fn new(at: &str, why: impl Into<String>) -> Self {
        let (at, why) = (at.to_owned(), why.into());
        Self { at, why }
    }
}

impl Event {
    /// Reads an event from its JSON.
    ///
    /// # Errors
    /// When a part that every event has is missing, empty or of another kind.
    pub fn from_json(value: &Value) -> Result<Self, BadEvent> {
        let event = Event::deserialize(value).map_err(|e| BadEvent::new("data", e.to_string()))?;
        let context = &event.context;
        for (at, text) in [
            ("context.id", &context.id),
            ("context.source", &context.source),
            ("context.type", &context.event_type),
            ("subject.id", &event.subject.id),
        ] {
            if !is_name(text) {
                return Err(BadEvent::new(at, NO_NAME));
            }
        }
        let time = context.timestamp.parse::<Timestamp>();
        time.map_err(|why| BadEvent::new("context.timestamp", why))?;
        if event.spec_version().is_none() {
            let why = "neither `specversion` (0.5) nor `version` (0.4) is there";
            return Err(BadEvent::new("context", why));
        }
        Ok(event)
    }

    /// Writes the event as JSON, the same as was read.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("an event holds only JSON and texts")
    }

    /// Returns the version of CDEvents it was written by.
    pub fn spec_version(&self) -> Option<&str> {
        let context = &self.context;
        let version = context.specversion.as_ref().or(context.version.as_ref());
        version.map(String::as_str)
    }
}
