//! Alerts become incidents, incidents become messages, and every one of them ends somewhere.

use std::collections::BTreeMap;

use engine::{Alerts, Incidents};
use model::act::{Destination, Incident, IncidentState, Urgency};
use model::deliver::{Owner, RolloutState};
use model::judge::{Alert, AlertState, Resolution};
use model::{AlertId, EntryId, Fact, IncidentId, Labels, limit};
use runtime::Turn;

use crate::support::{World, at, fails, turns};

/// Stores an open alert that runs out `ends` seconds after the beginning.
async fn fires(world: &World, id: u64, (service, name): (&str, &str), ends: u64) -> Alert {
    let alert = Alert {
        id: AlertId(id),
        service: service.parse().unwrap(),
        dedup_key: id.to_string(),
        labels: Labels::new([("alertname", name)]).unwrap(),
        annotations: BTreeMap::new(),
        generator_url: None,
        starts_at: at(0),
        ends_at: at(ends),
        state: AlertState::Firing,
        received_at: at(0),
        sender: "prometheus".into(),
        changes: vec![],
        incident: None,
        last_entry: EntryId::new(at(0), id.into()),
    };
    let stored = alert.clone();
    world
        .write(move |tx| store::alert::insert(tx, &stored))
        .await;
    alert
}

fn last_resort() -> Owner {
    Owner {
        mail: Some("everybody@example.test".into()),
        ..Owner::default()
    }
}

fn incidents(world: &World) -> Incidents {
    Incidents::new(world.context.clone(), last_resort())
}

/// Returns titles and receivers of all messages so far.
async fn told(world: &World) -> Vec<(String, String)> {
    let mut rows = world.outbox().await;
    rows.sort_by_key(|row| row.id);
    let told = rows.into_iter().map(|row| match row.destination {
        Destination::Mail(to) => (row.message.title, to),
        other => panic!("{other}"),
    });
    told.collect()
}

async fn incident(world: &World, id: u64) -> Incident {
    let found = world.write(move |tx| store::incident::get(tx, IncidentId(id)));
    found.await.unwrap()
}

#[tokio::test]
async fn the_owner_of_the_service_is_told_once() {
    let world = World::new();
    world
        .rollout((1, "shop"), &[1], RolloutState::Done { at: at(0) })
        .await;
    fires(&world, 1, ("shop", "Down"), 900).await;
    let mut incidents = incidents(&world);
    for seconds in [1, 2, 400] {
        turns(&mut incidents, seconds).await;
    }
    let owner = "owner@example.test".to_owned();
    assert_eq!(told(&world).await, [("shop: Down fires".to_owned(), owner)]);
    let alert = world
        .write(|tx| store::alert::get(tx, AlertId(1)))
        .await
        .unwrap();
    assert_eq!(alert.incident, Some(IncidentId(1)));
    let facts = world.facts().await;
    assert!(
        matches!(
            facts[..],
            [
                Fact::IncidentOpened {
                    urgency: Urgency::High,
                    ..
                },
                Fact::MessageQueued { .. }
            ]
        ),
        "{facts:?}"
    );
}

#[tokio::test]
async fn without_an_owner_the_receiver_of_last_resort_is_told() {
    let world = World::new();
    fires(&world, 1, ("unassigned", "Down"), 900).await;
    turns(&mut incidents(&world), 1).await;
    let everybody = "everybody@example.test".to_owned();
    assert_eq!(
        told(&world).await,
        [("unassigned: Down fires".to_owned(), everybody)]
    );
}

#[tokio::test]
async fn when_there_is_nobody_to_tell_that_is_written_down() {
    let world = World::new();
    fires(&world, 1, ("unassigned", "Down"), 900).await;
    let mut incidents = Incidents::new(world.context.clone(), Owner::default());
    for seconds in [1, 2] {
        turns(&mut incidents, seconds).await;
    }
    assert_eq!(told(&world).await, []);
    let nobody = |fact: &&Fact| matches!(fact, Fact::NobodyTold { .. });
    assert_eq!(world.facts().await.iter().filter(nobody).count(), 1);
    assert_eq!(incident(&world, 1).await.told.unwrap().receivers, 0);
}

