//! The swap: routers send everything to the slot that proved the release, and back.
//!
//! Forward it is the rollout's last ring, and it is begun only while the slot behind it stands. Back there
//! is an order, because somebody uses what the routers point to: first the slot before runs and proves its
//! release (it does while it is kept warm), then the routers turn, and only when they proved that is the
//! bad release stopped.

use std::collections::BTreeSet;

use model::deliver::{JudgeIdle, Priority, RingHost, Rollout, Slot, Warm, WarmEnd};
use model::{ChangeId, Fact, HostName, Kind, RingName, Timestamp};

use super::planner::Planner;
use super::ring::millis_between;
use super::standing::{Standing, is_asked, standing};
use super::{Ask, UNDO_DEADLINE, Wanted};

/// Is what routers are asked for, there and back.
pub(super) struct Routed {
    pub(super) there: Wanted,
    pub(super) back: Wanted,
}

/// Returns what the routers of a rollout are asked for; none where nothing is swapped.
pub(super) fn routed(rollout: &Rollout) -> Option<Routed> {
    let swap = rollout.swap.as_ref()?;
    let back = rollout.previous.clone().zip(swap.from);
    Some(Routed {
        there: Wanted::Routed(rollout.release.clone(), swap.to),
        back: back.map_or(Wanted::Stopped, |(release, from)| {
            Wanted::Routed(release, from)
        }),
    })
}

/// Ends the time the slot before is kept running because another release takes its place; none when it is
/// not.
pub(super) fn replace_warm(rollout: &mut Rollout, by: ChangeId) -> Option<Fact> {
    end_warm(rollout, WarmEnd::Replaced { by })
}

fn end_warm(rollout: &mut Rollout, how: WarmEnd) -> Option<Fact> {
    rollout.warm_until()?;
    let swap = rollout.swap.as_mut()?;
    swap.warm.as_mut()?.ended = Some(how);
    let slot = swap.from?;
    Some(Fact::WarmEnded { slot, how })
}

fn ring_name(slot: Slot) -> RingName {
    slot.word().parse().expect("a slot's name is a ring's")
}

