//! Leases: taken once, remembered for half their time, and lost to whoever took over.

use std::time::Duration;

use engine::Hosts;
use model::Fact;
use runtime::Turn;
use store::lease;

use crate::support::{START, World, at, fails, turns};

/// The lease of the loop that is turned here.
const NAME: &str = "deliver.hosts";
/// How long a lease lasts.
const LEASE_S: u64 = 15;

/// Tells whether another server would get the lease now; if so it has it.
async fn another_server_gets_it(world: &World, seconds: u64) -> bool {
    let lease = Duration::from_secs(LEASE_S);
    let acquire = move |tx: &mut store::Tx<'_>| {
        lease::acquire(tx, NAME, "another server", lease, at(seconds))
    };
    world.write(acquire).await.is_some()
}

#[tokio::test]
async fn an_idle_loop_writes_nothing_within_half_its_lease() {
    let world = World::new();
    let mut hosts = Hosts::new(world.context.clone());
    for seconds in [0, 1, 7] {
        turns(&mut hosts, seconds).await;
    }
    assert!(!another_server_gets_it(&world, LEASE_S - 1).await);
    // Had it written at the last turn, it would have it until 22.
    assert!(another_server_gets_it(&world, LEASE_S).await);
}

#[tokio::test]
async fn after_half_its_time_a_lease_is_renewed() {
    let world = World::new();
    let mut hosts = Hosts::new(world.context.clone());
    for seconds in [0, 8] {
        turns(&mut hosts, seconds).await;
    }
    assert!(!another_server_gets_it(&world, 8 + LEASE_S - 1).await);
    assert!(another_server_gets_it(&world, 8 + LEASE_S).await);
}

#[tokio::test]
async fn a_clock_that_stepped_back_makes_no_lease_last_longer() {
    let world = World::new();
    let mut hosts = Hosts::new(world.context.clone());
    turns(&mut hosts, 100).await;
    // It took the lease in what is now the future, and asks for it anew.
    turns(&mut hosts, 0).await;
    assert!(another_server_gets_it(&world, LEASE_S).await);
}

#[tokio::test]
async fn a_loop_whose_work_was_taken_over_does_nothing_more() {
    let world = World::new();
    let mut hosts = Hosts::new(world.context.clone());
    turns(&mut hosts, 0).await;
    // Another server takes this one for dead.
    world.write(lease::free_all).await;
    assert!(another_server_gets_it(&world, 1).await);
    world.host_seen_at(1, START - Duration::from_secs(60)).await;

    // It still believes to have the lease: the fence refuses what it does.
    let said = fails(&mut hosts, 2).await;
    assert!(
        said.contains("web-1: the lease `deliver.hosts` was changed"),
        "{said}"
    );
    // Then it asks for it again, and hears that it is not its own.
    assert_eq!(turns(&mut hosts, 8).await, Turn::Idle);
    assert_eq!(world.facts().await, []);

    // Once the other one is gone, the work is done where it was left.
    turns(&mut hosts, 1 + LEASE_S).await;
    let facts = world.facts().await;
    assert!(matches!(facts[..], [Fact::HostSilent { .. }]), "{facts:?}");
}
