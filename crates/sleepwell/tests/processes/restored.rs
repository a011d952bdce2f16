//! A server that was restored from an old backup: hosts are ahead of it, and a person says how to go on.

use std::path::Path;

use model::observe::ChangeState;

use crate::harness::definition::{Definition, ONE_RING};
use crate::harness::wait::until_true;
use crate::harness::world::World;

/// Copies a folder with everything in it, over what is there.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Two hosts on 2.0, and a server that knows 1.0 only; returns what `hosts adopt` shows.
fn restored() -> (World, String) {
    let mut world = World::with_agents(2);
    world.define(&Definition::gated().with_rings(ONE_RING));
    world.ship("1.0");
    let url = world.kill_server();
    let backup = world.folder().join("backup");
    copy(&world.data(), &backup);
    world.restart_server(&url);
    world.ship("2.0");
    world.kill_server();
    std::fs::remove_dir_all(world.data()).unwrap();
    copy(&backup, &world.data());
    world.restart_server(&url);
    let shown = || world.run(&["hosts", "adopt"]);
    until_true("both hosts are found to be ahead", 20, || {
        let shown = shown();
        shown.code == Some(12) && shown.said.matches("changes to 1.0").count() == 2
    });
    let said = shown().said;
    (world, said)
}

fn runs(world: &World, n: usize, version: &str) -> bool {
    let service = world.service(n);
    service
        .running
        .is_some_and(|running| running.to_string() == version)
}

#[test]
fn a_restored_server_ships_nothing_until_the_fleet_is_adopted_and_keeps_what_runs() {
    let (mut world, shown) = restored();
    assert!(shown.contains("The server is behind its fleet"), "{shown}");
    assert!(shown.contains("unknown release"), "{shown}");
    world.write_script("3.0");
    let refused = world.run(&["ship", "svc", "3.0", "--artifact", "svc"]);
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(
        refused.said.contains("behind its fleet"),
        "{}",
        refused.said
    );

    let pids = [world.service_pid(1), world.service_pid(2)];
    let adopted = world.run(&["hosts", "adopt", "--keep", "--reason", "disk died"]);
    assert_eq!(adopted.code, Some(0), "{}", adopted.said);
    let listed = world.run(&["hosts"]);
    assert_eq!(listed.code, Some(11), "{}", listed.said);
    let why = world.service(1).why;
    assert!(why.contains("ship to replace it"), "{why}");
    assert_eq!(
        [world.service_pid(1), world.service_pid(2)],
        pids,
        "nothing was touched"
    );

    let change = world.begin("3.0");
    world.ends(change, ChangeState::Done);
    assert!(runs(&world, 1, "3.0") && runs(&world, 2, "3.0"));
    let nothing = world.run(&["hosts", "adopt"]);
    assert_eq!(nothing.code, Some(0), "{}", nothing.said);
    world.journal_is_whole();
}

#[test]
fn a_restored_server_that_is_followed_takes_the_hosts_back_to_what_it_knows() {
    let (world, _) = restored();
    let adopted = world.run(&["hosts", "adopt", "--follow"]);
    assert_eq!(adopted.code, Some(0), "{}", adopted.said);
    until_true("both hosts run 1.0 again", 30, || {
        runs(&world, 1, "1.0") && runs(&world, 2, "1.0")
    });
    until_true("both hosts are proved", 20, || {
        world.run(&["hosts"]).code == Some(0)
    });
}
