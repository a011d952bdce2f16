//! One plan in the making, and the questions every part of it asks.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use model::deliver::{
    HeldReason, Phase, Priority, Proof, ReleaseRef, RingHost, Rollout, RolloutState,
};
use model::judge::{LastLook, Verdict, VerdictState};
use model::{Fact, HostId, HostName, Kind, RingName, Timestamp};

use super::standing::{Standing, is_asked, standing};
use super::swap::{Routed, routed};
use super::{Ask, Gates, HostFacts, JudgeFacts, Plan, Wanted, seen};

pub(super) struct Planner<'a> {
    pub(super) next: Rollout,
    pub(super) hosts: &'a BTreeMap<HostId, HostFacts>,
    pub(super) verdict: Option<&'a Verdict>,
    pub(super) last_look: Option<&'a LastLook>,
    pub(super) gates: Gates<'a>,
    pub(super) now: Timestamp,
    /// What the rollout brings to its hosts, apart from routers.
    release: Wanted,
    /// What an undo brings back to them.
    back: Wanted,
    /// The same of routers.
    routed: Option<Routed>,
    pub(super) order_done: bool,
    ask: Vec<Ask>,
    /// Whom `ask` holds.
    asked: BTreeSet<HostId>,
    facts: Vec<(Kind, Fact)>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        rollout: &Rollout,
        hosts: &'a BTreeMap<HostId, HostFacts>,
        judge: JudgeFacts<'a>,
        gates: Gates<'a>,
        now: Timestamp,
    ) -> Self {
        Self {
            next: rollout.clone(),
            hosts,
            verdict: judge.verdict.filter(|v| v.change == rollout.change),
            last_look: judge.last_look,
            gates,
            now,
            release: Wanted::Release(rollout.release.clone()),
            back: wanted_by_undo(rollout.back_to(0)),
            routed: routed(rollout),
            order_done: false,
            ask: Vec::new(),
            asked: BTreeSet::new(),
            facts: Vec::new(),
        }
    }

    /// Brings the rollout as far as the facts allow now.
    pub(super) fn advance(&mut self) {
        match self.next.state {
            // It owns no ring yet.
            RolloutState::Planned if self.next.queued.is_some() || self.waits_for_parts() => {}
            RolloutState::Planned => {
                self.tell_begun();
                self.enter(0, Phase::Releasing);
                self.advance_rings();
            }
            RolloutState::Ring { .. } | RolloutState::Held { .. } => self.advance_rings(),
            RolloutState::Undoing { since } | RolloutState::Stuck { since, .. } => {
                self.advance_undo(since);
            }
            RolloutState::Done { .. } => {
                self.advance_watch();
                self.advance_warm();
            }
            RolloutState::Undone { .. } | RolloutState::Superseded { .. } => {}
        }
    }

    pub(super) fn finish(self) -> Plan {
        Plan {
            wake_at: self.wake_at(),
            next: self.next,
            ask: self.ask,
            facts: self.facts,
            order_done: self.order_done,
        }
    }

    pub(super) fn tell(&mut self, kind: Kind, fact: Fact) {
        self.facts.push((kind, fact));
    }

    /// Asks a host for `what` unless that is what it is asked for already.
    pub(super) fn ask(&mut self, host: HostId, what: &Wanted, priority: Priority, ring: &RingName) {
        let Some(facts) = self.hosts.get(&host) else {
            return;
        };
        if !facts.desired.as_ref().is_some_and(|d| is_asked(d, what)) {
            self.ask_anew(Ask {
                host,
                what: what.clone(),
                priority,
                ring: ring.clone(),
            });
        }
    }

    /// Asks a host, whatever it is asked for already.
    pub(super) fn ask_anew(&mut self, ask: Ask) {
        self.asked.insert(ask.host);
        self.ask.push(ask);
    }

    /// Tells whether this plan asks the host already: a plan may go through several rings, and what it
    /// asks for is not in the facts yet.
    pub(super) fn asks(&self, host: HostId) -> bool {
        self.asked.contains(&host)
    }

    /// Goes to a ring and phase; time in it counts from the first such look.
    pub(super) fn enter(&mut self, ring: usize, phase: Phase) {
        let stays = matches!(self.next.state,
            RolloutState::Ring { ring: r, phase: p, .. } if (r, p) == (ring, phase));
        if !stays {
            self.next.state = RolloutState::Ring {
                ring,
                phase,
                since: self.now,
            };
        }
    }

    /// Leaves a hold, if there is one.
    pub(super) fn resume(&mut self, ring: usize, phase: Phase) {
        if let RolloutState::Held { .. } = self.next.state {
            let ring = self.next.rings[ring].name.clone();
            self.tell(Kind::Outcome, Fact::RolloutResumed { ring });
        }
        self.enter(ring, phase);
    }

    /// Holds in front of `reason`. It is told when it is news, not when a number in it moves.
    pub(super) fn hold(&mut self, ring: usize, reason: HeldReason) {
        let (since, is_news) = match &self.next.state {
            RolloutState::Held {
                reason: before,
                since,
                ..
            } if discriminant(before) == discriminant(&reason) => {
                (*since, is_news(before, &reason))
            }
            _ => (self.now, true),
        };
        if is_news {
            let reason = reason.clone();
            self.tell(Kind::Outcome, Fact::RolloutHeld { reason });
        }
        self.next.state = RolloutState::Held {
            ring,
            reason,
            since,
        };
    }

    /// Returns what the rollout brings to a host.
    pub(super) fn wanted(&self, host: &RingHost) -> &Wanted {
        match &self.routed {
            Some(routed) if self.is_router(host) => &routed.there,
            Some(_) | None => &self.release,
        }
    }

    /// Returns what an undo brings back to a host.
    pub(super) fn back(&self, host: &RingHost) -> &Wanted {
        match &self.routed {
            Some(routed) if self.is_router(host) => &routed.back,
            Some(_) | None => &self.back,
        }
    }

    pub(super) fn is_router(&self, host: &RingHost) -> bool {
        self.next
            .routers()
            .iter()
            .any(|router| router.id == host.id)
    }

    pub(super) fn facts_of(&self, host: &RingHost) -> Option<&'a HostFacts> {
        self.hosts.get(&host.id)
    }

    /// Returns where a host stands on the way to the rollout's release. An excluded one that proves it
    /// counts like any other.
    pub(super) fn stands(&self, host: &RingHost) -> Standing {
        match standing(self.facts_of(host), self.wanted(host)) {
            stands @ (Standing::Retired | Standing::Proved) => stands,
            _ if host.excluded.is_some() => Standing::Excluded,
            stands => stands,
        }
    }

    /// Tells whether the host is expected and cannot be counted on: silent, or asked and not proved.
    pub(super) fn is_unavailable(&self, host: &RingHost) -> bool {
        match self.stands(host) {
            Standing::Retired | Standing::Excluded | Standing::Proved => false,
            Standing::Silent => true,
            Standing::Underway | Standing::Reverted | Standing::Blocked => {
                host.touched || host.left_by_another && !self.has_settled(host)
            }
        }
    }

    /// Tells whether a host proves whatever it was asked for last, as one that another rollout has asked.
    pub(super) fn has_settled(&self, host: &RingHost) -> bool {
        let facts = self.facts_of(host);
        let (desired, reported) = match facts.map(|f| (&f.desired, &f.reported)) {
            Some((Some(desired), Some(reported))) => (desired, reported),
            Some((Some(_), None) | (None, _)) | None => return false,
        };
        let applied = reported.generation_applied == desired.generation;
        applied && reported.proof == Proof::Converged
    }

    /// Tells whether nobody waits for a host: it proved the release, is excluded, or expected no longer.
    pub(super) fn is_settled(&self, host: &RingHost) -> bool {
        match self.stands(host) {
            Standing::Proved => host.touched,
            Standing::Retired | Standing::Excluded => true,
            Standing::Silent | Standing::Underway | Standing::Reverted | Standing::Blocked => false,
        }
    }

    /// Tells whether the rollout waits for a host, or would: it is neither retired nor excluded.
    pub(super) fn is_expected(&self, host: &RingHost) -> bool {
        match self.stands(host) {
            Standing::Retired | Standing::Excluded => false,
            Standing::Silent
            | Standing::Underway
            | Standing::Reverted
            | Standing::Blocked
            | Standing::Proved => true,
        }
    }

    /// Returns how many hosts prove the release, and how many are expected to.
    pub(super) fn counts(&self) -> (usize, usize) {
        let proved = self.next.hosts().map(|host| self.stands(host));
        let proved = proved.filter(|&s| s == Standing::Proved).count();
        let expected = self.next.hosts().filter(|h| self.is_expected(h)).count();
        (proved, expected)
    }

    pub(super) fn is_last(&self, ring: usize) -> bool {
        ring + 1 == self.next.rings.len()
    }

    /// Tells whether the judge looked at `from` or later, and at what the hosts say now: a report that
    /// came after its look may be the one that counts.
    pub(super) fn is_looked_at(&self, from: Timestamp) -> bool {
        self.last_look
            .is_some_and(|look| look.at >= from && look.seen == seen(&self.next, self.hosts))
    }

    /// Returns the newest verdict when it is a failed one that nobody went past.
    pub(super) fn fresh_failure(&self) -> Option<&'a Verdict> {
        let overruled = self.next.overruled.as_ref().and_then(|o| o.verdict);
        self.verdict
            .filter(|v| v.state == VerdictState::Fail && Some(v.id) != overruled)
    }
}

