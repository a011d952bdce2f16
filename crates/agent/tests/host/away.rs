//! An agent the server does not hear any more: its services go on, and it does not storm the server.

use std::time::{Duration, Instant};

use model::deliver::Proof;

use crate::world::{World, again, is_running, pid, until};

const REVOKED: (&str, &str) = ("401 Unauthorized", "revoked_token");
const ANOTHER: (&str, &str) = ("409 Conflict", "another_agent");
/// Between two calls of an agent that is turned away, less what is taken off at random.
const PAUSE: Duration = Duration::from_millis(600);

fn syncs(world: &World) -> usize {
    let board = world.server.board.0.lock().unwrap();
    board
        .calls
        .iter()
        .filter(|path| *path == "/agent/v1/sync")
        .count()
}

/// Lets the server turn the agent away and returns the calls it made from its second held call to its sixth.
#[expect(
    clippy::disallowed_methods,
    reason = "a test measures the outside world"
)]
fn calls_while_turned_away(
    world: &mut World,
    how: (&'static str, &'static str),
) -> (Vec<String>, Duration) {
    {
        let mut board = world.server.board.0.lock().unwrap();
        board.turns_away = Some(how);
        world.server.board.1.notify_all();
    }
    until(
        "the first calls",
        20,
        || (syncs(world) >= 3).then_some(()),
        String::new,
    );
    world.server.board.0.lock().unwrap().calls.clear();
    let began = Instant::now();
    until(
        "more calls",
        20,
        || (syncs(world) >= 4).then_some(()),
        String::new,
    );
    let calls = std::mem::take(&mut world.server.board.0.lock().unwrap().calls);
    (calls, began.elapsed())
}

#[test]
fn an_agent_that_is_turned_away_asks_seldom_keeps_its_services_and_is_heard_again() {
    for how in [REVOKED, ANOTHER] {
        let mut world = World::new();
        world.config.timings.retry = (Duration::from_millis(10), PAUSE);
        let one = world.release("1.0", "ok");
        world.server.wish(1, &one);
        world.start();
        let first = world.server.proves(Proof::Converged, 1);
        let victim = rustix::process::Pid::from_raw(pid(&first).cast_signed()).unwrap();
        rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
        world
            .server
            .reports("the exit", 20, |r| r.unexpected_exits == 1);

        let (calls, took) = calls_while_turned_away(&mut world, how);
        // Reports, events and samples that are due wait for the held call to be heard.
        assert!(
            calls.iter().all(|path| path == "/agent/v1/sync"),
            "{calls:?}"
        );
        assert!(
            took >= PAUSE.mul_f64(0.75) * 3,
            "{} calls in {took:?}",
            calls.len()
        );

        {
            let mut board = world.server.board.0.lock().unwrap();
            (board.turns_away, board.last) = (None, None);
        }
        world.server.wish(1, &again(&one, 2));
        let second = world.server.proves(Proof::Converged, 2);
        assert!(is_running(pid(&second)));
    }
}
