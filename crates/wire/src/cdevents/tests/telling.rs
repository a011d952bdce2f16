//! Our own entries as other tools see them, held against the schemas.

use std::time::Duration;

use model::deliver::{
    DesiredState, EnvironmentPlan, Priority, Proof, ReleaseNumber, ReleaseRef, Rollout,
    RolloutState,
};
use model::{ChangeId, Digest, Entry, EntryId, Fact, Kind, Labels, Subject, Timestamp};
use serde_json::{Value, json};

use super::schema;
use crate::cdevents::binding::structured_json;
use crate::cdevents::tell::tell;
use crate::cdevents::{Event, Received, Said, look, read, receive};

const AT: Timestamp = Timestamp::from_millis(1_767_323_045_678);

fn release(version: &str) -> ReleaseRef {
    ReleaseRef {
        number: ReleaseNumber(1),
        version: version.parse().unwrap(),
        digest: Digest::of(version.as_bytes()),
        redeploy: None,
    }
}

fn rollout(previous: Option<ReleaseRef>) -> Rollout {
    Rollout {
        change: ChangeId(7),
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: release("1.1"),
        previous,
        plan: EnvironmentPlan {
            hosts: Labels::default(),
            expected: None,
            max_unavailable: Some(1),
            rings: vec![],
            warmup: Duration::ZERO,
            watch: Duration::ZERO,
            freeze: Vec::new(),
            if_running: model::deliver::IfRunning::default(),
            redeploy: None,
            blue_green: None,
        },
        rings: vec![],
        state: RolloutState::Planned,
        started_at: AT,
        started_by: "jonas".into(),
        order: None,
        auto_undo: true,
        judged: true,
        failed: None,
        no_way_back: None,
        overruled: None,
        freeze_override: None,
        last_entry: None,
        queued: None,
        together: None,
        watch: None,
        swap: None,
    }
}

fn entry(fact: &Fact) -> Entry {
    Entry {
        id: EntryId::new(AT, 1),
        at: AT,
        subject: Subject::Change(ChangeId(7)),
        kind: Kind::Outcome,
        actor: "jonas".into(),
        causes: vec![],
        body: fact.to_body(),
    }
}

/// Tells a fact and holds the event against its schema, where there is one.
fn told(fact: &Fact, rollout: Option<&Rollout>) -> Option<Event> {
    let event = tell(&entry(fact), rollout, "/sleepwell/prod")?;
    let schema = schema::for_event("cdevents-v0.5.1", &event.context.event_type);
    if let Some(schema) = schema {
        let faults = schema::faults("cdevents-v0.5.1", &schema, &event.to_json());
        assert_eq!(faults, [""; 0], "{:?}", event.context.event_type);
    } else {
        let data = crate::test_files("delivery/cdevents-v0.5.1/schemas");
        assert!(
            data.is_empty(),
            "no schema for {}",
            event.context.event_type
        );
    }
    let sent = structured_json(&event).to_string();
    let form = |_: &str| Some("application/cloudevents+json");
    let Ok(Received::One(received)) = receive(&form, sent.as_bytes()) else {
        panic!("{sent}");
    };
    assert_eq!(
        look(&received).unwrap().about.as_ref(),
        Some(&event.subject.id)
    );
    // What we tell, we read.
    assert_eq!(Event::from_json(&event.to_json()).as_ref(), Ok(&event));
    assert_ne!(read(&event), Ok(Said::NotUnderstood));
    Some(event)
}

fn done() -> Fact {
    let (hosts, after_ms) = (8, 1);
    Fact::RolloutDone { hosts, after_ms }
}

fn undone() -> Fact {
    let (to, hosts, after_ms) = (None, 8, 1);
    Fact::RolloutUndone {
        to,
        hosts,
        after_ms,
    }
}

fn purl(version: &str) -> Value {
    let hex = Digest::of(version.as_bytes()).hex();
    json!(format!("pkg:generic/shop@sha256%3A{hex}"))
}

#[test]
fn a_first_release_is_deployed_and_a_later_one_upgraded() {
    for (previous, word) in [(None, "deployed"), (Some(release("1.0")), "upgraded")] {
        let event = told(&done(), Some(&rollout(previous))).unwrap();
        let expected = json!({
            "context": {
                "specversion": "0.5.1", "id": EntryId::new(AT, 1), "source": "/sleepwell/prod",
                "type": format!("dev.cdevents.service.{word}.0.3.0"),
                "timestamp": AT, "chainId": "chg-7",
            },
            "subject": { "id": "shop", "source": "/sleepwell/prod", "content": {
                "environment": { "id": "production" }, "artifactId": purl("1.1"),
            } },
        });
        assert_eq!(event.to_json(), expected);
    }
}

#[test]
fn an_undo_names_what_runs_now() {
    let event = told(&undone(), Some(&rollout(Some(release("1.0"))))).unwrap();
    assert_eq!(
        event.context.event_type,
        "dev.cdevents.service.rolledback.0.3.0"
    );
    assert_eq!(event.subject.content["artifactId"], purl("1.0"));
    let event = told(&undone(), Some(&rollout(None))).unwrap();
    assert_eq!(
        event.context.event_type,
        "dev.cdevents.service.removed.0.3.0"
    );
    assert_eq!(event.subject.content.get("artifactId"), None);
}

#[test]
fn a_release_is_a_published_artifact() {
    let fact = Fact::ReleaseCreated {
        service: "shop".parse().unwrap(),
        release: release("1.1"),
    };
    let event = told(&fact, None).unwrap();
    assert_eq!(
        event.context.event_type,
        "dev.cdevents.artifact.published.0.3.0"
    );
    assert_eq!(json!(event.subject.id), purl("1.1"));
    assert_eq!(event.subject.content["user"], "jonas");
    assert_eq!(event.context.chain_id, None);
}

#[test]
fn only_a_host_that_proved_its_release_has_converged() {
    let proof = |proof| Fact::HostProof {
        host: "web-1".parse().unwrap(),
        service: "shop".parse().unwrap(),
        proof,
        version: Some("1.1".parse().unwrap()),
        why: String::new(),
    };
    let event = told(&proof(Proof::Converged), None).unwrap();
    let event_type = "dev.cdeventsx.sleepwell-host.converged.0.1.0";
    assert_eq!(event.context.event_type, event_type);
    assert_eq!(event.subject.id, "web-1");
    for other in [
        Proof::Pending,
        Proof::Drifted,
        Proof::Unknown,
        Proof::Stopped,
    ] {
        assert_eq!(told(&proof(other), None), None);
    }
}

#[test]
fn the_rest_of_the_story_is_ours_alone() {
    let asked = Fact::HostAsked {
        host: "web-1".parse().unwrap(),
        service: "shop".parse().unwrap(),
        version: "1.1".parse().unwrap(),
        generation: 1,
        priority: Priority::Rollout,
        state: DesiredState::Running,
    };
    assert_eq!(told(&asked, Some(&rollout(None))), None);
    // Without the rollout nobody knows what was deployed.
    assert_eq!(told(&done(), None), None);
    let mut damaged = entry(&done());
    damaged.body = json!({ "fact": "of a newer program" });
    assert_eq!(tell(&damaged, Some(&rollout(None)), "/x"), None);
}
