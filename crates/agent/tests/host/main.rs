//! Stories of one host, with real processes and a server of a few lines.

mod away;
mod clock;
mod download;
mod drain;
mod garbage;
mod groups;
mod hooks;
mod pids;
mod redeploys;
mod units;
mod world;

use std::process::{Command, Stdio};
use std::time::Duration;

use model::api::agent::{EventKind, StepPhase};
use model::deliver::{Check, DesiredState, Priority, Proof};
use world::{World, again, is_running, link, pid, tiny, until, wish};

#[test]
fn a_release_is_proved_and_replaced_and_undone_with_overlap() {
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    assert_eq!(first.generation_applied, 1);
    assert_eq!(first.processes[0].exe_sha256, Some(one.release.digest));
    assert_eq!(
        first.processes[0].release_from_env,
        Some(one.release.folder())
    );
    assert_eq!(first.healthy, Some(true));
    let current = world.base().join("shop/current");
    assert_eq!(link(&current), format!("releases/{}", one.release.folder()));

    let two = again(&world.release("2.0", "ok"), 2);
    world.server.wish(1, &two);
    let second = world.server.proves(Proof::Converged, 2);
    assert_ne!(
        second.port, first.port,
        "the new one starts beside the old one"
    );
    assert_ne!(pid(&second), pid(&first));
    assert!(!is_running(pid(&first)));

    let mut undo = again(&one, 3);
    undo.priority = Priority::Rollback;
    world.server.wish(1, &undo);
    let third = world.server.proves(Proof::Converged, 3);
    assert_eq!(third.port, first.port);
    assert_eq!(third.processes[0].exe_sha256, Some(one.release.digest));

    let steps = until(
        "events",
        10,
        || {
            let board = world.server.board.0.lock().unwrap();
            let done: Vec<String> = board
                .events
                .iter()
                .filter(|event| event.generation == 1)
                .filter_map(|event| match &event.kind {
                    EventKind::Step {
                        step,
                        phase: StepPhase::Done,
                        ..
                    } => Some(step.clone()),
                    _ => None,
                })
                .collect();
            done.contains(&"prove".to_owned()).then_some(done)
        },
        String::new,
    );
    let wanted = [
        "space", "fetch", "unpack", "rename", "switch", "start", "prove",
    ];
    assert_eq!(steps, wanted);
}

#[test]
fn a_wish_for_nothing_stops_the_service() {
    let mut world = World::new();
    let mut one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    one.state = DesiredState::Stopped;
    world.server.wish(1, &again(&one, 2));
    let stopped = world.server.proves(Proof::Stopped, 2);
    assert!(!is_running(pid(&first)));
    assert_eq!(
        (stopped.generation_applied, stopped.processes.len()),
        (2, 0)
    );
}

#[test]
fn an_unhealthy_release_is_reverted_without_the_server() {
    for (mode, ports, why) in [
        (
            "sick",
            vec![1, 2],
            "healthz never answered within 3s (/healthz answered 500)",
        ),
        (
            "hang",
            vec![1],
            "healthz never answered within 3s (/healthz did not answer within 0.5s)",
        ),
        ("crash", vec![1], "the process ended with exit status: 3"),
    ] {
        let mut world = World::new();
        let mut one = world.release("1.0", "ok");
        one.run.ports = ports.clone();
        world.server.wish(1, &one);
        world.start();
        world.server.proves(Proof::Converged, 1);
        let mut two = again(&world.release("2.0", mode), 2);
        two.run.ports = ports;
        world.server.wish(1, &two);
        world
            .server
            .reports("generation 2", 10, |r| r.generation_seen == 2);
        world.server.board.0.lock().unwrap().down = true;
        let current = world.base().join("shop/current");
        let back = format!("releases/{}", one.release.folder());
        until(
            "way back",
            20,
            || (link(&current) == back).then_some(()),
            String::new,
        );
        world.server.board.0.lock().unwrap().down = false;
        let reverted = world.server.reports("revert", 20, |r| {
            let bytes = r.processes.first().and_then(|process| process.exe_sha256);
            r.proof == Proof::Reverted
                && r.healthy == Some(true)
                && bytes == Some(one.release.digest)
        });
        assert_eq!(reverted.why, why);
        assert_eq!(
            (reverted.generation_seen, reverted.generation_applied),
            (2, 1)
        );
        assert_eq!(reverted.unexpected_exits, u32::from(mode == "crash"));
    }
}

