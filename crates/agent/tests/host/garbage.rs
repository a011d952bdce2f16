//! Which releases stay on the disk of a host.

use model::deliver::Proof;

use crate::world::{World, again, link, until};

/// Returns the release folders of the service.
fn folders(world: &World) -> std::collections::BTreeSet<String> {
    let folders = std::fs::read_dir(world.base().join("shop/releases")).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn as_many_earlier_releases_stay_as_the_release_asks_for_and_what_is_good_stays_in_any_case() {
    let mut world = World::new();
    let folder = |desired: &model::deliver::Desired| desired.release.folder();
    let releases: Vec<_> = (1..=4)
        .map(|n| again(&world.idle(&format!("{n}.0")), n))
        .collect();
    world.start();
    for (n, release) in (1..).zip(&releases) {
        let mut release = release.clone();
        release.keep = 2;
        world.server.wish(1, &release);
        world.server.proves(Proof::Converged, n);
    }
    let kept = releases[1..].iter().map(folder).collect();
    let collected = || (folders(&world) == kept).then_some(());
    until("the first to go", 10, collected, || {
        format!("{:?}", folders(&world))
    });

    // Nothing is to be kept; the next one fails, and what is gone back to was never away.
    let mut bad = again(&world.release("5.0", "crash"), 5);
    bad.keep = 0;
    world.server.wish(1, &bad);
    let reverted = world.server.reports("the way back", 20, |r| {
        r.proof == Proof::Reverted && r.healthy == Some(true)
    });
    assert_eq!(reverted.generation_applied, 4);
    let mut good = again(&world.idle("6.0"), 6);
    good.keep = 0;
    world.server.wish(1, &good);
    world.server.proves(Proof::Converged, 6);
    let only = [folder(&good)].into();
    let collected = || (folders(&world) == only).then_some(());
    until("all others to go", 10, collected, || {
        format!("{:?}", folders(&world))
    });
    assert_eq!(
        link(&world.base().join("shop/current")),
        format!("releases/{}", folder(&good))
    );
}
