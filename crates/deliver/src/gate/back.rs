//! Whether an undo may go back to an earlier release.

use model::deliver::{
    Candidate, Compatibility, GateFacts, Migration, MigrationKind, Range, ReleaseRef, Schema,
    SchemaNeeds, Surroundings,
};
use model::{ServiceName, Version};

use super::objection::{Found, first_outside};
use super::{Objection, apart};

/// Is why there is no way back. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    #[error(
        "there is no way back to {version}: it needs schema {needs}, and the schema {found}{}; {}",
        since(.step.as_ref()),
        oldest(.oldest_safe.as_ref())
    )]
    Schema {
        service: ServiceName,
        version: Version,
        needs: Range<u64>,
        found: Found,
        /// The point of no return in between, where there is one.
        step: Option<Migration>,
        /// The oldest release that was live there and works with the schema.
        oldest_safe: Option<Version>,
    },
    #[error(
        "there is no way back to {version}: it does not say which schema it needs, and the schema is {}{}; {}",
        .step.to,
        since(Some(.step)),
        oldest(.oldest_safe.as_ref())
    )]
    Unsaid {
        service: ServiceName,
        version: Version,
        step: Migration,
        oldest_safe: Option<Version>,
    },
    #[error("there is no way back to {version}: {objection}")]
    Apart {
        version: Version,
        objection: Objection,
    },
}

impl NoWayBack {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            NoWayBack::Schema {
                service,
                oldest_safe,
                ..
            }
            | NoWayBack::Unsaid {
                service,
                oldest_safe,
                ..
            } => match oldest_safe {
                Some(safe) => format!(
                    "go forward: mend it and ship a new version, or ship the oldest safe one: `sleepwell ship {service} {safe}`"
                ),
                None => "go forward: mend it and ship a new version".into(),
            },
            NoWayBack::Apart {
                objection: Objection::Apart { caller, .. } | Objection::CalleeSilent { caller, .. },
                ..
            } => format!(
                "take {} back first, or mend this one and ship a new version",
                caller.0
            ),
            NoWayBack::Apart { .. } => "go forward: mend it and ship a new version".into(),
        }
    }
}

fn since(step: Option<&Migration>) -> String {
    match step {
        Some(step) => format!(
            " since the step from {} to {} ({}, by {}), a point of no return",
            step.from, step.to, step.kind, step.by
        ),
        None => String::new(),
    }
}

fn oldest(safe: Option<&Version>) -> String {
    match safe {
        Some(version) => format!("the oldest safe release is {version}"),
        None => "no release that was live works with it".to_owned(),
    }
}

/// Returns why an undo may not begin; none when it may.
///
/// Old clients are not looked at: an undo serves again whom it served before.
pub fn back(facts: &GateFacts) -> Option<NoWayBack> {
    let previous = facts.previous.as_ref()?;
    if previous.release.number == facts.new.release.number {
        return None;
    }
    schema(previous, facts).or_else(|| {
        let around = without_parts(facts);
        let objection = apart(&beside_parts(previous, facts, &around), &around)?;
        let version = previous.release.version.clone();
        Some(NoWayBack::Apart { version, objection })
    })
}

/// Leaves out the releases that go back as well: what needs this one goes back before it.
fn without_parts(facts: &GateFacts) -> Surroundings {
    let mut around = facts.surroundings.clone();
    for (service, version) in &facts.parts {
        if let Some(running) = around.neighbours.get_mut(service) {
            running.retain(|one| one.release.version != *version);
        }
    }
    around
}

/// Leaves out what it calls of a part that runs nowhere else: that one goes back to the release the two ran with
/// before.
fn beside_parts(previous: &Candidate, facts: &GateFacts, around: &Surroundings) -> Candidate {
    let mut previous = previous.clone();
    let is_part = |callee: &ServiceName| facts.parts.iter().any(|(service, _)| service == callee);
    let runs = |callee: &ServiceName| around.neighbours.get(callee).is_some_and(|r| !r.is_empty());
    if let Some(api) = &mut previous.compatibility.api {
        api.calls
            .retain(|callee, _| !is_part(callee) || runs(callee));
    }
    previous
}

fn schema(previous: &Candidate, facts: &GateFacts) -> Option<NoWayBack> {
    let schema = facts.surroundings.schema.as_ref()?;
    let (service, version) = (previous.service.clone(), previous.release.version.clone());
    let oldest_safe = oldest_safe(schema, &facts.live);
    match &previous.compatibility.schema {
        Some(SchemaNeeds { needs, .. }) => {
            let found = first_outside(schema, needs)?;
            let step = point_of_no_return(schema);
            Some(NoWayBack::Schema {
                service,
                version,
                needs: needs.clone(),
                found,
                step: step.filter(|step| !needs.contains(&step.to)),
                oldest_safe,
            })
        }
        None => Some(NoWayBack::Unsaid {
            service,
            version,
            step: point_of_no_return(schema)?,
            oldest_safe,
        }),
    }
}

/// Returns the newest step that took an old shape away, or is about to.
fn point_of_no_return(schema: &Schema) -> Option<Migration> {
    let becoming = schema.becoming.as_ref();
    let under_way = becoming.filter(|step| step.kind == MigrationKind::Contract);
    under_way.or(schema.point_of_no_return.as_ref()).cloned()
}

fn oldest_safe(schema: &Schema, live: &[(ReleaseRef, Compatibility)]) -> Option<Version> {
    let safe = live.iter().filter(|(_, said)| {
        let needs = said.schema.as_ref().map(|schema| &schema.needs);
        needs.is_some_and(|needs| first_outside(schema, needs).is_none())
    });
    let oldest = safe.min_by_key(|(release, _)| release.number);
    oldest.map(|(release, _)| release.version.clone())
}
