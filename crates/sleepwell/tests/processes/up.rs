//! `sleepwell up`: what it starts it also ends, and what an earlier run left behind.

use std::net::TcpListener;
use std::path::Path;

use agent::procfs::ProcessId;

use crate::harness::definition::Definition;
use crate::harness::process::{self, Process, sleepwell};
use crate::harness::shop;
use crate::harness::wait::{Deadline, until_true};
use crate::harness::world::World;

/// How long everything may take to end.
const SOON_S: u64 = 5;

/// Starts two agents and a server on the world's data folder.
fn up(world: &World, words: &[&str]) -> Process {
    let mut command = sleepwell(&["up"]);
    command.args(words).arg("--data").arg(world.data());
    Process::start(command.current_dir(world.folder()))
}

fn up_with_two(world: &World) -> Process {
    let mut up = up(world, &["--agents", "2", "--listen", "127.0.0.1:0"]);
    up.says("2 agents joined", 20);
    up
}

/// Ships a script to every host there is; `up` gives its hosts no labels.
fn ship(world: &World) {
    let yaml = Definition::gated()
        .yaml(world.doors)
        .replace("{ role: web }", "{}");
    std::fs::write(world.folder().join("sleepwell.yaml"), yaml).unwrap();
    world.write_script("1.0");
    let shipped = world.run(&["ship", "svc", "1.0"]);
    assert_eq!(shipped.code, Some(0), "{}", shipped.said);
}

fn recorded(data: &Path) -> Vec<ProcessId> {
    let record = std::fs::read_to_string(data.join("up.processes")).expect("it keeps a record");
    serde_json::from_str(&record).expect("of boot, pid and start")
}

fn assert_nothing_runs(folder: &Path) {
    let left = process::of_folder(folder);
    assert!(left.is_empty(), "{:?}", process::names(&left));
}

#[test]
fn a_second_run_is_refused_and_sigterm_ends_everything() {
    let world = World::empty();
    let mut first = up_with_two(&world);
    ship(&world);
    let second = up(&world, &[]).ends_within(10);
    assert_eq!(second.code, Some(1), "{}", second.said);
    assert!(second.said.contains(&world.url()), "{}", second.said);

    let started = recorded(&world.data());
    assert_eq!(started.len(), 3, "a server and two agents");
    assert!(
        process::of_folder(world.folder()).len() > 4,
        "and two services"
    );
    let begun = Deadline::in_seconds(SOON_S);
    first.terminate();
    let ended = first.ends_within(2 * SOON_S);
    assert!(!begun.is_over(), "it took {:?}", begun.elapsed());
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(started.iter().all(|id| !id.is_alive()));
    assert_nothing_runs(world.folder());
}

#[test]
fn what_a_killed_run_left_is_ended_by_the_next_which_keeps_its_data() {
    let world = World::empty();
    let mut first = up_with_two(&world);
    ship(&world);
    let mut left = recorded(&world.data());
    let services: Vec<u32> = (1..=2)
        .flat_map(|n| process::of_folder(&world.data().join(format!("agents/web-{n}/svc"))))
        .collect();
    assert_eq!(services.len(), 2, "{:?}", process::names(&services));
    left.extend(services.into_iter().filter_map(ProcessId::of));
    first.kill();
    assert!(
        left.iter().all(ProcessId::is_alive),
        "the kill reached only `up`"
    );
    // An agent that is killed too leaves its service to nobody.
    process::kill(left[2].pid);
    until_true("the agent to be gone", 5, || !left[2].is_alive());

    let mut second = up_with_two(&world);
    assert!(
        second.said().contains("an earlier run had left behind"),
        "{}",
        second.said()
    );
    assert!(left.iter().all(|id| !id.is_alive()));
    let changes = world.json(&["changes", "--json"]);
    assert_eq!(changes[0]["state"], "done", "{changes:#}");
    // The port is another one, and the hosts found it.
    until_true("the services to run again", 15, || {
        let hosts = world.client().hosts(&[]).unwrap_or_default();
        let services = hosts.iter().flat_map(|host| &host.services);
        let processes = services.filter_map(|service| service.reported.as_ref()?.processes.first());
        let alive = |pid| ProcessId::of(pid).is_some_and(|id| !left.contains(&id));
        processes.filter(|process| alive(process.pid)).count() == 2
    });
    second.terminate();
    second.ends_within(2 * SOON_S);
    assert_nothing_runs(world.folder());
}

#[test]
fn a_taken_port_means_the_next_free_one() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let world = World::empty();
    let mut up = up(&world, &["--listen", &address.to_string()]);
    let said = up.says("1 agent joined", 20);
    let url = world.url();
    assert!(said.contains(&format!("up at {url}")), "{said}");
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    assert!(
        port > address.port() && port - address.port() <= 100,
        "{url}"
    );
}

#[test]
fn a_folder_no_demo_made_is_never_emptied() {
    let world = World::empty();
    std::fs::create_dir_all(world.data()).unwrap();
    let precious = world.data().join("precious");
    std::fs::write(&precious, "years of work").unwrap();
    let sources = shop::sources().display().to_string();
    let ended = up(&world, &["--demo", "--shop", &sources]).ends_within(10);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(ended.said.starts_with("error: "), "{}", ended.said);
    assert!(
        ended.said.contains("was not made by a demo"),
        "{}",
        ended.said
    );
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "years of work");
}

#[test]
fn a_demo_never_empties_the_folder_of_a_server_that_runs() {
    let world = World::with_agents(0);
    // The folder is one a demo made, so that only the server stands in the way.
    std::fs::write(world.data().join(".sleepwell-demo"), "").unwrap();
    let ended = up(&world, &["--demo", "--shop", "nowhere"]).ends_within(10);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    let words = format!("a server runs on {}", world.data().display());
    assert!(ended.said.contains(&words), "{}", ended.said);
    assert!(ended.said.contains(&world.url()), "{}", ended.said);
    for file in ["address", "admin-token", "blobs", "sleepwell.db"] {
        assert!(world.data().join(file).exists(), "{file} is gone");
    }
}

#[test]
fn a_demo_without_its_shop_says_what_it_needs_and_nothing_else() {
    let world = World::empty();
    let ended = up(&world, &["--demo", "--shop", "nowhere"]).ends_within(10);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(
        ended.said.starts_with("error: the demo needs "),
        "{}",
        ended.said
    );
    assert!(!ended.said.contains("code"), "{}", ended.said);
}
