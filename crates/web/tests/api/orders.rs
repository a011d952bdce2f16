//! Orders about a change: taken or refused, in every state, as the rollout's own rules say.

use axum::http::StatusCode;
use deliver::rollout::accept_order;
use model::api::deliver::Started;
use model::deliver::{Command, HeldReason, Order, Phase, Rollout, RolloutState};
use model::{ChangeId, Fact, Role, Subject};
use serde_json::json;

use crate::support::{Answer, ONE_RING, World, definition};

const COMMANDS: [Command; 3] = [Command::Undo, Command::Hold, Command::Go];

async fn order(world: &World, operator: &str, change: u64, command: &str) -> Answer {
    let path = format!("/api/v1/act/changes/{change}/{command}");
    world.post(&path).bearer(operator).send().await
}

async fn with_rollout() -> (World, String) {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    world.release(&operator, "1.0", &definition(ONE_RING)).await;
    let new = json!({ "service": "shop", "version": "1.0" });
    let answer = world
        .post("/api/v1/deliver/rollouts")
        .bearer(&operator)
        .json(&new)
        .await;
    answer.expect(StatusCode::CREATED);
    (world, operator)
}

async fn rollout(world: &World) -> store::rollout::Versioned {
    world
        .read(|tx| store::rollout::get(tx, ChangeId(1)))
        .await
        .unwrap()
}

async fn put(world: &World, state: RolloutState) -> Rollout {
    let stored = rollout(world).await;
    let next = Rollout {
        state,
        order: None,
        ..stored.rollout
    };
    let saved = next.clone();
    world
        .write(move |tx| store::rollout::save(tx, &saved, stored.version))
        .await;
    next
}

fn every_state(world: &World) -> Vec<RolloutState> {
    let now = world.now();
    let ring = |phase| RolloutState::Ring {
        ring: 0,
        phase,
        since: now,
    };
    let held = |reason| RolloutState::Held {
        ring: 0,
        reason,
        since: now,
    };
    let host: model::HostName = "web-1".parse().unwrap();
    vec![
        RolloutState::Planned,
        ring(Phase::Releasing),
        ring(Phase::Proving),
        ring(Phase::Baking),
        ring(Phase::Judging),
        held(HeldReason::Person { by: "jonas".into() }),
        held(HeldReason::WaitingFor {
            hosts: vec![host.clone()],
            proved: 0,
            of: 1,
        }),
        held(HeldReason::Blocked {
            host: host.clone(),
            why: "disk full".into(),
        }),
        held(HeldReason::Verdict {
            state: "fail".into(),
            reason: "harm".into(),
        }),
        RolloutState::Undoing { since: now },
        RolloutState::Undone { at: now },
        RolloutState::Stuck {
            hosts: vec![host],
            since: now,
        },
        RolloutState::Superseded {
            by: ChangeId(2),
            at: now,
        },
        RolloutState::Done { at: now },
    ]
}

#[tokio::test]
async fn every_order_in_every_state_is_answered_as_the_rules_say() {
    let (world, operator) = with_rollout().await;
    let (mut taken, mut refused) = (0, 0);
    for state in every_state(&world) {
        for command in COMMANDS {
            let before = put(&world, state.clone()).await;
            let entries = world.journal().await.len();
            let trial = Order {
                command,
                by: "the operator".into(),
                entry: world.app.ids.entry(world.now()),
                at: world.now(),
            };
            let answer = order(&world, &operator, 1, command.word()).await;
            let after = rollout(&world).await.rollout;
            match accept_order(&before, trial, ChangeId(1)) {
                Ok(_) => {
                    let started: Started = answer.expect(StatusCode::ACCEPTED).to();
                    assert_eq!(started.change, ChangeId(1));
                    let order = after.order.expect("the order is left at the rollout");
                    assert_eq!(
                        (order.command, order.by.as_str()),
                        (command, "the operator")
                    );
                    let entry = world.journal().await.pop().unwrap();
                    assert_eq!(
                        (entry.id, entry.subject),
                        (order.entry, Subject::Change(ChangeId(1)))
                    );
                    taken += 1;
                }
                Err(refusal) => {
                    let problem = answer.problem(409, "cannot_be_ordered");
                    assert_eq!(problem.title, refusal.to_string());
                    assert_eq!(problem.hint, Some(refusal.hint()));
                    assert_eq!((after, world.journal().await.len()), (before, entries));
                    refused += 1;
                }
            }
        }
    }
    assert!(
        taken > 15 && refused > 10,
        "{taken} taken, {refused} refused"
    );
}

#[tokio::test]
async fn go_while_hosts_are_waited_for_is_refused_with_what_helps() {
    let (world, operator) = with_rollout().await;
    let host: model::HostName = "web-1".parse().unwrap();
    let reasons = [
        HeldReason::WaitingFor {
            hosts: vec![host.clone()],
            proved: 0,
            of: 1,
        },
        HeldReason::Blocked {
            host,
            why: "the disk is full".into(),
        },
    ];
    for reason in reasons {
        let state = RolloutState::Held {
            ring: 0,
            reason,
            since: world.now(),
        };
        put(&world, state).await;
        let answer = order(&world, &operator, 1, "go").await;
        let problem = answer.problem(409, "cannot_be_ordered");
        assert!(problem.title.contains("web-1"), "{problem}");
        let hint = problem.hint.unwrap();
        assert!(hint.contains("sleepwell undo chg-1"), "{hint}");
        assert_eq!(rollout(&world).await.rollout.order, None);
    }
}

#[tokio::test]
async fn an_order_is_told_with_the_entry_it_follows() {
    let (world, operator) = with_rollout().await;
    let planned = world.journal().await.pop().unwrap();
    order(&world, &operator, 1, "hold")
        .await
        .expect(StatusCode::ACCEPTED);
    let entry = world.journal().await.pop().unwrap();
    assert_eq!(entry.causes, [planned.id]);
    let fact = Fact::from_body(&entry.body).unwrap();
    assert!(
        matches!(
            fact,
            Fact::Ordered {
                command: Command::Hold,
                ..
            }
        ),
        "{fact:?}"
    );
}

#[tokio::test]
async fn an_order_takes_any_body_or_none() {
    let (world, operator) = with_rollout().await;
    let call = || {
        world
            .post("/api/v1/act/changes/chg-1/hold")
            .bearer(&operator)
    };
    call().send().await.expect(StatusCode::ACCEPTED);
    for body in ["{}", "null", "[1]", "not json", r#"{"reason": "it hurts"}"#] {
        call().json_bytes(body).await.expect(StatusCode::ACCEPTED);
        call().body(body).await.expect(StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn only_known_orders_about_known_changes_are_taken() {
    let (world, operator) = with_rollout().await;
    order(&world, &operator, 2, "undo")
        .await
        .problem(404, "unknown_change");
    for command in ["Undo", "pause", "promote", "undo%20", "", "undo/now"] {
        order(&world, &operator, 1, command)
            .await
            .problem(404, "not_found");
    }
    assert_eq!(rollout(&world).await.rollout.order, None);
}