pub(super) fn wanted_by_undo(previous: Option<&ReleaseRef>) -> Wanted {
    match previous {
        Some(previous) => Wanted::Release(previous.clone()),
        None => Wanted::Stopped,
    }
}

/// Tells whether a hold for `after` says something that `before`, of the same kind, did not.
fn is_news(before: &HeldReason, after: &HeldReason) -> bool {
    match (before, after) {
        (
            HeldReason::WaitingFor { hosts: before, .. },
            HeldReason::WaitingFor { hosts: after, .. },
        ) => names_more(before, after),
        (HeldReason::Blocked { host: before, .. }, HeldReason::Blocked { host: after, .. }) => {
            before != after
        }
        (HeldReason::Frozen { rule: before, .. }, HeldReason::Frozen { rule: after, .. }) => {
            before != after
        }
        (
            HeldReason::Person { .. }
            | HeldReason::Frozen { .. }
            | HeldReason::Incompatible { .. }
            | HeldReason::NoWayBack { .. }
            | HeldReason::WaitingFor { .. }
            | HeldReason::Blocked { .. }
            | HeldReason::Verdict { .. },
            _,
        ) => before != after,
    }
}

/// Tells whether a host is named that was not named before; fewer names are no news.
pub(super) fn names_more(before: &[HostName], after: &[HostName]) -> bool {
    let before: BTreeSet<&HostName> = before.iter().collect();
    after.iter().any(|name| !before.contains(name))
}
