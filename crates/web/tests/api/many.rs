//! Far more hosts than one server may have, in one list call and on the pages.

use std::time::Duration;

use model::api::deliver::HostView;
use model::deliver::{Host, Rollout};
use model::{HostId, Labels, Role, limit};
use serde_json::json;

use crate::support::{Answer, Call, ONE_RING, World, definition, enrol};

const HOSTS: u128 = 100_000;
/// What goes through all hosts takes a few seconds; what does so for each of them many minutes.
const TIME: Duration = Duration::from_secs(120);

fn host(n: u128, world: &World) -> Host {
    Host {
        id: HostId::new(world.now(), n),
        name: format!("web-{n:06}").parse().unwrap(),
        labels: Labels::new([("role", "shop")]).unwrap(),
        machine_id: format!("machine {n}"),
        boot_id: "boot".into(),
        agent_version: "1".into(),
        expected_since: world.now(),
        retired_at: None,
        let_in_by: None,
        last_seen: world.now(),
        silent_noted: false,
        speakers: Default::default(),
        clock_off: None,
        program: Default::default(),
    }
}

async fn fleet(world: &World) {
    let hosts: Vec<Host> = (1..=HOSTS).map(|n| host(n, world)).collect();
    world
        .write(move |tx| {
            hosts
                .iter()
                .try_for_each(|one| store::host::insert(tx, one))
        })
        .await;
}

async fn in_time(call: Call) -> Answer {
    let answer = tokio::time::timeout(TIME, call.send()).await;
    answer.expect("it is answered in time")
}

#[tokio::test]
async fn a_hundred_thousand_hosts_are_listed_page_by_page_and_take_part_in_time() {
    let world = World::closing();
    fleet(&world).await;
    let admin = world.token(Role::Admin).await;
    let get = |path: &str| in_time(world.get(path).bearer(&admin));
    let names = |hosts: Vec<HostView>| -> Vec<String> {
        hosts.iter().map(|host| host.name.to_string()).collect()
    };

    // A page at a time, whatever is asked for.
    let page = names(get("/api/v1/deliver/hosts?limit=1000000").await.to());
    assert_eq!(page.len(), limit::LIST_ITEMS);
    assert_eq!(
        (page[0].as_str(), page[499].as_str()),
        ("web-000001", "web-000500")
    );
    let page = names(get("/api/v1/deliver/hosts?after=web-099998").await.to());
    assert_eq!(page, ["web-099999", "web-100000"]);
    let one = names(get("/api/v1/deliver/hosts?name=web-077777").await.to());
    assert_eq!(one, ["web-077777"]);
    let none: Vec<HostView> = get("/api/v1/deliver/hosts?service=shop").await.to();
    assert!(none.is_empty(), "all of them were looked at");

    // No more of them are let in.
    let join = world.token(Role::Join).await;
    let call = world.post("/agent/v1/enrol").bearer(&join);
    let answer = call.json(&enrol("one-more", json!({}))).await;
    answer.problem(409, "too_many_hosts");

    // A rollout to all of them, as a list of changes, as one change and on both pages.
    world.release(&admin, "1.0", &definition(ONE_RING)).await;
    let new = json!({ "service": "shop", "version": "1.0", "environment": null });
    let ship = world.post("/api/v1/deliver/rollouts").bearer(&admin);
    let shipped = tokio::time::timeout(TIME, ship.json(&new)).await;
    shipped
        .expect("in time")
        .expect(axum::http::StatusCode::CREATED);
    let rollout: Rollout = get("/api/v1/deliver/rollouts/1").await.to();
    assert_eq!(rollout.hosts().count() as u128, HOSTS);
    for path in ["/", "/api/v1/observe/changes"] {
        let answer = get(path).await;
        assert!(answer.bytes.len() < 10_000, "{path} names every host");
    }
    let page = get("/c/1").await;
    assert!(page.text().contains("100,000 hosts"), "{}", page.text());
    assert!(page.bytes.len() < 200_000, "{} bytes", page.bytes.len());
}
