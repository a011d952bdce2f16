//! Whether the schema of an environment may be changed, and what it is afterwards.
//!
//! The change itself is somebody else's work. It asks before ([`begin`]), and says what came of it
//! ([`set`]); in between the data may have either shape, and both count.

use std::time::Duration;

use model::deliver::{
    Compatibility, Migration, MigrationKind, Range, ReleaseRef, Running, Schema, Surroundings,
};
use model::{ChangeId, EntryId, EnvironmentName, HostName, ServiceName, Timestamp, Version};

use super::objection::named;

/// Is what whoever migrates wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub to: u64,
    /// May be left out where nothing is migrated by the word.
    pub kind: Option<MigrationKind>,
    pub by: String,
    pub now: Timestamp,
    /// The journal entry of the word.
    pub entry: EntryId,
}

/// Is what else is known of the service there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Every release of the service, by number.
    pub releases: Vec<(ReleaseRef, Compatibility)>,
    /// The rollouts there that are done and were not undone, newest first: when, and which release.
    pub done: Vec<(ReleaseRef, Timestamp)>,
    /// A rollout there that is not over, and what it brings.
    pub under_way: Option<(ChangeId, ReleaseRef)>,
}

/// Is why a schema is not changed. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrationRefusal {
    #[error("the schema of {service} in {environment} is not known")]
    Unknown {
        service: ServiceName,
        environment: EnvironmentName,
    },
    #[error("the schema of {service} in {environment} is {version} already")]
    Already {
        service: ServiceName,
        environment: EnvironmentName,
        version: u64,
    },
    #[error(
        "the schema of {service} in {environment} is becoming {} ({}, by {})",
        .step.to, .step.kind, .step.by
    )]
    UnderWay {
        service: ServiceName,
        environment: EnvironmentName,
        step: Migration,
    },
    #[error("it is not said what kind of step leads to schema {to}")]
    NoKind { to: u64 },
    #[error("no release of {service} leads to schema {to}; known: {}", listed(.known))]
    NobodyProvides {
        service: ServiceName,
        to: u64,
        known: Vec<u64>,
    },
    #[error("the old shape is gone since the step from {} to {}", .step.from, .step.to)]
    Gone { to: u64, step: Migration },
    #[error("{change} brings {version}, which needs schema {needs}")]
    Coming {
        change: ChangeId,
        version: Version,
        needs: Range<u64>,
    },
    #[error("{version} needs schema {needs}, and counts as running on {}", named(.hosts))]
    Needed {
        version: Version,
        needs: Range<u64>,
        hosts: Vec<HostName>,
    },
    #[error(
        "{version} does not say which schema it needs, and counts as running on {}",
        named(.hosts)
    )]
    Unsaid {
        version: Version,
        hosts: Vec<HostName>,
    },
    #[error("no release that works with schema {to} is live there")]
    NotSoaking { to: u64 },
    #[error(
        "the old shape is kept until {until}: {} after {version} went live",
        model::time::short(*.soak)
    )]
    Soaking {
        version: Version,
        soak: Duration,
        until: Timestamp,
    },
}

fn listed(versions: &[u64]) -> String {
    let versions: Vec<String> = versions.iter().map(u64::to_string).collect();
    match versions.is_empty() {
        true => "none".to_owned(),
        false => versions.join(", "),
    }
}

impl MigrationRefusal {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            MigrationRefusal::Unknown {
                service,
                environment,
            } => format!("say what it is: `sleepwell schema set {service} {environment} N`"),
            MigrationRefusal::NoKind { .. } => {
                "add `--kind expand`, `migrate` or `contract`; for what was found to be so: `--anyway`".into()
            }
            MigrationRefusal::Already { .. } => "there is nothing to migrate".into(),
            MigrationRefusal::UnderWay {
                service,
                environment,
                step,
            } => format!(
                "say what came of it: `sleepwell schema set {service} {environment} {}`, or `… {}` if it was given up",
                step.to, step.from
            ),
            MigrationRefusal::NobodyProvides { to, .. } => format!(
                "ship a release with `schema: {{ needs: …, provides: {to} }}` first"
            ),
            MigrationRefusal::Gone { .. } => "go forward with a new step instead".into(),
            MigrationRefusal::Coming { change, .. } => {
                format!("wait for its end: `sleepwell watch {change}`")
            }
            MigrationRefusal::Needed { hosts, .. } | MigrationRefusal::Unsaid { hosts, .. } => {
                format!(
                    "ship a release that works with it and wait until they prove it; a host that is gone for good: `sleepwell hosts retire {}`",
                    hosts.first().map_or("HOST", HostName::as_str)
                )
            }
            MigrationRefusal::NotSoaking { .. } => {
                "ship one, and contract when it has soaked".into()
            }
            MigrationRefusal::Soaking { .. } => {
                "until then an undo stays possible; `soak` of `schema` in sleepwell.yaml says how long".into()
            }
        }
    }
}

