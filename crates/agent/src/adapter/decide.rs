//! Which call is due: one at a time, rollbacks before rollouts, rollouts before looks.

use std::time::Duration;

use model::deliver::{DesiredState, Priority, Slot};
use model::{EnvironmentName, ServiceName};

use super::contract::Verb;
use super::item::Item;

/// Is how long to wait, in milliseconds of the clock that never goes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two looks when everything is as wanted.
    pub(super) quiet_ms: u64,
    /// Between two looks while something is under way.
    pub(super) busy_ms: u64,
    /// First and last step of the back-off after a failure.
    pub(super) again_ms: (u64, u64),
}

/// Is a call of the tool for some items, named by their places in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) verb: Verb,
    pub(super) items: Vec<usize>,
}

/// Is what is due now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Call(Due),
    /// Nothing before this many milliseconds have gone by.
    Wait(u64),
}

/// Returns the call that is due. Items that want the same go in one call.
pub(super) fn next(items: &[Item], pace: Pace, now_ms: u64) -> Next {
    for (priority, verb) in [
        (Priority::Rollback, Verb::Rollback),
        (Priority::Rollout, Verb::Apply),
    ] {
        let ready = |item: &Item| {
            item.wish.priority == priority && item.is_due() && wait_to_try(item, pace, now_ms) == 0
        };
        if let Some(items) = alike(items, ready) {
            return Next::Call(Due { verb, items });
        }
    }
    if let Some(items) = places(items, |item| wait_to_look(item, pace, now_ms) == 0) {
        return Next::Call(Due {
            verb: Verb::Observe,
            items,
        });
    }
    let waits = items.iter().map(|item| {
        let look = wait_to_look(item, pace, now_ms);
        if item.is_due() {
            look.min(wait_to_try(item, pace, now_ms))
        } else {
            look
        }
    });
    Next::Wait(waits.min().unwrap_or(pace.quiet_ms))
}

/// Tells whether a call under way has to be cut short: one of its targets is to be taken back, and does not
/// wait for what it no longer needs.
pub(super) fn is_overtaken(items: &[Item], due: &Due, begun: &[u64]) -> bool {
    due.items.iter().zip(begun).any(|(place, generation)| {
        let wish = &items[*place].wish;
        wish.generation > *generation && wish.priority == Priority::Rollback
    })
}

/// Returns the first item that is ready and all others that want the same.
fn alike(items: &[Item], ready: impl Fn(&Item) -> bool) -> Option<Vec<usize>> {
    let first = items.iter().find(|item| ready(item))?;
    let wanted = wants(first);
    let alike = |item: &Item| ready(item) && wants(item) == wanted;
    places_of(items, alike)
}

/// Returns the first item that is ready and all others of its service and environment.
fn places(items: &[Item], ready: impl Fn(&Item) -> bool) -> Option<Vec<usize>> {
    let first = items.iter().find(|item| ready(item))?;
    let of = |item: &Item| (item.wish.service.clone(), item.wish.environment.clone());
    let place = of(first);
    places_of(items, |item| ready(item) && of(item) == place)
}

fn places_of(items: &[Item], wanted: impl Fn(&Item) -> bool) -> Option<Vec<usize>> {
    let found = items.iter().enumerate().filter(|(_, item)| wanted(item));
    Some(found.map(|(place, _)| place).collect())
}

/// Is what makes wishes alike.
type Wants<'a> = (
    (&'a ServiceName, &'a EnvironmentName),
    (DesiredState, Option<Slot>),
    String,
);

fn wants(item: &Item) -> Wants<'_> {
    let wish = &item.wish;
    let release = &wish.release;
    (
        (&wish.service, &wish.environment),
        (wish.state, wish.slot),
        release.folder(),
    )
}

fn wait_to_try(item: &Item, pace: Pace, now_ms: u64) -> u64 {
    let Some(failure) = &item.failure else {
        return 0;
    };
    let (first, last) = pace.again_ms;
    let pause = first
        .saturating_mul(1 << failure.tries.saturating_sub(1).min(16))
        .min(last);
    (failure.at_ms + pause).saturating_sub(now_ms)
}

