//! Agents become another program while they look after services, and go back by themselves from one that does not
//! work.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use agent::procfs::{self, ProcessId};
use model::Digest;
use model::deliver::ProgramOutcome;

use crate::harness::definition::Definition;
use crate::harness::process::{self, Ended};
use crate::harness::wait::{until, until_true};
use crate::harness::world::World;

/// Programs are large, and are hashed, sent and written several times.
const UPDATE_S: u64 = 120;
const INSTALLED: &str = env!("CARGO_BIN_EXE_sleepwell");

/// Starts agents with a service each.
fn with_service(count: usize, trial_time: Option<&'static str>) -> World {
    let mut world = World::empty();
    world.trial_time = trial_time;
    world.start_lasting(count);
    world.define(&Definition::gated());
    world.ship("1.0");
    world
}

/// Writes a program that is this one in all but its digest: what follows a program's end is not read.
fn next_program(world: &World) -> PathBuf {
    let path = world.folder().join("next");
    std::fs::copy(INSTALLED, &path).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    file.write_all(b"the next one").unwrap();
    path
}

/// Writes a program that says it is one of ours and is none; it leaves its id where [`tried`] finds it.
fn broken_program(world: &World, does: &str) -> PathBuf {
    let (path, mark) = (world.folder().join("broken"), world.folder().join("tried"));
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo 'sleepwell 9.9' && exit 0\necho $$ > {mark}.new\nmv {mark}.new {mark}\n{does}\n",
        mark = mark.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

/// Waits until the broken program runs, and returns its process.
fn tried(world: &World) -> ProcessId {
    let mark = world.folder().join("tried");
    let process = until("the program to be tried", UPDATE_S, || {
        let pid = std::fs::read_to_string(&mark).ok()?.trim().parse().ok()?;
        ProcessId::of(pid)
    });
    std::fs::remove_file(mark).unwrap();
    process
}

fn lives(pid: u32) -> bool {
    procfs::stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

fn digest(path: &str) -> Digest {
    Digest::of(&std::fs::read(path).unwrap())
}

/// Returns what the agent of a host says it is; nothing while it does not know.
fn said(world: &World, n: usize) -> Option<Digest> {
    let host = world.client().host(&format!("web-{n}").parse().unwrap());
    host.unwrap().unwrap().program.reported?.digest
}

fn outcome(world: &World, n: usize) -> ProgramOutcome {
    let host = world.client().host(&format!("web-{n}").parse().unwrap());
    host.unwrap().unwrap().program.order.unwrap().outcome
}

fn update(world: &World, hosts: &[&str], program: &str) -> Ended {
    let words = [&["agent", "update"], hosts, &["--program", program]].concat();
    world.start_command(&words).ends_within(UPDATE_S)
}

/// Returns the file the process of an agent runs.
fn runs_from(world: &mut World, n: usize) -> PathBuf {
    procfs::exe(world.agent(n).pid()).unwrap().path
}

fn place(world: &World, n: usize, name: &str) -> PathBuf {
    let base = world.base(n).canonicalize().unwrap();
    base.join("agent").join(name)
}

#[test]
fn agents_become_the_next_program_and_their_services_and_supervisors_do_not_notice() {
    let mut world = with_service(2, None);
    let services = [world.service_pid(1), world.service_pid(2)];
    let agents = [world.agent(1).pid(), world.agent(2).pid()];
    let next = next_program(&world).display().to_string();

    let updated = update(&world, &["web-1", "web-2"], &next);
    assert_eq!(updated.code, Some(0), "{}", updated.said);
    assert!(
        updated.said.contains("2 of 2 agents run"),
        "{}",
        updated.said
    );
    for n in [1, 2] {
        assert_eq!(said(&world, n), Some(digest(&next)));
        assert_eq!(
            world.agent(n).pid(),
            agents[n - 1],
            "one process all the time"
        );
        assert_eq!(runs_from(&mut world, n), place(&world, n, "a"));
    }

    // Who starts agents knows the installed program and no other.
    world.kill_agent(1);
    world.run_agent(1);
    let there = place(&world, 1, "a");
    until_true("the proved program to run", 30, || {
        runs_from(&mut world, 1) == there
    });

    let back = update(&world, &["web-1"], INSTALLED);
    assert_eq!(back.code, Some(0), "{}", back.said);
    assert_eq!(said(&world, 1), Some(digest(INSTALLED)));
    assert_eq!(runs_from(&mut world, 1), place(&world, 1, "b"));

    let again = update(&world, &["web-1"], INSTALLED);
    assert_eq!(again.code, Some(0), "{}", again.said);
    assert!(again.said.contains("before"), "{}", again.said);
    assert_eq!([world.service_pid(1), world.service_pid(2)], services);
    world.ship("2.0");
}

#[test]
fn services_that_end_with_their_agent_outlive_its_update() {
    let mut world = World::with_agents(1);
    world.define(&Definition::gated());
    world.ship("1.0");
    let service = world.service_pid(1);
    let next = next_program(&world).display().to_string();
    let updated = update(&world, &["web-1"], &next);
    assert_eq!(updated.code, Some(0), "{}", updated.said);
    assert_eq!(world.service_pid(1), service);
    let stat = procfs::stat(service).expect("it runs");
    assert_eq!(stat.ppid, world.agent(1).pid(), "exec keeps children");
    // It ends with its agent, which is not who started it, and nothing is left of it.
    world.agent(1).terminate();
    world.agent(1).ends_within(10);
    until_true("the service to end", 10, || !lives(service));
}

#[test]
fn a_service_that_ends_under_an_updated_agent_is_collected_and_started_again() {
    let world = &mut with_service(1, None);
    let service = world.service_pid(1);
    let next = next_program(world).display().to_string();
    let updated = update(world, &["web-1"], &next);
    assert_eq!(updated.code, Some(0), "{}", updated.said);
    process::kill(service);
    until_true("the system to forget it", 10, || {
        procfs::stat(service).is_none()
    });
    until_true("another one to run", 20, || {
        let reported = world.service(1).reported.expect("it reports");
        reported
            .processes
            .first()
            .is_some_and(|one| one.pid != service)
    });
}

#[test]
fn a_program_that_does_not_speak_in_time_is_ended_and_the_one_before_goes_on() {
    let mut world = with_service(2, Some("2s"));
    let service = world.service_pid(1);
    let (agent, was) = (world.agent(1).pid(), runs_from(&mut world, 1));
    let broken = broken_program(&world, "exec sleep 1000")
        .display()
        .to_string();

    let words = ["agent", "update", "web-1", "web-2", "--program", &broken];
    let mut updating = world.start_command(&words);
    let on_trial = tried(&world);
    let failed = updating.ends_within(UPDATE_S);
    assert_eq!(failed.code, Some(1), "{}", failed.said);
    for words in [
        "the agent of `web-1` did not become 9.9",
        "it did not speak with the server within 2 s",
        "hosts behind it were not asked",
    ] {
        assert!(failed.said.contains(words), "{words}\n{}", failed.said);
    }
    assert!(!on_trial.is_alive(), "it was ended");
    assert_eq!(
        (world.agent(1).pid(), runs_from(&mut world, 1)),
        (agent, was)
    );
    assert_eq!(world.service_pid(1), service);
    let hosts = world.run(&["hosts"]);
    assert!(hosts.said.contains("update failed"), "{}", hosts.said);
    let second = world
        .client()
        .host(&"web-2".parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(second.program.order, None, "it was not asked");

    // It is the agent as before, and a program that ends at once is no trouble either.
    world.ship("2.0");
    let broken = broken_program(&world, "exit 3").display().to_string();
    let failed = update(&world, &["web-1"], &broken);
    assert_eq!(failed.code, Some(1), "{}", failed.said);
    assert!(failed.said.contains("exit status: 3"), "{}", failed.said);
    // Nor is one that is none at all.
    let nothing = world.folder().join("nothing");
    std::fs::write(&nothing, "no program").unwrap();
    let failed = update(&world, &["web-1"], &nothing.display().to_string());
    assert_eq!(failed.code, Some(1), "{}", failed.said);
    assert!(
        failed.said.contains("it cannot be started"),
        "{}",
        failed.said
    );
    assert_eq!(world.agent(1).pid(), agent);
    world.ship("3.0");
}

#[test]
fn whoever_is_killed_while_a_program_is_tried_an_agent_runs_in_the_end() {
    let mut world = with_service(1, None);
    let service = world.service_pid(1);
    let broken = broken_program(&world, "exec sleep 1000")
        .display()
        .to_string();
    let updating = world.start_command(&["agent", "update", "web-1", "--program", &broken]);

    // The waiting parent: what it tried goes with it, and is tried again, as often as that may be chance.
    for _ in 0..3 {
        let on_trial = tried(&world);
        world.kill_agent(1);
        until_true("what was tried to end", 10, || !on_trial.is_alive());
        world.run_agent(1);
    }
    until_true(
        "the agent to give it up",
        30,
        || matches!(outcome(&world, 1), ProgramOutcome::Failed { why, .. } if why.contains("cut short 3 times")),
    );
    drop(updating);
    world.ship("2.0");
    assert_ne!(world.service_pid(1), service, "2.0 is another process");

    // What is tried.
    let service = world.service_pid(1);
    let agent = world.agent(1).pid();
    let mut updating = world.start_command(&["agent", "update", "web-1", "--program", &broken]);
    process::kill(tried(&world).pid);
    let failed = updating.ends_within(UPDATE_S);
    assert_eq!(failed.code, Some(1), "{}", failed.said);
    assert!(failed.said.contains("signal: 9"), "{}", failed.said);
    assert_eq!(world.agent(1).pid(), agent);
    assert_eq!(world.service_pid(1), service);
    world.ship("3.0");
}

#[test]
fn an_agent_that_is_stopped_while_it_tries_a_program_stops_and_tries_it_later() {
    let mut world = with_service(1, None);
    let broken = broken_program(&world, "exec sleep 1000")
        .display()
        .to_string();
    let updating = world.start_command(&["agent", "update", "web-1", "--program", &broken]);
    let on_trial = tried(&world);
    world.agent(1).terminate();
    let ended = world.agent(1).ends_within(15);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(!on_trial.is_alive(), "it ends with its parent");
    assert_eq!(outcome(&world, 1), ProgramOutcome::Pending);
    world.run_agent(1);
    assert!(tried(&world).is_alive());
    drop(updating);
}
