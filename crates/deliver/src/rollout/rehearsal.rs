//! A rehearsal: the planner plays a rollout to its end on hosts that exist only here.
//!
//! It is the planner itself that is asked, again and again, as the engine would ask it; only the hosts
//! are played. A host that is asked proves the release at once, and the judge looks at every turn and has
//! nothing against any ring. So the times are the earliest there can be.

use std::collections::BTreeMap;

use model::deliver::{DesiredState, HeldReason, Proof, Reported, RingHost, Rollout, RolloutState};
use model::judge::LastLook;
use model::{HostId, Timestamp};

use super::{Ask, DesiredFacts, Gates, HostFacts, JudgeFacts, Plan, Wanted, plan, seen};

/// Looks at a host one play may take, about a second of work: 700 hosts one by one, or 5,000 hosts fifty
/// at a time.
const LOOKS: usize = 500_000;

/// Is how a rollout would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// In the order they would be asked.
    pub asks: Vec<RehearsedAsk>,
    /// One for each ring of the rollout, in order.
    pub rings: Vec<RehearsedTimes>,
    pub done_at: Option<Timestamp>,
    /// What it would be held by, as its hosts are now; the first thing on its way.
    pub held: Option<HeldReason>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RehearsedAsk {
    pub host: HostId,
    /// Hosts of one step are asked together; counted from 1.
    pub step: usize,
    pub at: Timestamp,
}

/// Is when a ring would begin and pass at the earliest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RehearsedTimes {
    pub begins_at: Option<Timestamp>,
    pub passes_at: Option<Timestamp>,
}

/// Is why there is no rehearsal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rehearsal on {hosts} hosts, so few of them at a time, takes too long")]
pub struct TooLong {
    pub hosts: usize,
}

impl TooLong {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        "raise `max_unavailable` of the environment, which shortens the rollout as well".into()
    }
}

/// Plays a rollout that was not begun, once with its hosts as they are and once with silent ones back.
///
/// # Errors
/// A fleet so large, asked in so many steps, that playing it is no answer to a question any more.
pub fn rehearse(
    rollout: &Rollout,
    hosts: &BTreeMap<HostId, HostFacts>,
    gates: Gates<'_>,
    now: Timestamp,
) -> Result<Rehearsed, TooLong> {
    let mut as_it_is = Play::new(rollout, hosts.clone(), gates, now);
    as_it_is.until(Play::is_held)?;
    let mut awake = hosts.clone();
    for host in awake.values_mut() {
        host.unknown_since = None;
    }
    let mut play = Play::new(rollout, awake, gates, now);
    // A freeze ends by itself, and so does what is foretold.
    let asks = play.until(|play| play.is_held() && !play.is_frozen())?;
    Ok(Rehearsed {
        rings: times(&play.rollout, &asks),
        done_at: match play.rollout.state {
            RolloutState::Done { at } => Some(at),
            _ => None,
        },
        asks,
        held: as_it_is.held().cloned(),
    })
}

/// A ring begins when its first host is asked; one whose hosts all run the release already does not.
fn times(rollout: &Rollout, asks: &[RehearsedAsk]) -> Vec<RehearsedTimes> {
    let mut first: BTreeMap<HostId, Timestamp> = BTreeMap::new();
    for ask in asks {
        first.entry(ask.host).or_insert(ask.at);
    }
    let asked_at = |host: &RingHost| first.get(&host.id).copied();
    rollout
        .rings
        .iter()
        .map(|ring| RehearsedTimes {
            begins_at: ring.hosts.iter().filter_map(asked_at).min(),
            passes_at: ring.passed_at,
        })
        .collect()
}

/// Is a rollout and its hosts at one point of the rehearsal.
struct Play<'a> {
    rollout: Rollout,
    hosts: BTreeMap<HostId, HostFacts>,
    gates: Gates<'a>,
    now: Timestamp,
    looks_left: usize,
}

