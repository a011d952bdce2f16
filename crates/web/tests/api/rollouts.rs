//! Rollouts: what may begin, and what is said when it may not.

use axum::http::StatusCode;
use model::api::change::ChangeView;
use model::api::deliver::{Shipped, Started};
use model::deliver::{Command, Order, Rollout, RolloutState};
use model::observe::ChangeState;
use model::{ChangeId, Fact, Role, limit};
use serde_json::{Value, json};

use crate::support::{Answer, ONE_RING, World, definition};

async fn ship(world: &World, operator: &str, service: &str, version: &str) -> Answer {
    let new = json!({ "service": service, "version": version });
    start(world, operator, &new).await
}

async fn start(world: &World, operator: &str, new: &Value) -> Answer {
    world
        .post("/api/v1/deliver/rollouts")
        .bearer(operator)
        .json(new)
        .await
}

/// Returns a world with a host `web-1` and a release 1.0, and an operator's token.
async fn with_release(more: &str) -> (World, String) {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    world.release(&operator, "1.0", &definition(more)).await;
    (world, operator)
}

#[tokio::test]
async fn a_rollout_is_planned_durably_and_told() {
    let (world, operator) = with_release(ONE_RING).await;
    world.host("web-2", json!({ "role": "shop" })).await;
    world.host("db-1", json!({ "role": "database" })).await;
    let started: Started = ship(&world, &operator, "shop", "1.0")
        .await
        .expect(StatusCode::CREATED)
        .to();
    assert_eq!(started.change, ChangeId(1));

    let get = |path: &str| world.get(path).bearer(&operator).send();
    let rollout: Rollout = get("/api/v1/deliver/rollouts/chg-1")
        .await
        .expect(StatusCode::OK)
        .to();
    assert_eq!(rollout.state, RolloutState::Planned);
    let hosts: Vec<&str> = rollout.hosts().map(|host| host.name.as_str()).collect();
    assert_eq!(hosts, ["web-1", "web-2"]);
    let view: ChangeView = get("/api/v1/observe/changes/1")
        .await
        .expect(StatusCode::OK)
        .to();
    assert_eq!(
        (view.change.state, view.change.by.as_str()),
        (ChangeState::Planned, "the operator")
    );
    let last = world.facts().await.pop().unwrap();
    assert!(matches!(last, Fact::RolloutPlanned { .. }), "{last:?}");
    let all: Vec<Value> = get("/api/v1/observe/changes?state=planned").await.to();
    assert_eq!(all.len(), 1);
    get("/api/v1/learn/why/1").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn what_is_unknown_is_answered_with_what_is_known() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    let problem = ship(&world, &operator, "shop", "1.0")
        .await
        .problem(404, "unknown_service");
    assert_eq!(problem.hint.as_deref(), Some("nothing was released yet"));

    world.release(&operator, "1.0", &definition(ONE_RING)).await;
    let problem = ship(&world, &operator, "shoop", "1.0")
        .await
        .problem(404, "unknown_service");
    assert_eq!(problem.hint.as_deref(), Some("known: `shop`"));
    let problem = ship(&world, &operator, "shop", "1.1")
        .await
        .problem(404, "unknown_version");
    assert_eq!(problem.hint.as_deref(), Some("newest of shop: `1.0`"));
    let new = json!({ "service": "shop", "version": "1.0", "environment": "prd" });
    let problem = start(&world, &operator, &new)
        .await
        .problem(404, "unknown_environment");
    assert!(problem.title.ends_with("known: `production`"), "{problem}");
}

