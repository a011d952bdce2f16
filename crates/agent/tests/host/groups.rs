//! What leaves its session and throws its environment away is ended all the same, by its control group.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::deliver::{Desired, DesiredState, Proof};

use crate::hooks::{Killable, hook, lines, notes};
use crate::world::{World, again, is_running, until};

/// Tells whether this host has control groups for us; says so where it has not.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn has_groups() -> bool {
    match agent::control_groups() {
        Ok(_) => true,
        Err(why) if std::env::var_os("SLEEPWELL_DEMAND_CGROUPS").is_some() => panic!("{why}"),
        Err(why) => {
            eprintln!("skipped: no control groups on this host: {why}");
            false
        }
    }
}

/// Returns a script that leaves a process behind which has another session, no parent of ours, no environment
/// and stands elsewhere; its pid goes to `notes`.
pub(crate) fn escape(notes: &Path) -> String {
    let notes = notes.display();
    format!("setsid env -i sh -c 'cd /; sleep 300 & echo $! >> {notes}'")
}

/// Returns a release that lets a process escape and then does `rest`.
pub(crate) fn escaping(world: &World, version: &str, notes: &Path, rest: &str) -> Desired {
    let mut desired = world.idle(version);
    let script = format!("{}; {rest}", escape(notes));
    desired.run.exec = ["sh", "-c", &script].map(str::to_owned).to_vec();
    desired
}

pub(crate) fn escaped(notes: &Path) -> Vec<u32> {
    lines(notes).iter().map(|l| l.parse().unwrap()).collect()
}

/// Returns the group a process is in, as a folder.
fn group_of(pid: u32) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("0::"));
    let (_, ours) = path.unwrap().rsplit_once("/sleepwell/").unwrap();
    agent::control_groups().unwrap().join(ours)
}

fn is_gone(group: &Path) {
    let gone = || (!group.exists()).then_some(());
    until("end of the group", 10, gone, || group.display().to_string());
}

#[test]
fn a_service_takes_what_escaped_from_it_along_and_its_group_goes_too() {
    if !has_groups() {
        return;
    }
    // Asked politely the main process ends at once, and a deaf one is killed with all that is left.
    for rest in ["exec sleep 300", "trap '' TERM; while :; do sleep 1; done"] {
        let (_dir, notes) = notes();
        let mut world = World::new();
        world.server.wish(1, &escaping(&world, "1.0", &notes, rest));
        world.start();
        let first = world.server.proves(Proof::Converged, 1);
        let left = escaped(&notes)[0];
        assert!(is_running(left));
        let group = group_of(left);
        assert_eq!(group, group_of(first.processes[0].pid));
        assert!(first.processes.iter().any(|process| process.pid == left));
        let joined = agent::procfs::environ(first.processes[0].pid, "SLEEPWELL_JOIN_GROUP");
        assert_eq!(joined.unwrap(), None, "it is told nothing of it");
        world.server.wish(1, &again(&world.idle("2.0"), 2));
        world.server.proves(Proof::Converged, 2);
        assert!(!is_running(left), "pid {left} after `{rest}`");
        is_gone(&group);
    }
}

#[test]
fn a_hook_that_hangs_or_ends_takes_what_escaped_from_it_along() {
    if !has_groups() {
        return;
    }
    for (rest, proof) in [
        ("sleep 300", Proof::Blocked),
        ("exit 0", Proof::Converged),
        ("exit 1", Proof::Blocked),
    ] {
        let (_dir, notes) = notes();
        let mut world = World::new();
        let mut one = world.idle("1.0");
        one.run.hooks.pre_start = hook(&format!("{}; {rest}", escape(&notes)));
        one.run.hooks.pre_start.as_mut().unwrap().timeout = Duration::from_secs(2);
        world.server.wish(1, &one);
        world.start();
        world.server.proves(proof, 1);
        world.stop();
        let left = escaped(&notes)[0];
        assert!(!is_running(left), "pid {left} after `{rest}`");
    }
}

#[test]
fn what_escaped_is_found_again_by_the_next_agent() {
    if !has_groups() {
        return;
    }
    let (_dir, notes) = notes();
    let world = World::new();
    let one = escaping(&world, "1.0", &notes, "exec sleep 300");
    world.server.wish(1, &one);
    let mut first = Killable::start(&world);
    world.server.proves(Proof::Converged, 1);
    first.kill();
    let left = escaped(&notes)[0];
    let group = group_of(left);
    let _second = Killable::start(&world);
    let adopted = world.server.proves(Proof::Converged, 1);
    assert_eq!(adopted.unexpected_exits, 0);
    assert!(is_running(left), "nothing was ended by the new agent");
    let mut stop = again(&one, 2);
    stop.state = DesiredState::Stopped;
    world.server.wish(1, &stop);
    world.server.proves(Proof::Stopped, 2);
    assert!(!is_running(left));
    is_gone(&group);
}

#[test]
fn what_a_crashed_process_left_behind_is_ended_before_the_next_begins() {
    if !has_groups() {
        return;
    }
    let (dir, notes) = notes();
    let crash = dir.path().join("crash");
    let mut world = World::new();
    let rest = format!(
        "until test -e {0}; do sleep 0.05; done; rm {0}; exit 3",
        crash.display()
    );
    world
        .server
        .wish(1, &escaping(&world, "1.0", &notes, &rest));
    world.start();
    world.server.proves(Proof::Converged, 1);
    std::fs::write(&crash, "").unwrap();
    world.server.reports("restart", 20, |r| {
        r.unexpected_exits == 1 && r.proof == Proof::Converged && escaped(&notes).len() == 2
    });
    let running: Vec<bool> = escaped(&notes).into_iter().map(is_running).collect();
    assert_eq!(running, [false, true]);
}

#[test]
fn what_escaped_is_left_over_when_the_agent_is_gone() {
    if !has_groups() {
        return;
    }
    let (_dir, notes) = notes();
    let mut world = World::new();
    world
        .server
        .wish(1, &escaping(&world, "1.0", &notes, "exec sleep 300"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    world.stop();
    let [main, left] = [first.processes[0].pid, escaped(&notes)[0]];
    let victim = rustix::process::Pid::from_raw(main.cast_signed()).unwrap();
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
    let of = |pid: u32| agent::procfs::ProcessId::of(pid);
    let found = || (agent::leftovers(&world.base()).unwrap()[0].process.pid == left).then_some(());
    until("what escaped", 10, found, || format!("{:?}", of(left)));
    let group = group_of(left);
    assert_eq!(agent::end_leftovers(&world.base()).unwrap().len(), 1);
    assert!(!is_running(left));
    assert!(!group.exists());
}

#[test]
fn without_groups_services_run_as_ever() {
    let mut world = World::new();
    world.config.control_groups = false;
    world.server.wish(1, &world.idle("1.0"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    let pid = first.processes[0].pid;
    let groups = |pid| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(groups(pid), groups(std::process::id()));
    world.server.wish(1, &again(&world.idle("2.0"), 2));
    world.server.proves(Proof::Converged, 2);
    assert!(!is_running(pid));
}
