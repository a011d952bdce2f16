//! A fleet ten times as large as one server may have: whatever is decided goes through it a few times, and not
//! once for each host.

use std::sync::mpsc;
use std::time::Duration;

use deliver::rollout::{UNDO_DEADLINE, owed, rehearse};
use model::deliver::{Command, Host, RingSize, RolloutState};

use crate::fleet::*;

const HOSTS: usize = 100_000;
/// Going through them takes seconds at most; doing that for each of them takes many minutes.
const TIME: Duration = Duration::from_secs(120);

/// Fails when `work` is not done in [`TIME`].
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    wait.recv_timeout(TIME).expect("it is done in time")
}

/// One ring, everybody at once.
fn everybody() -> World {
    World::new(&Setup {
        hosts: HOSTS,
        rings: vec![ring("everyone", RingSize::Rest)],
        max_unavailable: u32::MAX,
        ..Setup::default()
    })
}

#[test]
fn a_rollout_to_a_hundred_thousand_hosts_is_planned_asked_and_undone_in_time() {
    in_time(|| {
        let mut world = everybody();
        assert_eq!(world.follow().ask.len(), HOSTS);
        for facts in world.hosts.values_mut() {
            facts.unknown_since = Some(t0());
        }
        // Each is named as waited for, and looked for among those named at every turn from then on.
        world.follow();
        world.follow();
        assert!(world.held().is_some());
        world.follow_order(Command::Undo);
        world.now = world.now + UNDO_DEADLINE;
        world.follow();
        assert!(matches!(world.rollout.state, RolloutState::Stuck { .. }));
        let again = world.follow_order(Command::Undo);
        assert_eq!(again.ask.len(), HOSTS, "once more");
    });
}

#[test]
fn a_hundred_thousand_hosts_that_join_late_are_owed_it_in_time() {
    in_time(|| {
        let mut world = everybody();
        world.rollout.state = RolloutState::Done { at: t0() };
        let hosts: Vec<Host> = (1..=2 * HOSTS).map(host).collect();
        let asks = owed(&world.rollout, &hosts, |_| false);
        assert_eq!(asks.len(), HOSTS);
    });
}

#[test]
fn a_rollout_to_a_hundred_thousand_hosts_is_rehearsed_in_time() {
    in_time(|| {
        let world = everybody();
        let rehearsed = rehearse(&world.rollout, &world.hosts, world.gates(), t0()).unwrap();
        assert_eq!(rehearsed.asks.len(), HOSTS);
    });
}
