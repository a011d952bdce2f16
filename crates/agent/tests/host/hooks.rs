//! Hooks of a release: once per order, uncertain after a kill, ended with everything they started.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use model::deliver::{Desired, Hook, Priority, Proof, Reported};

use crate::world::{World, again, is_running, pid, tiny, until};

pub(crate) fn hook(script: &str) -> Option<Hook> {
    Some(Hook {
        run: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout: Duration::from_secs(30),
        idempotent: false,
    })
}

/// A folder the hooks of a test write to.
pub(crate) fn notes() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes");
    std::fs::write(&path, "").unwrap();
    (dir, path)
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Gives a release all three hooks; each writes one line.
fn with_notes(mut desired: Desired, notes: &Path) -> Desired {
    let note = format!(
        "echo $SLEEPWELL_VERSION $SLEEPWELL_HOOK >> {}",
        notes.display()
    );
    let hooks = &mut desired.run.hooks;
    (hooks.pre_start, hooks.post_start, hooks.pre_stop) = (hook(&note), hook(&note), hook(&note));
    desired
}

#[test]
fn each_hook_runs_once_per_order_and_in_its_place() {
    let (_dir, notes) = notes();
    let mut world = World::new();
    let one = with_notes(world.release("1.0", "ok"), &notes);
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    assert_eq!(lines(&notes), ["1.0 pre_start", "1.0 post_start"]);
    // A restart after a crash is no order.
    let victim = rustix::process::Pid::from_raw(pid(&first).cast_signed()).unwrap();
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
    world.server.reports("restart", 20, |r| {
        r.unexpected_exits == 1 && r.proof == Proof::Converged
    });
    assert_eq!(lines(&notes).len(), 2);

    let two = again(&with_notes(world.release("2.0", "ok"), &notes), 2);
    world.server.wish(1, &two);
    world.server.proves(Proof::Converged, 2);
    world.stop();
    world.start();
    let mut undo = again(&one, 3);
    undo.priority = Priority::Rollback;
    world.server.wish(1, &undo);
    world.server.proves(Proof::Converged, 3);
    assert_eq!(
        lines(&notes)[2..],
        [
            "2.0 pre_start",
            "2.0 post_start",
            "1.0 pre_stop",
            "1.0 pre_start",
            "1.0 post_start",
            "2.0 pre_stop",
        ]
    );
}

#[test]
fn a_hook_is_told_who_it_works_for() {
    let (_dir, notes) = notes();
    let mut world = World::new();
    let mut one = world.release("1.0", "ok");
    let words = "$SLEEPWELL_IDEMPOTENCY_KEY $SLEEPWELL_PID $PORT $1 $GREETING";
    let script = format!("echo {words} > {}", notes.display());
    let mut told = hook(&script).unwrap();
    told.run.extend(["hook", "${PORT}"].map(str::to_owned));
    one.run.hooks.post_start = Some(told);
    world.server.wish(1, &one);
    world.start();
    let proved = world.server.proves(Proof::Converged, 1);
    let (folder, port) = (one.release.folder(), proved.port.unwrap());
    let agent = world.server.agent();
    let key = format!("{agent}/shop/1/{folder}/post_start");
    let expected = format!("{key} {} {port} {port} from {folder}", pid(&proved));
    assert_eq!(lines(&notes), [expected]);
}

#[test]
fn a_failing_pre_start_leaves_the_old_process_alone_and_says_what_it_wrote() {
    let mut world = World::new();
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    let mut two = again(&world.release("2.0", "ok"), 2);
    two.run.hooks.pre_start = hook("echo begun; echo no such table >&2; exit 7");
    world.server.wish(1, &two);
    let back = world.server.proves(Proof::Reverted, 2);
    assert_eq!(
        back.why,
        "pre_start hook ended with exit status: 7: begun / no such table"
    );
    assert_eq!((pid(&back), back.generation_applied), (pid(&first), 1));
    assert_eq!(back.unexpected_exits, 0);
}

