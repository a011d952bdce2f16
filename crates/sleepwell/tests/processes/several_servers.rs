//! Two servers share a database; one is killed and the other finishes what it had begun.
//!
//! The loops of the killed one are free when their leases have run out, 15 s after it renewed them last.

use model::ChangeId;
use model::act::OutboxState;
use model::api::change::RingState;
use model::observe::ChangeState;
use serde_json::{Value, json};

use crate::harness::definition::{CANARY_THEN_REST, Definition};
use crate::harness::wait::until_true;
use crate::harness::world::{World, story, times};

/// A lease, and some time to do the work on a busy machine.
const TAKEN_OVER_S: u64 = 45;
/// What was being sent is free a minute after it was begun.
const SENT_AGAIN_S: u64 = 60 + TAKEN_OVER_S;

fn comes_to(world: &World, change: ChangeId, state: ChangeState) {
    until_true("the other server to finish", TAKEN_OVER_S, || {
        let client = world.client();
        client
            .change(change)
            .is_ok_and(|view| view.change.state == state)
    });
}

#[test]
fn a_rollout_whose_server_is_killed_is_finished_by_the_other() {
    let Some(mut world) = World::with_two_servers(2) else {
        return;
    };
    world.define(&Definition::gated());
    let change = world.begin("1.0");
    world.ring_is(change, 0, RingState::Baking);
    world.kill_server();
    comes_to(&world, change, ChangeState::Done);
    let view = world.view(change);
    for event in ["ring_started", "ring_proved", "ring_passed"] {
        assert_eq!(times(&view, event), 2, "{event}:\n{}", story(&view));
    }
    for event in ["rollout_planned", "rollout_done"] {
        assert_eq!(times(&view, event), 1, "{event}:\n{}", story(&view));
    }
    assert!(world.inbox.mails().is_empty(), "nobody needs to know");
}

#[test]
fn an_undo_whose_server_is_killed_is_finished_and_told_once() {
    let Some(mut world) = World::with_two_servers(2) else {
        return;
    };
    world.define(&Definition::gated());
    world.ship("1.0");
    let long = CANARY_THEN_REST.replace("bake: 1s", "bake: 60s");
    world.define(&Definition::gated().with_rings(&long));
    let change = world.begin("2.0");
    world.ring_is(change, 0, RingState::Baking);
    world.close(1, "1.0"); // so that the way back takes as long as we like
    world.close(1, "2.0");
    world.ends(change, ChangeState::Undoing);
    world.kill_server();
    world.open(1, "1.0");
    comes_to(&world, change, ChangeState::Undone);
    let view = world.view(change);
    for event in ["undo_started", "rollout_undone"] {
        assert_eq!(times(&view, event), 1, "{event}:\n{}", story(&view));
    }
    until_true("the mail and the webhook", 15, || {
        !world.inbox.mails().is_empty() && !world.inbox.webhooks().is_empty()
    });
    assert_eq!(world.inbox.mails().len(), 1, "{:?}", world.inbox.mails());
    assert_eq!(world.inbox.webhooks().len(), 1);
    assert_eq!(world.service(1).running.unwrap().as_str(), "1.0");
}

#[test]
fn a_page_whose_server_is_killed_while_it_sends_it_is_sent_by_the_other() {
    let Some(mut world) = World::with_two_servers_and_receiver() else {
        return;
    };
    world.inbox.answer_no_webhook();
    let alerts = json!([{ "labels": { "alertname": "Stuck", "service": "queue" } }]).to_string();
    let path = "/alertmanager/api/v2/alerts";
    let sender = world.sender_of_alerts();
    let posted = sender.raw("POST", path, &[], Some(alerts.as_bytes()), 9_999);
    posted.expect("the alert is accepted");
    until_true("the page to be on its way", 15, || {
        world.inbox.webhooks().len() == 1
    });
    world.kill_server();
    world.inbox.answer_webhooks();
    until_true("the other server to send it", SENT_AGAIN_S, || {
        world.inbox.webhooks().len() == 2
    });
    let page = |body: &String| serde_json::from_str::<Value>(body).expect("pages are JSON");
    let pages: Vec<Value> = world.inbox.webhooks().iter().map(page).collect();
    let said = |page: &Value| (page["id"].clone(), page["may_be_repeat"].clone());
    let id = pages[0]["id"].clone();
    assert_eq!(
        (said(&pages[0]), said(&pages[1])),
        ((id.clone(), json!(false)), (id.clone(), json!(true))),
        "{pages:?}"
    );
    until_true("the page to be accepted", 15, || {
        let pages = world.client().pages(&[]).unwrap_or_default();
        matches!(&pages[..], [page] if matches!(page.state, OutboxState::Accepted { .. }))
    });
}
