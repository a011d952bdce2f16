//! One change as people see it: where it stands, ring by ring and host by host, as known *now*.

mod host;
mod ring;
mod sentence;
mod signal;

use std::collections::BTreeMap;

use model::api::change::{ChangeView, HostLine, PartView, VerdictView};
use model::deliver::{ReleaseRef, RingHost, Rollout, RolloutState};
use model::judge::Verdict;
use model::observe::{Change, ChangeState, Signal};
use model::{Entry, HostId, Timestamp};

pub use host::HostNow;
pub use sentence::sentence;

use crate::{sentence as words, why};

/// Is everything that is known of a change.
#[derive(Clone, Copy, Debug)]
pub struct ViewInput<'a> {
    pub change: &'a Change,
    pub rollout: &'a Rollout,
    /// Every host that is expected to run the service in this environment.
    pub hosts: &'a BTreeMap<HostId, HostNow>,
    /// The signals the release declares, by name.
    pub signals: &'a BTreeMap<String, Signal>,
    /// The newest one of this change.
    pub verdict: Option<&'a Verdict>,
    /// What was shipped together, this change included; empty for one alone.
    pub parts: &'a [PartView],
    /// The change's entries and their causes, in the order they were written.
    pub entries: &'a [Entry],
    pub now: Timestamp,
}

/// Builds the change's page.
pub fn view(input: ViewInput<'_>) -> ChangeView {
    let rollout = input.rollout;
    ChangeView {
        change: input.change.clone(),
        sentence: sentence(&input),
        release: rollout.release.version.clone(),
        digest: rollout.release.digest,
        previous: rollout.previous.as_ref().map(|r| r.version.clone()),
        rings: ring::views(&input),
        verdict: input.verdict.map(verdict_view),
        signals: signal::views(input.signals, input.verdict),
        drifted: drifted(&input),
        watched_until: rollout.watched_until(),
        parts: input.parts.to_vec(),
        timeline: why::items(input.entries, input.change.id),
        now: input.now,
    }
}

fn verdict_view(verdict: &Verdict) -> VerdictView {
    VerdictView {
        id: verdict.id,
        state: verdict.state,
        reason: verdict.reason.word().to_owned(),
        at: verdict.at,
        sentence: words::verdict(verdict),
    }
}

/// Returns the hosts of the service, in a ring of this change or not, that do not run what they
/// should or cannot be seen to; sorted by name.
fn drifted(input: &ViewInput<'_>) -> Vec<HostLine> {
    let mut lines: Vec<HostLine> = input
        .hosts
        .values()
        .filter(|host| host.is_off())
        .map(|host| host.line(input.now))
        .collect();
    lines.sort_by(|a, b| a.host.cmp(&b.host));
    lines
}

impl ViewInput<'_> {
    fn host(&self, id: HostId) -> Option<&HostNow> {
        self.hosts.get(&id)
    }

    /// Tells whether the hosts that took part were asked for another release since: the change is
    /// history, and what runs now says nothing about it.
    fn is_history(&self) -> bool {
        let is_undone = match &self.rollout.state {
            RolloutState::Done { .. } => false,
            RolloutState::Undone { .. } => true,
            RolloutState::Superseded { .. } => return true,
            RolloutState::Planned
            | RolloutState::Ring { .. }
            | RolloutState::Held { .. }
            | RolloutState::Undoing { .. }
            | RolloutState::Stuck { .. } => return false,
        };
        let release = &self.rollout.release;
        let mut touched = self.touched();
        touched.any(|(index, host)| {
            // What is to run nothing was left with an order to stop the release.
            let back = self.rollout.back_to(index).filter(|_| is_undone);
            let end = back.unwrap_or(release).number;
            let wanted = self.host(host.id).and_then(|host| host.wanted.as_ref());
            wanted.is_some_and(|wanted| wanted.number != end)
        })
    }

    /// Returns the hosts that were asked for the release, each with its ring, counted from 0.
    fn touched(&self) -> impl Iterator<Item = (usize, &RingHost)> {
        let rings = self.rollout.rings.iter().enumerate();
        let hosts = rings.flat_map(|(index, ring)| ring.hosts.iter().map(move |h| (index, h)));
        hosts.filter(|(_, host)| host.touched)
    }

    /// Returns how many hosts the rollout expects to prove the release: those that were retired, and those
    /// a person excluded, count only while they prove it.
    fn expected(&self) -> usize {
        let expected = |host: &&RingHost| match self.host(host.id) {
            Some(now) => host.excluded.is_none() || now.proves(Some(&self.rollout.release)),
            None => false,
        };
        self.rollout.hosts().filter(expected).count()
    }

    /// Returns the hosts that are excluded and do not prove the release, in order of rings.
    fn owed(&self) -> Vec<&RingHost> {
        let proves = |now: &HostNow| now.proves(Some(&self.rollout.release));
        let owed = |host: &&RingHost| {
            host.excluded.is_some() && self.host(host.id).is_some_and(|now| !proves(now))
        };
        self.rollout.hosts().filter(owed).collect()
    }

    /// Returns the parts it needs that are not live.
    fn awaited_parts(&self) -> impl Iterator<Item = &PartView> {
        let own = self.parts.iter().find(|p| p.part.change == self.change.id);
        let needs = own.map_or(&[][..], |own| &own.part.needs);
        self.parts
            .iter()
            .filter(|p| needs.contains(&p.part.change) && p.state != ChangeState::Done)
    }

    /// Returns the parts that need it and are on their way back.
    fn parts_in_front(&self) -> impl Iterator<Item = &PartView> {
        let needs_it = |p: &&PartView| p.part.needs.contains(&self.change.id);
        let parts = self.parts.iter().filter(needs_it);
        parts.filter(|p| p.state == ChangeState::Undoing)
    }

    /// Returns the parts that are not live yet, of those that were shipped with it.
    fn parts_under_way(&self) -> impl Iterator<Item = &PartView> {
        let others = self
            .parts
            .iter()
            .filter(|p| p.part.change != self.change.id);
        others.filter(|p| match p.state {
            ChangeState::Planned | ChangeState::Running | ChangeState::Held => true,
            ChangeState::Undoing
            | ChangeState::Undone
            | ChangeState::Done
            | ChangeState::Stuck
            | ChangeState::Superseded => false,
        })
    }

    /// Returns how many of the rollout's hosts prove the release now.
    fn proved(&self) -> usize {
        self.count(Some(&self.rollout.release))
    }

    /// Returns how many hosts the undo concerns, and how many of them prove that they are back.
    fn back(&self) -> (usize, usize) {
        let is_back = |index: usize, host: &RingHost| {
            let now = self.host(host.id);
            now.is_some_and(|now| now.proves(self.rollout.back_to(index)))
        };
        // What routers do is told by itself.
        let is_counted = |index: &usize| !self.rollout.is_swap_ring(*index);
        let counted = || self.touched().filter(|(index, _)| is_counted(index));
        let back = counted().filter(|(index, host)| is_back(*index, host));
        (back.count(), counted().count())
    }

    fn count(&self, release: Option<&ReleaseRef>) -> usize {
        self.rollout
            .hosts()
            .filter_map(|host| self.host(host.id))
            .filter(|host| host.proves(release))
            .count()
    }
}