#[tokio::test]
async fn with_several_environments_one_must_be_named() {
    let staging = format!(
        "{ONE_RING}\n  staging:\n    hosts: {{ stage: staging }}\n    strategy: rings\n    {ONE_RING}"
    );
    let (world, operator) = with_release(&staging).await;
    world.host("staging-1", json!({ "stage": "staging" })).await;
    let problem = ship(&world, &operator, "shop", "1.0")
        .await
        .problem(422, "which_environment");
    assert_eq!(
        problem.hint.as_deref(),
        Some("name one: `production`, `staging`")
    );
    let new = json!({ "service": "shop", "version": "1.0", "environment": "staging" });
    start(&world, &operator, &new)
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_host_of_two_environments_is_refused_whichever_is_shipped_to() {
    let staging = format!(
        "{ONE_RING}\n  staging:\n    hosts: {{ role: shop }}\n    strategy: rings\n    {ONE_RING}"
    );
    let (world, operator) = with_release(&staging).await;
    for environment in ["production", "staging"] {
        let new = json!({ "service": "shop", "version": "1.0", "environment": environment });
        let problem = start(&world, &operator, &new)
            .await
            .problem(422, "cannot_start");
        assert!(
            problem.title.starts_with("`web-1` carries the labels"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_rollout_without_the_hosts_it_needs_does_not_begin() {
    let cases = [
        (
            "rings: [{ name: all, hosts: rest }]\n    expected: 8",
            "expects 8 hosts, enrolled: 1",
        ),
        (
            "rings: [{ name: a, hosts: { zone: a } }, { name: all, hosts: rest }]",
            "of ring `a`",
        ),
    ];
    for (more, words) in cases {
        let (world, operator) = with_release(more).await;
        let problem = ship(&world, &operator, "shop", "1.0")
            .await
            .problem(422, "cannot_start");
        assert!(problem.title.contains(words), "{problem}");
        let changes = world
            .get("/api/v1/observe/changes")
            .bearer(&operator)
            .send()
            .await;
        assert_eq!(changes.text(), "[]");
    }
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.release(&operator, "1.0", &definition(ONE_RING)).await;
    let problem = ship(&world, &operator, "shop", "1.0")
        .await
        .problem(422, "cannot_start");
    assert!(
        problem
            .title
            .contains("no enrolled host carries the labels"),
        "{problem}"
    );
}

#[tokio::test]
async fn the_same_release_is_not_shipped_twice_at_once() {
    let (world, operator) = with_release(ONE_RING).await;
    ship(&world, &operator, "shop", "1.0")
        .await
        .expect(StatusCode::CREATED);
    let problem = ship(&world, &operator, "shop", "1.0")
        .await
        .problem(409, "already_under_way");
    assert!(problem.title.contains("chg-1 is not over"), "{problem}");
    assert!(problem.hint.unwrap().contains("sleepwell watch chg-1"));
}

#[tokio::test]
async fn a_later_release_takes_over_or_waits_and_the_answer_says_which() {
    let (world, operator) = with_release(ONE_RING).await;
    for version in ["1.1", "1.2", "1.3"] {
        world
            .release(&operator, version, &definition(ONE_RING))
            .await;
    }
    let ship = |version: &'static str, wish: Option<&'static str>| {
        let mut new = json!({ "service": "shop", "version": version });
        if let Some(wish) = wish {
            new["if_running"] = wish.into();
        }
        let (world, operator) = (&world, &operator);
        async move {
            let answer = start(world, operator, &new).await;
            answer.expect(StatusCode::CREATED).to::<Shipped>()
        }
    };
    ship("1.0", None).await;
    let waits = ship("1.1", Some("queue")).await;
    assert_eq!(waits.queued_behind, Some(ChangeId(1)));
    assert_eq!(waits.superseded, []);
    let waits = ship("1.2", Some("queue")).await;
    assert_eq!(waits.queued_behind, Some(ChangeId(2)));
    let takes_over = ship("1.3", None).await;
    let all = [ChangeId(1), ChangeId(2), ChangeId(3)];
    assert_eq!(takes_over.superseded, all);
    assert_eq!(takes_over.queued_behind, None);
    for change in all {
        let stored = world.read(move |tx| store::rollout::get(tx, change)).await;
        let state = stored.unwrap().rollout.state;
        assert!(
            matches!(
                state,
                RolloutState::Superseded {
                    by: ChangeId(4),
                    ..
                }
            ),
            "{state:?}"
        );
        let listed = world.read(move |tx| store::change::get(tx, change)).await;
        assert_eq!(listed.unwrap().state, ChangeState::Superseded);
    }
}

#[tokio::test]
async fn only_so_many_rollouts_wait() {
    let (world, operator) = with_release(ONE_RING).await;
    for n in 0..=limit::QUEUED_ROLLOUTS + 1 {
        let version = format!("2.{n}");
        world
            .release(&operator, &version, &definition(ONE_RING))
            .await;
        let new = json!({ "service": "shop", "version": version, "if_running": "queue" });
        let answer = start(&world, &operator, &new).await;
        if n <= limit::QUEUED_ROLLOUTS {
            answer.expect(StatusCode::CREATED);
        } else {
            answer.problem(429, "too_many_waiting");
        }
    }
}

#[tokio::test]
async fn of_two_rollouts_at_once_one_begins() {
    let (world, operator) = with_release(ONE_RING).await;
    let (a, b) = tokio::join!(
        ship(&world, &operator, "shop", "1.0"),
        ship(&world, &operator, "shop", "1.0")
    );
    let refused = if a.status == StatusCode::CREATED {
        b
    } else {
        a
    };
    let problem = refused.problem(409, "already_under_way");
    assert!(problem.title.contains("chg-1"), "{problem}");
    // The refused one used no number up.
    world
        .write(|tx| store::change::next_id(tx).map(|id| assert_eq!(id, ChangeId(2))))
        .await;
}

/// Lets a rollout come to an end, as its loop would have.
async fn put(world: &World, change: ChangeId, state: RolloutState) {
    world
        .write(move |tx| {
            let stored = store::rollout::get(tx, change)?.expect("it was started");
            let next = Rollout {
                state,
                ..stored.rollout
            };
            store::rollout::save(tx, &next, stored.version)
        })
        .await;
}

/// Ships a version, which its hosts then run, and returns its change and what it would be undone to.
async fn goes_live(world: &World, operator: &str, version: &str) -> (ChangeId, Option<String>) {
    world
        .release(operator, version, &definition(ONE_RING))
        .await;
    let shipped = ship(world, operator, "shop", version).await;
    let change = shipped.expect(StatusCode::CREATED).to::<Started>().change;
    put(world, change, RolloutState::Done { at: world.now() }).await;
    let stored = world.read(move |tx| store::rollout::get(tx, change)).await;
    let previous = stored.unwrap().rollout.previous;
    (change, previous.map(|release| release.version.to_string()))
}

#[tokio::test]
async fn a_rollout_would_be_undone_to_the_newest_release_that_was_not_undone_itself() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    let undone = RolloutState::Undone { at: world.now() };
    let (first, before) = goes_live(&world, &operator, "1.0").await;
    assert_eq!(before, None);
    let (second, before) = goes_live(&world, &operator, "1.1").await;
    assert_eq!(before.as_deref(), Some("1.0"));
    let (third, before) = goes_live(&world, &operator, "1.2").await;
    assert_eq!(before.as_deref(), Some("1.1"));

    // The newest is undone and, in a second step, the older one below it: what the newest would have
    // gone back to is in force no longer.
    put(&world, third, undone.clone()).await;
    put(&world, second, undone.clone()).await;
    let (fourth, before) = goes_live(&world, &operator, "1.3").await;
    assert_eq!(before.as_deref(), Some("1.0"));

    for change in [fourth, first] {
        put(&world, change, undone.clone()).await;
    }
    let (_, before) = goes_live(&world, &operator, "1.4").await;
    assert_eq!(before, None, "nothing is in force");
}

#[tokio::test]
async fn nothing_begins_while_an_older_release_is_still_to_be_undone() {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    let (change, _) = goes_live(&world, &operator, "1.0").await;
    let (at, entry) = (world.now(), world.app.ids.entry(world.now()));
    world
        .write(move |tx| {
            let stored = store::rollout::get(tx, change)?.expect("it was started");
            let order = Order {
                command: Command::Undo,
                by: "mira".into(),
                entry,
                at,
            };
            let next = Rollout {
                order: Some(order),
                ..stored.rollout
            };
            store::rollout::save(tx, &next, stored.version)
        })
        .await;
    world.release(&operator, "1.1", &definition(ONE_RING)).await;
    let shipped: Shipped = ship(&world, &operator, "shop", "1.1")
        .await
        .expect(StatusCode::CREATED)
        .to();
    assert_eq!(shipped.queued_behind, Some(change));
    let next = shipped.change;
    let stored = world.read(move |tx| store::rollout::get(tx, next)).await;
    assert!(stored.unwrap().rollout.queued.is_some());
}
