//! Two rollouts of one service in one environment: the later one waits, or takes over.
//!
//! They never own one ring together. A later rollout that *waits* begins when every earlier one has come to
//! its end; its rings are dealt out then, from the hosts and the release there are by then. One that *takes
//! over* ends the earlier one where it is: the hosts that one had asked already stay as they are until the
//! later one reaches them, and an undo of the later one brings them back as well. An undo is never
//! interrupted, and what was shipped together is not broken up: whoever comes meanwhile waits for its end.

use std::collections::BTreeSet;

use model::deliver::{
    Command, Host, IfRunning, Order, Queued, Release, ReleaseRef, Rollout, RolloutState,
};
use model::judge::{Verdict, VerdictState};
use model::{ChangeId, Fact, HostId, Kind, Timestamp};

use super::{Refusal, Start, start};

/// Is a rollout that is not over, or shipped together with one that is not, with the judge's newest word
/// about it.
#[derive(Clone, Copy, Debug)]
pub struct Unfinished<'a> {
    pub rollout: &'a Rollout,
    pub verdict: Option<&'a Verdict>,
}

/// Is what becomes of a later rollout and of those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Those it takes over from, oldest first.
    pub supersedes: Vec<ChangeId>,
    /// The one it waits for; none: it begins at once.
    pub behind: Option<ChangeId>,
}

/// Decides what a later rollout of `release` does about those that are not over, oldest first.
///
/// # Errors
/// The newest of them brings the same release already.
pub fn place(
    release: &ReleaseRef,
    unfinished: &[Unfinished<'_>],
    wish: IfRunning,
) -> Result<Place, Refusal> {
    let Some(newest) = unfinished.last() else {
        return Ok(Place::default());
    };
    if newest.rollout.release.number == release.number && !newest.is_going_back() {
        return Err(Refusal::AlreadyUnderWay {
            service: newest.rollout.service.clone(),
            version: release.version.clone(),
            change: newest.rollout.change,
        });
    }
    let behind = match wish {
        IfRunning::Queue => Some(newest.rollout.change),
        IfRunning::Supersede => unfinished
            .iter()
            .rfind(|one| one.is_waited_for())
            .map(|one| one.rollout.change),
    };
    let is_taken_over =
        |one: &&Unfinished<'_>| wish == IfRunning::Supersede && !one.is_waited_for();
    let supersedes = unfinished.iter().filter(is_taken_over);
    Ok(Place {
        supersedes: supersedes.map(|one| one.rollout.change).collect(),
        behind,
    })
}

impl Unfinished<'_> {
    /// Tells whether nobody takes over from it: it goes back, other services stand or fall with it, or its
    /// routers were asked, so that nobody knows which slot serves until they answer.
    fn is_waited_for(&self) -> bool {
        let swaps = self.rollout.routers().iter().any(|host| host.is_changed());
        self.is_going_back() || self.rollout.together.is_some() || swaps
    }

    /// Tells whether it is being undone, or will be without anybody's word: its end is what the hosts are
    /// to have before anything else begins.
    fn is_going_back(&self) -> bool {
        let ordered = matches!(
            self.rollout.order,
            Some(Order {
                command: Command::Undo,
                ..
            })
        );
        match self.rollout.state {
            _ if ordered => true,
            RolloutState::Undoing { .. } | RolloutState::Stuck { .. } => true,
            RolloutState::Planned | RolloutState::Ring { .. } | RolloutState::Held { .. } => {
                self.rollout.auto_undo && self.has_failed()
            }
            RolloutState::Undone { .. }
            | RolloutState::Superseded { .. }
            | RolloutState::Done { .. } => false,
        }
    }

    fn has_failed(&self) -> bool {
        let overruled = self.rollout.overruled.as_ref().and_then(|o| o.verdict);
        let is_fresh = |verdict: &&Verdict| {
            verdict.change == self.rollout.change
                && verdict.state == VerdictState::Fail
                && Some(verdict.id) != overruled
        };
        self.rollout.failed.is_some() || self.verdict.filter(is_fresh).is_some()
    }
}

