//! Several services shipped as one: what goes together, and what is said when it cannot.

use axum::http::StatusCode;
use model::api::change::ChangeView;
use model::api::deliver::Shipped;
use model::deliver::{Command, Rollout, RolloutState};
use model::observe::{Change, ChangeState};
use model::{ChangeId, Fact, Role, limit};
use serde_json::{Value, json};

use crate::support::{Answer, ONE_RING, World, definition};

/// Returns a world with one host and a release of each service, `a: b c` where `a` depends on `b` and `c`.
async fn with_services(services: &[&str]) -> (World, String) {
    let world = World::new();
    let operator = world.token(Role::Operator).await;
    world.host("web-1", json!({ "role": "shop" })).await;
    for service in services {
        let (name, needs) = service.split_once(": ").unwrap_or((service, ""));
        let needs: Vec<&str> = needs.split_whitespace().collect();
        let text = definition(ONE_RING).replace("service: shop", &format!("service: {name}"));
        let text = format!("{text}\ndepends_on: [{}]\n", needs.join(", "));
        world.release(&operator, version(name), &text).await;
    }
    (world, operator)
}

/// Each service has one release, of other bytes than the others.
fn version(service: &str) -> &'static str {
    match service {
        "shop" => "1.0",
        "ledger" => "2.0",
        _ => "3.0",
    }
}

async fn ship(world: &World, operator: &str, services: &[&str]) -> Answer {
    let release = |service: &&str| json!({ "service": service, "version": version(service) });
    let mut new = release(&services[0]);
    new["with"] = services[1..].iter().map(release).collect();
    start(world, operator, &new).await
}

async fn start(world: &World, operator: &str, new: &Value) -> Answer {
    let call = world.post("/api/v1/deliver/rollouts").bearer(operator);
    call.json(new).await
}

async fn stored(world: &World, change: u64) -> Rollout {
    let read = world.read(move |tx| store::rollout::get(tx, ChangeId(change)));
    read.await.unwrap().rollout
}

#[tokio::test]
async fn what_is_shipped_together_is_planned_in_order_and_told_in_each() {
    let (world, operator) = with_services(&["shop: ledger", "ledger"]).await;
    let shipped: Shipped = ship(&world, &operator, &["shop", "ledger"])
        .await
        .expect(StatusCode::CREATED)
        .to();
    assert_eq!(shipped.change, ChangeId(2), "the one that was named first");
    let parts: Vec<String> = shipped
        .parts
        .iter()
        .map(|one| {
            format!(
                "{} {} {:?}",
                one.part.change, one.part.service, one.part.needs
            )
        })
        .collect();
    assert_eq!(parts, ["chg-1 ledger []", "chg-2 shop [chg-1]"]);

    let get = world.get("/api/v1/observe/changes/2").bearer(&operator);
    let view: ChangeView = get.send().await.expect(StatusCode::OK).to();
    assert_eq!(
        view.sentence,
        "shop 1.0 waits until ledger 2.0 (chg-1) is live, on which it depends; nothing has changed yet."
    );
    let states = view.parts.iter().map(|part| (part.part.change, part.state));
    let planned = ChangeState::Planned;
    assert!(states.eq([(ChangeId(1), planned), (ChangeId(2), planned)]));
    let told = world.facts().await;
    let together = told
        .iter()
        .filter(|fact| matches!(fact, Fact::ShippedTogether { .. }));
    assert_eq!(together.count(), 2);
}

#[tokio::test]
async fn one_alone_is_answered_as_ever() {
    let (world, operator) = with_services(&["shop"]).await;
    let answer = ship(&world, &operator, &["shop"]).await;
    let shipped: Value = answer.expect(StatusCode::CREATED).to();
    assert_eq!(shipped, json!({ "change": "chg-1" }));
    assert_eq!(stored(&world, 1).await.together, None);
}