#[test]
fn a_failing_post_start_brings_the_old_release_back_with_its_own_hooks() {
    let (_dir, notes) = notes();
    let mut world = World::new();
    let mut one = with_notes(world.release("1.0", "ok"), &notes);
    one.run.ports = vec![1];
    world.server.wish(1, &one);
    world.start();
    world.server.proves(Proof::Converged, 1);
    let mut two = again(&with_notes(world.release("2.0", "ok"), &notes), 2);
    two.run.ports = vec![1];
    two.run.hooks.post_start = hook("exit 1");
    world.server.wish(1, &two);
    let back = world.server.reports("revert", 30, |r| {
        r.proof == Proof::Reverted && r.generation_applied == 1 && r.healthy == Some(true)
    });
    assert_eq!(back.why, "post_start hook ended with exit status: 1");
    let wanted = [
        "2.0 pre_start",
        "1.0 pre_stop",
        "2.0 pre_stop",
        "1.0 post_start",
    ];
    until(
        "post_start of the old release",
        20,
        || (lines(&notes)[2..] == wanted).then_some(()),
        || format!("{:?}", lines(&notes)),
    );
}

#[test]
fn a_hook_that_hangs_is_killed_with_everything_it_started() {
    for control_groups in [true, false] {
        hangs_and_is_killed(control_groups);
    }
}

fn hangs_and_is_killed(control_groups: bool) {
    let (_dir, notes) = notes();
    let mut world = World::new();
    world.config.control_groups = control_groups;
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    let mut two = again(&world.release("2.0", "ok"), 2);
    let note = format!(">> {}", notes.display());
    // One in its session, one in a session of its own whose parent is gone, and itself deaf to a request.
    let script = format!(
        "trap '' TERM; echo $$ {note}; sleep 300 & echo $! {note}; \
         setsid sh -c 'sleep 300 & echo $! {note}' & wait"
    );
    two.run.hooks.pre_start = hook(&script);
    two.run.hooks.pre_start.as_mut().unwrap().timeout = Duration::from_secs(2);
    world.server.wish(1, &two);
    let back = world.server.proves(Proof::Reverted, 2);
    assert_eq!(
        back.why,
        "pre_start hook was killed: it did not end within 2s"
    );
    assert_eq!(pid(&back), pid(&first));
    let started: Vec<u32> = lines(&notes).iter().map(|l| l.parse().unwrap()).collect();
    assert_eq!(started.len(), 3);
    for one in started {
        assert!(!is_running(one), "pid {one}");
    }
}

#[test]
fn what_a_hook_leaves_behind_ends_with_it_and_is_no_drift() {
    for control_groups in [true, false] {
        leaves_nothing_behind(control_groups);
    }
}

fn leaves_nothing_behind(control_groups: bool) {
    let (_dir, notes) = notes();
    let mut world = World::new();
    world.config.control_groups = control_groups;
    let mut one = world.release("1.0", "ok");
    let script = format!("setsid sleep 300 & echo $! > {}", notes.display());
    one.run.hooks.pre_start = hook(&script);
    world.server.wish(1, &one);
    world.start();
    let proved = world.server.proves(Proof::Converged, 1);
    assert_eq!(proved.processes.len(), 1);
    assert!(!is_running(lines(&notes)[0].parse().unwrap()));
}

#[test]
fn a_running_hook_is_no_drift() {
    let (_dir, notes) = notes();
    let mut world = World::new();
    world.config.timings.watch = Duration::from_millis(50);
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    world.server.proves(Proof::Converged, 1);
    let mut two = again(&world.release("2.0", "ok"), 2);
    let wait = format!("until grep -q go {}; do sleep 0.05; done", notes.display());
    two.run.hooks.pre_start = hook(&wait);
    world.server.wish(1, &two);
    world.server.reports("hook", 20, |r| {
        assert_ne!(r.proof, Proof::Drifted, "{}", r.why);
        r.why == "running the pre_start hook"
    });
    // Several looks at all processes happen meanwhile.
    let since = world.server.last().unwrap().monotonic_ms;
    until(
        "looks",
        20,
        || {
            let last = world.server.last()?;
            assert_ne!(last.reported[0].proof, Proof::Drifted);
            (last.monotonic_ms > since + 500).then_some(())
        },
        String::new,
    );
    std::fs::write(&notes, "go\n").unwrap();
    world.server.proves(Proof::Converged, 2);
}

