//! What speaks against a release, in words.

use std::collections::BTreeSet;
use std::fmt;

use model::deliver::{Clients, Range, Schema};
use model::{ApiVersion, EnvironmentName, HostName, ServiceName, Version};

/// Is a service with one of its versions.
pub(super) type Named = (ServiceName, Version);

/// Is why two things that would stand side by side do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    #[error(
        "{version} needs schema {needs}, and the schema of {service} in {environment} is not known"
    )]
    SchemaUnknown {
        service: ServiceName,
        environment: EnvironmentName,
        version: Version,
        needs: Range<u64>,
    },
    #[error(
        "the schema of {service} in {environment} is {schema}, and {version} does not say which it needs"
    )]
    SchemaUnsaid {
        service: ServiceName,
        environment: EnvironmentName,
        version: Version,
        schema: u64,
    },
    #[error("{version} needs schema {needs}, and that of {service} in {environment} {found}")]
    Schema {
        service: ServiceName,
        environment: EnvironmentName,
        version: Version,
        needs: Range<u64>,
        found: Found,
    },
    #[error(
        "{} still count{} as running {version}, which needs schema {needs}, and the schema {found}",
        named(.hosts),
        if .hosts.len() == 1 { "s" } else { "" }
    )]
    StillRuns {
        version: Version,
        needs: Range<u64>,
        found: Found,
        /// By name, at least one.
        hosts: Vec<HostName>,
    },
    #[error("{caller} {version} calls {callee}, which was never shipped to {environment}")]
    CalleeAbsent {
        caller: ServiceName,
        version: Version,
        callee: ServiceName,
        environment: EnvironmentName,
    },
    #[error(
        "{} {} calls {} with {}, and {} {} does not say what it serves",
        .caller.0, .caller.1, .callee.0, versions(.wants, "or"), .callee.0, .callee.1
    )]
    CalleeSilent {
        caller: Named,
        callee: Named,
        wants: BTreeSet<ApiVersion>,
    },
    #[error(
        "{} {} calls {} with {}, and {} {} serves {}",
        .caller.0, .caller.1, .callee.0, versions(.wants, "or"), .callee.0, .callee.1,
        versions(.serves, "and")
    )]
    Apart {
        caller: Named,
        callee: Named,
        wants: BTreeSet<ApiVersion>,
        serves: BTreeSet<ApiVersion>,
    },
    #[error("{version} does not serve {clients}, which {served_by} serves now")]
    ClientsLost {
        version: Version,
        clients: Clients,
        served_by: Version,
    },
}

/// Is a schema version that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Is(u64),
    /// A migration to it is under way.
    Becomes(u64),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Is(version) => write!(f, "is {version}"),
            Found::Becomes(version) => write!(f, "is becoming {version}"),
        }
    }
}

/// Returns the first version the data may have now that does not lie in `needs`.
pub(super) fn first_outside(schema: &Schema, needs: &Range<u64>) -> Option<Found> {
    if !needs.contains(&schema.version) {
        return Some(Found::Is(schema.version));
    }
    let becoming = schema.becoming.as_ref().map(|step| step.to);
    becoming
        .filter(|to| !needs.contains(to))
        .map(Found::Becomes)
}

impl Objection {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            Objection::SchemaUnknown {
                service,
                environment,
                ..
            } => format!("say what it is: `sleepwell schema set {service} {environment} N`"),
            Objection::SchemaUnsaid { .. } => {
                "add `schema: { needs: … }` to sleepwell.yaml and ship it as a new version".into()
            }
            Objection::Schema {
                service,
                environment,
                ..
            } => format!(
                "migrate first: `sleepwell schema begin {service} {environment} N`; or ship a release that works with it"
            ),
            Objection::StillRuns { hosts, .. } => format!(
                "it goes on by itself when they prove another release; one that is gone for good: `sleepwell hosts retire {}`",
                hosts.first().map_or("HOST", HostName::as_str)
            ),
            Objection::CalleeAbsent { callee, .. } => {
                format!("ship {callee} first, or remove it from `calls` if it is not shipped here")
            }
            Objection::CalleeSilent { callee, .. } => format!(
                "add `api: {{ serves: [ … ] }}` to the sleepwell.yaml of {} and ship that first",
                callee.0
            ),
            Objection::Apart { caller, callee, .. } => format!(
                "let {} serve both the old and the new version until no release of {} calls the old one",
                callee.0, caller.0
            ),
            Objection::ClientsLost { clients, .. } => format!(
                "serve them still, or say that they are to be dropped: `drops_clients: [\"{clients}\"]`"
            ),
        }
    }
}

/// Hosts named in a sentence; the others are counted.
const NAMED: usize = 3;

pub(super) fn named(hosts: &[HostName]) -> String {
    let first: Vec<&str> = hosts.iter().take(NAMED).map(HostName::as_str).collect();
    match hosts.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn versions(versions: &BTreeSet<ApiVersion>, last: &str) -> String {
    let versions: Vec<&str> = versions.iter().map(ApiVersion::as_str).collect();
    versions.join(&format!(" {last} "))
}
