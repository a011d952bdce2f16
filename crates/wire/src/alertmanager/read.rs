//! A request of alerts, from bytes to what they say.

use std::collections::BTreeMap;

use model::judge::Posted;
use model::judge::alert::UNASSIGNED;
use model::{Labels, ServiceName, Timestamp, limit};
use serde_json::{Map, Value};

use super::fingerprint;

/// Is why nothing of a request can be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the body is not JSON: {0}")]
    Json(String),
    #[error("the body is not an array of alerts")]
    NoArray,
    /// `[3].labels.job`, and what should be there.
    #[error("{at} is not {wanted}")]
    Shape { at: String, wanted: &'static str },
    #[error("{0} alerts in one request; at most {most} are taken", most = limit::ALERTS)]
    TooMany(usize),
}

/// Reads the alerts of a request in their order: each valid, or the sentences that say what is wrong with
/// it, joined by `; ` as Alertmanager does.
///
/// # Errors
/// A body of another shape, of which nothing is to be taken.
pub fn read(body: &[u8]) -> Result<Vec<Result<Posted, String>>, Malformed> {
    let body: Value = serde_json::from_slice(body).map_err(|e| Malformed::Json(e.to_string()))?;
    let Value::Array(items) = body else {
        return Err(Malformed::NoArray);
    };
    if items.len() > limit::ALERTS {
        return Err(Malformed::TooMany(items.len()));
    }
    // All are read before any is judged: one of another shape refuses them all.
    let sent: Vec<Sent> = (0..)
        .zip(items)
        .map(|(n, item)| Sent::read(n, item))
        .collect::<Result<_, _>>()?;
    Ok(sent.into_iter().map(Sent::check).collect())
}

/// Is an alert of the right shape, whatever it says.
struct Sent {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    generator_url: Option<String>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

impl Sent {
    fn read(n: usize, item: Value) -> Result<Self, Malformed> {
        let Value::Object(mut item) = item else {
            return Err(shape(format!("[{n}]"), "an alert"));
        };
        let at = |key: &str| format!("[{n}].{key}");
        Ok(Self {
            labels: texts(&mut item, "labels", at)?,
            annotations: texts(&mut item, "annotations", at)?,
            generator_url: text(item.remove("generatorURL"), || at("generatorURL"))?,
            starts_at: time(&mut item, "startsAt", at)?,
            ends_at: time(&mut item, "endsAt", at)?,
        })
    }

    fn check(self) -> Result<Posted, String> {
        let mut faults = vec![];
        let labels = Labels::new(self.labels).unwrap_or_else(|why| {
            faults.push(format!("invalid label set: {why}"));
            Labels::default()
        });
        if labels.is_empty() && faults.is_empty() {
            faults.push("at least one label pair required".to_owned());
        }
        let annotations = annotations(self.annotations, &mut faults);
        if let (Some(start), Some(end)) = (self.starts_at, self.ends_at)
            && end < start
        {
            faults.push("start time must be before end time".to_owned());
        }
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        Ok(Posted {
            service: service(&labels),
            dedup_key: fingerprint(&labels),
            labels,
            annotations,
            generator_url: self.generator_url.map(cut),
            // One that is over began no later than it ended.
            starts_at: self.starts_at,
            ends_at: self.ends_at,
        })
    }
}

/// Returns the service an alert is about: its label `service`, where that can name one.
fn service(labels: &Labels) -> ServiceName {
    let named = labels.get("service").parse();
    named.unwrap_or_else(|_| UNASSIGNED.parse().expect("it is a name of a service"))
}

/// Leaves out what is empty, cuts the summary, and refuses more than there is room for.
fn annotations(
    mut said: BTreeMap<String, String>,
    faults: &mut Vec<String>,
) -> BTreeMap<String, String> {
    said.retain(|_, value| !value.is_empty());
    if let Some(summary) = said.remove("summary") {
        said.insert("summary".to_owned(), cut(summary));
    }
    // Names follow the same rule as those of labels.
    if let Err(why) = Labels::new(said.keys().map(|name| (name.as_str(), "x"))) {
        faults.push(format!("invalid annotations: {why}"));
    }
    let bytes: usize = said
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > limit::ANNOTATIONS_BYTES {
        let most = limit::ANNOTATIONS_BYTES;
        faults.push(format!(
            "annotations of {bytes} bytes; at most {most} are taken"
        ));
    }
    said
}

fn cut(text: String) -> String {
    match text.char_indices().nth(limit::SUMMARY_CHARS - 1) {
        Some((end, last)) if end + last.len_utf8() < text.len() => format!("{}…", &text[..end]),
        _ => text,
    }
}

fn shape(at: String, wanted: &'static str) -> Malformed {
    Malformed::Shape { at, wanted }
}

fn text(value: Option<Value>, at: impl FnOnce() -> String) -> Result<Option<String>, Malformed> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(shape(at(), "a string")),
    }
}

fn texts(
    item: &mut Map<String, Value>,
    key: &str,
    at: impl Fn(&str) -> String,
) -> Result<BTreeMap<String, String>, Malformed> {
    let pairs = match item.remove(key) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(pairs)) => pairs,
        Some(_) => return Err(shape(at(key), "an object of strings")),
    };
    let read = |(name, value): (String, Value)| {
        let at = || format!("{}.{}", at(key), name.escape_debug());
        let value = text(Some(value), at)?.unwrap_or_default();
        Ok((name, value))
    };
    pairs.into_iter().map(read).collect()
}

/// Reads a time; the zero of Go, which stands for none, is none.
fn time(
    item: &mut Map<String, Value>,
    key: &str,
    at: impl Fn(&str) -> String,
) -> Result<Option<Timestamp>, Malformed> {
    const ZERO: &str = "0001-01-01T00:00:00";
    let text = text(item.remove(key), || at(key))?.filter(|text| !text.starts_with(ZERO));
    let read = |text: String| {
        text.parse()
            .map_err(|_| shape(at(key), "a time of RFC 3339"))
    };
    text.map(read).transpose()
}
