//! Redeploys: the release that runs in an environment, brought to every host once more.
//!
//! A redeploy is a rollout like any other, through the same rings with the same proofs and verdicts. What
//! differs is what hosts are asked for: to unpack the artifact anew into a folder of its own and to start a
//! fresh process there. What was changed by hand in the old folder stays behind in it, and a host that only
//! works because of that shows so in the first ring.
//!
//! It begins only while nothing else is under way there, and no verdict undoes it: the way back leads to the
//! same release, so whether that would help is a person's to say.

use std::time::Duration;

use model::deliver::freeze::Window;
use model::deliver::{
    FreezeRule, Host, Overdue, RedeployRule, Release, ReleaseRef, Rollout, RolloutState, Within,
};
use model::{ChangeId, Fact, Kind, Timestamp};

use crate::freeze::{in_force, next_span};
use crate::rollout::{Refusal, Start, start};

/// Why no verdict undoes a redeploy.
pub const NO_UNDO: &str =
    "a redeploy leads back to the same release, so that no verdict undoes it; a person decides";

/// Is everything a redeploy begins with.
pub struct Redeploy<'a> {
    pub change: ChangeId,
    /// The release that runs there.
    pub release: &'a Release,
    /// The rollouts there, newest first.
    pub history: &'a [&'a Rollout],
    /// The newest rollout that is not over, or whose parts are not.
    pub under_way: Option<ChangeId>,
    /// All enrolled hosts that are not retired, in any order.
    pub hosts: &'a [Host],
    /// The rule that asks for it; none: a person does.
    pub overdue: Option<Overdue>,
    pub by: String,
    pub now: Timestamp,
}

/// Begins a redeploy: deals the hosts out to the rings, and says why.
///
/// # Errors
/// Something else is under way, or the release is not what runs there; and what [`start`] refuses.
pub fn begin(new: Redeploy<'_>) -> Result<(Rollout, Vec<(Kind, Fact)>), Refusal> {
    if let Some(change) = new.under_way {
        return Err(Refusal::Occupied { change });
    }
    let Some(live) = live(new.history).filter(|live| live.release.number == new.release.number)
    else {
        return Err(Refusal::NotLive {
            service: new.release.service.clone(),
            version: new.release.version.clone(),
            live: live(new.history).map(|live| live.release.version.clone()),
        });
    };
    let (rollout, begun) = start(Start {
        change: new.change,
        release: new.release,
        previous: Some(live.release.clone()),
        brought_by: Some(live),
        environment: live.environment.clone(),
        hosts: new.hosts,
        redeploy: true,
        by: new.by,
        now: new.now,
    })?;
    let ordered = Fact::RedeployOrdered {
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        version: rollout.release.version.clone(),
        overdue: new.overdue,
    };
    let facts = [(Kind::Change, ordered)].into_iter().chain(begun);
    Ok((rollout, facts.collect()))
}

/// Is whether a redeploy is due by the rule of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// There is no rule, nothing runs there, or something else is under way.
    No,
    /// Not before this moment; then it is asked again.
    Later(Timestamp),
    Now(Overdue),
}

/// Decides whether the release that runs in an environment is to be redeployed now.
///
/// `history` holds the rollouts there, newest first; `freezes` the server's own that apply. One that waits for
/// its window or for the end of a freeze begins at the first moment that suits both.
pub fn due(
    history: &[&Rollout],
    is_under_way: bool,
    freezes: &[FreezeRule],
    now: Timestamp,
) -> Due {
    let Some((live, rule)) = rule(history).filter(|_| !is_under_way) else {
        return Due::No;
    };
    let since = deployed_since(history).unwrap_or(live.started_at);
    let at = since + rule.every;
    if now < at {
        return Due::Later(at);
    }
    if let Some(opens) = rule.within.as_ref().and_then(|within| opens(within, now)) {
        return Due::Later(opens);
    }
    if let Some(frozen) = in_force(live.plan.freeze.iter().chain(freezes), now) {
        return Due::Later(frozen.until);
    }
    Due::Now(Overdue {
        every_ms: millis(rule.every),
        since,
    })
}

/// Returns the rollout whose release runs there: undone ones left what was there before, and superseded ones
/// never finished.
pub fn live<'a>(history: &[&'a Rollout]) -> Option<&'a Rollout> {
    let mut history = history.iter().copied();
    history.find(|one| matches!(one.state, RolloutState::Done { .. }))
}

/// Returns what runs there with the rule it brought along.
fn rule<'a>(history: &[&'a Rollout]) -> Option<(&'a Rollout, &'a RedeployRule)> {
    let live = live(history)?;
    Some((live, live.plan.redeploy.as_ref()?))
}

/// Returns when every host was deployed to last. A redeploy that came to nothing counts as well: a person took
/// it back, and is not asked again at once.
fn deployed_since(history: &[&Rollout]) -> Option<Timestamp> {
    let at = |one: &&Rollout| match one.state {
        RolloutState::Done { at } if is_full(one) => Some(at),
        RolloutState::Done { .. }
        | RolloutState::Planned
        | RolloutState::Ring { .. }
        | RolloutState::Held { .. }
        | RolloutState::Undoing { .. }
        | RolloutState::Undone { .. }
        | RolloutState::Stuck { .. }
        | RolloutState::Superseded { .. } => one.is_redeploy().then_some(one.started_at),
    };
    history.iter().filter_map(at).max()
}

/// Tells whether a finished rollout had its hosts unpack something: the release that runs there shipped again
/// is nothing to do.
fn is_full(rollout: &Rollout) -> bool {
    let folder = |release: &ReleaseRef| (release.number, release.redeploy);
    rollout.previous.as_ref().map(folder) != Some(folder(&rollout.release))
}

/// Returns when the window opens; none while it is open.
fn opens(within: &Within, now: Timestamp) -> Option<Timestamp> {
    let (from, to) = (within.from, within.to);
    let span = next_span(&within.zone, Window::Weekly { from, to }, now)?;
    (span.from > now).then_some(span.from)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
