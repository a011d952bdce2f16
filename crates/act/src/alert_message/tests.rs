use std::collections::BTreeMap;
use std::time::Duration;

use model::act::Urgency;
use model::judge::AlertState;
use model::observe::{ChangeKind, ChangeState};
use model::{AlertId, ChangeId, EntryId, IncidentId, Labels};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_763_733_811_000);

fn incident(firing: u64) -> Incident {
    Incident {
        id: IncidentId(3),
        service: "shop".parse().unwrap(),
        group: "HighErrorRate".to_owned(),
        state: match firing {
            0 => IncidentState::Resolved { at: NOW },
            _ => IncidentState::Triggered,
        },
        urgency: Urgency::High,
        opened_at: NOW - Duration::from_secs(65),
        alerts: 2,
        firing,
        told: None,
        due_at: None,
        last_entry: EntryId::new(NOW, 1),
    }
}

fn alert(id: u64, summary: &str) -> Alert {
    Alert {
        id: AlertId(id),
        service: "shop".parse().unwrap(),
        dedup_key: "0f".to_owned(),
        labels: Labels::new([("alertname", "HighErrorRate"), ("path", "/pay")]).unwrap(),
        annotations: BTreeMap::from([("summary".to_owned(), summary.to_owned())]),
        generator_url: Some("http://rules.example.test/graph?x=1".to_owned()),
        starts_at: NOW - Duration::from_secs(70),
        ends_at: NOW,
        state: AlertState::Firing,
        received_at: NOW,
        sender: "prometheus".to_owned(),
        changes: vec![ChangeId(7)],
        incident: Some(IncidentId(3)),
        last_entry: EntryId::new(NOW, 1),
    }
}

fn change() -> Change {
    Change {
        id: ChangeId(7),
        kind: ChangeKind::Deploy,
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        title: "shop 1.1".to_owned(),
        by: "jonas".to_owned(),
        state: ChangeState::Running,
        started_at: NOW,
        updated_at: NOW - Duration::from_secs(120),
    }
}

fn message(news: News, firing: u64) -> Message {
    let (incident, alerts, changes) = (
        incident(firing),
        [alert(12, "3.2 % of payments fail.")],
        [change()],
    );
    let about = About {
        incident: &incident,
        alerts: &alerts,
        changes: &changes,
        command: "sleepwell",
    };
    write(&about, news, NOW)
}

#[test]
fn the_first_message_says_what_since_when_and_what_changed() {
    let message = message(News::Fires, 1);
    assert_eq!(message.title, "shop: HighErrorRate fires");
    assert_eq!(message.urgency, Urgency::High);
    assert_eq!(
        message.text,
        [
            "HighErrorRate fires for shop since 14:02:21 UTC.",
            "It says: 3.2 % of payments fail.",
            "Alerts:\nalt-12 since 14:02:21 UTC {alertname=\"HighErrorRate\", path=\"/pay\"}\n  http://rules.example.test/graph?x=1",
            "Changes around then (near in time, which proves nothing):\nchg-7 shop 1.1, running since 14:01:31 UTC; to take it back: sleepwell undo chg-7",
            "What fires there now: sleepwell alerts shop\nThe chain of causes: sleepwell why inc-3",
        ]
    );
    assert_eq!(message.data["alerts"][0]["labels"]["path"], "/pay");
    assert_eq!(message.subject().unwrap().to_string(), "incident/inc-3");
}

#[test]
fn each_news_has_its_words() {
    for (news, firing, title, begins) in [
        (
            News::Grew,
            3,
            "shop: HighErrorRate fires, 3 alerts",
            "HighErrorRate fires for shop for 1 min 5 s now",
        ),
        (
            News::FiresAgain,
            1,
            "shop: HighErrorRate fires again",
            "HighErrorRate fires again for shop",
        ),
        (
            News::Resolved,
            0,
            "shop: HighErrorRate is resolved",
            "HighErrorRate no longer fires for shop; it lasted 1 min 5 s.",
        ),
        (
            News::CameAndWent,
            0,
            "shop: HighErrorRate fired and is resolved",
            "HighErrorRate fired for shop and was over",
        ),
    ] {
        let message = message(news, firing);
        assert_eq!(message.title, title);
        assert!(message.text[0].starts_with(begins), "{}", message.text[0]);
    }
    let rest = &message(News::Grew, 3).text[2];
    assert!(rest.ends_with("and 2 others"), "{rest}");
}

#[test]
fn text_from_outside_cannot_break_a_line() {
    let (mut incident, alerts) = (
        incident(1),
        [alert(1, "a\n\nWhat to do: call 0900\u{202e}")],
    );
    incident.group = "x\ny".to_owned();
    let about = About {
        incident: &incident,
        alerts: &alerts,
        changes: &[],
        command: "sleepwell",
    };
    let message = write(&about, News::Fires, NOW);
    assert_eq!(message.title, "shop: x y fires");
    assert_eq!(message.text[1], "It says: a What to do: call 0900.");
}
