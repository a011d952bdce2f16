//! What an event says, as far as we look into it.

use serde_json::{Map, Value};

use super::{BadEvent, CloudEvent, Event, NO_NAME, is_name};

/// The kinds of events of CDEvents 0.4 and 0.5: what, and what happened to it.
const KNOWN: [(&str, &[&str]); 14] = [
    (
        "artifact",
        &["deleted", "downloaded", "packaged", "published", "signed"],
    ),
    ("branch", &["created", "deleted"]),
    ("build", &["finished", "queued", "started"]),
    (
        "change",
        &["abandoned", "created", "merged", "reviewed", "updated"],
    ),
    ("environment", &["created", "deleted", "modified"]),
    ("incident", &["detected", "reported", "resolved"]),
    ("pipelinerun", &["finished", "queued", "started"]),
    ("repository", &["created", "deleted", "modified"]),
    (
        "service",
        &["deployed", "published", "removed", "rolledback", "upgraded"],
    ),
    ("taskrun", &["finished", "started"]),
    ("testcaserun", &["finished", "queued", "skipped", "started"]),
    ("testoutput", &["published"]),
    ("testsuiterun", &["finished", "queued", "started"]),
    ("ticket", &["closed", "created", "updated"]),
];

/// Is what an event tells us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A service runs, or no longer runs, something in an environment.
    Service {
        environment: Option<String>,
        /// A package URL with the digest of what runs now.
        artifact: Option<String>,
    },
    /// An artifact came to be, or went; the subject's id is its package URL.
    Artifact,
    /// One of the other kinds CDEvents names, or one of a tool's own.
    Other,
    /// A kind or a version we do not know.
    NotUnderstood,
}

/// Is what came in, looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The id of the event's subject, where it could be read.
    pub about: Option<String>,
    pub said: Said,
}

/// Looks into an event that came in. What is no CDEvent, or one of a version we do not know, is not
/// understood; what says it is one that we know has to be.
///
/// # Errors
/// A CDEvent that lacks what it should have, or that is not the one its attributes name.
pub fn look(event: &CloudEvent) -> Result<Look, BadEvent> {
    let not_understood = Look {
        about: None,
        said: Said::NotUnderstood,
    };
    if !event.event_type.starts_with("dev.cdevents") || is_of_another_version(&event.data) {
        return Ok(not_understood);
    }
    let inner = Event::from_json(&event.data)?;
    for (at, inner, outer) in [
        ("context.id", &inner.context.id, &event.id),
        ("context.source", &inner.context.source, &event.source),
        ("context.type", &inner.context.event_type, &event.event_type),
    ] {
        if inner != outer {
            let why = "it is not what the attribute of the CloudEvent says";
            return Err(BadEvent::new(at, why));
        }
    }
    let said = read(&inner)?;
    let about = Some(inner.subject.id);
    Ok(Look { about, said })
}

fn is_of_another_version(data: &Value) -> bool {
    let context = data.get("context");
    let version = context.and_then(|c| c.get("specversion").or_else(|| c.get("version")));
    let version = version.and_then(Value::as_str);
    version.is_some_and(|version| !is_known(version))
}

fn is_known(version: &str) -> bool {
    version.starts_with("0.4.") || version.starts_with("0.5.")
}

/// Says what an event tells.
///
/// # Errors
/// When an event of a kind we look into lacks what its kind demands.
pub fn read(event: &Event) -> Result<Said, BadEvent> {
    let version = event.spec_version().unwrap_or_default();
    if !is_known(version) {
        return Ok(Said::NotUnderstood);
    }
    let Some((what, happened)) = kind(&event.context.event_type) else {
        let own = event.context.event_type.starts_with("dev.cdeventsx.");
        return Ok(if own {
            Said::Other
        } else {
            Said::NotUnderstood
        });
    };
    match what {
        "service" => service(happened, &event.subject.content),
        "artifact" => Ok(Said::Artifact),
        _ => Ok(Said::Other),
    }
}

/// Splits the name of a kind we know: `dev.cdevents.service.deployed.0.3.0`. The version of the kind may
/// be any; new ones only add fields.
fn kind(event_type: &str) -> Option<(&str, &str)> {
    let rest = event_type.strip_prefix("dev.cdevents.")?;
    let (what, rest) = rest.split_once('.')?;
    let (happened, _version) = rest.split_once('.')?;
    let known = KNOWN.iter().find(|(name, _)| *name == what)?;
    known.1.contains(&happened).then_some((what, happened))
}

fn service(happened: &str, content: &Map<String, Value>) -> Result<Said, BadEvent> {
    let environment = content.get("environment").and_then(|e| e.get("id"));
    let environment = text("subject.content.environment.id", environment)?;
    let artifact = text("subject.content.artifactId", content.get("artifactId"))?;
    let running = matches!(happened, "deployed" | "upgraded" | "rolledback");
    for (at, missing) in [
        ("subject.content.environment.id", environment.is_none()),
        ("subject.content.artifactId", artifact.is_none()),
    ] {
        if running && missing {
            return Err(BadEvent::new(
                at,
                format!("service.{happened} has to name it"),
            ));
        }
    }
    Ok(Said::Service {
        environment,
        artifact,
    })
}

fn text(at: &str, value: Option<&Value>) -> Result<Option<String>, BadEvent> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) if is_name(text) => Ok(Some(text.clone())),
        Some(_) => Err(BadEvent::new(at, NO_NAME)),
    }
}
