//! Two services shipped as one, on real hosts.

use model::ChangeId;
use model::observe::ChangeState;
use serde_json::Value;

use crate::harness::definition::{Definition, ONE_RING, script};
use crate::harness::world::World;

/// Ends at once, so that a host goes back from it by itself.
const CRASHES: &str = "#!/bin/sh\nexit 3\n";

/// Describes `ledger`, and `svc` which calls it, each in a file of its own.
fn define(world: &World) {
    world.define(&Definition::gated().with_rings(ONE_RING));
    let file = |name: &str| world.folder().join(name);
    let caller = std::fs::read_to_string(file("sleepwell.yaml")).unwrap();
    let callee = caller.replace("svc", "ledger");
    std::fs::write(file("ledger.yaml"), callee).unwrap();
    std::fs::write(file("svc.yaml"), caller + "depends_on: [ledger]\n").unwrap();
    std::fs::remove_file(file("sleepwell.yaml")).unwrap();
}

fn write(world: &World, service: &str, text: &str) {
    std::fs::write(world.folder().join(service), text).unwrap();
}

const FILES: [&str; 4] = ["--file", "svc.yaml", "--file", "ledger.yaml"];

/// Returns what each host proves to run, `ledger 1.0` and so on.
fn proved(world: &World) -> Vec<String> {
    let hosts = world.json(&["hosts", "--json"]);
    let services = hosts.as_array().unwrap().iter().flat_map(|host| {
        let services = host["services"].as_array().unwrap();
        services.iter().filter(|one| one["proof"] == "converged")
    });
    let word = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
    services
        .map(|one| format!("{} {}", word(&one["service"]), word(&one["running"])))
        .collect()
}

#[test]
fn two_services_go_out_in_order_and_a_bad_one_takes_the_other_back() {
    let world = World::with_agents(2);
    define(&world);
    write(&world, "svc", &script("1.0"));
    write(&world, "ledger", &script("2.0"));
    let first = [&["ship", "svc=1.0", "ledger=2.0", "--json"], &FILES[..]].concat();
    let shipped = world.json(&first);
    assert_eq!(shipped["id"], "chg-2", "the caller goes out last");
    let states: Vec<&Value> = shipped["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["state"])
        .collect();
    assert_eq!(states, ["done", "done"]);
    let live = ["ledger 2.0", "svc 1.0", "ledger 2.0", "svc 1.0"];
    assert_eq!(proved(&world), live);

    write(&world, "svc", CRASHES);
    write(&world, "ledger", &script("2.1"));
    let bad = [&["ship", "ledger=2.1", "svc=1.1"], &FILES[..]].concat();
    let ended = world.run(&bad);
    assert_eq!(ended.code, Some(10), "{}", ended.said);
    for change in [3, 4] {
        world.ends(ChangeId(change), ChangeState::Undone);
    }
    assert_eq!(proved(&world), live);
    let why = world.run(&["why", "chg-3"]);
    assert!(why.said.contains("chg-4: Bad: "), "{}", why.said);
}

#[test]
fn nothing_is_uploaded_before_all_that_is_named_can_be_shipped() {
    let world = World::with_agents(0);
    define(&world);
    write(&world, "svc", &script("1.0"));
    let ended = world.run(&["ship", "svc=1.0", "ledger=2.0", "--file", "svc.yaml"]);
    assert_eq!(ended.code, Some(5), "{}", ended.said);
    assert!(
        ended.said.contains("`ledger` 2.0 is not known"),
        "{}",
        ended.said
    );
    let releases = world.json(&["api", "/api/v1/deliver/releases?service=svc"]);
    assert_eq!(releases, Value::Array(vec![]));
    for words in [
        &["ship", "svc", "1.0", "ledger=2.0"][..],
        &["ship", "svc=1.0", "svc=1.1"],
        &["ship", "svc=1.0", "ledger=2.0", "--artifact", "svc"],
        &["ship", "svc=1.0", "ledger=2.0", "--rehearse"],
        &["ship", "svc=1.0", "other=2.0", "--file", "ledger.yaml"],
    ] {
        let ended = world.run(words);
        assert_eq!(ended.code, Some(2), "{words:?}: {}", ended.said);
    }
}
