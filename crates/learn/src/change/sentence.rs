//! Where a change stands and why, in one sentence.

use std::time::Duration;

use model::api::change::PartView;
use model::deliver::{
    Command, HeldReason, Phase, Queued, Ring, Rollout, RolloutState, Swap, WatchEnd,
};
use model::judge::{Verdict, VerdictState};
use model::words::{are_back, counted, duration, line, moment};
use model::{Fact, HostName, Subject, Timestamp, Version};

use super::{ViewInput, host, ring};
use crate::sentence::{Tense, held, part, reason};

/// Returns the change's state as one plain sentence with the numbers in it.
pub fn sentence(input: &ViewInput<'_>) -> String {
    let rollout = input.rollout;
    let what = format!("{} {}", rollout.service, rollout.release.version);
    match &rollout.state {
        RolloutState::Planned if rollout.queued.is_some() => waiting(rollout, &what),
        RolloutState::Planned if input.awaited_parts().next().is_some() => format!(
            "{what} waits until {} is live, on which it depends; nothing has changed yet.",
            parts(input.awaited_parts())
        ),
        RolloutState::Planned => format!(
            "{what} is planned for {} in {}; nothing has changed yet.",
            counted(rollout.hosts().count() as u64, "host"),
            counted(rollout.rings.len() as u64, "ring")
        ),
        RolloutState::Ring { ring, phase, .. } => {
            under_way(input, &what, *ring, *phase) + &without(input)
        }
        RolloutState::Held { reason, .. } => {
            format!(
                "{what} is held: {}.{}",
                held_now(input, reason),
                without(input)
            )
        }
        RolloutState::Undoing { .. } => undoing(input, &what),
        RolloutState::Undone { at } => undone(input, &what, *at),
        RolloutState::Stuck { hosts, .. } => stuck(input, &what, hosts),
        RolloutState::Superseded { by, .. } => {
            format!("{what} was overtaken by {by} before it reached every host.")
        }
        RolloutState::Done { at } if input.is_history() => done(input, &what, *at),
        RolloutState::Done { at } => {
            done(input, &what, *at) + &without(input) + &with_others(input) + &watch(input)
        }
    }
}

/// Says what a change that has not begun waits for.
fn waiting(rollout: &Rollout, what: &str) -> String {
    match &rollout.queued {
        Some(Queued {
            refused: Some(why), ..
        }) => format!("{what} waits, and cannot begin yet: {}.", line(why)),
        Some(Queued { behind, .. }) => {
            format!("{what} waits for the end of {behind}; nothing has changed yet.")
        }
        None => String::new(),
    }
}

/// Names parts: `ledger 2.0 (chg-7) and mailer 1.1 (chg-8)`.
fn parts<'a>(parts: impl Iterator<Item = &'a PartView>) -> String {
    let names: Vec<String> = parts.map(|view| part(&view.part)).collect();
    names.join(" and ")
}

/// Says what of the things it was shipped with is not live yet: if that goes back, this does too.
fn with_others(input: &ViewInput<'_>) -> String {
    let under_way = parts(input.parts_under_way());
    if under_way.is_empty() {
        return String::new();
    }
    format!(" It goes back if {under_way} does, with which it was shipped.")
}

/// Says how long a change that is live stays watched, or that its watch ended badly.
fn watch(input: &ViewInput<'_>) -> String {
    let Some(watch) = &input.rollout.watch else {
        return String::new();
    };
    match watch.ended {
        None => format!(
            " It stays watched until {}.",
            moment(watch.until, input.now)
        ),
        Some(WatchEnd::Failed { verdict }) => match input.verdict.filter(|v| v.id == verdict) {
            Some(verdict) => format!(" Since then it went wrong: {}.", reason(verdict, Tense::Is)),
            None => " Since then it went wrong.".to_owned(),
        },
        Some(WatchEnd::Quiet | WatchEnd::Undone | WatchEnd::Replaced { .. }) => String::new(),
    }
}

/// Names the hosts a person excluded, so that nobody takes the rest for the whole.
fn without(input: &ViewInput<'_>) -> String {
    match input.owed().as_slice() {
        [] => String::new(),
        owed => format!(
            " Excluded and still owed the release: {}.",
            host::named(input, owed.iter().map(|host| &host.name))
        ),
    }
}

