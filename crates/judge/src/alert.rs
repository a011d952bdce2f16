//! The life of an alert: what a posted one does to the open one of its key, when one lapses, and which
//! changes stand beside it. Times as Alertmanager takes them (metrics specification 2.8).

use model::judge::{Alert, AlertState, Posted, Resolution};
use model::observe::{Change, ChangeState};
use model::{ChangeId, EnvironmentName, Timestamp, limit};

/// Is what a posted alert comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// None of its key is open, and it fires: a new one begins.
    Opens {
        starts_at: Timestamp,
        ends_at: Timestamp,
    },
    /// It fires still.
    Extends(Box<Alert>),
    /// It is over.
    Resolves(Box<Alert>),
    /// It is over, and nobody here knew of it.
    Ignored,
}

/// Decides what a posted alert does to the open one of its key.
pub fn take(open: Option<&Alert>, posted: &Posted, now: Timestamp) -> Taken {
    let ended = posted.ends_at.is_some_and(|at| at <= now);
    match (open, ended) {
        (None, true) => Taken::Ignored,
        (None, false) => Taken::Opens {
            starts_at: posted.starts_at.unwrap_or(now),
            ends_at: end(posted, now),
        },
        (Some(open), true) => {
            let mut alert = said_again(open, posted);
            alert.ends_at = posted.ends_at.unwrap_or(now);
            Taken::Resolves(Box::new(resolved(alert, Resolution::Told, now)))
        }
        (Some(open), false) => {
            let mut alert = said_again(open, posted);
            // The newest word counts, also when it ends sooner than the one before.
            alert.ends_at = end(posted, now);
            Taken::Extends(Box::new(alert))
        }
    }
}

/// Resolves an open alert that was not sent again in time; none while it has time left.
pub fn lapse(alert: &Alert, now: Timestamp) -> Option<Alert> {
    let is_due = alert.is_open() && alert.ends_at <= now;
    is_due.then(|| resolved(alert.clone(), Resolution::Lapsed, now))
}

/// Returns the changes that stand beside an alert of their service which began at `starts_at`.
///
/// They are those under way and those that ended at most [`limit::CHANGES_BEFORE_ALERT`] before, of the
/// alert's environment if it names one. `changes` come newest first, and so do they.
pub fn changes_beside<'a>(
    changes: impl IntoIterator<Item = &'a Change>,
    environment: Option<&EnvironmentName>,
    starts_at: Timestamp,
) -> Vec<ChangeId> {
    let earliest = starts_at - limit::CHANGES_BEFORE_ALERT;
    changes
        .into_iter()
        .filter(|change| environment.is_none_or(|name| *name == change.environment))
        .filter(|change| is_under_way(change.state) || change.updated_at >= earliest)
        .map(|change| change.id)
        .take(limit::CHANGES_AT_ALERT)
        .collect()
}

fn is_under_way(state: ChangeState) -> bool {
    match state {
        ChangeState::Planned
        | ChangeState::Running
        | ChangeState::Held
        | ChangeState::Undoing
        | ChangeState::Stuck => true,
        ChangeState::Undone | ChangeState::Done | ChangeState::Superseded => false,
    }
}

fn end(posted: &Posted, now: Timestamp) -> Timestamp {
    posted.ends_at.unwrap_or(now + limit::RESOLVE_TIMEOUT)
}

/// Takes over what may have changed since it was sent first.
fn said_again(open: &Alert, posted: &Posted) -> Alert {
    let mut alert = open.clone();
    alert.starts_at = posted
        .starts_at
        .map_or(alert.starts_at, |at| at.min(alert.starts_at));
    alert.annotations.clone_from(&posted.annotations);
    alert.generator_url.clone_from(&posted.generator_url);
    alert
}

