//! A process is drained before it is stopped, and nobody waits for ever.

use std::path::Path;
use std::time::Duration;

use model::api::agent::{EventKind, StepPhase};
use model::deliver::{Desired, Drain, DrainAsk, Priority, Proof};

use crate::world::{World, again, is_running, pid, until};

fn by(script: &str, timeout: Duration) -> Option<Drain> {
    let ask = DrainAsk::Exec(["sh", "-c", script].map(str::to_owned).to_vec());
    Some(Drain { ask, timeout })
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until a drain ended and returns how, with what was said.
fn ended(world: &World) -> (StepPhase, String) {
    let end = || {
        let board = world.server.board.0.lock().unwrap();
        board.events.iter().find_map(|event| match &event.kind {
            EventKind::Step {
                step,
                phase,
                detail,
            } if step == "drain" && *phase != StepPhase::Intent => Some((*phase, detail.clone())),
            _ => None,
        })
    };
    until("end of the drain", 20, end, String::new)
}

fn with_drain(world: &World, drain: Option<Drain>) -> Desired {
    let mut one = world.release("1.0", "ok");
    one.run.drain = drain;
    world.server.wish(1, &one);
    one
}

#[test]
fn the_old_process_is_asked_until_it_agrees_while_the_new_one_serves() {
    let dir = tempfile::tempdir().unwrap();
    let notes = dir.path().join("notes");
    let mut world = World::new();
    let shown = notes.display();
    let script = format!("echo $PORT >> {shown}; test $(wc -l < {shown}) -ge 3");
    with_drain(&world, by(&script, Duration::from_secs(60)));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    let between = world
        .server
        .reports("drain", 20, |r| r.why == "draining 1.0");
    assert_ne!(between.port, first.port, "the new one serves");
    assert!(lines(&notes).len() < 3 || is_running(pid(&first)));
    let second = world.server.proves(Proof::Converged, 2);
    assert_eq!(second.port, between.port);
    assert!(!is_running(pid(&first)));
    // It may be asked once more before its answer is seen.
    let asked = lines(&notes);
    let of_the_old = first.port.unwrap().to_string();
    assert!(
        asked.len() >= 3 && asked.iter().all(|port| *port == of_the_old),
        "{asked:?}"
    );
    assert_eq!(ended(&world).0, StepPhase::Done);
}

#[test]
fn a_process_that_never_agrees_is_stopped_when_its_time_is_up() {
    let mut world = World::new();
    with_drain(&world, by("exit 7", Duration::from_secs(1)));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    world.server.proves(Proof::Converged, 2);
    assert!(!is_running(pid(&first)));
    let end = (StepPhase::Failed, "sh: exit status: 7".to_owned());
    assert_eq!(ended(&world), end);
}

#[test]
fn a_path_of_its_own_is_asked_too() {
    let mut world = World::new();
    let ask = DrainAsk::Http("/drain".to_owned());
    let timeout = Duration::from_secs(60);
    with_drain(&world, Some(Drain { ask, timeout }));
    world.start();
    world.server.proves(Proof::Converged, 1);
    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    world.server.proves(Proof::Converged, 2);
    assert_eq!(ended(&world).0, StepPhase::Done);
}

#[test]
fn an_undo_does_not_wait_for_a_drain() {
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.start();
    world.server.proves(Proof::Converged, 1);
    let mut two = again(&world.release("2.0", "ok"), 2);
    two.run.drain = by("sleep 300", Duration::from_secs(600));
    world.server.wish(1, &two);
    let bad = world.server.proves(Proof::Converged, 2);
    let mut undo = again(&one, 3);
    undo.priority = Priority::Rollback;
    world.server.wish(1, &undo);
    world.server.proves(Proof::Converged, 3);
    assert!(!is_running(pid(&bad)));
}

#[test]
fn an_undo_shortens_a_drain_that_is_under_way() {
    let mut world = World::new();
    let one = with_drain(&world, by("exit 1", Duration::from_secs(600)));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    world
        .server
        .reports("drain", 20, |r| r.why == "draining 1.0");
    let mut undo = again(&one, 3);
    undo.priority = Priority::Rollback;
    world.server.wish(1, &undo);
    let undone = world.server.proves(Proof::Converged, 3);
    assert_eq!(undone.processes[0].exe_sha256, Some(one.release.digest));
    assert!(!is_running(pid(&first)), "it was on its way out");
}
