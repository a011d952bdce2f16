//! Asks a host: from an ask of the planner to the whole wish and the entry that tells it.

use deliver::rollout::{Ask, Wanted};
use model::deliver::desired::DesiredRelease;
use model::deliver::{Desired, DesiredState, Release, Rollout};
use model::{EntryId, Fact, HostName, Kind, Timestamp};
use store::{Error, Tx};

use crate::Context;

/// Writes what a host is asked for, and the entry about it.
pub(super) fn ask(
    tx: &mut Tx<'_>,
    context: &Context,
    rollout: &Rollout,
    (ask, host): (&Ask, &HostName),
    cause: Option<EntryId>,
    now: Timestamp,
) -> Result<(), Error> {
    let desired = desired(rollout, ask, &wanted_release(tx, rollout, ask)?);
    let (version, state) = (desired.release.version.clone(), desired.state);
    let generation = store::fleet::ask(tx, ask.host, desired)?;
    let fact = Fact::HostAsked {
        host: host.clone(),
        service: rollout.service.clone(),
        version,
        generation,
        priority: ask.priority,
        state,
    };
    let causes = cause.into_iter().collect();
    let entry = context.entry(
        now,
        rollout.change,
        (Kind::Action, &fact),
        "sleepwell",
        causes,
    );
    store::journal::append(tx, &entry)
}

/// Reads the release an ask is about.
fn wanted_release(tx: &mut Tx<'_>, rollout: &Rollout, ask: &Ask) -> Result<Release, Error> {
    let number = match &ask.what {
        Wanted::Release(release) | Wanted::Routed(release, _) => release.number,
        Wanted::Stopped => rollout.release.number,
    };
    store::release::get(tx, &rollout.service, number)?.ok_or_else(|| Error::Unreadable {
        table: "deliver_release",
        why: format!("{} {number} is missing", rollout.service),
    })
}

/// Makes the wish a host gets; its generation is given by the store.
fn desired(rollout: &Rollout, ask: &Ask, release: &Release) -> Desired {
    let definition = &release.definition;
    Desired {
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        ring: ask.ring.clone(),
        generation: 0, // given by the store
        priority: ask.priority,
        state: match ask.what {
            Wanted::Release(_) | Wanted::Routed(..) => DesiredState::Running,
            Wanted::Stopped => DesiredState::Stopped,
        },
        release: DesiredRelease {
            number: release.number,
            version: release.version.clone(),
            digest: release.digest,
            size_bytes: release.size_bytes,
            format: definition.artifact.format,
            file_name: definition.artifact.file_name().to_owned(),
            config_digest: release.config_digest,
            redeploy: match &ask.what {
                Wanted::Release(release) | Wanted::Routed(release, _) => release.redeploy,
                Wanted::Stopped => rollout.release.redeploy,
            },
        },
        run: definition.run.clone(),
        health: definition.health.clone(),
        metrics: definition.metrics.clone(),
        keep: definition.artifact.keep,
        slot: match ask.what {
            Wanted::Routed(_, slot) => Some(slot),
            Wanted::Release(_) | Wanted::Stopped => None,
        },
    }
}
