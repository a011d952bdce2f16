//! A release a host runs already, asked for once more.

use model::ChangeId;
use model::deliver::{Check, Desired, Proof};

use crate::world::{World, again, is_running, pid, until};

/// Returns the wish with a newer generation, for a redeploy.
fn redeploy(desired: &Desired, generation: u64, change: u64) -> Desired {
    let mut wish = again(desired, generation);
    wish.release.redeploy = Some(ChangeId(change));
    wish
}

#[test]
fn it_is_unpacked_anew_and_a_fresh_process_takes_over() {
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    assert_eq!(first.redeploy, None);
    let releases = world.base().join("shop/releases");
    let by_hand = |desired: &Desired| releases.join(desired.release.folder()).join("by-hand");
    std::fs::write(by_hand(&one), "").unwrap();

    let anew = redeploy(&one, 2, 9);
    world.server.wish(1, &anew);
    let second = world.server.proves(Proof::Converged, 2);
    assert_eq!(second.redeploy, Some(ChangeId(9)));
    assert_ne!(pid(&second), pid(&first));
    assert_ne!(second.port, first.port, "it started beside the old one");
    assert!(!is_running(pid(&first)));
    let folder = Some(anew.release.folder());
    assert_eq!(second.processes[0].release_from_env, folder);
    assert_eq!(second.processes[0].exe_sha256, Some(one.release.digest));
    assert!(!by_hand(&anew).exists());
    assert!(by_hand(&one).exists(), "the way back is not touched");

    // The same order in a newer generation wants nothing new.
    world.server.wish(1, &again(&anew, 3));
    let third = world.server.proves(Proof::Converged, 3);
    assert_eq!(pid(&third), pid(&second));

    // Of three folders of one release the two newest stay.
    world.server.wish(1, &redeploy(&one, 4, 12));
    world.server.proves(Proof::Converged, 4);
    until(
        "the oldest folder to be collected",
        10,
        || (!by_hand(&one).parent()?.exists()).then_some(()),
        String::new,
    );
    assert!(by_hand(&anew).parent().unwrap().exists());
}

#[test]
fn one_that_does_not_get_healthy_leaves_the_process_that_runs() {
    let mut world = World::new();
    let mut one = world.release("1.0", "ok");
    let health = one.health.as_mut().unwrap();
    // It works only because of a file that somebody put into its folder.
    health.check = Check::Exec(["test", "-e", "by-hand"].map(str::to_owned).to_vec());
    world.server.wish(1, &one);
    world.start();
    let folder = world
        .base()
        .join("shop/releases")
        .join(one.release.folder());
    until(
        "the release to be unpacked",
        10,
        || std::fs::write(folder.join("by-hand"), "").ok(),
        String::new,
    );
    let first = world.server.proves(Proof::Converged, 1);

    world.server.wish(1, &redeploy(&one, 2, 9));
    let reverted = world.server.reports("the way back", 20, |r| {
        r.proof == Proof::Reverted && r.healthy == Some(true)
    });
    assert_eq!(pid(&reverted), pid(&first), "it was never stopped");
    assert_eq!(
        (reverted.generation_seen, reverted.generation_applied),
        (2, 1)
    );
    assert_eq!(reverted.redeploy, None);
}