fn under_way(input: &ViewInput<'_>, what: &str, index: usize, phase: Phase) -> String {
    let of = input.expected();
    let proved = format!("{} of {of} hosts proved", input.proved());
    let Some(ring) = input.rollout.rings.get(index) else {
        return format!("{what}: {proved}.");
    };
    match phase {
        Phase::Releasing => format!("{what} is on its way to ring {}: {proved}.", ring.name),
        Phase::Proving => match ring::waiting_for(input, ring) {
            Some(hosts) => format!("{what}: {proved}; waiting for {hosts}."),
            None => format!("{what}: {proved}."),
        },
        Phase::Baking => format!(
            "{what} is watched in ring {}{}, {proved}: {}.",
            ring.name,
            watched(input, ring),
            found(input)
        ),
        Phase::Judging => {
            let until = ring::deadline(input, ring).map(|until| format!(", {until}"));
            format!(
                "{what} is judged in ring {}{}, {proved}: {}.",
                ring.name,
                until.unwrap_or_default(),
                found(input)
            )
        }
    }
}

fn watched(input: &ViewInput<'_>, ring: &Ring) -> String {
    match (ring.proved_at, ring::spec(input, ring)) {
        (Some(at), Some(spec)) => format!(
            " for {} of at least {}",
            duration(input.now.since(at).min(spec.bake)),
            duration(spec.bake)
        ),
        _ => String::new(),
    }
}

/// Returns what the judge has found so far.
fn found(input: &ViewInput<'_>) -> String {
    match input.verdict {
        Some(verdict) => reason(verdict, Tense::Is),
        None => "no verdict yet".to_owned(),
    }
}

/// Says why a change is held, with what is known now of the hosts and the verdict.
fn held_now(input: &ViewInput<'_>, why: &HeldReason) -> String {
    match why {
        HeldReason::WaitingFor { hosts, proved, of } if !hosts.is_empty() => format!(
            "{proved} of {of} hosts proved; waiting for {}",
            host::named(input, hosts.iter())
        ),
        HeldReason::Verdict { state, .. } => match input.verdict {
            Some(verdict) if verdict.state.to_string() == *state => format!(
                "{}; a person decides: sleepwell go {id} or sleepwell undo {id}",
                reason(verdict, Tense::Is),
                id = input.change.id
            ),
            _ => held(why),
        },
        HeldReason::WaitingFor { .. }
        | HeldReason::Person { .. }
        | HeldReason::Frozen { .. }
        | HeldReason::Incompatible { .. }
        | HeldReason::NoWayBack { .. }
        | HeldReason::Blocked { .. } => held(why),
    }
}

fn undoing(input: &ViewInput<'_>, what: &str) -> String {
    let because = match undo_order(input) {
        Undo::ByItself(Some(verdict)) => format!(": {}", reason(verdict, Tense::Is)),
        Undo::ByItself(None) => String::new(),
        Undo::By { who, why } => format!(" by {who}{}", colon(&why)),
        Undo::With(part) => format!(" with {part}"),
    };
    let first = parts(input.parts_in_front());
    let first = match first.as_str() {
        "" => String::new(),
        first => format!("; {first} goes back first"),
    };
    format!(
        "{what} is being undone{because}; {}{first}.",
        way_back(input)
    )
}

fn undone(input: &ViewInput<'_>, what: &str, at: Timestamp) -> String {
    let after = input
        .entries
        .iter()
        .rev()
        .find_map(|entry| match Fact::from_body(&entry.body) {
            Ok(Fact::RolloutUndone { after_ms, .. }) => Some(Duration::from_millis(after_ms)),
            _ => None,
        });
    let after = duration(after.unwrap_or_else(|| at.since(input.rollout.started_at)));
    match undo_order(input) {
        Undo::ByItself(Some(verdict)) => format!(
            "{what} was undone by itself after {after}: {}.",
            reason(verdict, Tense::Was)
        ),
        Undo::ByItself(None) => format!("{what} was undone by itself after {after}."),
        Undo::By { who, why } => {
            format!("{what} was undone by {who} after {after}{}.", colon(&why))
        }
        Undo::With(part) => format!("{what} was undone with {part} after {after}."),
    }
}

