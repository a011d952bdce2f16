//! The way of a release through an environment, ring by ring.

use serde::{Deserialize, Serialize};

use super::{EnvironmentPlan, FreezeOverride, Host, ReleaseRef, Swap, Together};
use crate::{
    ChangeId, EntryId, EnvironmentName, FreezeName, HostId, HostName, RingName, ServiceName,
    Timestamp, VerdictId,
};

/// Is one rollout. Which hosts are in which ring is decided once, when it is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rollout {
    /// A rollout is a change and shares its id.
    pub change: ChangeId,
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub release: ReleaseRef,
    /// The last proved-good release, to which an undo goes; none for the first one.
    pub previous: Option<ReleaseRef>,
    /// Holds the specification of `rings[i]` at `plan.rings[i]`; those without a host are left out.
    pub plan: EnvironmentPlan,
    /// In order, at least one. Empty rings are left out when the rollout is planned.
    pub rings: Vec<Ring>,
    pub state: RolloutState,
    pub started_at: Timestamp,
    pub started_by: String,
    /// The newest order not yet carried out.
    pub order: Option<Order>,
    /// Whether a failed verdict undoes the rollout through a procedure of its own.
    pub auto_undo: bool,
    /// Whether the release names signals; without any, rings pass on proof, health and time.
    pub judged: bool,
    /// The failed verdict that stopped it. It is kept when a later verdict is better, so that only a
    /// person lets the release go on.
    pub failed: Option<VerdictId>,
    /// Why an undo that was ordered after that could not begin; a person decides from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_way_back: Option<String>,
    /// What a person went past with `go`.
    pub overruled: Option<Overruled>,
    /// A person's word that it goes on in spite of freezes; worth nothing from its `until` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_override: Option<FreezeOverride>,
    /// The journal entry of the last flip, the cause of the next one.
    pub last_entry: Option<EntryId>,
    /// Set while it waits for an earlier rollout and owns no ring; its rings are dealt out anew when it
    /// begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Queued>,
    /// The watch behind its last ring; none before that, and where the environment wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// None for one that was shipped alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
    /// Set where two slots take turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Swap>,
}

/// Is what a rollout that has not begun waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Queued {
    /// The newest one before it when it was shipped.
    pub behind: ChangeId,
    /// Why it did not begin when its turn came; it tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Is why a redeploy is due: so often it is wanted, and so long ago every host was deployed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Overdue {
    pub every_ms: u64,
    pub since: Timestamp,
}

/// Is the watch of a rollout that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Watch {
    pub until: Timestamp,
    /// None while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<WatchEnd>,
}

/// Is how a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum WatchEnd {
    /// Its time was over, and no verdict was bad.
    Quiet,
    /// A bad verdict came.
    Failed { verdict: VerdictId },
    /// A person undid the change.
    Undone,
    /// Another release of the service came to the environment.
    Replaced { by: ChangeId },
}

/// Is a person's word instead of the judge's, for one ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Overruled {
    /// The ring that passes as soon as all its hosts prove the release, counted from 0.
    pub ring: usize,
    /// The newest verdict then; it stops nothing any more. None when the judge had not spoken.
    pub verdict: Option<VerdictId>,
    pub by: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ring {
    pub name: RingName,
    /// Sorted by name, never empty.
    pub hosts: Vec<RingHost>,
    /// When every host of it was proved for the first time; the bake counts from here.
    pub proved_at: Option<Timestamp>,
    pub passed_at: Option<Timestamp>,
    /// How it passed: `pass`, `unjudged`, `unjudged, no control`, `not excluded: odds up to 2`, `no control left`,
    /// `by jonas`, `no hosts left` (all were retired).
    pub passed_how: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RingHost {
    pub id: HostId,
    pub name: HostName,
    /// Set once the host was asked to run the release, so an undo knows whom to ask back.
    pub touched: bool,
    /// Set once a person said that the rollout is not to wait for it. It is asked like the others, so it
    /// is brought to the release when it comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<Excluded>,
    /// A rollout this one took over from has asked it for its own release: an undo brings it back, whether
    /// this one has reached it or not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_by_another: bool,
}

impl RingHost {
    /// Makes a member nothing was asked of.
    pub fn new(host: &Host) -> Self {
        Self {
            id: host.id,
            name: host.name.clone(),
            touched: false,
            excluded: None,
            left_by_another: false,
        }
    }

    /// Tells whether an undo has to bring it back.
    pub fn is_changed(&self) -> bool {
        self.touched || self.left_by_another
    }
}

/// Is a person's word that a host is not to be waited for in one rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Excluded {
    pub by: String,
    pub at: Timestamp,
}

