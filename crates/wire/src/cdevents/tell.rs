//! Our own story as CDEvents 0.5.1: a journal entry in, at most one event out.
//!
//! The event's id is the entry's, so that whoever gets one twice can tell. `chainId` is our change, so
//! that one id spans a deployment and its way back.
//!
//! Not told yet: `artifact.packaged`, because it has to name the commit and no release knows its own.

use model::deliver::{Proof, ReleaseRef, Rollout};
use model::{Digest, Entry, Fact, ServiceName};
use serde_json::{Map, Value, json};

use super::{Context, Event, Subject};

/// The version of CDEvents we write.
const SPEC: &str = "0.5.1";

/// Returns the event that an entry is to other tools; nothing when it is none of theirs.
///
/// `rollout` is the one the entry is about. `source` names this server to others: `/sleepwell/prod`.
pub fn tell(entry: &Entry, rollout: Option<&Rollout>, source: &str) -> Option<Event> {
    let fact = Fact::from_body(&entry.body).ok()?;
    let (event_type, id, content) = told(&fact, entry, rollout)?;
    Some(Event {
        context: Context {
            version: None,
            specversion: Some(SPEC.to_owned()),
            id: entry.id.to_string(),
            source: source.to_owned(),
            event_type: event_type.to_owned(),
            timestamp: entry.at.to_string(),
            chain_id: rollout.map(|rollout| rollout.change.to_string()),
            more: Map::new(),
        },
        subject: Subject {
            id,
            source: Some(source.to_owned()),
            subject_type: None,
            content: object(content),
            more: Map::new(),
        },
        more: Map::new(),
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

type Told = (&'static str, String, Value);

fn told(fact: &Fact, entry: &Entry, rollout: Option<&Rollout>) -> Option<Told> {
    match fact {
        Fact::RolloutDone { .. } => Some(arrived(rollout?)),
        Fact::RolloutUndone { .. } => Some(gone_back(rollout?)),
        Fact::ReleaseCreated { service, release } => {
            let content = match entry.actor.as_str() {
                "" => json!({}),
                user => json!({ "user": user }),
            };
            let id = package_url(service, release.digest);
            Some(("dev.cdevents.artifact.published.0.3.0", id, content))
        }
        Fact::HostProof {
            host,
            service,
            proof: Proof::Converged,
            version,
            ..
        } => {
            let event_type = "dev.cdeventsx.sleepwell-host.converged.0.1.0";
            let content = json!({ "service": service, "version": version });
            Some((event_type, host.to_string(), content))
        }
        _ => None,
    }
}

fn arrived(rollout: &Rollout) -> Told {
    let event_type = if rollout.previous.is_some() {
        "dev.cdevents.service.upgraded.0.3.0"
    } else {
        "dev.cdevents.service.deployed.0.3.0"
    };
    runs(event_type, rollout, &rollout.release)
}

/// The undo of a first release leaves nothing that runs.
fn gone_back(rollout: &Rollout) -> Told {
    match &rollout.previous {
        Some(previous) => runs("dev.cdevents.service.rolledback.0.3.0", rollout, previous),
        None => (
            "dev.cdevents.service.removed.0.3.0",
            rollout.service.to_string(),
            json!({ "environment": { "id": rollout.environment } }),
        ),
    }
}

fn runs(event_type: &'static str, rollout: &Rollout, release: &ReleaseRef) -> Told {
    let content = json!({
        "environment": { "id": rollout.environment },
        "artifactId": package_url(&rollout.service, release.digest),
    });
    (event_type, rollout.service.to_string(), content)
}

/// Names an artifact as other tools do: `pkg:generic/checkout@sha256%3A…`.
fn package_url(service: &ServiceName, digest: Digest) -> String {
    format!("pkg:generic/{service}@sha256%3A{}", digest.hex())
}
