//! The way back: every host that was asked for the release is asked for the one before it, at once.

use std::collections::BTreeSet;

use model::deliver::{Priority, RingHost, Rollout, RolloutState, WarmEnd};
use model::{ChangeId, Fact, HostName, Kind, Timestamp, Version};

use super::planner::{Planner, names_more};
use super::ring::millis_between;
use super::standing::{Standing, standing};
use super::{Ask, UNDO_DEADLINE};

/// Is why a finished rollout is not undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndoRefusal {
    #[error("{change} is not the newest rollout of its service there; {newest} came after it")]
    NotNewest { change: ChangeId, newest: ChangeId },
    #[error("{change} was superseded by {by}")]
    Superseded { change: ChangeId, by: ChangeId },
}

impl UndoRefusal {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            UndoRefusal::NotNewest { newest: other, .. }
            | UndoRefusal::Superseded { by: other, .. } => {
                format!("undo {other} first: `sleepwell undo {other}`")
            }
        }
    }
}

/// Decides whether an order to undo may be accepted; `newest` is the newest rollout of the same service
/// and environment that was not undone.
///
/// One that is still under way may always be undone. One that was undone already may be told again:
/// nothing follows.
///
/// # Errors
/// A later rollout stands on this one: undoing this would also undo that, without a word.
pub fn undo_of_finished(rollout: &Rollout, newest: ChangeId) -> Result<(), UndoRefusal> {
    let change = rollout.change;
    match rollout.state {
        RolloutState::Planned
        | RolloutState::Ring { .. }
        | RolloutState::Held { .. }
        | RolloutState::Undoing { .. }
        | RolloutState::Stuck { .. } => Ok(()),
        RolloutState::Superseded { by, .. } => Err(UndoRefusal::Superseded { change, by }),
        RolloutState::Done { .. } | RolloutState::Undone { .. } if newest > change => {
            Err(UndoRefusal::NotNewest { change, newest })
        }
        RolloutState::Done { .. } | RolloutState::Undone { .. } => Ok(()),
    }
}

impl Planner<'_> {
    pub(super) fn begin_undo(&mut self) {
        self.end_watch_by_undo();
        self.tell_warm_ended(WarmEnd::Undone);
        self.next.queued = None;
        if let Some(together) = &mut self.next.together {
            together.freed_at = None;
        }
        self.next.no_way_back = None;
        self.next.state = RolloutState::Undoing { since: self.now };
        let (to, hosts) = (self.undone_to(), self.hosts_back());
        self.tell(Kind::Action, Fact::UndoStarted { to, hosts });
    }

    /// Asks whoever is not asked yet, and looks who is back. Nothing delays it, no budget, no ring, no
    /// silent host, no hold, but the undo of what was shipped with it and needs it, and where two slots take
    /// turns the order of a swap (`swap`).
    pub(super) fn advance_undo(&mut self, since: Timestamp) {
        let Some(since) = self.freed(since) else {
            return;
        };
        self.ask_back(since);
        let missing = self.not_back_yet();
        if missing.is_empty() {
            self.undone();
        } else if self.now >= since + UNDO_DEADLINE {
            self.stuck(missing, since);
        }
    }

    fn ask_back(&mut self, since: Timestamp) {
        if self.no_way_back().is_some() {
            return;
        }
        match self.next.swap {
            Some(_) => self.swap_back(since),
            None => (0..self.next.rings.len()).for_each(|ring| self.ask_ring_back(ring)),
        }
    }

    pub(super) fn ask_ring_back(&mut self, ring: usize) {
        let ring = self.next.rings[ring].clone();
        for host in ring.hosts.iter().filter(|h| h.is_changed()) {
            let (is_asked, back) = (self.asks(host.id), self.back(host).clone());
            if !is_asked && standing(self.facts_of(host), &back) != Standing::Retired {
                self.ask(host.id, &back, Priority::Rollback, &ring.name);
            }
        }
    }

    /// Asks hosts that are not back once more although they were asked before: a new generation makes a
    /// host that gave up try again, after a person mended what was in its way.
    pub(super) fn ask_back_again(&mut self) {
        let missing: BTreeSet<HostName> = self.not_back_yet().into_iter().collect();
        self.ask_live_again(&missing);
        let may_turn = self.next.swap.is_none() || self.live_stands(self.now);
        for ring in self.next.rings.clone() {
            let again = ring
                .hosts
                .iter()
                .filter(|h| h.is_changed() && missing.contains(&h.name));
            for host in again {
                let is_kept = self.is_router(host) && !may_turn;
                if self.hosts.contains_key(&host.id) && !is_kept {
                    self.ask_anew(Ask {
                        host: host.id,
                        what: self.back(host).clone(),
                        priority: Priority::Rollback,
                        ring: ring.name.clone(),
                    });
                }
            }
        }
    }

    /// Returns the hosts the undo waits for. An excluded one is waited for when it is heard of: it may run
    /// the release that is to go, and no person's word changes that.
    pub(super) fn to_bring_back(&self) -> impl Iterator<Item = &RingHost> {
        self.next.hosts().filter(|host| {
            host.is_changed()
                && match standing(self.facts_of(host), self.back(host)) {
                    Standing::Retired => false,
                    Standing::Silent | Standing::Excluded => host.excluded.is_none(),
                    Standing::Underway
                    | Standing::Reverted
                    | Standing::Blocked
                    | Standing::Proved => true,
                }
        })
    }

    fn not_back_yet(&self) -> Vec<HostName> {
        if self.next.swap.is_some() {
            return self.not_swapped_back_yet();
        }
        self.to_bring_back()
            .filter(|host| !self.is_back(host))
            .map(|host| host.name.clone())
            .collect()
    }

    pub(super) fn is_back(&self, host: &RingHost) -> bool {
        standing(self.facts_of(host), self.back(host)) == Standing::Proved
    }

    /// Counts the hosts the undo is about, which do not stand for themselves: where two slots take turns those
    /// that stop, since what the routers do is told by itself.
    fn hosts_back(&self) -> usize {
        let hosts = self.to_bring_back();
        hosts.filter(|host| !self.is_router(host)).count()
    }

    fn undone(&mut self) {
        let fact = Fact::RolloutUndone {
            to: self.undone_to(),
            hosts: self.hosts_back(),
            after_ms: millis_between(self.next.started_at, self.now),
        };
        self.next.state = RolloutState::Undone { at: self.now };
        self.tell(Kind::Outcome, fact);
    }

    /// Names the hosts the undo has not reached; told when a name is new.
    fn stuck(&mut self, hosts: Vec<HostName>, since: Timestamp) {
        let is_news = match &self.next.state {
            RolloutState::Stuck { hosts: before, .. } => names_more(before, &hosts),
            _ => true,
        };
        if is_news {
            let hosts = hosts.clone();
            self.tell(Kind::Outcome, Fact::RolloutStuck { hosts });
        }
        self.next.state = RolloutState::Stuck { hosts, since };
    }

    fn undone_to(&self) -> Option<Version> {
        self.next.back_to(0).map(|p| p.version.clone())
    }
}
