//! The clock of a host is set while a release is on trial: deadlines and times go on as if it were right.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use agent::clock::{Clock, SystemClock};
use model::Timestamp;
use model::deliver::Proof;

use crate::world::{World, again, until};

/// Is the system's clock, ahead by what somebody set it to.
#[derive(Default)]
struct Stepping {
    right: SystemClock,
    ahead_s: AtomicI64,
}

impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        let ahead_ms = self.ahead_s.load(Ordering::Relaxed) * 1_000;
        Timestamp::from_millis(self.right.now().as_millis() + ahead_ms)
    }

    fn monotonic_ms(&self) -> u64 {
        self.right.monotonic_ms()
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test measures the outside world"
)]
fn a_clock_that_is_set_moves_no_deadline_and_no_time_that_is_told() {
    let clock = Arc::new(Stepping::default());
    let mut world = World::new();
    world.clock = Some(clock.clone());
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    let boot_at_ms = |world: &World| {
        let sync = world.server.last().unwrap();
        sync.steady.unwrap().as_millis() - i64::try_from(sync.monotonic_ms).unwrap()
    };
    let before = boot_at_ms(&world);

    world
        .server
        .wish(1, &again(&world.release("2.0", "sick"), 2));
    let begun = Instant::now();
    for ahead_s in [3_600, -7_200] {
        clock.ahead_s.store(ahead_s, Ordering::Relaxed);
        let stepped = || {
            let sync = world.server.last()?;
            let ahead_ms = sync.now.as_millis() - sync.steady?.as_millis();
            ((ahead_ms / 1_000 - ahead_s).abs() < 60).then_some(())
        };
        until("the new time", 20, stepped, String::new);
    }
    let reverted = world.server.proves(Proof::Reverted, 2);
    assert_eq!(
        reverted.why,
        "healthz never answered within 3s (/healthz answered 500)"
    );
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_secs(30),
        "{took:?}"
    );
    let moved_ms = |world: &World| (boot_at_ms(world) - before).abs();
    assert!(moved_ms(&world) < 1_000, "the timeline does not step");
    assert_eq!(
        reverted.started_at, first.started_at,
        "it is the same process"
    );
    assert!(reverted.since > first.since && reverted.since.since(first.since) < took * 2);

    // Nor with another run of the agent, whatever the clock shows when it begins.
    world.stop();
    world.server.board.0.lock().unwrap().last = None;
    world.start();
    world.server.proves(Proof::Reverted, 2);
    assert!(moved_ms(&world) < 1_000, "nor with a new agent");
}