#[tokio::test]
async fn what_cannot_go_together_is_refused_and_nothing_of_it_begins() {
    let (world, operator) = with_services(&["shop: ledger", "ledger: shop", "mailer"]).await;
    let circle = ship(&world, &operator, &["mailer", "shop", "ledger"]).await;
    let problem = circle.problem(422, "depends_in_a_circle");
    assert!(
        problem.title.ends_with("`shop` -> `ledger` -> `shop`"),
        "{problem}"
    );
    ship(&world, &operator, &["shop", "shop"])
        .await
        .problem(422, "named_twice");
    let many = vec!["shop"; limit::PARTS + 1];
    ship(&world, &operator, &many)
        .await
        .problem(422, "too_many_parts");
    let unknown = ship(&world, &operator, &["mailer", "pay"]).await;
    unknown.problem(404, "unknown_service");

    let list = world.get("/api/v1/observe/changes").bearer(&operator);
    let changes: Vec<Change> = list.send().await.to();
    assert_eq!(changes, []);
}

#[tokio::test]
async fn what_goes_to_two_environments_does_not_go_together() {
    let (world, operator) = with_services(&["ledger"]).await;
    let staging = definition(ONE_RING).replace("production:", "staging:");
    world.release(&operator, "1.0", &staging).await;
    let problem = ship(&world, &operator, &["ledger", "shop"])
        .await
        .problem(422, "which_environment");
    assert_eq!(
        problem.title,
        "`ledger` goes to `production` and `shop` to `staging`"
    );
}

#[tokio::test]
async fn an_undo_of_one_is_ordered_for_all_or_for_none() {
    let (world, operator) = with_services(&["shop: ledger", "ledger", "mailer"]).await;
    let answer = ship(&world, &operator, &["shop", "ledger"]).await;
    answer.expect(StatusCode::CREATED);
    let undo = |change: u64| {
        let path = format!("/api/v1/act/changes/{change}/undo");
        world.post(&path).bearer(&operator).send()
    };

    // The callee is live, and a later release of it stands there.
    let live = stored(&world, 1).await;
    world
        .write(move |tx| {
            let at = live.started_at;
            let done = Rollout {
                state: RolloutState::Done { at },
                ..live.clone()
            };
            store::rollout::save(tx, &done, 1)?;
            let later = Rollout {
                change: ChangeId(9),
                together: None,
                ..done
            };
            store::rollout::insert(tx, &later)
        })
        .await;
    let problem = undo(2).await.problem(409, "cannot_be_ordered");
    assert!(
        problem
            .title
            .starts_with("chg-1 goes back with chg-2, and chg-1 is not the newest"),
        "{problem}"
    );
    assert_eq!(stored(&world, 2).await.order, None, "nor is the other");

    world
        .write(|tx| {
            let Some(later) = store::rollout::get(tx, ChangeId(9))? else {
                return Ok(());
            };
            let at = later.rollout.started_at;
            let undone = Rollout {
                state: RolloutState::Undone { at },
                ..later.rollout
            };
            store::rollout::save(tx, &undone, later.version)
        })
        .await;
    undo(2).await.expect(StatusCode::ACCEPTED);
    for change in [1, 2] {
        let order = stored(&world, change).await.order.unwrap();
        assert_eq!(order.command, Command::Undo);
    }
    let told = world.facts().await;
    let with_it = Fact::UndoneTogether {
        with: ChangeId(2),
        service: "shop".parse().unwrap(),
        version: "1.0".parse().unwrap(),
    };
    assert_eq!(told.last(), Some(&with_it));
}

#[tokio::test]
async fn several_are_rehearsed_one_at_a_time() {
    let (world, operator) = with_services(&["shop", "ledger"]).await;
    let new = json!({
        "service": "shop", "version": "1.0",
        "with": [{ "service": "ledger", "version": "2.0" }],
    });
    let call = world.post("/api/v1/deliver/rehearsals").bearer(&operator);
    call.json(&new).await.problem(422, "one_at_a_time");
}
