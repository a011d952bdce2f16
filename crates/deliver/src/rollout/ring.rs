//! The way through the rings: ask within the budget, wait for proof, bake, heed the verdict.

use std::collections::BTreeSet;
use std::time::Duration;

use model::deliver::{HeldReason, Phase, Priority, RingHost, RingSpec, RolloutState};
use model::judge::{Reason, Verdict, VerdictState};
use model::{Fact, HostName, Kind, Timestamp};

use super::planner::Planner;
use super::standing::{Standing, is_for, stalled_from};
use super::{JUDGE_GRACE, STALLED_AFTER};

/// Why a host that proves the release is not done with a redeploy.
const OLD_AGENT: &str =
    "its agent is older than redeploys and kept the process it had; bring it a newer agent";

/// Is what a look at one ring comes to.
enum Step {
    /// A verdict or a host's word stopped it, and somebody else's move is awaited.
    Freeze,
    Hold(HeldReason),
    Stay(Phase),
    /// With how it passed.
    Pass(String),
}

impl Planner<'_> {
    pub(super) fn advance_rings(&mut self) {
        if let Some(failure) = self.fresh_failure() {
            self.next.failed = Some(failure.id);
        }
        while let Some(ring) = self.ring_in_hand() {
            self.release_within_budget(ring);
            self.note_proof(ring);
            match self.look(ring) {
                Step::Freeze => return,
                Step::Hold(reason) => return self.hold(ring, reason),
                Step::Stay(phase) => return self.resume(ring, phase),
                Step::Pass(how) => self.pass(ring, how),
            }
        }
    }

    fn ring_in_hand(&self) -> Option<usize> {
        match self.next.state {
            RolloutState::Ring { ring, .. } | RolloutState::Held { ring, .. } => Some(ring),
            RolloutState::Planned
            | RolloutState::Undoing { .. }
            | RolloutState::Undone { .. }
            | RolloutState::Stuck { .. }
            | RolloutState::Superseded { .. }
            | RolloutState::Done { .. } => None,
        }
    }

    /// Tells whether nobody may be asked for the release now.
    fn is_stopped(&self) -> bool {
        let stopped = |host: &RingHost| {
            host.touched && matches!(self.stands(host), Standing::Blocked | Standing::Reverted)
        };
        self.is_held_by_person()
            || self.next.failed.is_some()
            || self.frozen().is_some()
            || self.objection().is_some()
            || self.next.hosts().any(stopped)
    }

    fn is_held_by_person(&self) -> bool {
        matches!(
            &self.next.state,
            RolloutState::Held {
                reason: HeldReason::Person { .. },
                ..
            }
        )
    }

    /// Asks the ring's hosts by name, and again those of this and earlier rings that are asked for
    /// something else. A host that counts as unavailable anyway, or is excluded, costs nothing: a silent
    /// one finds its order when it comes back.
    fn release_within_budget(&mut self, ring: usize) {
        if self.is_stopped() {
            return;
        }
        let unavailable = self.next.hosts().filter(|h| self.is_unavailable(h)).count();
        let budget = self.next.plan.max_unavailable;
        let budget = budget.map_or(usize::MAX, |hosts| hosts as usize);
        let mut left = budget.saturating_sub(unavailable);
        for ring in 0..=ring {
            if self.is_slot_missing(ring) {
                continue;
            }
            for position in 0..self.next.rings[ring].hosts.len() {
                let host = &self.next.rings[ring].hosts[position];
                let costs = match self.stands(host) {
                    Standing::Retired => continue,
                    Standing::Silent | Standing::Excluded | Standing::Proved => 0,
                    Standing::Underway | Standing::Reverted | Standing::Blocked => {
                        usize::from(!self.is_unavailable(host))
                    }
                };
                if costs <= left {
                    left -= costs;
                    self.release_to(ring, position);
                }
            }
        }
    }

    fn release_to(&mut self, ring: usize, position: usize) {
        let host = self.next.rings[ring].hosts[position].id;
        if !self.hosts.contains_key(&host) || self.asks(host) {
            return;
        }
        let name = self.next.rings[ring].name.clone();
        if !self.next.rings[ring].hosts.iter().any(|h| h.touched) {
            let (ring, hosts) = (name.clone(), self.expected_names(ring));
            self.tell(Kind::Change, Fact::RingStarted { ring, hosts });
        }
        self.next.rings[ring].hosts[position].touched = true;
        let release = self.wanted(&self.next.rings[ring].hosts[position]).clone();
        self.ask(host, &release, Priority::Rollout, &name);
    }

    fn expected_names(&self, ring: usize) -> Vec<HostName> {
        let expected = self.next.rings[ring].hosts.iter();
        expected
            .filter(|h| self.is_expected(h))
            .map(|h| h.name.clone())
            .collect()
    }

    /// Starts the ring's clock when all its hosts are proved for the first time.
    fn note_proof(&mut self, ring: usize) {
        let of = self.expected_names(ring).len();
        let proved = self.next.rings[ring]
            .hosts
            .iter()
            .all(|h| self.is_settled(h));
        if proved && of > 0 && self.next.rings[ring].proved_at.is_none() {
            self.next.rings[ring].proved_at = Some(self.now);
            let name = self.next.rings[ring].name.clone();
            let fact = Fact::RingProved {
                ring: name,
                hosts: of,
            };
            self.tell(Kind::Outcome, fact);
            self.tell_swapped(ring);
        }
    }

    fn look(&self, ring: usize) -> Step {
        if self.is_held_by_person() {
            return Step::Freeze;
        }
        if self.next.failed.is_some() {
            return self.after_failure();
        }
        let held = self
            .blocked()
            .or_else(|| self.incompatible_before(ring))
            .or_else(|| self.frozen_before(ring))
            .or_else(|| self.without_anybody(ring))
            .or_else(|| self.waiting_for(ring));
        if let Some(reason) = held {
            return Step::Hold(reason);
        }
        if let Some(phase) = self.unproved(ring) {
            return Step::Stay(phase);
        }
        self.judged(ring)
    }

    /// With `auto_undo` the order to undo is on its way; otherwise, and where it could not be carried out, a
    /// person decides.
    fn after_failure(&self) -> Step {
        if self.next.auto_undo && self.next.no_way_back.is_none() {
            return Step::Freeze;
        }
        if let Some(held) = self.held_without_way_back() {
            return Step::Hold(held);
        }
        let shown = self.verdict.filter(|v| Some(v.id) == self.next.failed);
        match (&self.next.state, shown) {
            (_, Some(verdict)) => Step::Hold(held_by(verdict)),
            // A better verdict since then changes nothing: what was shown stays shown.
            (
                RolloutState::Held {
                    reason: HeldReason::Verdict { state, .. },
                    ..
                },
                None,
            ) if *state == VerdictState::Fail.to_string() => Step::Freeze,
            (_, None) => Step::Hold(HeldReason::Verdict {
                state: VerdictState::Fail.to_string(),
                reason: self
                    .next
                    .failed
                    .map_or_else(String::new, |id| id.to_string()),
            }),
        }
    }

    fn blocked(&self) -> Option<HeldReason> {
        let mut hosts = self.next.hosts();
        let host = hosts.find(|h| h.touched && self.stands(h) == Standing::Blocked)?;
        let reported = self.facts_of(host)?.reported.as_ref()?;
        let why = if is_for(reported, &self.next.release) {
            reported.why.clone()
        } else {
            OLD_AGENT.to_owned()
        };
        Some(HeldReason::Blocked {
            host: host.name.clone(),
            why,
        })
    }

    /// Returns the hold of a swap without a slot or a router to it; a person takes it back.
    fn without_anybody(&self, ring: usize) -> Option<HeldReason> {
        let hosts = self.nobody_left(ring)?;
        let (proved, of) = self.counts();
        Some(HeldReason::WaitingFor { hosts, proved, of })
    }

    /// Returns whom the ring waits for when that is all it can do: every host in its way is silent, or
    /// has given the same unproved answer for too long. A host that was named stays named until it is
    /// proved, so that one which comes and goes does not fill the journal.
    fn waiting_for(&self, ring: usize) -> Option<HeldReason> {
        let in_the_way = self.in_the_way(ring);
        let named = self.named_already();
        let may_wait =
            |host: &&RingHost| self.is_silent_or_stalled(host) || named.contains(&host.name);
        if in_the_way.is_empty() || !in_the_way.iter().all(may_wait) {
            return None;
        }
        let (proved, of) = self.counts();
        Some(HeldReason::WaitingFor {
            hosts: in_the_way.iter().map(|h| h.name.clone()).collect(),
            proved,
            of,
        })
    }

    /// Returns the hosts that keep the ring from going on: its own; all, when they use up the budget
    /// it needs; and all in the last ring, behind which the rollout is done.
    fn in_the_way(&self, ring: usize) -> Vec<&RingHost> {
        let needs_budget = self.has_unasked(ring);
        let everywhere = needs_budget || self.is_last(ring);
        let rings = if everywhere {
            0..self.next.rings.len()
        } else {
            ring..ring + 1
        };
        self.next.rings[rings]
            .iter()
            .flat_map(|ring| &ring.hosts)
            .filter(|host| self.is_unavailable(host))
            .collect()
    }

    /// Returns the freeze in front of hosts of the ring; a ring that was asked as a whole bakes and is
    /// judged in spite of it.
    fn frozen_before(&self, ring: usize) -> Option<HeldReason> {
        self.held_by_freeze().filter(|_| self.has_unasked(ring))
    }

    pub(super) fn has_unasked(&self, ring: usize) -> bool {
        let mut hosts = self.next.rings[ring].hosts.iter();
        hosts.any(|h| !h.touched && self.is_expected(h))
    }

    fn is_silent_or_stalled(&self, host: &RingHost) -> bool {
        let Some(facts) = self.facts_of(host) else {
            return true;
        };
        facts.unknown_since.is_some() || self.stalls_at(host).is_some_and(|from| from <= self.now)
    }

    /// Returns from when a host that does not go on counts as stalled: on the way to this release, or,
    /// while this one has not asked it, to that of a rollout it took over from.
    pub(super) fn stalls_at(&self, host: &RingHost) -> Option<Timestamp> {
        let facts = self.facts_of(host)?;
        if host.touched || !host.left_by_another {
            return stalled_from(facts, self.wanted(host));
        }
        let reported = facts.reported.as_ref()?;
        (!self.has_settled(host)).then(|| reported.since + STALLED_AFTER)
    }

    /// Returns the hosts that are told to be waited for.
    fn named_already(&self) -> BTreeSet<&HostName> {
        match &self.next.state {
            RolloutState::Held {
                reason: HeldReason::WaitingFor { hosts, .. },
                ..
            } => hosts.iter().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Returns the phase of a ring that is not proved now; in the last ring, all hosts count.
    fn unproved(&self, ring: usize) -> Option<Phase> {
        if self.has_unasked(ring) {
            return Some(Phase::Releasing);
        }
        let hosts = &self.next.rings[ring].hosts;
        let settled = hosts.iter().all(|h| self.is_settled(h))
            && (!self.is_last(ring) || self.next.hosts().all(|h| self.is_settled(h)));
        (!settled).then_some(Phase::Proving)
    }

    /// Decides about a ring whose hosts are all proved.
    fn judged(&self, ring: usize) -> Step {
        let spec = &self.next.plan.rings[ring];
        let Some(proved_at) = self.next.rings[ring].proved_at else {
            return Step::Pass("no hosts left".into());
        };
        if let Some(overruled) = self.next.overruled.as_ref().filter(|o| o.ring == ring) {
            return Step::Pass(format!("by {}", overruled.by));
        }
        if self.now < proved_at + spec.bake {
            return Step::Stay(Phase::Baking);
        }
        let verdict = self.verdict.filter(|v| v.ring == ring);
        let deadline = proved_at + longest(spec);
        if !self.is_looked_at(proved_at + spec.bake) {
            return if self.now < deadline + JUDGE_GRACE {
                Step::Stay(Phase::Judging)
            } else {
                at_deadline(verdict, false)
            };
        }
        if self.next.is_swap_ring(ring) {
            return Step::Pass("swapped".into());
        }
        if self.next.previous.is_none() {
            return Step::Pass("unjudged".into());
        }
        if !self.next.judged {
            return Step::Pass("unjudged, no signals".into());
        }
        if self.is_proof_enough() {
            return Step::Pass("unjudged, by proof".into());
        }
        match verdict {
            Some(v) if v.state == VerdictState::Pass && v.at >= proved_at => {
                Step::Pass(how(&v.reason))
            }
            _ if self.is_all_at_once() => Step::Pass("unjudged, no control".into()),
            // Every host runs the release: there is nothing left to compare it with.
            _ if self.is_last(ring) => Step::Pass("no control left".into()),
            _ if self.now < deadline => Step::Stay(Phase::Judging),
            _ => at_deadline(verdict, self.now < deadline + JUDGE_GRACE),
        }
    }

    /// Tells whether every host was asked in the same moment, so that none was ever left to compare with.
    fn is_all_at_once(&self) -> bool {
        let hosts = self.next.hosts().count();
        let budget = self.next.plan.max_unavailable;
        self.next.rings.len() == 1 && budget.is_none_or(|budget| budget as usize >= hosts)
    }

    fn pass(&mut self, ring: usize, how: String) {
        self.resume(ring, Phase::Judging);
        self.next.rings[ring].passed_at = Some(self.now);
        self.next.rings[ring].passed_how = Some(how.clone());
        let name = self.next.rings[ring].name.clone();
        self.tell(Kind::Outcome, Fact::RingPassed { ring: name, how });
        if self.is_last(ring) {
            self.complete();
        } else {
            self.enter(ring + 1, Phase::Releasing);
        }
    }

    fn complete(&mut self) {
        self.next.state = RolloutState::Done { at: self.now };
        let (_, hosts) = self.counts();
        let after_ms = millis_between(self.next.started_at, self.now);
        self.tell(Kind::Outcome, Fact::RolloutDone { hosts, after_ms });
        self.begin_watch();
        self.begin_warm();
    }
}

/// Returns the whole time a ring is watched, counted from its proof.
pub(super) fn longest(spec: &RingSpec) -> Duration {
    spec.deadline.max(spec.bake)
}

/// Decides when the time is up and the ring has not passed.
fn at_deadline(verdict: Option<&Verdict>, in_grace: bool) -> Step {
    // A pass from before the proof was about something else.
    let verdict = verdict.filter(|v| v.state != VerdictState::Pass);
    match verdict {
        Some(v) if v.reason != Reason::Collecting => Step::Hold(held_by(v)),
        _ if in_grace => Step::Stay(Phase::Judging),
        Some(v) => Step::Hold(held_by(v)),
        None => Step::Hold(HeldReason::Verdict {
            state: VerdictState::Undecided.to_string(),
            reason: "no_verdict".into(),
        }),
    }
}

fn how(reason: &Reason) -> String {
    match reason {
        Reason::NotExcluded {
            odds_at_most: Some(odds),
        } => format!("not excluded: odds up to {}", odds.0),
        Reason::NotExcluded { odds_at_most: None } => "not excluded".into(),
        Reason::Cleared
        | Reason::Harm
        | Reason::Crashing { .. }
        | Reason::Unhealthy { .. }
        | Reason::Suspicion
        | Reason::AdvisoryOnly
        | Reason::DeadlineHold
        | Reason::Collecting
        | Reason::NotEnoughTraffic
        | Reason::NoControl
        | Reason::NoData
        | Reason::BucketMismatch
        | Reason::ControlSick => "pass".into(),
    }
}

fn held_by(verdict: &Verdict) -> HeldReason {
    HeldReason::Verdict {
        state: verdict.state.to_string(),
        reason: verdict.reason.word().into(),
    }
}

pub(super) fn millis_between(earlier: Timestamp, later: Timestamp) -> u64 {
    u64::try_from(later.since(earlier).as_millis()).unwrap_or(u64::MAX)
}