/// Lets a migration begin: from now on both versions count, and there is no way back past a contract until
/// somebody says that it was given up.
///
/// # Errors
/// Something that runs or is on its way does not work with the version, or the step makes no sense.
pub fn begin(
    current: Option<&Schema>,
    wish: &Wish,
    around: &Surroundings,
    history: &History,
) -> Result<Schema, MigrationRefusal> {
    let (service, environment) = (wish.service.clone(), wish.environment.clone());
    let Some(current) = current else {
        return Err(MigrationRefusal::Unknown {
            service,
            environment,
        });
    };
    if let Some(step) = &current.becoming {
        return Err(MigrationRefusal::UnderWay {
            service,
            environment,
            step: step.clone(),
        });
    }
    let step = may_change(current, wish, around, history)?;
    Ok(Schema {
        becoming: Some(step),
        by: wish.by.clone(),
        at: wish.now,
        entry: wish.entry,
        ..current.clone()
    })
}

/// Says what the schema is now, and by which kind of step: what a migration led to, that it was given up, or
/// what somebody found. Said again, it changes nothing.
///
/// With `anyway` it is taken as it is, whatever does not work with it.
///
/// # Errors
/// As for [`begin`], where the version was neither begun nor the one before that.
pub fn set(
    current: Option<&Schema>,
    wish: &Wish,
    anyway: bool,
    around: &Surroundings,
    history: &History,
) -> Result<(Schema, Option<MigrationKind>), MigrationRefusal> {
    let Some(current) = current else {
        if !anyway {
            refuse_needed(wish, around)?;
        }
        return Ok((wish.found(None), None));
    };
    match &current.becoming {
        Some(step) if wish.to == step.to => Ok((wish.done(current, step), Some(step.kind))),
        Some(step) if wish.to == step.from => Ok((wish.found(Some(current)), None)),
        None if wish.to == current.version => Ok((current.clone(), None)),
        _ if anyway => Ok((wish.found(Some(current)), None)),
        Some(step) => Err(MigrationRefusal::UnderWay {
            service: wish.service.clone(),
            environment: wish.environment.clone(),
            step: step.clone(),
        }),
        None => {
            let step = may_change(current, wish, around, history)?;
            Ok((wish.done(current, &step), Some(step.kind)))
        }
    }
}

impl Wish {
    /// Returns the schema behind a step that is done.
    fn done(&self, current: &Schema, step: &Migration) -> Schema {
        let found = self.found(Some(current));
        Schema {
            point_of_no_return: closing(step).or(found.point_of_no_return.clone()),
            ..found
        }
    }

    fn found(&self, current: Option<&Schema>) -> Schema {
        Schema {
            service: self.service.clone(),
            environment: self.environment.clone(),
            version: self.to,
            becoming: None,
            point_of_no_return: current.and_then(|c| c.point_of_no_return.clone()),
            by: self.by.clone(),
            at: self.now,
            entry: self.entry,
        }
    }
}

/// Returns a step as the point of no return it is.
fn closing(step: &Migration) -> Option<Migration> {
    match step.kind {
        MigrationKind::Contract => Some(step.clone()),
        MigrationKind::Expand | MigrationKind::Migrate => None,
    }
}