/// Is where a rollout stands. The transitions are in `deliver::rollout`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum RolloutState {
    Planned,
    /// `ring` counts from 0.
    Ring {
        ring: usize,
        phase: Phase,
        since: Timestamp,
    },
    /// Stopped in front of something; `ring` is where it goes on.
    Held {
        ring: usize,
        reason: HeldReason,
        since: Timestamp,
    },
    Undoing {
        since: Timestamp,
    },
    Undone {
        at: Timestamp,
    },
    /// An undo did not reach these hosts in time; it goes on trying. `since` is when it began.
    Stuck {
        hosts: Vec<HostName>,
        since: Timestamp,
    },
    Superseded {
        by: ChangeId,
        at: Timestamp,
    },
    Done {
        at: Timestamp,
    },
}

impl RolloutState {
    /// Tells whether nothing more will happen by itself.
    pub fn is_over(&self) -> bool {
        use RolloutState::{Done, Held, Planned, Ring, Stuck, Superseded, Undoing, Undone};
        match self {
            Undone { .. } | Superseded { .. } | Done { .. } => true,
            Planned | Ring { .. } | Held { .. } | Undoing { .. } | Stuck { .. } => false,
        }
    }
}

/// Is what a ring is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Hosts are being asked, a few at a time.
    Releasing,
    /// All were asked; not all have proved it.
    Proving,
    /// All proved; the least watching time is not over.
    Baking,
    /// The verdict is awaited.
    Judging,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum HeldReason {
    /// A person said hold.
    Person { by: String },
    /// These hosts did not prove it; goes on by itself when they do.
    WaitingFor {
        hosts: Vec<HostName>,
        proved: usize,
        of: usize,
    },
    /// A host cannot do it until a person acts.
    Blocked { host: HostName, why: String },
    /// The verdict is neither good nor bad, or could not be reached in time.
    Verdict { state: String, reason: String },
    /// A freeze is in force; goes on by itself when none is.
    Frozen { rule: FreezeName, until: Timestamp },
    /// The release does not fit what it would meet there; goes on by itself when it does.
    Incompatible { why: String },
    /// The verdict is bad, and an undo would be worse; a person decides.
    NoWayBack { why: String },
}

/// Is what a person or a procedure wants of a rollout; kept until it is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Order {
    pub command: Command,
    /// A user or `procedure <name>`.
    pub by: String,
    /// The journal entry of the order, cause of what follows.
    pub entry: EntryId,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Undo,
    Hold,
    Go,
}

impl Command {
    /// Returns the word people say: `undo`.
    pub fn word(self) -> &'static str {
        match self {
            Command::Undo => "undo",
            Command::Hold => "hold",
            Command::Go => "go",
        }
    }
}

impl Rollout {
    /// Returns until when a finished rollout is watched, while it is.
    pub fn watched_until(&self) -> Option<Timestamp> {
        let watch = self.watch.as_ref()?;
        watch.ended.is_none().then_some(watch.until)
    }

    /// Tells whether an undo is ordered or on its way; one that is stuck is no longer.
    pub fn is_going_back(&self) -> bool {
        let ordered = self.order.as_ref();
        ordered.is_some_and(|order| order.command == Command::Undo)
            || matches!(self.state, RolloutState::Undoing { .. })
    }

    /// Tells whether it brings the release that runs there once more, unpacked and started anew.
    pub fn is_redeploy(&self) -> bool {
        self.release.redeploy == Some(self.change)
    }

    /// Returns all hosts of all rings, in order.
    pub fn hosts(&self) -> impl Iterator<Item = &RingHost> {
        self.rings.iter().flat_map(|ring| &ring.hosts)
    }

    /// Returns all hosts it has to do with: those of its rings, and those of the slot that serves meanwhile.
    pub fn members(&self) -> impl Iterator<Item = &RingHost> {
        let live = self.swap.iter().flat_map(|swap| &swap.live);
        self.hosts().chain(live)
    }

    /// Tells whether a ring, counted from 0, is the one of the routers.
    pub fn is_swap_ring(&self, ring: usize) -> bool {
        self.swap.is_some() && ring + 1 == self.rings.len()
    }

    /// Returns its routers; none where nothing is swapped.
    pub fn routers(&self) -> &[RingHost] {
        match (&self.swap, self.rings.last()) {
            (Some(_), Some(ring)) => &ring.hosts,
            (Some(_) | None, _) => &[],
        }
    }

    /// Returns what an undo brings back to the hosts of a ring, counted from 0; none: nothing is to run there.
    pub fn back_to(&self, ring: usize) -> Option<&ReleaseRef> {
        let is_idle_slot = self.swap.is_some() && !self.is_swap_ring(ring);
        self.previous.as_ref().filter(|_| !is_idle_slot)
    }

    /// Returns until when the slot before is kept running, while it is.
    pub fn warm_until(&self) -> Option<Timestamp> {
        let warm = self.swap.as_ref()?.warm.as_ref()?;
        warm.ended.is_none().then_some(warm.until)
    }
}
