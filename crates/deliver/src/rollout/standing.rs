//! Where one host stands between what it is asked for and what it proves.

use model::Timestamp;
use model::deliver::{DesiredState, Proof, ReleaseRef, Reported};

use super::{DesiredFacts, HostFacts, STALLED_AFTER, Wanted};

/// Is where a host stands on the way to a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Expected no longer.
    Retired,
    /// Not waited for by a person's word, and not proved; whether it is heard of or not.
    Excluded,
    /// Its lease is over, or nothing is known of it; whatever it said last no longer counts.
    Silent,
    /// Not asked yet, or not there yet.
    Underway,
    /// It went back by itself from the very order it was given.
    Reverted,
    /// It cannot follow the order until a person acts.
    Blocked,
    /// It reports, and its processes prove the wish in its newest generation.
    Proved,
}

/// Returns where a host stands; `None` is a host of which nothing is known.
///
/// Only an answer to the newest order counts: a proof of an older generation is the proof of another
/// wish, even if it is of the same release.
pub(super) fn standing(host: Option<&HostFacts>, wanted: &Wanted) -> Standing {
    let Some(host) = host else {
        return Standing::Silent;
    };
    if host.retired {
        return Standing::Retired;
    }
    if host.unknown_since.is_some() {
        return Standing::Silent;
    }
    match (asked(host, wanted), &host.reported) {
        (Some(desired), Some(reported)) => read(desired, reported, wanted),
        (None, _) | (_, None) => Standing::Underway,
    }
}

fn read(desired: &DesiredFacts, reported: &Reported, wanted: &Wanted) -> Standing {
    let applied = reported.generation_applied == desired.generation;
    let seen = reported.generation_seen == desired.generation;
    match (reported.proof, wanted) {
        (Proof::Converged, Wanted::Release(release)) if applied => {
            if is_for(reported, release) {
                Standing::Proved
            } else {
                Standing::Blocked
            }
        }
        (Proof::Converged, Wanted::Routed(..)) if applied => Standing::Proved,
        (Proof::Stopped, Wanted::Stopped) if seen => Standing::Proved,
        (Proof::Reverted, _) if seen => Standing::Reverted,
        (Proof::Blocked, _) if seen => Standing::Blocked,
        (
            Proof::Converged
            | Proof::Stopped
            | Proof::Reverted
            | Proof::Blocked
            | Proof::Pending
            | Proof::Drifted
            | Proof::Unknown,
            _,
        ) => Standing::Underway,
    }
}

/// Tells whether what a host proves was unpacked and started for the redeploy it was asked for. An agent from
/// before there were redeploys keeps the process it has, and proves the release all the same.
pub(super) fn is_for(reported: &Reported, release: &ReleaseRef) -> bool {
    release.redeploy.is_none() || reported.redeploy == release.redeploy
}

fn asked<'a>(host: &'a HostFacts, wanted: &Wanted) -> Option<&'a DesiredFacts> {
    host.desired.as_ref().filter(|d| is_asked(d, wanted))
}

/// Tells whether a host's desired state already is `wanted`.
pub(super) fn is_asked(desired: &DesiredFacts, wanted: &Wanted) -> bool {
    let runs = |release: &ReleaseRef| {
        desired.state == DesiredState::Running
            && desired.release == release.number
            && desired.redeploy == release.redeploy
    };
    match wanted {
        Wanted::Release(release) => runs(release) && desired.slot.is_none(),
        Wanted::Routed(release, slot) => runs(release) && desired.slot == Some(*slot),
        Wanted::Stopped => desired.state == DesiredState::Stopped,
    }
}

/// Returns from when a host that has recorded its order and gives one and the same answer counts as
/// stalled.
pub(super) fn stalled_from(host: &HostFacts, wanted: &Wanted) -> Option<Timestamp> {
    let desired = asked(host, wanted)?;
    let reported = host.reported.as_ref()?;
    (reported.generation_seen == desired.generation).then(|| reported.since + STALLED_AFTER)
}
