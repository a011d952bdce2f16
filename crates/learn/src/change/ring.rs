//! The rings of a change: where each one stands.

use std::time::Duration;

use model::api::change::{RingState, RingView};
use model::deliver::rollout::RingHost;
use model::deliver::{Phase, ReleaseRef, Ring, RingSpec, RolloutState};
use model::words::{duration, moment};

use super::ViewInput;
use super::host;
use crate::sentence::{held, passed};

/// Returns the rings in their order.
pub(super) fn views(input: &ViewInput<'_>) -> Vec<RingView> {
    let rings = input.rollout.rings.iter().enumerate();
    rings.map(|(i, ring)| view(input, i, ring)).collect()
}

fn view(input: &ViewInput<'_>, index: usize, ring: &Ring) -> RingView {
    let state = state(input, index, ring);
    let spec = spec(input, ring);
    let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    RingView {
        name: ring.name.clone(),
        state,
        proved: proved(input, ring, state),
        hosts: ring.hosts.iter().map(|h| host::line_of(input, h)).collect(),
        proved_at: ring.proved_at,
        bake_ms: spec.map_or(0, |spec| millis(spec.bake)),
        deadline_ms: spec.map_or(0, |spec| millis(spec.deadline)),
        note: note(input, ring, state),
    }
}

/// Returns what the plan says of a ring; the plan may hold rings that came out empty.
pub(super) fn spec<'a>(input: &ViewInput<'a>, ring: &Ring) -> Option<&'a RingSpec> {
    let specs = &input.rollout.plan.rings;
    specs.iter().find(|spec| spec.name == ring.name)
}

fn state(input: &ViewInput<'_>, index: usize, ring: &Ring) -> RingState {
    match &input.rollout.state {
        RolloutState::Planned => RingState::Waiting,
        RolloutState::Ring {
            ring: at, phase, ..
        } => match phase {
            _ if index < *at => RingState::Passed,
            _ if index > *at => RingState::Waiting,
            Phase::Releasing => RingState::Releasing,
            Phase::Proving => RingState::Proving,
            Phase::Baking => RingState::Baking,
            Phase::Judging => RingState::Judging,
        },
        RolloutState::Held { ring: at, .. } => match index {
            i if i < *at => RingState::Passed,
            i if i > *at => RingState::Waiting,
            _ => RingState::Held,
        },
        RolloutState::Undoing { .. } | RolloutState::Stuck { .. } => {
            if !was_touched(ring) {
                RingState::Skipped
            } else if is_back(input, ring) {
                RingState::Undone
            } else {
                RingState::Undoing
            }
        }
        RolloutState::Undone { .. } if was_touched(ring) => RingState::Undone,
        RolloutState::Undone { .. } => RingState::Skipped,
        RolloutState::Superseded { .. } if ring.passed_at.is_some() => RingState::Passed,
        RolloutState::Superseded { .. } => RingState::Skipped,
        RolloutState::Done { .. } => RingState::Passed,
    }
}

fn was_touched(ring: &Ring) -> bool {
    ring.hosts.iter().any(|host| host.touched)
}

/// Returns what an undo brings back to a ring.
fn back_to<'a>(input: &ViewInput<'a>, ring: &Ring) -> Option<&'a ReleaseRef> {
    let mut rings = input.rollout.rings.iter();
    let index = rings.position(|other| other.name == ring.name)?;
    input.rollout.back_to(index)
}

fn is_back(input: &ViewInput<'_>, ring: &Ring) -> bool {
    let previous = back_to(input, ring);
    ring.hosts
        .iter()
        .filter(|host| host.touched)
        .all(|host| input.host(host.id).is_some_and(|now| now.proves(previous)))
}

/// Counts the hosts that prove what the change wants of them: the release, or during an undo and
/// after it what was there before. For a change that is history, what was proved then.
fn proved(input: &ViewInput<'_>, ring: &Ring, state: RingState) -> usize {
    let undone = matches!(state, RingState::Undoing | RingState::Undone);
    if input.is_history() {
        return match state {
            RingState::Passed => ring.hosts.len(),
            RingState::Undone => ring.hosts.iter().filter(|host| host.touched).count(),
            _ => 0,
        };
    }
    let target = if undone {
        back_to(input, ring)
    } else {
        Some(&input.rollout.release)
    };
    ring.hosts
        .iter()
        .filter(|host| host.touched || !undone)
        .filter_map(|host| input.host(host.id))
        .filter(|now| now.proves(target))
        .count()
}

fn note(input: &ViewInput<'_>, ring: &Ring, state: RingState) -> String {
    match state {
        RingState::Passed => ring.passed_how.as_deref().map(passed).unwrap_or_default(),
        RingState::Releasing | RingState::Proving => match waiting_for(input, ring) {
            Some(hosts) => format!("waiting for {hosts}"),
            None => String::new(),
        },
        RingState::Baking => match spec(input, ring) {
            Some(spec) => format!("watched for at least {}", duration(spec.bake)),
            None => String::new(),
        },
        RingState::Judging => deadline(input, ring).unwrap_or_default(),
        RingState::Held => match &input.rollout.state {
            RolloutState::Held { reason, .. } => held(reason),
            _ => String::new(),
        },
        RingState::Undoing => match not_back(input, ring) {
            Some(hosts) => format!("waiting for {hosts}"),
            None => String::new(),
        },
        RingState::Skipped => match &input.rollout.state {
            RolloutState::Superseded { by, .. } => format!("overtaken by {by}"),
            _ => String::new(),
        },
        RingState::Waiting | RingState::Undone => String::new(),
    }
}

/// Returns when the ring is no longer watched, once its watching began.
pub(super) fn deadline(input: &ViewInput<'_>, ring: &Ring) -> Option<String> {
    let until = ring.proved_at? + spec(input, ring)?.deadline;
    Some(format!("until {} at the latest", moment(until, input.now)))
}

/// Names the hosts of a ring that do not prove the release yet, without those nobody waits for.
pub(super) fn waiting_for(input: &ViewInput<'_>, ring: &Ring) -> Option<String> {
    let hosts = ring.hosts.iter().filter(|host| host.excluded.is_none());
    missing(input, hosts, Some(&input.rollout.release))
}

/// Names the hosts of a ring that have the release and do not prove yet that they are back.
fn not_back(input: &ViewInput<'_>, ring: &Ring) -> Option<String> {
    let touched = ring.hosts.iter().filter(|host| host.touched);
    missing(input, touched, back_to(input, ring))
}

fn missing<'a>(
    input: &ViewInput<'_>,
    hosts: impl Iterator<Item = &'a RingHost>,
    target: Option<&ReleaseRef>,
) -> Option<String> {
    // A host that was retired is not waited for.
    let misses = |host: &RingHost| input.host(host.id).is_some_and(|now| !now.proves(target));
    let missing: Vec<_> = hosts
        .filter(|host| misses(host))
        .map(|host| &host.name)
        .collect();
    (!missing.is_empty()).then(|| host::named(input, missing.into_iter()))
}
