//! The demo as `make run` shows it, from its first line to its last.

use crate::harness::process::{self, Process, sleepwell};
use crate::harness::shop;
use crate::harness::wait::Deadline;
use crate::harness::world::World;

/// How long the three acts may take on a busy machine.
const DEMO_S: u64 = 180;

/// What has to be read, in this order.
const STORY: [&str; 10] = [
    "Sleepwell is up at http://127.0.0.1:",
    "── shop 1.0,",
    "8 of 8 hosts in its rings are on 1.0",
    "── shop 1.1,",
    "verdict_given state=fail reason=harm",
    "↩ Rolled back by itself",
    "Subject: shop 1.1 was undone",
    "── shop 1.2,",
    "8 of 8 hosts in its rings are on 1.2",
    "stopping",
];

#[test]
fn the_demo_tells_its_story_and_leaves_nothing_running() {
    let world = World::empty();
    let begun = Deadline::in_seconds(DEMO_S);
    let mut demo = Process::start(&mut demo_command(&world));

    let so_far = demo.says("── shop 1.2,", DEMO_S);
    let (_, why) = so_far.rsplit_once("\n  Why: ").expect("it says why");
    let why = why.lines().next().and_then(|line| line.split("   ").next());
    let why = why.expect("a command and perhaps an address");
    let mut shell = std::process::Command::new("sh");
    let answer = Process::start(shell.args(["-c", why])).ends_within(20);
    assert_eq!(answer.code, Some(0), "{why}:\n{}", answer.said);
    assert!(answer.said.contains("payment errors"), "{}", answer.said);

    let ended = demo.ends_within(DEMO_S);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(!begun.is_over(), "it took {:?}", begun.elapsed());
    assert!(!ended.said.contains("still running"), "{}", ended.said);
    let mut rest = ended.said.as_str();
    for line in STORY {
        let (_, after) = rest
            .split_once(line)
            .unwrap_or_else(|| panic!("`{line}` is missing or out of order:\n{}", ended.said));
        rest = after;
    }
    assert_nothing_runs(&world);

    // The same data again: nothing is left to ship.
    let kept = Process::start(demo_command(&world).arg("--keep")).ends_within(60);
    assert_eq!(kept.code, Some(0), "{}", kept.said);
    assert!(
        kept.said.contains("chg-2 is undone since an earlier run"),
        "{}",
        kept.said
    );
    assert_nothing_runs(&world);
}

#[test]
fn a_demo_stopped_in_the_middle_goes_on_with_its_data() {
    let world = World::empty();
    let mut stopped = Process::start(&mut demo_command(&world));
    stopped.says("ring_proved ring=staff", 30);
    let soon = Deadline::in_seconds(5);
    stopped.interrupt();
    let ended = stopped.ends_within(10);
    assert!(!soon.is_over(), "it took {:?}", soon.elapsed());
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_nothing_runs(&world);

    let mut kept = Process::start(demo_command(&world).arg("--keep"));
    kept.says("ring_proved ring=canary", 30);
    kept.terminate();
    let ended = kept.ends_within(10);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let planned = ended.said.matches("rollout_planned").count();
    assert_eq!(planned, 1, "the same change goes on:\n{}", ended.said);
    assert_nothing_runs(&world);
}

fn demo_command(world: &World) -> std::process::Command {
    let mut command = sleepwell(&["up", "--demo", "--once", "--listen", "127.0.0.1:0"]);
    command.arg("--shop").arg(shop::sources());
    command.arg("--shop-programs").arg(shop::programs());
    command.arg("--data").arg(world.data());
    // Of another server somebody works with: `up` talks to its own.
    command.env("SLEEPWELL_TOKEN", "swt_of_another_server");
    command
}

fn assert_nothing_runs(world: &World) {
    let left = process::of_folder(world.folder());
    assert!(left.is_empty(), "{:?}", process::names(&left));
}
