//! The rollout planner: looks at a rollout, its hosts and the newest verdict, and says what is next.
//!
//! [`start`] decides once which host is in which ring. From then on [`plan`] is asked again whenever
//! something may have changed, and answers with the whole next state: it is level-triggered, so a lost,
//! repeated or late question does no harm. Who saves the plan does so in one transaction: the next
//! state, the hosts' new desired states and the facts.
//!
//! ```text
//! Planned → Ring(0): Releasing → Proving → Baking → Judging → Ring(1) → … → Done
//!              │ ▲                                                            │
//!              ▼ │ go, a proof, a verdict                                undo │
//!             Held ──────────────── undo ───────────────▶ Undoing ◀───────────┘
//!                                                       Undoing → Undone | Stuck → Undone
//! ```
//!
//! Of several services shipped as one each is a rollout. A part stays `Planned` until those it needs are `Done`,
//! and `Undoing` asks nobody until those that need it are back (`together`).
//!
//! Where two slots take turns (`slots`, `swap`) the idle one is the first ring and the routers are the last.
//!
//! A rollout that is `Done` stays watched for a while (`watch`); what the judge finds by then undoes it on
//! the same path.
//!
//! **Invariants.** No more than `max_unavailable` hosts are made unavailable by asks; a ring is not asked
//! before the one in front of it passed, and none passes before the judge has looked behind its bake at
//! what its hosts say by then, unless a person says so; after a failed verdict no host is asked for the release until a
//! person goes past it; an undo waits for no freeze, and for nothing but the undo of what was shipped with it and needs it; `Done` means that every expected host proved the
//! release at that moment.

mod accept;
mod arms;
mod compatible;
mod exclude;
mod frozen;
mod order;
mod owed;
mod planner;
mod queue;
mod rehearsal;
mod ring;
mod slots;
mod standing;
mod start;
mod swap;
mod together;
mod undo;
mod wake;
mod watch;
mod way_back;

use std::collections::BTreeMap;
use std::time::Duration;

use model::deliver::{
    Desired, DesiredState, FreezeRule, GateFacts, Host, Priority, Proof, ReleaseNumber, ReleaseRef,
    Reported, Rollout, RolloutState, Slot,
};
use model::judge::{LastLook, SeenReport, Verdict};
use model::observe::{Change, ChangeKind, ChangeState};
use model::{ChangeId, Fact, HostId, HostName, Kind, RingName, Timestamp};

pub use accept::{OrderRefusal, accept_order};
pub use arms::{Arms, arms};
pub use compatible::refuse_incompatible;
pub use exclude::{ExcludeRefusal, exclude};
pub use frozen::{OverrideRefusal, override_freeze};
pub use owed::{fits, owed};
pub use queue::{Begin, Place, Unfinished, begin, place, superseded, take_over, wait, waits_for};
pub use rehearsal::{Rehearsed, RehearsedAsk, RehearsedTimes, TooLong, rehearse};
pub use start::{Refusal, Start, start};
pub use together::{Circle, Ordered, order, undo_with, undone_together};
pub use undo::{UndoRefusal, undo_of_finished};
pub use watch::{replaced, watched_since};
pub use way_back::{PartBack, WayBack, no_way_back, way_back_together};

/// How long an undo may take before the hosts it has not reached are named; it goes on all the same.
/// An undo stops the old process within a second, so a minute is only exceeded by a host in trouble.
pub const UNDO_DEADLINE: Duration = Duration::from_secs(60);

/// How long a reporting host may keep one and the same unproved answer to an order before it is named
/// as waited for: longer than a usual download and start, short enough to be told in time.
pub const STALLED_AFTER: Duration = Duration::from_secs(120);

/// How long the judge's last word is awaited behind a ring's deadline: `collecting` becomes a pass, a
/// hold or a lack of traffic at its first look behind it, and nobody is to be woken for that second.
pub const JUDGE_GRACE: Duration = Duration::from_secs(5);

/// Is what is known of one host when a plan is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    pub id: HostId,
    pub name: HostName,
    /// Set while its lease is over, see [`model::deliver::Host::unknown_since`].
    pub unknown_since: Option<Timestamp>,
    /// A retired host is expected no longer and counts nowhere.
    pub retired: bool,
    /// What it was last asked to run of this service in this environment.
    pub desired: Option<DesiredFacts>,
    /// Its own word about this service, however old.
    pub reported: Option<Reported>,
}