fn wait_to_look(item: &Item, pace: Pace, now_ms: u64) -> u64 {
    let Some(seen) = &item.seen else {
        return 0;
    };
    let is_quiet = item.proved && !item.is_due();
    let pause = if is_quiet {
        pace.quiet_ms
    } else {
        pace.busy_ms
    };
    (seen.at_ms + pause).saturating_sub(now_ms)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::item::tests::item;
    use crate::adapter::item::{Failure, Seen};

    const PACE: Pace = Pace {
        quiet_ms: 10_000,
        busy_ms: 1_000,
        again_ms: (1_000, 60_000),
    };

    fn call(verb: Verb, items: &[usize]) -> Next {
        let items = items.to_vec();
        Next::Call(Due { verb, items })
    }

    fn seen(item: &mut Item, at_ms: u64) {
        let what = Err("nobody there".into());
        item.seen = Some(Seen { at_ms, what });
    }

    fn failed(item: &mut Item, tries: u32, at_ms: u64) {
        item.failure = Some(Failure {
            why: "no".into(),
            tries,
            at_ms,
            blocks: true,
        });
    }

    #[test]
    fn targets_that_want_the_same_go_in_one_call_and_a_rollback_goes_first() {
        let mut items = [
            item("a", 2, "2.0"),
            item("b", 7, "2.0"),
            item("c", 3, "1.0"),
        ];
        assert_eq!(next(&items, PACE, 0), call(Verb::Apply, &[0, 1]));
        items[2].wish.priority = Priority::Rollback;
        assert_eq!(next(&items, PACE, 0), call(Verb::Rollback, &[2]));
    }

    #[test]
    fn a_failed_call_is_tried_again_later_and_later() {
        let mut items = [item("a", 2, "2.0")];
        seen(&mut items[0], 0);
        for (tries, pause) in [(1, 1_000), (2, 2_000), (4, 8_000), (40, 60_000)] {
            failed(&mut items[0], tries, 0);
            items[0].seen.as_mut().unwrap().at_ms = pause - 1;
            assert_eq!(next(&items, PACE, pause - 1), Next::Wait(1), "{tries}");
            assert_eq!(next(&items, PACE, pause), call(Verb::Apply, &[0]));
        }
    }

    #[test]
    fn a_target_under_way_is_looked_at_often_and_a_proved_one_seldom() {
        let mut items = [item("a", 2, "2.0")];
        items[0].applied = 2;
        assert_eq!(next(&items, PACE, 0), call(Verb::Observe, &[0]));
        seen(&mut items[0], 0);
        assert_eq!(next(&items, PACE, 400), Next::Wait(600));
        assert_eq!(next(&items, PACE, 1_000), call(Verb::Observe, &[0]));
        items[0].proved = true;
        assert_eq!(next(&items, PACE, 1_000), Next::Wait(9_000));
    }

    #[test]
    fn nothing_to_do_is_waited_for() {
        assert_eq!(next(&[], PACE, 5), Next::Wait(PACE.quiet_ms));
    }

    #[test]
    fn only_an_undo_cuts_a_call_short() {
        let mut items = [item("a", 2, "2.0"), item("b", 2, "2.0")];
        let due = Due {
            verb: Verb::Apply,
            items: vec![0],
        };
        assert!(!is_overtaken(&items, &due, &[2]));
        items[0].wish.generation = 3;
        assert!(!is_overtaken(&items, &due, &[2]), "a newer release waits");
        items[0].wish.priority = Priority::Rollback;
        assert!(is_overtaken(&items, &due, &[2]));
        assert!(!is_overtaken(&items, &due, &[3]), "it is this very undo");
        let other = Due {
            verb: Verb::Apply,
            items: vec![1],
        };
        assert!(!is_overtaken(&items, &other, &[2]));
    }
}
