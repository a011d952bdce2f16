//! What a journal entry can say: one variant per thing that happens, in its `body`.
//!
//! The list only grows; a stored entry is readable for ever (`tests/golden` proves it).

use serde::{Deserialize, Serialize};

use crate::act::Urgency;
use crate::deliver::{
    DeliveryOutcome, DesiredState, GitEvent, GitHost, HeldReason, MigrationKind, Overdue, Part,
    Priority, Proof, ReleaseRef, Slot, WarmEnd, WatchEnd,
};
use crate::judge::{Resolution, Verdict};
use crate::{
    ActionId, AlertId, ChangeId, Digest, EnvironmentName, FreezeName, HostName, IncidentId, PageId,
    RingName, Role, ServiceName, Timestamp, VerdictId, Version,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Fact {
    // Machinery.
    ServerStarted {
        version: String,
    },
    TokenCreated {
        name: String,
        role: Role,
        expires_at: Option<Timestamp>,
    },
    TokenRevoked {
        name: String,
    },

    // Fleet.
    HostEnrolled {
        host: HostName,
    },
    /// The answer to its enrolment was lost, and it asked once more.
    HostEnrolledAgain {
        host: HostName,
    },
    /// It showed a token that a person made for it, and has another identity from now on.
    HostLetBackIn {
        host: HostName,
    },
    /// It was enrolled with a machine id another host has, because a person made a token for it.
    HostSharesMachine {
        host: HostName,
        with: HostName,
    },
    /// A person said that a rollout is not to wait for it; it stays owed the release.
    HostExcluded {
        host: HostName,
        reason: String,
    },
    /// A person had it try again what it is asked for of a service, for all that it said before.
    HostTriesAgain {
        host: HostName,
        service: ServiceName,
        proof: Proof,
        why: String,
        reason: String,
    },
    /// A person said that it is gone for good: it is expected no longer, and its token is void.
    HostRetired {
        host: HostName,
        reason: String,
    },
    HostSilent {
        host: HostName,
        since: Timestamp,
    },
    HostBack {
        host: HostName,
        silent_since: Timestamp,
    },
    /// Several agents speak as one host, as after a disk was copied; the one of the first boot is heard.
    HostDoubled {
        host: HostName,
        heard_boot: String,
        other_boots: Vec<String>,
    },
    /// Only one agent speaks as the host again.
    HostAlone {
        host: HostName,
        doubled_since: Timestamp,
    },
    /// Its clock is further from the server's than is fine; below zero it is behind.
    HostClockOff {
        host: HostName,
        ahead_ms: i64,
    },
    HostClockRight {
        host: HostName,
        off_since: Timestamp,
    },
    /// A person asked for another program of its agent.
    AgentAsked {
        host: HostName,
        digest: Digest,
        version: String,
        reason: String,
    },
    /// Its agent has become the program that was asked for, and spoke as it.
    AgentUpdated {
        host: HostName,
        digest: Digest,
        version: String,
    },
    /// Its agent goes on with the program it had.
    AgentUpdateFailed {
        host: HostName,
        digest: Digest,
        version: String,
        why: String,
    },
    /// Its agent is not the program any more that it had become, and nobody asked for that here.
    AgentReplaced {
        host: HostName,
        digest: Digest,
        was: Digest,
    },
    /// The agent's proof about a service changed.
    HostProof {
        host: HostName,
        service: ServiceName,
        proof: Proof,
        version: Option<Version>,
        why: String,
    },
    HostExit {
        host: HostName,
        service: ServiceName,
        exits: u32,
        why: String,
    },
    HostUnhealthy {
        host: HostName,
        service: ServiceName,
        failed_checks: u32,
    },
    /// The host refused an order older than what it has recorded.
    HostRefused {
        host: HostName,
        kind: String,
        seen: u64,
        offered: u64,
    },
    /// A host has seen an order newer than any this server knows of: it was restored from an old backup.
    /// Without a service it is the epoch.
    BehindFleet {
        host: HostName,
        service: Option<ServiceName>,
        seen: u64,
        ours: u64,
    },
    /// A stored row cannot be read: it was taken off its list and kept as it is.
    SetAside {
        /// As the log names it: `verdict vrd-…`, `alt-12`.
        row: String,
        why: String,
    },
    /// A person said how to go on with hosts that are ahead.
    FleetAdopted {
        how: crate::deliver::Adoption,
        /// Each is one service on one host.
        orders: usize,
        reason: String,
    },
    /// The host was asked to run a release.
    HostAsked {
        host: HostName,
        service: ServiceName,
        version: Version,
        generation: u64,
        priority: Priority,
        /// Stopped: the undo of a first release, which has nothing to go back to.
        state: DesiredState,
    },

    // Releases and rollouts.
    ReleaseCreated {
        service: ServiceName,
        release: ReleaseRef,
    },
    RolloutPlanned {
        service: ServiceName,
        environment: EnvironmentName,
        release: ReleaseRef,
        previous: Option<ReleaseRef>,
        rings: Vec<(RingName, usize)>,
    },
    RingStarted {
        ring: RingName,
        hosts: Vec<HostName>,
    },
    RingProved {
        ring: RingName,
        hosts: usize,
    },
    RingPassed {
        ring: RingName,
        how: String,
    },
    RolloutHeld {
        reason: HeldReason,
    },
    RolloutResumed {
        ring: RingName,
    },
    UndoStarted {
        to: Option<Version>,
        hosts: usize,
    },
    RolloutUndone {
        to: Option<Version>,
        hosts: usize,
        /// Since the rollout began.
        after_ms: u64,
    },
    RolloutStuck {
        hosts: Vec<HostName>,
    },
    RolloutDone {
        hosts: usize,
        /// Since the rollout began.
        after_ms: u64,
    },

    /// Every host is to be set up anew with the release that runs there.
    RedeployOrdered {
        service: ServiceName,
        environment: EnvironmentName,
        version: Version,
        /// None: a person asked for it.
        overdue: Option<Overdue>,
    },
    /// A redeploy is due and cannot begin; it is tried again.
    RedeployNotBegun {
        service: ServiceName,
        environment: EnvironmentName,
        why: String,
    },
    /// It waits for an earlier one of its service and environment.
    RolloutQueued {
        service: ServiceName,
        environment: EnvironmentName,
        release: ReleaseRef,
        behind: ChangeId,
    },
    /// Its turn had come, and it could not begin; it tries again.
    RolloutNotBegun {
        why: String,
    },
    /// A later one took over.
    RolloutSuperseded {
        by: ChangeId,
    },
    /// The watch behind the last ring is over.
    WatchEnded {
        how: WatchEnd,
    },
    /// Where the release goes while the other slot serves; none does before the first release.
    SlotChosen {
        idle: Slot,
        live: Option<Slot>,
    },
    /// The routers proved that they send everything to this slot.
    Swapped {
        to: Slot,
        from: Option<Slot>,
    },
    /// The routers proved that they send everything to the slot before again; none: to no slot.
    SwappedBack {
        to: Option<Slot>,
        after_ms: u64,
    },
    /// The slot that served before is kept running no longer.
    WarmEnded {
        slot: Slot,
        how: WarmEnd,
    },
    /// It is one of several services that were shipped as one.
    ShippedTogether {
        /// In the order they go out; this one is among them.
        parts: Vec<Part>,
    },
    /// Every part it needs is live, so that it begins.
    PartBegun {
        needs: Vec<ChangeId>,
    },
    /// It goes back because another part does.
    UndoneTogether {
        with: ChangeId,
        service: ServiceName,
        version: Version,
    },
    /// Another part does not go back with it.
    PartStays {
        change: ChangeId,
        service: ServiceName,
        why: String,
    },
    /// Somebody keeps releases back by a rule of the calendar; none named means all of them.
    FreezeSet {
        freeze: FreezeName,
        environment: Option<EnvironmentName>,
        service: Option<ServiceName>,
        /// In words: `every week from fri 16:00 to mon 08:00, Europe/Berlin`.
        when: String,
        reason: String,
    },
    FreezeLifted {
        freeze: FreezeName,
        reason: String,
    },
    /// Whoever migrates a schema was let begin; from then on both versions count.
    SchemaBegun {
        service: ServiceName,
        environment: EnvironmentName,
        from: u64,
        to: u64,
        kind: MigrationKind,
        reason: String,
    },
    /// Somebody said what the schema is now.
    SchemaSet {
        service: ServiceName,
        environment: EnvironmentName,
        /// None: it was not known.
        from: Option<u64>,
        to: u64,
        /// What led there; none where it was found to be so.
        kind: Option<MigrationKind>,
        reason: String,
    },
    /// An undo was ordered and did not begin, because the release before does not fit any more.
    UndoRefused {
        why: String,
    },
    /// A person lets one rollout go on in spite of freezes.
    FreezeOverridden {
        reason: String,
        until: Timestamp,
    },

    // Judgement.
    VerdictGiven {
        verdict: Box<Verdict>,
    },

    // Act.
    /// A person or a procedure wants something done to a change.
    Ordered {
        command: crate::deliver::Command,
        reason: String,
    },
    /// A procedure began because of a verdict.
    ActionTaken {
        action: ActionId,
        procedure: String,
        what: String,
        verdict: VerdictId,
    },
    ActionFailed {
        action: ActionId,
        procedure: String,
        what: String,
        why: String,
    },
    MessageQueued {
        page: PageId,
        to: String,
        title: String,
    },
    MessageAccepted {
        page: PageId,
        to: String,
        attempt: u32,
    },
    MessageFailed {
        page: PageId,
        to: String,
        attempts: u32,
        why: String,
    },

    // Alerts and incidents.
    /// A rule, here or in another tool, says that something is wrong.
    AlertFired {
        alert: AlertId,
        service: ServiceName,
        name: String,
        summary: String,
        starts_at: Timestamp,
        /// Changes of the service around then; nearness is no proof.
        changes: Vec<ChangeId>,
    },
    AlertResolved {
        alert: AlertId,
        name: String,
        how: Resolution,
    },
    /// Alerts that were not taken, because the service has as many open ones as it may.
    AlertsRefused {
        service: ServiceName,
        alerts: u64,
        limit: u64,
    },
    IncidentOpened {
        incident: IncidentId,
        service: ServiceName,
        /// What its alerts are called.
        title: String,
        urgency: Urgency,
    },
    /// Alerts became part of it. With `told_at`, nobody is told before then.
    IncidentJoined {
        alerts: u64,
        names: Vec<String>,
        told_at: Option<Timestamp>,
    },
    /// Its alerts fire again soon after it was resolved.
    IncidentReopened {
        title: String,
    },
    IncidentResolved {
        title: String,
        /// Since it was opened.
        after_ms: u64,
    },
    /// There was something to tell and nobody to tell it to.
    NobodyTold {
        title: String,
        why: String,
    },

    // Other tools.
    /// A git host told what happened in a repository.
    HookReceived {
        host: GitHost,
        /// The host's id of it.
        delivery: String,
        event: Box<GitEvent>,
        outcome: DeliveryOutcome,
    },
    /// Another tool told by a CDEvent what it did.
    CdeventReceived {
        source: String,
        id: String,
        #[serde(rename = "type")]
        event_type: String,
        /// The id of what it is about; absent where the event could not be read.
        about: Option<String>,
        environment: Option<String>,
        /// A package URL.
        artifact: Option<String>,
        outcome: DeliveryOutcome,
    },
}

impl Fact {
    /// Returns the entry's body.
    pub fn to_body(&self) -> serde_json::Value {
        serde_json::to_value(self)
            .expect("facts hold only strings, numbers and maps with string keys")
    }

    /// Reads a stored body.
    ///
    /// # Errors
    /// A body written by a newer program.
    pub fn from_body(body: &serde_json::Value) -> Result<Self, String> {
        Self::deserialize(body).map_err(|e| e.to_string())
    }
}
