//! Tells when two agents speak as one host, as after a disk was copied with the identity on it.
//!
//! An agent that is started again has another run, and the run before it is never heard again. So a run that
//! comes back after another one spoke, again and again, is no restart: two agents take turns. From then on one
//! of them is heard, the one that was there first, and what the other says changes nothing.

use model::deliver::{Speaker, Speakers};
use model::{Timestamp, limit};

/// So often a run that had been replaced has to come back. Once may be a call that was overtaken on its way
/// while the agent was started again.
const RETURNS: u32 = 3;
/// So many agents that are not heard are remembered; of more copies some are found later.
const OTHERS: usize = 4;

/// Is what is to be done about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hearing {
    Heard,
    /// It is heard, and from now on no other is: two speak as one.
    Doubled,
    /// Another agent is heard in its place; this one changes nothing.
    TurnedAway,
    /// It is heard, and alone again since the other fell silent; that they were two began then.
    Alone(Timestamp),
}

/// Takes a call of the agent that names itself by the boot of its machine and by its run.
pub fn hear(
    speakers: &Speakers,
    (boot_id, run_id): (&str, &str),
    now: Timestamp,
) -> (Speakers, Hearing) {
    let caller = Speaker {
        boot_id: boot_id.to_owned(),
        run_id: run_id.to_owned(),
        heard_at: now,
    };
    match speakers.doubled_since {
        Some(since) => hear_one_of_two(speakers, caller, since),
        None => hear_any(speakers, caller),
    }
}

fn is_same(one: &Speaker, caller: &Speaker) -> bool {
    (&one.boot_id, &one.run_id) == (&caller.boot_id, &caller.run_id)
}

fn is_silent(one: &Speaker, now: Timestamp) -> bool {
    now.since(one.heard_at) > limit::HOST_LEASE
}

fn hear_any(speakers: &Speakers, caller: Speaker) -> (Speakers, Hearing) {
    let now = caller.heard_at;
    let mut next = speakers.clone();
    let Some(heard) = next.heard.replace(caller.clone()) else {
        return (next, Hearing::Heard);
    };
    if is_same(&heard, &caller) {
        if next.others.iter().all(|other| is_silent(other, now)) {
            next.returns = 0;
        }
        return (next, Hearing::Heard);
    }
    let is_back = next.others.iter().any(|other| is_same(other, &caller));
    next.returns = if is_back { next.returns + 1 } else { 0 };
    next.others.retain(|other| !is_same(other, &caller));
    put_aside(&mut next.others, heard);
    if next.returns < RETURNS {
        return (next, Hearing::Heard);
    }
    next.returns = 0;
    next.doubled_since = Some(now);
    (next, Hearing::Doubled)
}

fn hear_one_of_two(speakers: &Speakers, caller: Speaker, since: Timestamp) -> (Speakers, Hearing) {
    let now = caller.heard_at;
    let mut next = speakers.clone();
    let heard = next.heard.iter();
    let (own, rest): (Vec<_>, Vec<_>) = heard
        .chain(&next.others)
        .partition(|one| is_same(one, &caller));
    if rest.iter().all(|one| is_silent(one, now)) {
        let alone = Speakers {
            heard: Some(caller),
            ..Speakers::default()
        };
        return (alone, Hearing::Alone(since));
    }
    if own.iter().any(|one| Some(*one) == next.heard.as_ref()) {
        next.heard = Some(caller);
        return (next, Hearing::Heard);
    }
    next.others.retain(|other| !is_same(other, &caller));
    put_aside(&mut next.others, caller);
    (next, Hearing::TurnedAway)
}