impl HostFacts {
    /// Puts together what is known of a host at `now`.
    pub fn new(
        host: Host,
        desired: Option<&Desired>,
        reported: Option<Reported>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: host.id,
            unknown_since: host.unknown_since(now),
            retired: host.retired_at.is_some(),
            desired: desired.map(|desired| DesiredFacts {
                release: desired.release.number,
                redeploy: desired.release.redeploy,
                generation: desired.generation,
                state: desired.state,
                slot: desired.slot,
            }),
            reported,
            name: host.name,
        }
    }

    /// Returns the release whose newest order the host proves to have followed; none while it is silent.
    pub fn proves(&self) -> Option<ReleaseNumber> {
        let (desired, reported) = (self.desired.as_ref()?, self.reported.as_ref()?);
        let is_proved = self.unknown_since.is_none()
            && reported.proof == Proof::Converged
            && reported.generation_applied == desired.generation;
        is_proved.then_some(desired.release)
    }
}

/// Is what the judge has to say about a change when a plan is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct JudgeFacts<'a> {
    /// Its newest verdict.
    pub verdict: Option<&'a Verdict>,
    /// None before its first look.
    pub last_look: Option<&'a LastLook>,
}

/// Is what else may keep a rollout from asking hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gates<'a> {
    /// The server's own freezes that apply to its service and environment; the rollout has those of its
    /// file.
    pub freezes: &'a [FreezeRule],
    /// The other parts of what it was shipped together with.
    pub parts: &'a [Rollout],
    /// None where neither the service nor anything that calls it says what it can live with.
    pub compatibility: Option<&'a GateFacts>,
}

/// Returns what a judge that looks now sees of the hosts that were asked for the release.
pub fn seen(
    rollout: &Rollout,
    hosts: &BTreeMap<HostId, HostFacts>,
) -> BTreeMap<HostId, SeenReport> {
    let asked = rollout.hosts().filter(|host| host.touched);
    asked
        .filter_map(|host| {
            let reported = hosts.get(&host.id)?.reported.as_ref()?;
            Some((host.id, reported.into()))
        })
        .collect()
}

/// Is the part of a host's desired state a plan depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredFacts {
    pub release: ReleaseNumber,
    /// The redeploy it is to be unpacked and started for.
    pub redeploy: Option<ChangeId>,
    pub generation: u64,
    pub state: DesiredState,
    /// Of a router.
    pub slot: Option<Slot>,
}

/// Is everything that follows from one look; the executor has no choice left.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub next: Rollout,
    /// Each host at most once. Every ask is a new generation of the host's desired state.
    pub ask: Vec<Ask>,
    /// In the order they happened; empty when nothing flipped.
    pub facts: Vec<(Kind, Fact)>,
    /// When time alone will change the answer; none when only an event can. The end of a host's lease
    /// is such an event: whoever notices it asks for a plan.
    pub wake_at: Option<Timestamp>,
    /// The rollout's order was carried out or is void; `next.order` is empty.
    pub order_done: bool,
}

/// Is a new wish for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub host: HostId,
    pub what: Wanted,
    pub priority: Priority,
    /// The host's ring, a label of its samples.
    pub ring: RingName,
}

/// Is what a host is to run of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Release(ReleaseRef),
    /// A router runs nothing itself: it sends everything to the slot, where the release runs.
    Routed(ReleaseRef, Slot),
    /// Nothing: the undo of a first release, and a slot that is idle.
    Stopped,
}

/// Decides what follows from the rollout, the facts of its hosts and what the judge says of its change.
///
/// A host of the rollout without facts counts as silent. A verdict on another change is not looked at.
/// Asking again with the returned state, once the asks are stored, returns the same state and no asks.
pub fn plan(
    rollout: &Rollout,
    hosts: &BTreeMap<HostId, HostFacts>,
    judge: JudgeFacts<'_>,
    gates: Gates<'_>,
    now: Timestamp,
) -> Plan {
    let mut planner = planner::Planner::new(rollout, hosts, judge, gates, now);
    planner.carry_out_order();
    planner.advance();
    planner.finish()
}

/// Returns the change a rollout is, as it begins.
pub fn change_of(rollout: &Rollout) -> Change {
    let (service, version) = (&rollout.service, &rollout.release.version);
    let how = if rollout.is_redeploy() {
        " redeployed"
    } else {
        ""
    };
    Change {
        id: rollout.change,
        kind: ChangeKind::Deploy,
        service: service.clone(),
        environment: rollout.environment.clone(),
        title: format!("{service} {version}{how}"),
        by: rollout.started_by.clone(),
        state: change_state(&rollout.state),
        started_at: rollout.started_at,
        updated_at: rollout.started_at,
    }
}

/// Returns a rollout's state in the words people see.
pub fn change_state(state: &RolloutState) -> ChangeState {
    match state {
        RolloutState::Planned => ChangeState::Planned,
        RolloutState::Ring { .. } => ChangeState::Running,
        RolloutState::Held { .. } => ChangeState::Held,
        RolloutState::Undoing { .. } => ChangeState::Undoing,
        RolloutState::Undone { .. } => ChangeState::Undone,
        RolloutState::Stuck { .. } => ChangeState::Stuck,
        RolloutState::Superseded { .. } => ChangeState::Superseded,
        RolloutState::Done { .. } => ChangeState::Done,
    }
}