#[test]
fn a_first_release_that_fails_is_stopped_and_blocked() {
    let mut world = World::new();
    world.server.wish(1, &world.release("1.0", "sick"));
    world.start();
    let blocked = world.server.proves(Proof::Blocked, 1);
    assert!(
        blocked.why.starts_with("healthz never answered within 3s"),
        "{}",
        blocked.why
    );
    world.server.reports("nothing left", 10, |r| {
        r.processes.is_empty() && r.port.is_none()
    });
}

#[test]
fn an_agent_that_comes_back_adopts_the_running_process() {
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.start();
    let before = world.server.proves(Proof::Converged, 1);
    world.stop();
    assert!(is_running(pid(&before)));
    world.server.board.0.lock().unwrap().last = None;
    world.start();
    let after = world.server.proves(Proof::Converged, 1);
    assert_eq!(pid(&after), pid(&before));
    assert_eq!(
        (after.unexpected_exits, after.started_at),
        (0, before.started_at)
    );
}

#[test]
fn a_process_the_agent_had_no_time_to_write_down_is_found_again() {
    let mut world = World::new();
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let before = world.server.proves(Proof::Converged, 1);
    world.stop();
    // As it is after a kill between starting the process and recording it.
    let db = rusqlite::Connection::open(world.base().join("state.db")).unwrap();
    let forget = "UPDATE service SET record = json_set(record, '$.serving.process', json('null'))";
    assert_eq!(db.execute(forget, []).unwrap(), 1);
    drop(db);
    world.server.board.0.lock().unwrap().last = None;
    world.start();
    let after = world.server.proves(Proof::Converged, 1);
    assert_eq!(pid(&after), pid(&before));
}