#[test]
fn an_undo_ends_a_hook_of_what_it_undoes() {
    let (_dir, notes) = notes();
    let mut world = World::new();
    let one = world.release("1.0", "ok");
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    let mut two = again(&world.release("2.0", "ok"), 2);
    two.run.hooks.pre_start = hook(&format!("echo $$ > {}; sleep 300", notes.display()));
    world.server.wish(1, &two);
    world
        .server
        .reports("hook", 20, |r| r.why == "running the pre_start hook");
    let begun = || (!lines(&notes).is_empty()).then_some(());
    until("line of the hook", 20, begun, String::new);
    let mut undo = again(&one, 3);
    undo.priority = Priority::Rollback;
    world.server.wish(1, &undo);
    let undone = world.server.proves(Proof::Converged, 3);
    assert_eq!(pid(&undone), pid(&first));
    let ended = || (!is_running(lines(&notes).first()?.parse().ok()?)).then_some(());
    until("end of the hook", 10, ended, String::new);
}

#[test]
fn a_failing_pre_stop_keeps_nobody() {
    let mut world = World::new();
    let mut one = world.release("1.0", "ok");
    one.run.hooks.pre_stop = hook("exit 1");
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    world.server.proves(Proof::Converged, 2);
    assert!(!is_running(pid(&first)));
}

/// Is an agent in a process of its own, so that it can be killed.
pub(crate) struct Killable<'a>(&'a World, Child);

impl<'a> Killable<'a> {
    pub(crate) fn start(world: &'a World) -> Self {
        let tiny = tiny();
        let child = Command::new(&tiny)
            .args(["agent".as_ref(), world.config.base.as_os_str()])
            .args([world.server.url.as_ref(), tiny.as_os_str()])
            .args(
                matches!(world.config.supervisor, agent::Supervisor::Systemd(_))
                    .then_some("systemd"),
            )
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(world, child)
    }

    /// Kills the agent in the middle of a hook, once that wrote its line.
    fn kill_in_hook(&mut self, notes: &Path) {
        let begun = || (!lines(notes).is_empty()).then_some(());
        until("hook", 20, begun, String::new);
        self.kill();
    }

    /// Kills the agent and forgets what it reported.
    pub(crate) fn kill(&mut self) {
        self.1.kill().unwrap();
        self.1.wait().unwrap();
        self.0.server.board.0.lock().unwrap().last = None;
    }
}

impl Drop for Killable<'_> {
    fn drop(&mut self) {
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}

/// Returns a release whose hook writes its key and waits for `go` beside the notes.
fn with_slow_hook(world: &World, notes: &Path, idempotent: bool) -> Desired {
    let mut one = world.idle("1.0");
    let (notes, go) = (notes.display(), notes.with_file_name("go"));
    let script = format!(
        "echo $SLEEPWELL_IDEMPOTENCY_KEY >> {notes}; until test -e {}; do sleep 0.05; done",
        go.display()
    );
    one.run.hooks.pre_start = hook(&script);
    one.run.hooks.pre_start.as_mut().unwrap().idempotent = idempotent;
    one
}

fn blocked(r: &Reported) -> bool {
    r.proof == Proof::Blocked
        && r.why
            .starts_with("hook uncertain: nobody saw how pre_start ended")
}

#[test]
fn a_hook_nobody_saw_the_end_of_is_not_run_twice_and_waits_for_a_person() {
    let (_dir, notes) = notes();
    let world = World::new();
    let one = with_slow_hook(&world, &notes, false);
    world.server.wish(1, &one);
    let mut agent = Killable::start(&world);
    agent.kill_in_hook(&notes);
    let _agent = Killable::start(&world);
    // It goes on: the new agent waits for its end instead of breaking it off in the middle.
    world
        .server
        .reports("hook", 20, |r| r.why == "running the pre_start hook");
    std::fs::write(notes.with_file_name("go"), "").unwrap();
    let reported = world.server.reports("uncertainty", 20, blocked);
    assert!(reported.processes.is_empty());
    assert_eq!(lines(&notes).len(), 1, "it ran once");
    // A new order has a key of its own.
    world.server.wish(1, &again(&one, 2));
    world.server.proves(Proof::Converged, 2);
    assert_eq!(lines(&notes).len(), 2);
}

#[test]
fn an_idempotent_hook_is_run_again_with_the_same_key() {
    let (_dir, notes) = notes();
    let world = World::new();
    let one = with_slow_hook(&world, &notes, true);
    world.server.wish(1, &one);
    let mut agent = Killable::start(&world);
    agent.kill_in_hook(&notes);
    std::fs::write(notes.with_file_name("go"), "").unwrap();
    let _agent = Killable::start(&world);
    world.server.proves(Proof::Converged, 1);
    let keys = lines(&notes);
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
}