impl<'a> Play<'a> {
    fn new(
        rollout: &Rollout,
        hosts: BTreeMap<HostId, HostFacts>,
        gates: Gates<'a>,
        now: Timestamp,
    ) -> Self {
        let mut rollout = rollout.clone();
        // Without signals a ring passes at the first look behind its bake, which is when it would with a
        // judge who has nothing against it.
        rollout.judged = false;
        Self {
            rollout,
            hosts,
            gates,
            now,
            looks_left: LOOKS,
        }
    }

    /// Plays until it stops or until its end; returns who was asked, in order.
    fn until(&mut self, stops: impl Fn(&Self) -> bool) -> Result<Vec<RehearsedAsk>, TooLong> {
        let (mut asks, mut step) = (Vec::new(), 0);
        while !self.is_over() && !stops(self) {
            let (at, plan) = (self.now, self.turn()?);
            step += usize::from(!plan.ask.is_empty());
            asks.extend(plan.ask.iter().map(|ask| RehearsedAsk {
                host: ask.host,
                step,
                at,
            }));
            if !self.goes_on(&plan) {
                break;
            }
        }
        Ok(asks)
    }

    fn is_over(&self) -> bool {
        self.rollout.state.is_over()
    }

    fn is_held(&self) -> bool {
        self.held().is_some()
    }

    fn is_frozen(&self) -> bool {
        matches!(self.held(), Some(HeldReason::Frozen { .. }))
    }

    fn held(&self) -> Option<&HeldReason> {
        match &self.rollout.state {
            RolloutState::Held { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Asks the planner once and lets the hosts do what it says.
    fn turn(&mut self) -> Result<Plan, TooLong> {
        let hosts = self.hosts.len();
        self.looks_left = self
            .looks_left
            .checked_sub(hosts.max(1))
            .ok_or(TooLong { hosts })?;
        let last_look = LastLook {
            at: self.now,
            seen: seen(&self.rollout, &self.hosts),
        };
        let judge = JudgeFacts {
            verdict: None,
            last_look: Some(&last_look),
        };
        let plan = plan(&self.rollout, &self.hosts, judge, self.gates, self.now);
        self.rollout = plan.next.clone();
        for ask in &plan.ask {
            self.obey(ask);
        }
        Ok(plan)
    }

    /// Goes to the next moment at which the planner may say something else; false when there is none.
    fn goes_on(&mut self, plan: &Plan) -> bool {
        if !plan.ask.is_empty() {
            return true;
        }
        match plan.wake_at {
            Some(at) => self.now = at,
            None => return false,
        }
        true
    }

    fn obey(&mut self, ask: &Ask) {
        let Some(host) = self.hosts.get_mut(&ask.host) else {
            return;
        };
        let (release, slot) = match &ask.what {
            Wanted::Release(release) => (Some(release), None),
            Wanted::Routed(release, slot) => (Some(release), Some(*slot)),
            Wanted::Stopped => (None, None),
        };
        let (state, proof) = match release {
            Some(_) => (DesiredState::Running, Proof::Converged),
            None => (DesiredState::Stopped, Proof::Stopped),
        };
        let release = release.unwrap_or(&self.rollout.release);
        let generation = host.desired.as_ref().map_or(1, |d| d.generation + 1);
        host.desired = Some(DesiredFacts {
            release: release.number,
            redeploy: release.redeploy,
            generation,
            state,
            slot,
        });
        if host.unknown_since.is_none() {
            let reported = proves(&self.rollout, generation, proof, self.now);
            host.reported = Some(Reported {
                redeploy: release.redeploy,
                ..reported
            });
        }
    }
}

fn proves(rollout: &Rollout, generation: u64, proof: Proof, now: Timestamp) -> Reported {
    Reported {
        service: rollout.service.clone(),
        generation_seen: generation,
        generation_applied: generation,
        symlink_release: None,
        processes: Vec::new(),
        observed: None,
        redeploy: None,
        slot: None,
        port: None,
        healthy: None,
        proof,
        why: String::new(),
        since: now,
        started_at: Some(now),
        unexpected_exits: 0,
        failed_checks: 0,
    }
}
