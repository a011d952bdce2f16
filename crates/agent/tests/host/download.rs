//! Downloads that are cut, by a server of a few lines.

use std::fs;
use std::path::PathBuf;

use model::deliver::{Desired, Proof};

use crate::world::{World, until};

fn part(world: &World, desired: &Desired) -> PathBuf {
    let digest = desired.release.digest.hex();
    let name = format!("sha256-{digest}.{}.part", desired.service);
    world.config.base.join("blobs").join(name)
}

fn ranges(world: &World) -> Vec<String> {
    world.server.board.0.lock().unwrap().ranges.clone()
}

fn cut(world: &World, after: &[usize]) {
    world.server.board.0.lock().unwrap().cuts = after.to_vec();
}

#[test]
fn a_download_that_is_cut_twice_goes_on_where_it_was() {
    let mut world = World::new();
    let desired = world.release("1.0", "ok");
    cut(&world, &[100_000, 50_000]);
    world.start();
    world.server.wish(1, &desired);
    world.server.proves(Proof::Converged, 1);
    assert_eq!(
        ranges(&world),
        ["", "bytes=100000-", "bytes=150000-"],
        "each byte came once"
    );
    assert!(!part(&world, &desired).exists(), "it has its name");
}

#[test]
fn a_part_goes_on_after_the_agent_was_away() {
    let mut world = World::new();
    let desired = world.release("1.0", "ok");
    cut(&world, &[100_000]);
    // The second try is not for this agent.
    let long = std::time::Duration::from_secs(600);
    world.config.timings.restart = (long, long);
    world.start();
    world.server.wish(1, &desired);
    let length = || fs::metadata(part(&world, &desired)).map_or(0, |meta| meta.len());
    until(
        "part",
        20,
        || (length() == 100_000).then_some(()),
        String::new,
    );
    world.stop();
    world.start();
    world.server.proves(Proof::Converged, 1);
    assert_eq!(ranges(&world), ["", "bytes=100000-"]);
}

#[test]
fn a_part_of_other_bytes_is_thrown_away() {
    let mut world = World::new();
    let desired = world.release("1.0", "ok");
    let part = part(&world, &desired);
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, vec![7; 100_000]).unwrap();
    world.start();
    world.server.wish(1, &desired);
    world.server.proves(Proof::Converged, 1);
    assert_eq!(ranges(&world), ["bytes=100000-", ""]);
}

#[test]
fn a_part_that_is_longer_than_the_whole_is_thrown_away() {
    let mut world = World::new();
    let desired = world.release("1.0", "ok");
    let part = part(&world, &desired);
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    let length = usize::try_from(desired.release.size_bytes).unwrap();
    fs::write(&part, vec![7; length + 1]).unwrap();
    world.start();
    world.server.wish(1, &desired);
    world.server.proves(Proof::Converged, 1);
    assert_eq!(ranges(&world), [""]);
}

#[test]
fn what_was_begun_for_another_release_is_removed() {
    let mut world = World::new();
    let (old, new) = (world.release("1.0", "ok"), world.release("1.1", "ok"));
    let part = part(&world, &old);
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, b"the beginning").unwrap();
    world.start();
    world.server.wish(1, &new);
    world.server.proves(Proof::Converged, 1);
    assert!(!part.exists());
}

#[test]
fn a_disk_that_fills_up_during_a_download_blocks_and_is_no_fault_of_the_network() {
    let mut world = World::new();
    let desired = world.release("1.0", "ok");
    let part = part(&world, &desired);
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    // Each write to this device fails as on a full disk.
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    world.start();
    world.server.wish(1, &desired);
    let blocked = world.server.proves(Proof::Blocked, 1);
    let full = "disk: full while writing ";
    assert!(blocked.why.starts_with(full), "{}", blocked.why);
    fs::remove_file(&part).unwrap();
    world.server.proves(Proof::Converged, 1);
}
