use std::collections::BTreeMap;
use std::time::Duration;

use model::judge::AlertState;
use model::{AlertId, EntryId, IncidentId, Labels};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn incident(firing: u64, alerts: u64, told: Option<Told>) -> Incident {
    Incident {
        id: IncidentId(1),
        service: "shop".parse().unwrap(),
        group: "Down".to_owned(),
        state: state(IncidentState::Triggered, firing, NOW),
        urgency: Urgency::High,
        opened_at: NOW,
        alerts,
        firing,
        told,
        due_at: None,
        last_entry: EntryId::new(NOW, 1),
    }
}

fn told(ago_s: u64, resolved: bool, alerts: u64) -> Option<Told> {
    Some(Told {
        at: NOW - s(ago_s),
        resolved,
        alerts,
        urgency: Urgency::High,
        receivers: 1,
    })
}

#[test]
fn what_is_told_follows_from_what_was_told() {
    let later = |ago| Due::At(NOW - s(ago) + limit::INCIDENT_PACE);
    for (firing, alerts, before, wanted) in [
        (1, 1, None, Due::Now(News::Fires)),
        (0, 1, None, Due::Now(News::CameAndWent)),
        (1, 1, told(9, false, 1), Due::Nothing),
        (2, 2, told(9, false, 1), later(9)),
        (2, 2, told(300, false, 1), Due::Now(News::Grew)),
        (0, 1, told(9, false, 1), Due::Now(News::Resolved)),
        (0, 1, told(9, true, 1), Due::Nothing),
        (0, 2, told(9, true, 1), later(9)),
        (0, 2, told(300, true, 1), Due::Now(News::CameAndWent)),
        (1, 2, told(9, true, 1), later(9)),
        (1, 2, told(300, true, 1), Due::Now(News::FiresAgain)),
    ] {
        assert_eq!(
            due(&incident(firing, alerts, before), NOW),
            wanted,
            "{firing} {alerts} {before:?}"
        );
    }
}

#[test]
fn whom_a_quiet_note_told_is_woken_at_once_when_it_gets_worse() {
    let mut quiet = incident(2, 2, told(1, false, 1));
    quiet.told = quiet.told.map(|told| Told {
        urgency: Urgency::Low,
        ..told
    });
    assert_eq!(due(&quiet, NOW), Due::Now(News::Grew));
}

#[test]
fn a_clock_set_back_makes_nobody_wait() {
    let mut ahead = incident(2, 2, told(0, false, 1));
    ahead.told = ahead.told.map(|told| Told {
        at: NOW + s(86_400),
        ..told
    });
    assert_eq!(due(&ahead, NOW), Due::Now(News::Grew));
}

#[test]
fn nobody_is_woken_by_what_is_over() {
    let one = incident(1, 1, None);
    assert_eq!(News::Fires.urgency(&one), Urgency::High);
    assert_eq!(News::FiresAgain.urgency(&one), Urgency::High);
    assert_eq!(News::Resolved.urgency(&one), Urgency::Low);
    assert_eq!(News::CameAndWent.urgency(&one), Urgency::Low);
}

#[test]
fn an_incident_takes_its_kind_for_half_an_hour_after_its_end() {
    let mut over = incident(0, 1, None);
    assert!(takes_more(&over, NOW + s(1_800)) && !takes_more(&over, NOW + s(1_801)));
    let ended = over.state;
    assert_eq!(
        state(ended, 0, NOW + s(9)),
        ended,
        "its end stays where it is"
    );
    over.state = state(ended, 1, NOW);
    assert!(takes_more(&over, NOW + s(99_999)));
}

fn alert(labels: &[(&str, &str)]) -> Alert {
    Alert {
        id: AlertId(1),
        service: "shop".parse().unwrap(),
        dedup_key: "0f".to_owned(),
        labels: Labels::new(labels.iter().copied()).unwrap(),
        annotations: BTreeMap::new(),
        generator_url: None,
        starts_at: NOW,
        ends_at: NOW,
        state: AlertState::Firing,
        received_at: NOW,
        sender: String::new(),
        changes: vec![],
        incident: None,
        last_entry: EntryId::new(NOW, 1),
    }
}

#[test]
fn a_severity_that_is_not_known_to_be_quiet_wakes() {
    for (severity, wanted) in [
        ("warning", Urgency::Low),
        ("Info", Urgency::Low),
        ("", Urgency::High),
        ("critical", Urgency::High),
        ("sev3", Urgency::High),
    ] {
        assert_eq!(
            urgency(&alert(&[("severity", severity)])),
            wanted,
            "{severity}"
        );
    }
}

#[test]
fn alerts_of_one_name_are_one_group() {
    let one = alert(&[("alertname", "Down"), ("instance", "a")]);
    assert_eq!(group(&one), "Down");
    assert_eq!(
        group(&alert(&[("instance", "a")])),
        "0f",
        "without a name each stands alone"
    );
    assert_eq!(group(&alert(&[("alertname", "a\u{0}b\n")])), "a b");
    assert_eq!(group(&alert(&[("alertname", "\u{0}")])), "0f");
}

/// Is what may happen to an incident between two looks.
#[derive(Clone, Debug)]
enum Step {
    Fires,
    Ends,
    Passes(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Fires),
        Just(Step::Ends),
        (0u16..600).prop_map(Step::Passes)
    ]
}

proptest! {
    /// Whatever happens, in the end everything was told, the last word is true, and nobody heard more than
    /// three messages in the time of one pace: that it fires, and that it is over before and after.
    #[test]
    fn everything_is_told_at_a_bearable_pace(steps in prop::collection::vec(step(), 1..60)) {
        let mut now = NOW;
        let mut one = incident(1, 1, None);
        let mut messages: Vec<Timestamp> = vec![];
        let look = |one: &mut Incident, now: Timestamp, messages: &mut Vec<Timestamp>| {
            if let Due::Now(news) = due(one, now) {
                one.told = Some(news.told(one, 1, now));
                messages.push(now);
            }
            assert!(!matches!(due(one, now), Due::Now(_)), "it has just been told");
        };
        for step in steps {
            match step {
                Step::Fires => { one.alerts += 1; one.firing += 1; }
                Step::Ends => one.firing = one.firing.saturating_sub(1),
                Step::Passes(seconds) => now = now + s(seconds.into()),
            }
            one.state = state(one.state, one.firing, now);
            look(&mut one, now, &mut messages);
        }
        now = now + limit::INCIDENT_PACE;
        look(&mut one, now, &mut messages);
        let last = one.told.unwrap();
        prop_assert_eq!((last.alerts, last.resolved), (one.alerts, !one.is_open()));
        for four in messages.windows(4) {
            prop_assert!(four[3] >= four[0] + limit::INCIDENT_PACE, "{:?}", messages);
        }
    }
}