fn resolved(mut alert: Alert, how: Resolution, now: Timestamp) -> Alert {
    alert.state = AlertState::Resolved { at: now, how };
    alert
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use model::observe::ChangeKind;
    use model::{AlertId, EntryId, Labels};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn posted(starts_at: Option<Timestamp>, ends_at: Option<Timestamp>) -> Posted {
        Posted {
            service: "shop".parse().unwrap(),
            dedup_key: "00".to_owned(),
            labels: Labels::new([("alertname", "Down")]).unwrap(),
            annotations: BTreeMap::from([("summary".to_owned(), "new words".to_owned())]),
            generator_url: Some("http://rules.example.test".to_owned()),
            starts_at,
            ends_at,
        }
    }

    fn open() -> Alert {
        Alert {
            id: AlertId(1),
            service: "shop".parse().unwrap(),
            dedup_key: "00".to_owned(),
            labels: Labels::new([("alertname", "Down")]).unwrap(),
            annotations: BTreeMap::new(),
            generator_url: None,
            starts_at: NOW - s(60),
            ends_at: NOW + s(10),
            state: AlertState::Firing,
            received_at: NOW - s(50),
            sender: "prometheus".to_owned(),
            changes: vec![],
            incident: None,
            last_entry: EntryId::new(NOW, 1),
        }
    }

    #[test]
    fn a_new_one_fires_from_now_for_five_minutes_unless_it_says_otherwise() {
        let opens = |starts_at, ends_at| Taken::Opens { starts_at, ends_at };
        let (early, late) = (NOW - s(30), NOW + s(240));
        for (starts, ends, wanted) in [
            (None, None, opens(NOW, NOW + s(300))),
            (Some(early), None, opens(early, NOW + s(300))),
            (Some(early), Some(late), opens(early, late)),
            (None, Some(late), opens(NOW, late)),
        ] {
            assert_eq!(take(None, &posted(starts, ends), NOW), wanted);
        }
    }

    #[test]
    fn one_that_is_over_before_it_was_known_is_ignored() {
        for ends in [NOW, NOW - s(1)] {
            assert_eq!(take(None, &posted(None, Some(ends)), NOW), Taken::Ignored);
        }
    }

    #[test]
    fn sent_again_it_goes_on_with_the_newest_words_and_the_earliest_start() {
        let earlier = NOW - s(90);
        let Taken::Extends(alert) = take(Some(&open()), &posted(Some(earlier), None), NOW) else {
            panic!("it fires still");
        };
        assert_eq!(alert.starts_at, earlier);
        assert_eq!(alert.ends_at, NOW + limit::RESOLVE_TIMEOUT);
        assert_eq!(alert.summary(), "new words");
        assert!(alert.is_open() && alert.id == AlertId(1));
        let later = posted(Some(NOW), Some(NOW + s(5)));
        let Taken::Extends(alert) = take(Some(&open()), &later, NOW) else {
            panic!("it fires still");
        };
        assert_eq!(alert.starts_at, NOW - s(60));
        assert_eq!(alert.ends_at, NOW + s(5), "the newest word counts");
    }

    #[test]
    fn an_end_that_has_come_resolves_it() {
        for ends in [NOW, NOW - s(20)] {
            let Taken::Resolves(alert) = take(Some(&open()), &posted(None, Some(ends)), NOW) else {
                panic!("it is over");
            };
            let how = Resolution::Told;
            assert_eq!(alert.state, AlertState::Resolved { at: NOW, how });
            assert_eq!(alert.ends_at, ends);
        }
    }

    #[test]
    fn one_that_nobody_sends_again_lapses_once() {
        let alert = open();
        assert_eq!(lapse(&alert, NOW + s(9)), None);
        let lapsed = lapse(&alert, NOW + s(10)).unwrap();
        let (at, how) = (NOW + s(10), Resolution::Lapsed);
        assert_eq!(lapsed.state, AlertState::Resolved { at, how });
        assert_eq!(lapse(&lapsed, NOW + s(99)), None);
    }

    #[test]
    fn changes_under_way_and_just_over_stand_beside_it() {
        let change = |id, state, updated_at, environment: &str| Change {
            id: ChangeId(id),
            kind: ChangeKind::Deploy,
            service: "shop".parse().unwrap(),
            environment: environment.parse().unwrap(),
            title: "shop 1.1".to_owned(),
            by: "jonas".to_owned(),
            state,
            started_at: NOW - s(9_000),
            updated_at,
        };
        let changes = [
            change(4, ChangeState::Running, NOW - s(8_000), "production"),
            change(3, ChangeState::Done, NOW - s(3_600), "staging"),
            change(2, ChangeState::Undone, NOW - s(3_600), "production"),
            change(1, ChangeState::Done, NOW - s(3_601), "production"),
        ];
        let beside = |environment| changes_beside(&changes, environment, NOW);
        assert_eq!(beside(None), [4, 3, 2].map(ChangeId));
        let production = "production".parse().unwrap();
        assert_eq!(beside(Some(&production)), [4, 2].map(ChangeId));
        let many = vec![changes[0].clone(); 2 * limit::CHANGES_AT_ALERT];
        assert_eq!(
            changes_beside(&many, None, NOW).len(),
            limit::CHANGES_AT_ALERT
        );
    }
}