/// Keeps the newest few.
fn put_aside(others: &mut Vec<Speaker>, one: Speaker) {
    others.insert(0, one);
    others.truncate(OTHERS);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Plays calls, each of a run on a boot and so many seconds after the first.
    fn play(calls: &[(&str, &str, u64)]) -> (Speakers, Vec<Hearing>) {
        let mut speakers = Speakers::default();
        let hearings = calls.iter().map(|(boot, run, at)| {
            let now = Timestamp::UNIX_EPOCH + Duration::from_secs(*at);
            let (next, hearing) = hear(&speakers, (boot, run), now);
            speakers = next;
            hearing
        });
        let hearings = hearings.collect();
        (speakers, hearings)
    }

    fn runs(calls: &[(&str, u64)]) -> (Speakers, Vec<Hearing>) {
        let calls: Vec<_> = calls.iter().map(|(run, at)| ("boot", *run, *at)).collect();
        play(&calls)
    }

    use Hearing::{Alone, Doubled, Heard, TurnedAway};

    #[test]
    fn an_agent_that_is_started_again_and_again_is_one() {
        let (speakers, hearings) = runs(&[("a", 0), ("b", 1), ("c", 2), ("d", 3), ("d", 4)]);
        assert!(hearings.iter().all(|one| *one == Heard), "{hearings:?}");
        assert_eq!(speakers.doubled_since, None);
    }

    #[test]
    fn a_call_that_was_overtaken_by_a_restart_is_no_second_agent() {
        let calls = [
            ("a", 0),
            ("b", 1),
            ("a", 1),
            ("b", 2),
            ("b", 12),
            ("b", 30),
            ("a", 31),
            ("b", 32),
        ];
        let (speakers, hearings) = runs(&calls);
        assert!(hearings.iter().all(|one| *one == Heard), "{hearings:?}");
        assert_eq!((speakers.returns, speakers.doubled_since), (2, None));
    }

    #[test]
    fn two_that_take_turns_are_two_and_the_first_is_heard() {
        let (speakers, hearings) = runs(&[
            ("a", 0),
            ("b", 5),
            ("a", 10),
            ("b", 15),
            ("a", 20),
            ("b", 21),
            ("a", 22),
        ]);
        let expected = [Heard, Heard, Heard, Heard, Doubled, TurnedAway, Heard];
        assert_eq!(hearings, expected);
        assert_eq!(speakers.heard.unwrap().run_id, "a");
    }

    #[test]
    fn a_copy_on_another_machine_is_told_by_its_boot_where_it_has_no_run() {
        let turns = ["x", "y", "x", "y", "x", "y"];
        let calls: Vec<_> = turns
            .iter()
            .zip(0u64..)
            .map(|(boot, at)| (*boot, "", at))
            .collect();
        let (_, hearings) = play(&calls);
        assert_eq!(hearings[4..], [Doubled, TurnedAway]);
    }

    #[test]
    fn they_are_one_again_when_the_other_is_silent_for_its_lease() {
        let two = [("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)];
        let since = Timestamp::UNIX_EPOCH + Duration::from_secs(4);
        let mut other_ends = two.to_vec();
        other_ends.extend([("a", 19), ("a", 21), ("a", 22)]);
        let (speakers, hearings) = runs(&other_ends);
        assert_eq!(hearings[6..], [Heard, Alone(since), Heard]);
        assert_eq!((speakers.others, speakers.doubled_since), (vec![], None));
        // The one that was heard may be the one that goes: the other takes its place.
        let mut heard_ends = two.to_vec();
        heard_ends.extend([("b", 19), ("b", 20)]);
        let (speakers, hearings) = runs(&heard_ends);
        assert_eq!(hearings[6..], [TurnedAway, Alone(since)]);
        assert_eq!(speakers.heard.unwrap().run_id, "b");
    }

    #[test]
    fn three_copies_are_found_and_one_is_heard() {
        let turns: Vec<_> = ["a", "b", "c"].into_iter().cycle().zip(0..9).collect();
        let (speakers, hearings) = runs(&turns);
        assert_eq!(hearings[5..], [Doubled, TurnedAway, TurnedAway, Heard]);
        assert_eq!(speakers.others.len(), 2);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nobody() {
        let two = [("a", 100), ("b", 101), ("a", 102), ("b", 103), ("a", 104)];
        let mut back = two.to_vec();
        back.extend([("b", 3), ("a", 4), ("b", 5)]);
        let (_, hearings) = runs(&back);
        assert_eq!(hearings[5..], [TurnedAway, Heard, TurnedAway]);
    }
}
