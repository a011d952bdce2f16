//! What is written for a host: from an ask of the planner to the whole wish.

use deliver::rollout::{Ask, Wanted};
use model::deliver::desired::DesiredRelease;
use model::deliver::{Desired, DesiredState, Release, Rollout};
use store::{Error, Tx};

/// Releases a host keeps beside the running one and the last good one.
const KEEP: u32 = 3;

/// Reads the release an ask is about.
pub(super) fn wanted_release(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    ask: &Ask,
) -> Result<Release, Error> {
    let number = match &ask.what {
        Wanted::Release(release) => release.number,
        Wanted::Stopped => rollout.release.number,
    };
    store::release::get(tx, &rollout.service, number)?.ok_or_else(|| Error::Unreadable {
        table: "deliver_release",
        why: format!("{} {number} is missing", rollout.service),
    })
}

/// Makes the wish a host gets; its generation is given by the store.
pub(super) fn desired(rollout: &Rollout, ask: &Ask, release: &Release) -> Desired {
    let definition = &release.definition;
    Desired {
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        ring: ask.ring.clone(),
        generation: 0, // given by the store
        priority: ask.priority,
        state: match ask.what {
            Wanted::Release(_) => DesiredState::Running,
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
        },
        run: definition.run.clone(),
        health: definition.health.clone(),
        metrics: definition.metrics.clone(),
        keep: KEEP,
    }
}