fn stuck(input: &ViewInput<'_>, what: &str, hosts: &[HostName]) -> String {
    format!(
        "{what} is not undone everywhere: {}; still waiting for {}.",
        way_back(input),
        host::named(input, hosts.iter())
    )
}

/// Says how far an undo is; where two slots take turns, also where everything goes.
fn way_back(input: &ViewInput<'_>) -> String {
    let rollout = input.rollout;
    let (back, of) = input.back();
    let Some(swap) = &rollout.swap else {
        return are_back(back, of, previous(input));
    };
    let routers = match (swap.from, swap.is_back) {
        _ if !rollout.routers().iter().any(|router| router.touched) => String::new(),
        (Some(from), true) => format!("everything goes to {from} again; "),
        (Some(from), false) => format!("everything is to go to {from} again first; "),
        (None, true) => "nothing goes to any slot; ".to_owned(),
        (None, false) => format!("nothing is to go to {} any more first; ", swap.to),
    };
    routers + &are_back(back, of, None)
}

fn previous<'a>(input: &ViewInput<'a>) -> Option<&'a Version> {
    let previous = input.rollout.previous.as_ref();
    previous.map(|release| &release.version)
}

fn done(input: &ViewInput<'_>, what: &str, at: Timestamp) -> String {
    let of = input.expected();
    if input.is_history() {
        return format!(
            "{what} went live on {of} of {of} hosts after {}, each proved from its running process; another release followed.",
            duration(at.since(input.rollout.started_at))
        );
    }
    let proved = input.proved();
    if let Some(swap) = input.rollout.swap.as_ref().filter(|_| proved == of) {
        return live_in(input, what, swap);
    }
    if proved == of {
        return format!(
            "{what} is live on {of} of {of} hosts, each proved from its running process."
        );
    }
    let off = input.rollout.rings.iter().flat_map(|ring| &ring.hosts);
    let release = Some(&input.rollout.release);
    let off = off
        .filter(|host| host.excluded.is_none())
        .filter(|host| input.host(host.id).is_some_and(|now| !now.proves(release)));
    format!(
        "{what} went live on every host, but now {proved} of {of} hosts prove it; missing: {}.",
        host::named(input, off.map(|host| &host.name))
    )
}

/// Says in which slot it is live, and how long the other one is kept running.
fn live_in(input: &ViewInput<'_>, what: &str, swap: &Swap) -> String {
    let (to, of) = (swap.to, input.expected());
    let warm = match (swap.from, input.rollout.warm_until()) {
        (Some(from), Some(until)) => {
            let until = moment(until, input.now);
            format!(" The slot before, {from}, is kept running until {until}.")
        }
        (Some(_) | None, _) => String::new(),
    };
    format!("{what} is live in {to}: {of} of {of} hosts proved it, the routers among them.{warm}")
}

/// Is who wanted the undo.
enum Undo<'a> {
    /// A procedure, because of this verdict.
    ByItself(Option<&'a Verdict>),
    By {
        who: String,
        why: String,
    },
    /// It was shipped with this one, which is undone.
    With(String),
}

/// Finds the newest order to undo; without one a procedure's is assumed, which writes its own.
fn undo_order<'a>(input: &ViewInput<'a>) -> Undo<'a> {
    let order = input
        .entries
        .iter()
        .rev()
        .find_map(|entry| match Fact::from_body(&entry.body) {
            Ok(Fact::Ordered {
                command: Command::Undo,
                reason,
            }) => Some(Undo::By {
                who: line(&entry.actor),
                why: line(&reason),
            }),
            Ok(Fact::UndoneTogether {
                with,
                service,
                version,
            }) if entry.subject == Subject::Change(input.change.id) => {
                Some(Undo::With(format!("{service} {version} ({with})")))
            }
            _ => None,
        });
    match order {
        Some(Undo::By { who, why }) if !who.starts_with("procedure ") => Undo::By { who, why },
        Some(Undo::With(part)) => Undo::With(part),
        _ => Undo::ByItself(input.verdict.filter(|v| v.state == VerdictState::Fail)),
    }
}

fn colon(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    }
}
