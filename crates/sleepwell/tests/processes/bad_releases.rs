//! Releases that cannot work, and bytes that are not what they should be.

use model::api::change::RingState;
use model::deliver::Proof;
use model::observe::ChangeState;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::archive;
use crate::harness::definition::{CANARY_THEN_REST, Definition, ONE_RING};
use crate::harness::process;
use crate::harness::shop;
use crate::harness::wait::until;
use crate::harness::world::{World, story, times};

/// Starts a world with a release that works on both its hosts.
fn with_a_good_release(definition: &Definition) -> World {
    let world = World::with_agents(2);
    world.define(definition);
    world.ship("1.0");
    world
}

fn runs(world: &World, n: usize, version: &str) {
    let service = world.service(n);
    assert_eq!(
        service.running.as_ref().map(|v| v.as_str()),
        Some(version),
        "{service:?}"
    );
}

#[test]
fn a_canary_that_crashes_goes_back_and_the_rest_never_sees_it() {
    let world = with_a_good_release(&Definition::gated());
    std::fs::write(world.folder().join("crash"), "#!/bin/sh\nexit 3\n").unwrap();
    let ended = world.run(&["ship", "svc", "2.0", "--artifact", "crash"]);
    assert_eq!(ended.code, Some(10), "{}", ended.said);
    let view = world.view("chg-2".parse().unwrap());
    assert_eq!(view.rings[1].state, RingState::Skipped, "{}", story(&view));
    runs(&world, 1, "1.0");
    runs(&world, 2, "1.0");
    let why = world.run(&["why", "chg-2"]);
    assert!(
        why.said.contains("web-1"),
        "it names the host: {}",
        why.said
    );
}

#[test]
fn a_canary_that_never_answers_goes_back_at_its_deadline() {
    let world = with_a_good_release(&Definition::gated());
    let mut hung = Definition::shop();
    hung.health = "{ http: /healthz, interval: 200ms, timeout: 300ms, deadline: 2s }".into();
    hung.exec = "[\"./svc\"]".into();
    hung.more = String::new();
    world.define(&hung);
    world.write_script("2.0"); // it sleeps and listens nowhere
    let ended = world.run(&["ship", "svc", "2.0", "--artifact", "svc"]);
    assert_eq!(ended.code, Some(10), "{}", ended.said);
    runs(&world, 1, "1.0");
    let why = world.run(&["why", "chg-2"]);
    assert!(
        why.said.contains("web-1"),
        "it names the host: {}",
        why.said
    );
}

#[test]
fn a_canary_that_freezes_is_ended_although_it_takes_no_signal() {
    let world = World::with_agents(2);
    let mut definition = Definition::shop();
    definition.more = String::new();
    world.define(&definition);
    let [good, next] =
        ["shop-1-0", "shop-1-2"].map(|name| shop::program(name).display().to_string());
    let first = world.begin_artifact("1.0", &good);
    world.ends(first, ChangeState::Done);
    definition.rings = CANARY_THEN_REST.replace("bake: 1s", "bake: 60s");
    world.define(&definition);
    let change = world.begin_artifact("1.2", &next);
    world.ring_is(change, 0, RingState::Baking);
    let frozen = world.service_pid(1);
    let pid = Pid::from_raw(i32::try_from(frozen).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    world.ends(change, ChangeState::Undone);
    runs(&world, 1, "1.0");
    let left = process::of_folder(&world.base(1).join("svc"));
    assert!(!left.contains(&frozen), "{:?}", process::names(&left));
}

#[test]
fn bytes_that_changed_on_the_servers_disk_are_never_installed() {
    let world = with_a_good_release(&Definition::gated().with_rings(ONE_RING));
    for (version, spoil) in [
        ("2.0", (|bytes| bytes[3] ^= 1) as fn(&mut Vec<u8>)),
        ("3.0", |bytes| bytes.truncate(10)),
    ] {
        world.write_script(version);
        // The release is made, but no host is asked for it yet.
        let digest = model::Digest::of(&std::fs::read(world.folder().join("svc")).unwrap());
        let blob = world
            .data()
            .join("blobs")
            .join(format!("sha256-{}", digest.hex()));
        let change = upload_spoiled(&world, version, &blob, spoil);
        let view = world.reaches(change, "to name what is wrong", |view| {
            view.rings[0].hosts[0].why.contains("fetch")
        });
        assert_ne!(view.change.state, ChangeState::Done);
        assert_ne!(view.rings[0].hosts[0].proof, Proof::Converged);
        runs(&world, 2, "1.0");
        let undone = world.run(&["undo", &change.to_string()]);
        assert_eq!(undone.code, Some(0), "{}", undone.said);
        runs(&world, 1, "1.0");
    }
}

/// Ships a release whose stored bytes are spoiled before any host has fetched them: the hosts are held
/// still meanwhile.
fn upload_spoiled(
    world: &World,
    version: &str,
    blob: &std::path::Path,
    spoil: fn(&mut Vec<u8>),
) -> model::ChangeId {
    let agents = process::of_folder(world.folder())
        .into_iter()
        .filter(|pid| process::names(&[*pid])[0].contains(" agent "))
        .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect::<Vec<Pid>>();
    assert!(agents.len() >= 2, "both agents are found");
    let all = |signal| {
        agents
            .iter()
            .for_each(|pid| kill_process(*pid, signal).unwrap())
    };
    all(Signal::STOP);
    let change = world.begin_artifact(version, "svc");
    let mut bytes = std::fs::read(blob).unwrap();
    spoil(&mut bytes);
    std::fs::write(blob, bytes).unwrap();
    all(Signal::CONT);
    change
}

#[test]
fn an_archive_that_reaches_outside_its_folder_is_blocked_by_name() {
    let world = with_a_good_release(&Definition::gated().with_rings(ONE_RING));
    let mut definition = Definition::gated().with_rings(ONE_RING);
    definition.artifact = "svc.tar.gz".into();
    world.define(&definition);
    let packed = archive::tar_gz("../../../escaped", b"#!/bin/sh\n");
    std::fs::write(world.folder().join("svc.tar.gz"), packed).unwrap();
    let change = world.begin_artifact("2.0", "svc.tar.gz");
    let view = world.ends(change, ChangeState::Held);
    let blocked = &view.rings[0].hosts[0];
    assert_eq!(blocked.proof, Proof::Blocked, "{blocked:?}");
    assert!(blocked.why.contains("../../../escaped"), "{blocked:?}");
    assert_eq!(times(&view, "rollout_held"), 1, "{}", story(&view));
    runs(&world, 1, "1.0");
    runs(&world, 2, "1.0");
    until("the folders to be as they were", 5, || {
        (!world.base(1).join("escaped").exists()).then_some(())
    });
}