impl Planner<'_> {
    /// Tells whether the routers of this ring may not be asked: a host of the slot does not prove the
    /// release any more, or none is left that does.
    pub(super) fn is_slot_missing(&self, ring: usize) -> bool {
        let mut slot = self.next.rings[..ring].iter().flat_map(|ring| &ring.hosts);
        let is_proved = |host: &RingHost| self.stands(host) == Standing::Proved;
        self.next.is_swap_ring(ring)
            && !(slot.clone().all(|host| self.is_settled(host)) && slot.any(is_proved))
    }

    /// Returns the hosts of a slot, or routers, of which none is expected any more. Others can do without
    /// them; a swap cannot.
    pub(super) fn nobody_left(&self, ring: usize) -> Option<Vec<HostName>> {
        self.next.swap.as_ref()?;
        let is_left = |host: &RingHost| self.is_expected(host);
        let mut rings = self.next.rings[..=ring].iter();
        let empty = rings.find(|ring| !ring.hosts.iter().any(is_left))?;
        Some(empty.hosts.iter().map(|host| host.name.clone()).collect())
    }

    /// Tells whether nothing reaches the idle slot that could be judged.
    pub(super) fn is_proof_enough(&self) -> bool {
        let slots = self.next.plan.blue_green.as_ref();
        slots.is_some_and(|slots| slots.judge == JudgeIdle::Proof)
    }

    pub(super) fn tell_swapped(&mut self, ring: usize) {
        if let Some(swap) = self
            .next
            .swap
            .as_ref()
            .filter(|_| self.next.is_swap_ring(ring))
        {
            let (to, from) = (swap.to, swap.from);
            self.tell(Kind::Outcome, Fact::Swapped { to, from });
        }
    }

    /// Keeps the slot before running from now on, for a while.
    pub(super) fn begin_warm(&mut self) {
        let keep_warm = self
            .next
            .plan
            .blue_green
            .as_ref()
            .map(|slots| slots.keep_warm);
        let swap = self.next.swap.as_mut().filter(|swap| swap.from.is_some());
        if let (Some(swap), Some(keep_warm)) = (swap, keep_warm) {
            swap.warm = Some(Warm {
                until: self.now + keep_warm,
                ended: None,
            });
            self.advance_warm();
        }
    }

    /// Stops the slot before when its time is over; not while a bad verdict stands, which may need it.
    pub(super) fn advance_warm(&mut self) {
        let is_over = self
            .next
            .warm_until()
            .is_some_and(|until| self.now >= until);
        if !is_over || self.fresh_failure().is_some() {
            return;
        }
        self.tell_warm_ended(WarmEnd::Stopped);
        self.ask_live(&Wanted::Stopped, Priority::Rollout);
    }

    pub(super) fn tell_warm_ended(&mut self, how: WarmEnd) {
        if let Some(fact) = end_warm(&mut self.next, how) {
            self.tell(Kind::Outcome, fact);
        }
    }

    /// Asks the hosts of the slot before for something, and remembers that.
    fn ask_live(&mut self, what: &Wanted, priority: Priority) {
        let Some(ring) = self.next.swap.as_ref().and_then(|s| s.from).map(ring_name) else {
            return;
        };
        for (place, host) in self.live().into_iter().enumerate() {
            let Some(facts) = self.facts_of(&host).filter(|facts| !facts.retired) else {
                continue;
            };
            if facts.desired.as_ref().is_some_and(|d| is_asked(d, what)) || self.asks(host.id) {
                continue;
            }
            if let Some(swap) = &mut self.next.swap {
                swap.live[place].touched = true;
            }
            self.ask(host.id, what, priority, &ring);
        }
    }

    fn live(&self) -> Vec<RingHost> {
        let swap = self.next.swap.as_ref();
        swap.map_or_else(Vec::new, |swap| swap.live.clone())
    }

    /// Tells whether the routers may still send anything to the slot of the release.
    pub(super) fn may_be_swapped(&self) -> bool {
        let is_back = self.next.swap.as_ref().is_some_and(|swap| swap.is_back);
        !is_back && self.next.routers().iter().any(RingHost::is_changed)
    }

    /// Asks back whoever may be asked by now.
    pub(super) fn swap_back(&mut self, since: Timestamp) {
        let Some(routers) = self.next.rings.len().checked_sub(1) else {
            return;
        };
        if self.may_be_swapped() {
            if let Some(previous) = self.wanted_live() {
                self.ask_live(&previous, Priority::Rollback);
            }
            if self.live_stands(since) {
                self.ask_ring_back(routers);
            }
            self.note_swapped_back();
        }
        if !self.may_be_swapped() {
            (0..routers).for_each(|ring| self.ask_ring_back(ring));
        }
    }

    fn note_swapped_back(&mut self) {
        if !self.routers_to_bring_back().is_empty() {
            return;
        }
        let after_ms = millis_between(self.next.started_at, self.now);
        if let Some(swap) = &mut self.next.swap {
            swap.is_back = true;
            let to = swap.from;
            self.tell(Kind::Outcome, Fact::SwappedBack { to, after_ms });
        }
    }

    /// Returns what runs in the slot before; none before the first release.
    fn wanted_live(&self) -> Option<Wanted> {
        let from = self.next.swap.as_ref().and_then(|swap| swap.from);
        let previous = self.next.previous.clone().filter(|_| from.is_some());
        previous.map(Wanted::Release)
    }

    /// Tells whether the routers may turn back: the slot before proves its release on a host at least, and on
    /// every one that was stopped and is on its way. Those are waited for as long as an undo may take.
    pub(super) fn live_stands(&self, since: Timestamp) -> bool {
        let Some(wanted) = self.wanted_live() else {
            return true;
        };
        let stands = |host: &RingHost| standing(self.facts_of(host), &wanted);
        let live = self.live();
        let is_on_its_way = |host: &RingHost| host.touched && stands(host) == Standing::Underway;
        let waits = self.now < since + UNDO_DEADLINE && live.iter().any(is_on_its_way);
        !waits && live.iter().any(|host| stands(host) == Standing::Proved)
    }

    fn routers_to_bring_back(&self) -> Vec<HostName> {
        self.to_bring_back()
            .filter(|host| self.is_router(host) && !self.is_back(host))
            .map(|host| host.name.clone())
            .collect()
    }

    /// Returns the hosts the step in hand of a swap back waits for: those of the slot before, then the
    /// routers, then those that stop.
    pub(super) fn not_swapped_back_yet(&self) -> Vec<HostName> {
        let mut missing = self.live_missing();
        if !missing.is_empty() && self.stands_nowhere() {
            return missing;
        }
        if self.may_be_swapped() {
            missing.extend(self.routers_to_bring_back());
        }
        if missing.is_empty() || !self.may_be_swapped() {
            let slot = self.to_bring_back();
            let slot = slot.filter(|host| !self.is_router(host) && !self.is_back(host));
            missing.extend(slot.map(|host| host.name.clone()));
        }
        missing
    }

    /// Returns the hosts of the slot before that an undo waits for: those it has to start again; all, where
    /// the routers have nobody to turn back to.
    fn live_missing(&self) -> Vec<HostName> {
        let Some(wanted) = self.wanted_live() else {
            return Vec::new();
        };
        let nowhere = self.stands_nowhere();
        let is_missing = |host: &RingHost| match standing(self.facts_of(host), &wanted) {
            Standing::Retired | Standing::Proved => false,
            Standing::Silent
            | Standing::Excluded
            | Standing::Underway
            | Standing::Reverted
            | Standing::Blocked => host.touched || nowhere,
        };
        let live = self.live().into_iter();
        live.filter(is_missing).map(|host| host.name).collect()
    }

    /// Tells whether routers are to turn back to a slot no host of which proves its release.
    fn stands_nowhere(&self) -> bool {
        let Some(wanted) = self.wanted_live().filter(|_| self.may_be_swapped()) else {
            return false;
        };
        let proves = |host: &RingHost| standing(self.facts_of(host), &wanted) == Standing::Proved;
        !self.live().iter().any(proves)
    }

    /// Asks the hosts of the slot before once more that the undo waits for.
    pub(super) fn ask_live_again(&mut self, missing: &BTreeSet<HostName>) {
        let from = self.next.swap.as_ref().and_then(|swap| swap.from);
        let (Some(what), Some(ring)) = (self.wanted_live(), from.map(ring_name)) else {
            return;
        };
        let again = self.live().into_iter().enumerate();
        for (place, host) in again.filter(|(_, host)| missing.contains(&host.name)) {
            if !self.hosts.contains_key(&host.id) {
                continue;
            }
            if let Some(swap) = &mut self.next.swap {
                swap.live[place].touched = true;
            }
            self.ask_anew(Ask {
                host: host.id,
                what: what.clone(),
                priority: Priority::Rollback,
                ring: ring.clone(),
            });
        }
    }
}