#[test]
fn killing_the_agent_at_any_moment_leaves_one_process_and_no_harm() {
    let world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    let tiny = tiny();
    let base = world.config.base.clone();
    let start = || {
        Command::new(&tiny)
            .args(["agent".as_ref(), base.as_os_str()])
            .args([world.server.url.as_ref(), tiny.as_os_str()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    for delay_ms in (0..600).step_by(60) {
        let mut agent = start();
        agent::Stop::default().wait(Duration::from_millis(delay_ms));
        agent.kill().unwrap();
        agent.wait().unwrap();
    }
    let mut agent = start();
    world.server.board.0.lock().unwrap().last = None;
    let proved = world.server.proves(Proof::Converged, 1);
    let dir = world
        .base()
        .join("shop/releases")
        .join(one.release.folder());
    let ours = |pid: &u32| agent::procfs::cwd(*pid).is_ok_and(|cwd| cwd == dir);
    let running: Vec<u32> = agent::procfs::pids().into_iter().filter(ours).collect();
    assert_eq!(running, [pid(&proved)]);
    let leader = agent::procfs::stat(pid(&proved)).unwrap();
    assert_eq!(
        leader.session,
        i64::from(leader.pid),
        "it leads its own session"
    );
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(
        is_running(pid(&proved)),
        "the service does not end with the agent"
    );
}

#[test]
fn an_old_program_started_by_hand_is_named() {
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.start();
    world.server.proves(Proof::Converged, 1);
    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    world.server.proves(Proof::Converged, 2);
    let old = world
        .base()
        .join("shop/releases")
        .join(one.release.folder())
        .join("tiny");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut child = Command::new(old)
        .args(["serve", &port.to_string(), "ok"])
        .current_dir("/")
        .spawn()
        .unwrap();
    let named = format!("pid {} (", child.id());
    let drifted = world
        .server
        .reports("drift", 15, |r| r.proof == Proof::Drifted);
    assert!(drifted.why.starts_with(&named), "{}", drifted.why);
    assert!(
        drifted
            .why
            .ends_with(&format!("runs release {}", one.release.folder()))
    );
    child.kill().unwrap();
    child.wait().unwrap();
    world.server.proves(Proof::Converged, 2);
}

#[test]
fn a_full_disk_blocks_with_numbers_and_goes_on_when_there_is_room() {
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.config.disk_reserve_bytes = 1 << 60;
    world.start();
    let blocked = world.server.proves(Proof::Blocked, 1);
    assert!(blocked.why.starts_with("disk: "), "{}", blocked.why);
    assert!(
        blocked.why.contains("1099511627776 MiB in reserve"),
        "{}",
        blocked.why
    );
    let releases = world.base().join("shop/releases");
    assert_eq!(std::fs::read_dir(releases).unwrap().count(), 0);
    assert!(!world.base().join("blobs").exists());
    world.stop();
    world.config.disk_reserve_bytes = 0;
    world.start();
    world.server.proves(Proof::Converged, 1);
}

#[test]
fn a_crash_of_a_proved_release_is_counted_and_mended() {
    let mut world = World::new();
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let mut last = world.server.proves(Proof::Converged, 1);
    for exits in 1..=3 {
        let victim = rustix::process::Pid::from_raw(pid(&last).cast_signed()).unwrap();
        rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
        last = world.server.reports("restart", 20, |r| {
            r.unexpected_exits == exits && r.proof == Proof::Converged
        });
    }
    assert_eq!(last.generation_applied, 1);
}

#[test]
fn an_older_order_is_refused_and_reported() {
    let mut world = World::new();
    let new = again(&world.release("2.0", "ok"), 5);
    world.server.wish(3, &new);
    world.start();
    world.server.proves(Proof::Converged, 5);
    let old = again(&world.release("1.0", "ok"), 4);
    world.server.wish(3, &old);
    let refused = |kind: &'static str| {
        until(
            "refusal",
            10,
            || {
                let last = world.server.last()?;
                last.refused
                    .into_iter()
                    .find(|refused| refused.kind == kind)
            },
            String::new,
        )
    };
    let generation = refused("generation");
    assert_eq!((generation.seen, generation.offered), (5, 4));
    world.server.wish(2, &again(&old, 9));
    let epoch = refused("epoch");
    assert_eq!((epoch.seen, epoch.offered), (3, 2));
    let still = world.server.proves(Proof::Converged, 5);
    assert_eq!(still.generation_applied, 5);
}

#[test]
fn another_order_under_a_number_given_before_is_refused() {
    let mut world = World::new();
    let one = again(&world.release("1.0", "ok"), 5);
    world.server.wish(3, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 5);
    world.server.wish(3, &again(&world.release("2.0", "ok"), 5));
    let refused = until(
        "refusal",
        10,
        || world.server.last()?.refused.into_iter().next(),
        String::new,
    );
    assert_eq!(
        (refused.kind.as_str(), refused.seen, refused.offered),
        ("generation", 5, 5)
    );
    assert_eq!(pid(&world.server.proves(Proof::Converged, 5)), pid(&first));
    // The same order said again, with another way of running it, is none.
    let mut same = one.clone();
    same.keep += 1;
    world.server.wish(3, &same);
    let taken = || world.server.last()?.refused.is_empty().then_some(());
    until("the end of the refusal", 10, taken, String::new);
}

#[test]
fn wrong_bytes_are_never_installed() {
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    let name = one.release.digest.to_string();
    let wrong = vec![b'x'; usize::try_from(one.release.size_bytes).unwrap()];
    let right = world
        .server
        .board
        .0
        .lock()
        .unwrap()
        .blobs
        .insert(name.clone(), wrong)
        .unwrap();
    world.server.wish(1, &one);
    world.start();
    let pending = world
        .server
        .reports("why", 10, |r| r.why.starts_with("fetch: the bytes are"));
    assert_eq!(pending.proof, Proof::Pending);
    assert_eq!(
        std::fs::read_dir(world.base().join("shop/releases"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(
        std::fs::read_dir(world.base().join("blobs"))
            .unwrap()
            .count(),
        0
    );
    world
        .server
        .board
        .0
        .lock()
        .unwrap()
        .blobs
        .insert(name, right);
    world.server.proves(Proof::Converged, 1);
}

#[test]
fn a_process_that_ignores_the_signal_is_killed_with_its_children() {
    let mut world = World::new();
    let script = b"#!/bin/sh\ntrap '' TERM\nsleep 300 &\nwhile :; do sleep 300; done\n";
    world.upload(script);
    let mut one = wish("1.0", script);
    one.run.exec = vec!["./tiny".to_owned()];
    (one.health, one.run.ports) = (None, vec![]);
    world.server.wish(1, &one);
    world.start();
    let first = world.server.reports("children", 20, |r| {
        r.proof == Proof::Converged && r.processes.len() == 3
    });
    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    world.server.proves(Proof::Converged, 2);
    for process in first.processes {
        assert!(!is_running(process.pid), "pid {}", process.pid);
    }
}

#[test]
fn services_end_with_the_agent_when_it_is_told_so() {
    let mut world = World::new();
    world.config.stop_services_on_exit = true;
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    world.stop();
    assert!(!is_running(pid(&first)));
    world.server.board.0.lock().unwrap().last = None;
    world.start();
    let second = world.server.proves(Proof::Converged, 1);
    assert_eq!(second.unexpected_exits, 0);
}

#[test]
fn leftovers_are_found_and_ended_and_a_base_has_one_agent() {
    let mut world = World::new();
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    let base = world.base();
    let error = agent::end_leftovers(&base).unwrap_err().to_string();
    assert!(error.starts_with("another agent uses"), "{error}");
    world.stop();
    assert_eq!(agent::leftovers(&base).unwrap()[0].process.pid, pid(&first));
    agent::end_leftovers(&base).unwrap();
    assert!(!is_running(pid(&first)));
    assert!(agent::leftovers(&base).unwrap().is_empty());
}

#[test]
fn joining_twice_is_once_and_another_server_is_refused() {
    let world = World::new();
    let secret = model::Secret::new("join");
    assert!(!agent::join(&world.config, &secret).unwrap().already);
    assert!(agent::join(&world.config, &secret).unwrap().already);
    let mut other = world.config.clone();
    other.server_url = "http://127.0.0.1:1".to_owned();
    assert!(agent::join(&other, &secret).is_err());
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(world.base().join("identity.json")).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o600);
}

/// The server gave the same identity again, or another one: its numbers of orders count or begin anew.
#[test]
fn a_host_that_joins_again_as_another_follows_orders_from_the_first_on_and_its_service_goes_on() {
    let mut world = World::new();
    let one = again(&world.release("1.0", "ok"), 7);
    world.server.wish(9, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 7);
    let secret = model::Secret::new("join");
    let error = agent::join_again(&world.config, &secret).unwrap_err();
    assert!(
        format!("{error:#}").starts_with("stop the agent first"),
        "{error:#}"
    );
    world.stop();
    assert!(!agent::join_again(&world.config, &secret).unwrap().already);
    world.start();
    world.server.wish(9, &again(&world.release("2.0", "ok"), 6));
    let seen = || world.server.last()?.refused.into_iter().next();
    let refused = until("a refusal", 10, seen, String::new);
    assert_eq!(
        (refused.seen, refused.offered),
        (7, 6),
        "it is the same host"
    );

    world.stop();
    world.server.become_another();
    agent::join_again(&world.config, &secret).unwrap();
    world.server.wish(1, &again(&one, 1));
    world.start();
    let after = world.server.proves(Proof::Converged, 1);
    assert_eq!(pid(&after), pid(&first), "the process was not touched");
    assert!(world.server.last().unwrap().refused.is_empty());
}

#[test]
fn other_checks_and_a_program_that_is_not_there_are_told_apart() {
    let mut world = World::new();
    let mut one = world.release("1.0", "ok");
    let health = one.health.as_mut().unwrap();
    health.check = Check::Exec(vec!["sh".into(), "-c".into(), "test -x ./tiny".into()]);
    world.server.wish(1, &one);
    world.start();
    world.server.proves(Proof::Converged, 1);
    let mut two = again(&world.release("2.0", "ok"), 2);
    two.run.exec = vec!["./nothing".to_owned()];
    two.health.as_mut().unwrap().check = Check::Tcp;
    world.server.wish(1, &two);
    let reverted = world.server.proves(Proof::Reverted, 2);
    assert!(reverted.why.contains("ended with") || reverted.why.contains("cannot start"));
}

#[test]
fn a_healthy_service_is_scraped_with_the_labels_of_its_release() {
    let mut world = World::new();
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let text = until(
        "samples",
        20,
        || {
            let board = world.server.board.0.lock().unwrap();
            let body = board.samples.last()?;
            let bytes = snap::raw::Decoder::new().decompress_vec(body).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.contains("pay_total").then_some(text)
        },
        String::new,
    );
    for word in [
        "up",
        "shop",
        "production",
        "staff",
        "release",
        "1.0",
        "result",
    ] {
        assert!(text.contains(word), "{word} in {text:?}");
    }
}

#[test]
fn an_archive_is_unpacked_and_proved_and_a_bad_one_leaves_the_old_release_running() {
    let mut world = World::new();
    let mut one = world.release("1.0", "ok");
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    tar.append_path_with_name(tiny(), "bin/tiny").unwrap();
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    world.upload(&bytes);
    one.release.digest = model::Digest::of(&bytes);
    one.release.size_bytes = bytes.len() as u64;
    one.release.format = model::deliver::ArtifactFormat::TarGz;
    one.run.exec[0] = "./bin/tiny".to_owned();
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);

    let mut two = again(&one, 2);
    let bytes = b"not an archive";
    world.upload(bytes);
    two.release.digest = model::Digest::of(bytes);
    two.release.size_bytes = bytes.len() as u64;
    world.server.wish(1, &two);
    let blocked = world.server.proves(Proof::Blocked, 2);
    assert!(blocked.why.starts_with("archive: "), "{}", blocked.why);
    assert_eq!(
        (pid(&blocked), blocked.generation_applied),
        (pid(&first), 1)
    );
    assert_eq!(blocked.healthy, Some(true));
}

#[test]
fn an_undo_in_the_middle_of_a_deployment_stops_what_was_coming() {
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    let mut two = again(&world.release("2.0", "sick"), 2);
    two.health.as_mut().unwrap().deadline = Duration::from_secs(600);
    world.server.wish(1, &two);
    let waiting = |r: &model::deliver::Reported| r.why.contains("answered 500");
    let pending = world.server.reports("trial", 20, waiting);
    assert_eq!(
        (pid(&pending), pending.proof),
        (pid(&first), Proof::Pending)
    );
    let mut undo = again(&one, 3);
    undo.priority = Priority::Rollback;
    world.server.wish(1, &undo);
    let undone = world.server.proves(Proof::Converged, 3);
    assert_eq!((pid(&undone), undone.generation_applied), (pid(&first), 3));
    let two = world
        .base()
        .join("shop/releases")
        .join(two.release.folder());
    let stands_there = |pid: &u32| agent::procfs::cwd(*pid).is_ok_and(|cwd| cwd == two);
    assert_eq!(
        agent::procfs::pids().iter().find(|pid| stands_there(pid)),
        None
    );
}
