//! CloudEvents 1.0 over HTTP (its protocol binding, section 3): binary, structured, and batches.

use model::limit;
use serde_json::{Map, Value};

use super::{Event, is_name};
use crate::percent;

/// Is one event with the attributes that say which one it is.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudEvent {
    pub id: String,
    pub source: String,
    pub event_type: String,
    /// What it carries; for a CDEvent the whole of it.
    pub data: Value,
}

/// Is what one request brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    One(CloudEvent),
    /// Each by itself, in order: a bad one harms no other.
    Batch(Vec<Result<CloudEvent, Malformed>>),
}

/// Says why something is no event, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error(
        "`{0}` is missing, empty, longer than {max} bytes, or holds control characters",
        max = limit::FOREIGN_NAME_BYTES
    )]
    Attribute(&'static str),
    #[error("`specversion` is `{0}`; 1.0 is read")]
    Version(String),
    #[error("it is no JSON: {0}")]
    Json(String),
    #[error("a batch is a list of events, this is something else")]
    NoList,
    /// The one that HTTP calls 413.
    #[error("{0} events in one batch; at most {max} are taken", max = limit::CDEVENTS)]
    TooMany(usize),
    #[error("an event is an object, this is something else")]
    NoObject,
}

/// Looks up a header by its name in lower case; nothing when it is absent or no plain text.
pub type Header<'f, 'v> = &'f (dyn Fn(&str) -> Option<&'v str> + 'f);

/// Writes an event of ours in the structured form, which needs no headers but the content type
/// `application/cloudevents+json`.
pub fn structured_json(event: &Event) -> Value {
    let context = &event.context;
    serde_json::json!({
        "specversion": "1.0",
        "id": context.id,
        "source": context.source,
        "type": context.event_type,
        "subject": event.subject.id,
        "time": context.timestamp,
        "datacontenttype": "application/json",
        "data": event.to_json(),
    })
}

/// Takes the events out of a request. The content type says which of the three forms it has.
///
/// # Errors
/// When the request is none of the three.
pub fn receive(header: Header<'_, '_>, body: &[u8]) -> Result<Received, Malformed> {
    let content_type = header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/cloudevents+json" => structured(json(body)?).map(Received::One),
        "application/cloudevents-batch+json" => batch(json(body)?).map(Received::Batch),
        _ => binary(header, body).map(Received::One),
    }
}

fn json(body: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(body).map_err(|error| Malformed::Json(error.to_string()))
}

fn batch(body: Value) -> Result<Vec<Result<CloudEvent, Malformed>>, Malformed> {
    let Value::Array(events) = body else {
        return Err(Malformed::NoList);
    };
    if events.len() > limit::CDEVENTS {
        return Err(Malformed::TooMany(events.len()));
    }
    Ok(events.into_iter().map(structured).collect())
}

fn structured(event: Value) -> Result<CloudEvent, Malformed> {
    let Value::Object(mut event) = event else {
        return Err(Malformed::NoObject);
    };
    let data = event.remove("data");
    let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    attributes(text, data.unwrap_or(Value::Object(Map::new())))
}

fn binary(header: Header<'_, '_>, body: &[u8]) -> Result<CloudEvent, Malformed> {
    let text = |name: &str| {
        let value = header(&format!("ce-{name}"))?;
        String::from_utf8(percent::decode(value.as_bytes())).ok()
    };
    // The attributes first: without them it is no event at all, whatever the body is.
    let event = attributes(text, Value::Null)?;
    Ok(CloudEvent {
        data: json(body)?,
        ..event
    })
}

fn attributes(text: impl Fn(&str) -> Option<String>, data: Value) -> Result<CloudEvent, Malformed> {
    let of = |name| {
        let value = text(name).filter(|text| is_name(text));
        value.ok_or(Malformed::Attribute(name))
    };
    let version = of("specversion")?;
    if version != "1.0" {
        return Err(Malformed::Version(version));
    }
    Ok(CloudEvent {
        id: of("id")?,
        source: of("source")?,
        event_type: of("type")?,
        data,
    })
}
