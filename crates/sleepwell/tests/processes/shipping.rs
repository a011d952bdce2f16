//! A release on its way to three hosts, and what can be asked about it.

use model::observe::ChangeState;
use serde_json::Value;

use crate::harness::definition::Definition;
use crate::harness::load::Load;
use crate::harness::shop;
use crate::harness::wait::until_true;
use crate::harness::world::World;

#[test]
fn a_release_is_proved_on_every_host() {
    let world = World::with_agents(3);
    world.define(&Definition::gated());
    world.write_script("1.0");
    let shipped = world.json(&["ship", "svc", "1.0", "--json"]);
    assert_eq!(shipped["state"], "done");
    assert_eq!(shipped["release"], "1.0");
    let rings = shipped["rings"].as_array().unwrap();
    let proved: Vec<&Value> = rings.iter().map(|ring| &ring["proved"]).collect();
    assert_eq!(proved, [1, 2], "one host and then the rest");

    let hosts = world.json(&["hosts", "--json"]);
    for host in hosts.as_array().unwrap() {
        let service = &host["services"][0];
        assert_eq!(
            (&service["running"], &service["proof"]),
            (&"1.0".into(), &"converged".into()),
            "{host:#}"
        );
        assert_eq!(service["running_digest"], shipped["digest"]);
    }
    let table = world.run(&["hosts", "svc"]);
    assert_eq!(table.code, Some(0));
    assert!(
        table.said.contains("All 3 hosts are proved"),
        "{}",
        table.said
    );

    let changes = world.json(&["changes", "--json"]);
    assert_eq!(changes[0]["id"], shipped["id"]);
    assert_eq!(
        world.json(&["changes", "--state", "undone", "--json"]),
        Value::Array(vec![])
    );
    let why = world.json(&["why", "chg-1", "--json"]);
    let events: Vec<&str> = why["chain"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["event"].as_str())
        .collect();
    assert!(events.contains(&"rollout_planned"), "{events:?}");
    let check = world.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}", check.said);
    assert!(check.said.contains("svc"), "{}", check.said);
}

#[test]
fn a_bad_release_under_load_undoes_itself_and_tells_its_owner_once() {
    let mut world = World::with_agents(3);
    world.define(&Definition::shop());
    let good = shop::program("shop-1-0").display().to_string();
    let bad = shop::program("shop-1-1").display().to_string();
    let first = world.begin_artifact("1.0", &good);
    world.ends(first, ChangeState::Done);
    let load = Load::start(&world.client());
    let shipped = world.run(&["ship", "svc", "1.1", "--artifact", &bad]);
    assert_eq!(shipped.code, Some(10), "{}", shipped.said);
    assert!(
        shipped.said.contains("Rolled back by itself"),
        "{}",
        shipped.said
    );
    for n in 1..=3 {
        assert_eq!(world.service(n).running.unwrap().as_str(), "1.0");
    }
    drop(load);

    until_true("the mail and the webhook", 15, || {
        !world.inbox.mails().is_empty() && !world.inbox.webhooks().is_empty()
    });
    let why = world.json(&["why", "chg-2", "--json"]);
    let chain = why["chain"].as_array().unwrap();
    let verdict = chain
        .iter()
        .map(|item| &item["body"]["verdict"])
        .find(|verdict| verdict["state"] == "fail")
        .expect("the chain names the verdict");
    assert_eq!(verdict["reason"]["name"], "harm");
    let evidence = &verdict["evidence"]["metrics"][0];
    assert_eq!(evidence["metric"], "payment_errors", "{evidence:#}");
    assert!(evidence["canary"]["bad"].as_u64() > Some(0), "{evidence:#}");

    world.journal_is_whole();
    assert_eq!(world.inbox.mails().len(), 1, "{:?}", world.inbox.mails());
    assert_eq!(
        world.inbox.webhooks().len(),
        1,
        "{:?}",
        world.inbox.webhooks()
    );
    assert!(world.inbox.mails()[0].contains("1.1"));
}
