//! Each invariant seen to fail: a world in which it holds, and one thing planted in it.

use model::act::{Destination, Incident, IncidentState, Message, OutboxState, Told, Urgency};
use model::judge::{Alert, AlertState};
use model::observe::{ChangeKind, ChangeState};
use model::{AlertId, EntryId, IncidentId, Labels, Timestamp};

use super::*;

const AT: Timestamp = Timestamp::from_millis(1_767_690_000_000);

fn change(id: u64, state: ChangeState) -> Change {
    Change {
        id: ChangeId(id),
        kind: ChangeKind::Deploy,
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        title: format!("shop 1.{id}"),
        by: "jonas".into(),
        state,
        started_at: AT,
        updated_at: AT,
    }
}

fn alert(id: u64) -> AlertView {
    let name = format!("Rule{id}");
    let alert = Alert {
        id: AlertId(id),
        service: "shop".parse().unwrap(),
        dedup_key: name.clone(),
        labels: Labels::new([("alertname", name)]).unwrap(),
        annotations: BTreeMap::new(),
        generator_url: None,
        starts_at: AT,
        ends_at: AT,
        state: AlertState::Firing,
        received_at: AT,
        sender: "prometheus".into(),
        changes: vec![],
        incident: Some(IncidentId(id)),
        last_entry: EntryId::new(AT, 1),
    };
    AlertView {
        alert,
        told: ToldState::Accepted,
    }
}

fn incident(id: u64) -> IncidentView {
    let told = Told {
        at: AT,
        resolved: false,
        alerts: 1,
        urgency: Urgency::High,
        receivers: 1,
    };
    let incident = Incident {
        id: IncidentId(id),
        service: "shop".parse().unwrap(),
        group: format!("Rule{id}"),
        state: IncidentState::Triggered,
        urgency: Urgency::High,
        opened_at: AT,
        alerts: 1,
        firing: 1,
        told: Some(told),
        due_at: None,
        last_entry: EntryId::new(AT, 1),
    };
    IncidentView {
        incident,
        told_state: ToldState::Accepted,
        pages: vec![],
    }
}

fn message(n: u128, incident: u64) -> OutboxRow {
    OutboxRow {
        id: PageId::new(AT, n),
        destination: Destination::Mail("a@example.test".into()),
        message: Message {
            urgency: Urgency::High,
            title: format!("shop: Rule{incident} fires"),
            text: vec![],
            change: None,
            incident: Some(IncidentId(incident)),
            data: serde_json::Value::Null,
        },
        state: OutboxState::Leased { fence: 1 },
        attempt: 1,
        due_at: AT,
        created_at: AT,
        cause: EntryId::new(AT, 1),
    }
}

/// Returns a world in which everything holds: two alerts told, one of them twice because of a stop.
fn good() -> Seen {
    let mut again = message(2, 2);
    again.attempt = 2;
    Seen {
        waiting: BTreeSet::new(),
        changes: vec![
            change(2, ChangeState::Running),
            change(1, ChangeState::Done),
        ],
        alerts: vec![alert(2), alert(1)],
        incidents: vec![incident(2), incident(1)],
        messages: vec![message(1, 1), message(2, 2), again],
        accepted_alerts: ["Rule1", "Rule2"].map(str::to_owned).into(),
        accepted_changes: [ChangeId(1), ChangeId(2)].into(),
        stops: 1,
    }
}

/// Plants something and returns what is said of it, at once or in the end.
fn planted(plant: impl FnOnce(&mut Seen)) -> (Result<(), String>, String) {
    let mut seen = good();
    plant(&mut seen);
    (always(&seen), in_the_end(&seen).unwrap_err())
}

#[track_caller]
fn is_red_at_once(wanted: &str, plant: impl FnOnce(&mut Seen)) {
    let (at_once, in_the_end) = planted(plant);
    assert_eq!(at_once.unwrap_err(), wanted);
    assert_eq!(in_the_end, wanted);
}

#[track_caller]
fn is_red_in_the_end(wanted: &str, plant: impl FnOnce(&mut Seen)) {
    let (at_once, in_the_end) = planted(plant);
    assert_eq!(at_once, Ok(()));
    assert_eq!(in_the_end, wanted);
}

#[test]
fn a_good_world_is_green() {
    assert_eq!(in_the_end(&good()), Ok(()));
}

#[test]
fn an_accepted_alert_or_rollout_that_is_lost_is_red() {
    is_red_at_once("alert Rule1 was accepted and is lost", |seen| {
        seen.alerts.pop();
    });
    is_red_at_once("chg-1 was accepted and is lost", |seen| {
        seen.changes.pop();
    });
}

#[test]
fn two_rollouts_that_own_one_ring_are_red() {
    is_red_at_once("chg-1 and chg-2 own the same rings", |seen| {
        seen.changes[1].state = ChangeState::Undoing;
    });
    let mut elsewhere = good();
    elsewhere.changes[1].state = ChangeState::Undoing;
    elsewhere.changes[1].environment = "staging".parse().unwrap();
    assert_eq!(in_the_end(&elsewhere), Ok(()), "other rings");
}

#[test]
fn an_alert_that_is_open_twice_is_red() {
    is_red_at_once("alt-3 is open a second time", |seen| {
        let mut twin = seen.alerts[1].clone();
        twin.alert.id = AlertId(3);
        seen.alerts.push(twin);
    });
}

#[test]
fn a_message_that_comes_twice_without_reason_is_red() {
    is_red_at_once("a repeat of `shop: Rule2 fires` does not say so", |seen| {
        seen.messages[2].attempt = 1;
    });
    let said = "`shop: Rule2 fires` came 2 times, and the server was stopped 0 times";
    is_red_at_once(said, |seen| seen.stops = 0);
}

#[test]
fn what_was_decided_twice_is_red() {
    let (first, twin) = (PageId::new(AT, 1), PageId::new(AT, 9));
    let said = format!("`shop: Rule1 fires` was decided twice, as {first} and {twin}");
    is_red_at_once(&said, |seen| {
        seen.messages.push(message(9, 1));
    });
    let mut later = good();
    let mut news = message(9, 1);
    news.created_at = AT + 2 * AT_ONCE;
    later.messages.push(news);
    assert_eq!(in_the_end(&later), Ok(()), "after a while it is news again");
}

#[test]
fn an_accepted_alert_nobody_was_told_of_is_red() {
    is_red_in_the_end(
        "alert Rule1 was accepted and nobody was told: accepted",
        |seen| {
            seen.messages.remove(0);
        },
    );
    is_red_in_the_end(
        "alert Rule2 was accepted and nobody was told: sending",
        |seen| {
            seen.alerts[0].told = ToldState::Sending;
        },
    );
    is_red_in_the_end(
        "alert Rule2 was accepted and nobody was told: accepted",
        |seen| {
            seen.alerts[0].alert.incident = None;
        },
    );
}

#[test]
fn a_last_word_that_is_not_true_is_red() {
    is_red_in_the_end("inc-2 was never told", |seen| {
        seen.incidents[0].incident.told = None
    });
    let (_, said) = planted(|seen| seen.incidents[1].incident.alerts = 2);
    assert!(
        said.starts_with("of inc-1 was told") && said.ends_with("it has 2 alerts"),
        "{said}"
    );
    let (_, said) = planted(|seen| {
        seen.incidents[0].incident.state = IncidentState::Resolved { at: AT };
    });
    assert!(said.starts_with("of inc-2 was told"), "{said}");
}
