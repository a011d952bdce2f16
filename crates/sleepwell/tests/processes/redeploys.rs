//! A release brought to its hosts once more, with real agents and a real service on two ports.

use std::cell::Cell;
use std::path::PathBuf;

use model::ChangeId;
use model::observe::ChangeState;

use crate::harness::definition::Definition;
use crate::harness::process;
use crate::harness::shop;
use crate::harness::world::World;

/// Returns the folder of the release a host runs, with every link followed.
fn folder(world: &World, n: usize) -> PathBuf {
    let current = world.base(n).join("svc/current");
    std::fs::canonicalize(current).expect("a release is there")
}

#[test]
fn what_was_changed_by_hand_is_whole_again_in_a_fresh_process_and_nothing_stood_still() {
    let world = World::with_agents(2);
    world.define(&Definition {
        more: String::new(),
        ..Definition::shop()
    });
    let program = shop::program("shop-1-0");
    let first = world.begin_artifact("1.0", &program.display().to_string());
    world.ends(first, ChangeState::Done);
    let old_pids = [1, 2].map(|n| world.service_pid(n));

    let old = folder(&world, 1);
    std::fs::write(old.join("hotfix.conf"), "timeout=99\n").unwrap();
    std::fs::remove_file(old.join("shop")).unwrap();
    std::fs::write(old.join("shop"), "patched by hand").unwrap();

    let started = world.run(&["redeploy", "svc", "--detach"]);
    assert_eq!(started.code, Some(0), "{}", started.said);
    let change: ChangeId = started.said.trim().parse().expect("it prints the change");
    let gaps = Cell::new(0);
    world.reaches(change, "to be done", |view| {
        for n in 1..=2 {
            let serving = process::of_folder(&world.base(n).join("svc/releases"));
            gaps.set(gaps.get() + usize::from(serving.is_empty()));
        }
        view.change.state == ChangeState::Done
    });
    assert_eq!(gaps.get(), 0, "a host was without a process");

    for (n, old_pid) in (1..).zip(old_pids) {
        assert_ne!(world.service_pid(n), old_pid, "web-{n}");
        assert_eq!(world.service(n).running.unwrap().as_str(), "1.0");
    }
    let new = folder(&world, 1);
    let name = new.file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with(&format!("-{change}")), "{name}");
    let bytes = |path: PathBuf| std::fs::read(path).unwrap();
    assert_eq!(bytes(new.join("shop")), bytes(program));
    assert!(!new.join("hotfix.conf").exists());
    assert!(
        old.join("hotfix.conf").exists(),
        "the way back is not touched"
    );

    let again = world.json(&["redeploy", "svc", "--rehearse", "--json"]);
    assert_eq!(again["obstacles"], serde_json::json!([]), "{again:#}");
    assert_eq!(again["rings"][0]["hosts"][0]["step"], 1, "{again:#}");
}