/// Returns the step, where nothing speaks against it.
fn may_change(
    current: &Schema,
    wish: &Wish,
    around: &Surroundings,
    history: &History,
) -> Result<Migration, MigrationRefusal> {
    if current.version == wish.to {
        return Err(MigrationRefusal::Already {
            service: wish.service.clone(),
            environment: wish.environment.clone(),
            version: wish.to,
        });
    }
    if let Some(step) = current
        .point_of_no_return
        .as_ref()
        .filter(|step| wish.to < step.to)
    {
        return Err(MigrationRefusal::Gone {
            to: wish.to,
            step: step.clone(),
        });
    }
    let kind = wish.kind.ok_or(MigrationRefusal::NoKind { to: wish.to })?;
    refuse_unprovided(current, wish, history)?;
    refuse_coming(wish, history)?;
    refuse_needed(wish, around)?;
    match kind {
        MigrationKind::Expand | MigrationKind::Migrate => {}
        MigrationKind::Contract => may_contract(current, wish, around, history)?,
    }
    Ok(Migration {
        from: current.version,
        to: wish.to,
        kind,
        by: wish.by.clone(),
        at: wish.now,
    })
}

/// A step back leads to what some release worked with before; a step ahead is one a release brings.
fn refuse_unprovided(
    current: &Schema,
    wish: &Wish,
    history: &History,
) -> Result<(), MigrationRefusal> {
    let provided = history.releases.iter();
    let provided = provided.filter_map(|(_, said)| said.schema.as_ref()?.provides);
    let mut known: Vec<u64> = provided.collect();
    known.sort_unstable();
    known.dedup();
    if wish.to < current.version || known.contains(&wish.to) {
        return Ok(());
    }
    Err(MigrationRefusal::NobodyProvides {
        service: wish.service.clone(),
        to: wish.to,
        known,
    })
}

/// A release on its way would be held in the middle.
fn refuse_coming(wish: &Wish, history: &History) -> Result<(), MigrationRefusal> {
    let Some((change, release)) = &history.under_way else {
        return Ok(());
    };
    match history.needs(release) {
        Some(needs) if !needs.contains(&wish.to) => Err(MigrationRefusal::Coming {
            change: *change,
            version: release.version.clone(),
            needs: needs.clone(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn refuse_needed(wish: &Wish, around: &Surroundings) -> Result<(), MigrationRefusal> {
    for running in &around.runs {
        if let Some(said) = &running.compatibility.schema
            && !said.needs.contains(&wish.to)
        {
            return Err(MigrationRefusal::Needed {
                version: running.release.version.clone(),
                needs: said.needs.clone(),
                hosts: names(running),
            });
        }
    }
    Ok(())
}

/// The old shape goes when nobody can need it: everything that runs says what it needs, and a release that
/// works without it has been live for the soak.
fn may_contract(
    current: &Schema,
    wish: &Wish,
    around: &Surroundings,
    history: &History,
) -> Result<(), MigrationRefusal> {
    let is_silent = |running: &&Running| running.compatibility.schema.is_none();
    if let Some(running) = around.runs.iter().find(is_silent) {
        return Err(MigrationRefusal::Unsaid {
            version: running.release.version.clone(),
            hosts: names(running),
        });
    }
    if around.runs.is_empty() {
        return Ok(());
    }
    let works = |release: &ReleaseRef| {
        history
            .needs(release)
            .is_some_and(|needs| needs.contains(&current.version) && needs.contains(&wish.to))
    };
    let chain = history
        .done
        .iter()
        .take_while(|(release, _)| works(release));
    let Some((first, since)) = chain.last() else {
        return Err(MigrationRefusal::NotSoaking { to: wish.to });
    };
    let newest = history.done.first().map(|(release, _)| release);
    let soak = newest.and_then(|release| history.said(release)?.schema.as_ref().map(|s| s.soak));
    let soak = soak.unwrap_or_default();
    if wish.now < *since + soak {
        return Err(MigrationRefusal::Soaking {
            version: first.version.clone(),
            soak,
            until: *since + soak,
        });
    }
    Ok(())
}

impl History {
    fn said(&self, release: &ReleaseRef) -> Option<&Compatibility> {
        let found = self.releases.iter();
        let mut found = found.filter(|(one, _)| one.number == release.number);
        found.next().map(|(_, said)| said)
    }

    fn needs(&self, release: &ReleaseRef) -> Option<&Range<u64>> {
        self.said(release)?.schema.as_ref().map(|said| &said.needs)
    }
}

fn names(running: &Running) -> Vec<HostName> {
    running.hosts.iter().map(|(_, name)| name.clone()).collect()
}