#[tokio::test]
async fn alerts_of_one_name_are_told_together_and_later_ones_at_their_pace() {
    let world = World::new();
    for id in 1..=3 {
        fires(&world, id, ("shop", "Down"), 9_000).await;
    }
    fires(&world, 4, ("shop", "Slow"), 9_000).await;
    let mut incidents = incidents(&world);
    turns(&mut incidents, 1).await;
    let titles = |told: Vec<(String, String)>| -> Vec<String> {
        told.into_iter().map(|(title, _)| title).collect()
    };
    let first = ["shop: Down fires, 3 alerts", "shop: Slow fires"];
    let mut found = titles(told(&world).await);
    found.sort();
    assert_eq!(found, first);
    fires(&world, 5, ("shop", "Down"), 9_000).await;
    let waits = turns(&mut incidents, 60).await;
    assert_eq!(waits, Turn::Until(at(1) + limit::INCIDENT_PACE));
    assert_eq!(told(&world).await.len(), 2);
    turns(&mut incidents, 301).await;
    assert_eq!(
        titles(told(&world).await)[2..],
        ["shop: Down fires, 4 alerts"]
    );
    let joined = |fact: &&Fact| {
        matches!(
            fact,
            Fact::IncidentJoined {
                told_at: Some(_),
                ..
            }
        )
    };
    assert_eq!(world.facts().await.iter().filter(joined).count(), 1);
}

#[tokio::test]
async fn an_alert_nobody_sends_again_lapses_and_the_end_is_told_once() {
    let world = World::new();
    for id in 1..=2 {
        fires(&world, id, ("shop", "Down"), 100 * id).await;
    }
    let (mut alerts, mut incidents) = (Alerts::new(world.context.clone()), incidents(&world));
    assert_eq!(turns(&mut alerts, 1).await, Turn::Until(at(100)));
    turns(&mut incidents, 1).await;
    for seconds in [99, 100, 199] {
        turns(&mut alerts, seconds).await;
        turns(&mut incidents, seconds).await;
    }
    assert!(
        incident(&world, 1).await.is_open(),
        "one of two still fires"
    );
    for seconds in [200, 201, 900] {
        turns(&mut alerts, seconds).await;
        turns(&mut incidents, seconds).await;
    }
    let told = told(&world).await;
    let titles: Vec<&str> = told.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(
        titles,
        ["shop: Down fires, 2 alerts", "shop: Down is resolved"]
    );
    assert_eq!(
        incident(&world, 1).await.state,
        IncidentState::Resolved { at: at(200) }
    );
    let alert = world
        .write(|tx| store::alert::get(tx, AlertId(1)))
        .await
        .unwrap();
    let how = Resolution::Lapsed;
    assert_eq!(alert.state, AlertState::Resolved { at: at(100), how });
    let lapsed = |fact: &&Fact| {
        matches!(
            fact,
            Fact::AlertResolved {
                how: Resolution::Lapsed,
                ..
            }
        )
    };
    assert_eq!(world.facts().await.iter().filter(lapsed).count(), 2);
}

#[tokio::test]
async fn an_alert_that_came_and_went_before_a_turn_is_told_and_wakes_nobody() {
    let world = World::new();
    fires(&world, 1, ("shop", "Down"), 1).await;
    turns(&mut Alerts::new(world.context.clone()), 2).await;
    turns(&mut incidents(&world), 2).await;
    let rows = world.outbox().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].message.title, "shop: Down fired and is resolved");
    assert_eq!(rows[0].message.urgency, Urgency::Low);
}

#[tokio::test]
async fn beyond_so_many_incidents_the_alerts_of_a_service_share_one() {
    let world = World::new();
    let most = limit::OPEN_INCIDENTS;
    for id in 1..=most + 5 {
        fires(&world, id, ("shop", &format!("Rule{id}")), 9_000).await;
    }
    let mut incidents = incidents(&world);
    turns(&mut incidents, 1).await;
    let shop = "shop".parse().unwrap();
    let open = world
        .write(move |tx| store::incident::open_count(tx, &shop))
        .await;
    assert_eq!(open, most + 1);
    let last = incident(&world, most + 1).await;
    assert_eq!((last.title(), last.firing), ("many alerts", 5));
    turns(&mut incidents, 302).await;
    let titles = told(&world).await;
    let many = titles
        .iter()
        .filter(|(title, _)| title.starts_with("shop: many alerts"));
    assert_eq!(
        many.count(),
        2,
        "each of them is told, the later ones at their pace"
    );
}