/// Ends a rollout another one takes over from, with the word for it.
pub fn superseded(rollout: &Rollout, by: ChangeId, at: Timestamp) -> (Rollout, Fact) {
    let next = Rollout {
        state: RolloutState::Superseded { by, at },
        order: None,
        queued: None,
        ..rollout.clone()
    };
    (next, Fact::RolloutSuperseded { by })
}

/// Takes over the hosts that superseded rollouts have asked: they run neither what was there before nor
/// what comes now.
///
/// # Errors
/// Such a host is in no ring of the later rollout: nobody would bring it anywhere.
pub fn take_over(rollout: &mut Rollout, from: &[&Rollout]) -> Result<(), Refusal> {
    let left: BTreeSet<HostId> = from
        .iter()
        .flat_map(|one| one.hosts())
        .filter(|host| host.touched || host.left_by_another)
        .map(|host| host.id)
        .collect();
    let members: BTreeSet<HostId> = rollout.hosts().map(|host| host.id).collect();
    let mut outside = from.iter().flat_map(|one| one.hosts());
    if let Some(host) = outside.find(|h| left.contains(&h.id) && !members.contains(&h.id)) {
        return Err(Refusal::LeavesBehind {
            host: host.name.clone(),
            change: from.last().map_or(rollout.change, |one| one.change),
        });
    }
    for host in rollout.rings.iter_mut().flat_map(|ring| &mut ring.hosts) {
        host.left_by_another |= left.contains(&host.id);
    }
    Ok(())
}

/// Puts a rollout behind another one; it owns no ring until it begins.
pub fn wait(rollout: &mut Rollout, behind: ChangeId) -> (Kind, Fact) {
    rollout.queued = Some(Queued {
        behind,
        refused: None,
    });
    let fact = Fact::RolloutQueued {
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        release: rollout.release.clone(),
        behind,
    };
    (Kind::Change, fact)
}

/// Is what a waiting rollout begins with.
pub struct Begin<'a> {
    pub release: &'a Release,
    /// The last proved-good release there by now.
    pub previous: Option<ReleaseRef>,
    /// The rollout that brought it.
    pub brought_by: Option<&'a Rollout>,
    /// All enrolled hosts that are not retired, in any order.
    pub hosts: &'a [Host],
    pub now: Timestamp,
}

/// Begins a rollout whose turn it is: its rings are dealt out anew. One that may not begin goes on waiting
/// and says why, once.
pub fn begin(waiting: &Rollout, with: Begin<'_>) -> (Rollout, Vec<(Kind, Fact)>) {
    let started = start(Start {
        change: waiting.change,
        release: with.release,
        previous: with.previous,
        brought_by: with.brought_by,
        environment: waiting.environment.clone(),
        hosts: with.hosts,
        redeploy: false, // none waits: it would bring what runs by then
        by: waiting.started_by.clone(),
        now: with.now,
    });
    match started {
        Ok((started, facts)) => {
            let last_entry = waiting.last_entry;
            (
                Rollout {
                    last_entry,
                    together: waiting.together.clone(),
                    ..started
                },
                facts,
            )
        }
        Err(refusal) => keep_waiting(waiting, &refusal),
    }
}

fn keep_waiting(waiting: &Rollout, refusal: &Refusal) -> (Rollout, Vec<(Kind, Fact)>) {
    let mut next = waiting.clone();
    let why = refusal.to_string();
    let Some(queued) = &mut next.queued else {
        return (next, Vec::new());
    };
    if queued.refused.as_ref() == Some(&why) {
        return (next, Vec::new());
    }
    queued.refused = Some(why.clone());
    (next, vec![(Kind::Outcome, Fact::RolloutNotBegun { why })])
}

/// Returns the words for what a rollout that has not begun waits for.
pub fn waits_for(queued: &Queued) -> String {
    match &queued.refused {
        Some(why) => why.clone(),
        None => format!("the end of {}", queued.behind),
    }
}