#[tokio::test]
async fn a_row_that_cannot_be_read_keeps_no_other_from_being_told() {
    let world = World::new();
    for id in 1..=2 {
        fires(&world, id, ("shop", &format!("Rule{id}")), 9_000).await;
    }
    world.damage("UPDATE judge_alert SET body = '{' WHERE number = 1");
    let said = fails(&mut incidents(&world), 1).await;
    assert!(
        said.contains("alt-1: a stored row of judge_alert cannot be read"),
        "{said}"
    );
    let told = told(&world).await;
    assert_eq!(told[0].0, "shop: Rule2 fires");
}

#[tokio::test]
async fn an_owner_who_cannot_be_read_is_replaced_by_the_last_resort() {
    let world = World::new();
    world
        .rollout((1, "shop"), &[1], RolloutState::Done { at: at(0) })
        .await;
    world.damage("UPDATE deliver_release SET body = '{'");
    fires(&world, 1, ("shop", "Down"), 900).await;
    turns(&mut incidents(&world), 1).await;
    assert_eq!(told(&world).await[0].1, "everybody@example.test");
}

async fn set_aside(world: &World) -> Vec<String> {
    let facts = world.facts().await.into_iter();
    let rows = facts.filter_map(|fact| match fact {
        Fact::SetAside { row, .. } => Some(row),
        _ => None,
    });
    rows.collect()
}

#[tokio::test]
async fn a_damaged_alert_is_set_aside_and_told_once_and_sent_again_it_is_a_new_one() {
    let world = World::new();
    fires(&world, 1, ("shop", "Down"), 60).await;
    fires(&world, 2, ("till", "Down"), 60).await;
    world.damage("UPDATE judge_alert SET body = '{' WHERE number = 1");
    let mut incidents = incidents(&world);
    let said = fails(&mut incidents, 1).await;
    assert!(said.starts_with("alt-1: "), "{said}");
    turns(&mut incidents, 2).await;
    assert_eq!(set_aside(&world).await, ["alt-1"]);
    assert_eq!(told(&world).await.len(), 1, "of the other one");
    // Neither its end nor any list stumbles over it.
    assert_eq!(
        turns(&mut Alerts::new(world.context.clone()), 61).await,
        Turn::Idle
    );
    let filter = store::alert::Filter::default();
    let list = world.write(move |tx| store::alert::list(tx, &filter, 10));
    assert_eq!(list.await.len(), 1);
    // The same key is free.
    let again = world.write(|tx| {
        let shop = "shop".parse().unwrap();
        store::alert::open(tx, &shop, "1")
    });
    assert_eq!(again.await, None);
    fires(&world, 3, ("shop", "Down"), 120).await;
    turns(&mut incidents, 62).await;
    assert_eq!(set_aside(&world).await.len(), 1);
}

#[tokio::test]
async fn a_damaged_alert_that_ran_out_is_set_aside_and_the_others_end() {
    let world = World::new();
    fires(&world, 1, ("shop", "Down"), 10).await;
    fires(&world, 2, ("till", "Down"), 20).await;
    world
        .write(|tx| store::alert::mark_seen(tx, AlertId(1)))
        .await;
    world.damage("UPDATE judge_alert SET body = '{' WHERE number = 1");
    let mut alerts = Alerts::new(world.context.clone());
    fails(&mut alerts, 15).await;
    assert_eq!(turns(&mut alerts, 16).await, Turn::Until(at(20)));
    assert_eq!(turns(&mut alerts, 21).await, Turn::Idle);
    assert_eq!(set_aside(&world).await, ["alt-1"]);
}

#[tokio::test]
async fn a_damaged_incident_is_set_aside_and_the_next_alert_opens_another_one() {
    let world = World::new();
    fires(&world, 1, ("shop", "Down"), 600).await;
    let mut incidents = incidents(&world);
    turns(&mut incidents, 1).await;
    // Something is due of it, and nobody can read what.
    world.damage("UPDATE act_incident SET body = '{', due_us = 1");
    let said = fails(&mut incidents, 2).await;
    assert!(said.starts_with("inc-1: "), "{said}");
    turns(&mut incidents, 3).await;
    assert_eq!(set_aside(&world).await, ["inc-1"]);
    fires(&world, 2, ("shop", "Down"), 600).await;
    turns(&mut incidents, 4).await;
    let list = world.write(|tx| store::incident::list(tx, true, None, 10));
    let open: Vec<IncidentId> = list.await.iter().map(|incident| incident.id).collect();
    assert_eq!(open, [IncidentId(2)]);
}
