//! Services that run as units of systemd: by tools that stand in for it, and, where it is demanded, by a real
//! one. `make systemd` boots one beside the machine's own and runs these in it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use agent::{Supervisor, Systemd};
use model::api::agent::EventKind;
use model::deliver::{DesiredState, Proof, Reported};

use crate::groups::{escaped, escaping};
use crate::hooks::{Killable, lines, notes};
use crate::world::{World, again, is_running, pid, tiny, until};

/// Returns a world whose agent starts units through tools that stand in for systemd's, and their folder.
fn with_fakes() -> (tempfile::TempDir, World) {
    let dir = tempfile::tempdir().unwrap();
    for (name, script) in [
        ("systemd-run", include_str!("fake-systemd-run")),
        ("systemctl", include_str!("fake-systemctl")),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut world = World::new();
    world.config.supervisor = Supervisor::Systemd(Systemd::with_tools(dir.path()));
    (dir, world)
}

fn calls(tools: &Path) -> Vec<String> {
    lines(&tools.join("calls"))
}

/// Returns the units the tools were asked to start.
fn started(tools: &Path) -> Vec<String> {
    let unit = |call: &String| {
        let mut words = call.split(' ');
        words.find_map(|word| word.strip_prefix("--unit=").map(str::to_owned))
    };
    calls(tools).iter().filter_map(unit).collect()
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_release_runs_as_a_unit_of_its_name_and_its_environment_stands_in_no_command_line() {
    let (tools, mut world) = with_fakes();
    let mut one = world.release("1.0", "ok");
    let secret = "a \"b\" $HOME \\ `c`".to_owned();
    one.run.env.insert("SECRET".to_owned(), secret.clone());
    world.server.wish(1, &one);
    world.start();
    let proved = world.server.proves(Proof::Converged, 1);
    let [unit] = &started(tools.path())[..] else {
        panic!("{:?}", calls(tools.path()));
    };
    let folder = one.release.folder();
    assert!(
        unit.starts_with(&format!("sleepwell-shop@{folder}-")),
        "{unit}"
    );
    let call = &calls(tools.path())[0];
    let dir = world.base().join("shop/releases").join(&folder);
    assert!(
        call.contains(&format!("--working-directory={} ", dir.display())),
        "{call}"
    );
    assert!(call.contains("--description=shop 1.0 "), "{call}");
    assert!(!call.contains("SECRET") && !call.contains("HOME"), "{call}");
    let told = agent::procfs::environ(pid(&proved), "SECRET").unwrap();
    assert_eq!(told, Some(secret));
    assert!(!world.base().join("shop/unit.env").exists());

    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    world.server.proves(Proof::Converged, 2);
    assert!(!is_running(pid(&proved)));
    assert_eq!(started(tools.path()).len(), 2);
}

#[test]
fn the_next_agent_finds_the_unit_again_also_when_the_last_was_killed_before_it_wrote_it_down() {
    let (tools, mut world) = with_fakes();
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    world.stop();
    let db = rusqlite::Connection::open(world.base().join("state.db")).unwrap();
    for forget in ["$.nothing", "$.serving.process"] {
        let sql = "UPDATE service SET record = json_remove(record, ?1)";
        assert_eq!(db.execute(sql, [forget]).unwrap(), 1);
        world.server.board.0.lock().unwrap().last = None;
        world.start();
        let adopted = world.server.proves(Proof::Converged, 1);
        assert_eq!((pid(&adopted), adopted.unexpected_exits), (pid(&first), 0));
        world.stop();
    }
    assert_eq!(started(tools.path()).len(), 1);
}

#[test]
fn how_a_unit_ended_is_told_and_another_one_is_started_and_systemd_forgets_the_first() {
    let (tools, mut world) = with_fakes();
    let (dir, _notes) = notes();
    let crash = dir.path().join("crash");
    let mut one = world.idle("1.0");
    let script = format!(
        "until test -e {0}; do sleep 0.05; done; rm {0}; exit 3",
        crash.display()
    );
    one.run.exec = ["sh", "-c", &script].map(str::to_owned).to_vec();
    world.server.wish(1, &one);
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    std::fs::write(&crash, "").unwrap();
    let second = world.server.reports("restart", 20, |r| {
        r.unexpected_exits == 1 && r.proof == Proof::Converged
    });
    assert_ne!(pid(&first), pid(&second));
    let units = started(tools.path());
    assert!(units.len() == 2 && units[0] != units[1], "{units:?}");
    let told = || {
        let board = world.server.board.0.lock().unwrap();
        let mut kinds = board.events.iter().map(|event| &event.kind);
        kinds.find_map(|kind| match kind {
            EventKind::Exited { how, .. } => Some(how.clone()),
            _ => None,
        })
    };
    let how = until("the end", 10, told, String::new);
    assert_eq!(how, "ended with exit status: 3");
    let forgotten = || std::fs::read_to_string(tools.path().join("forgotten")).ok();
    assert_eq!(until("it", 10, forgotten, String::new).trim(), units[0]);
    // Of one that ended while nobody looked it is told too.
    world.stop();
    kill(pid(&second));
    until(
        "its end",
        10,
        || (!is_running(pid(&second))).then_some(()),
        String::new,
    );
    world.start();
    world.server.reports("restart", 20, |r| {
        r.unexpected_exits == 2 && r.proof == Proof::Converged
    });
    let away = || {
        let board = world.server.board.0.lock().unwrap();
        let text = format!("{:?}", board.events);
        text.contains("ended with signal: 9 while the agent was away")
            .then_some(())
    };
    let events = || format!("{:?}", world.server.board.0.lock().unwrap().events);
    until("the second end", 10, away, events);
}

#[test]
fn a_unit_that_systemd_refuses_is_a_release_that_does_not_start_and_the_old_one_goes_on() {
    let (tools, mut world) = with_fakes();
    world.server.wish(1, &world.release("1.0", "ok"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    std::fs::write(tools.path().join("refuses"), "Unit is masked.\nSee more.\n").unwrap();
    world.server.wish(1, &again(&world.release("2.0", "ok"), 2));
    let back = world.server.proves(Proof::Reverted, 2);
    assert!(
        back.why.contains("systemd-run: Unit is masked."),
        "{}",
        back.why
    );
    assert_eq!(pid(&back), pid(&first));
}

#[test]
fn a_unit_that_came_up_although_its_start_failed_is_stopped() {
    let (tools, mut world) = with_fakes();
    world.server.wish(1, &world.idle("1.0"));
    world.start();
    let first = world.server.proves(Proof::Converged, 1);
    let late = tools.path().join("late");
    std::fs::write(&late, "").unwrap();
    kill(pid(&first));
    let failed = || (started(tools.path()).len() >= 3).then_some(());
    until("a late start", 20, failed, String::new);
    std::fs::remove_file(&late).unwrap();
    let again = world.server.reports("restart", 20, |r| {
        r.unexpected_exits >= 1 && r.proof == Proof::Converged
    });
    let second = &started(tools.path())[1];
    let pid_file = tools.path().join(format!("{second}.pid"));
    let came_up: u32 = std::fs::read_to_string(pid_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert_ne!(came_up, pid(&again));
    let gone = || (!is_running(came_up)).then_some(());
    until("end of the late unit", 10, gone, || second.clone());
}

#[test]
fn what_one_supervisor_started_the_other_goes_on_with() {
    let (tools, mut world) = with_fakes();
    let by_systemd = std::mem::take(&mut world.config.supervisor);
    world.server.wish(1, &world.idle("1.0"));
    world.start();
    let mut last = pid(&world.server.proves(Proof::Converged, 1));
    for (generation, supervisor) in [(2, by_systemd), (3, Supervisor::BuiltIn)] {
        world.stop();
        world.config.supervisor = supervisor;
        world.server.board.0.lock().unwrap().last = None;
        world.start();
        let adopted = world.server.proves(Proof::Converged, generation - 1);
        assert_eq!(pid(&adopted), last);
        let next = again(&world.idle(&format!("{generation}.0")), generation);
        world.server.wish(1, &next);
        let proved = world.server.proves(Proof::Converged, generation);
        assert!(!is_running(last));
        last = pid(&proved);
    }
    assert_eq!(started(tools.path()).len(), 1);
}

/// Tells whether there is a real systemd to work with; only where it is demanded, because units are the whole
/// machine's.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn has_systemd() -> bool {
    if std::env::var_os("SLEEPWELL_DEMAND_SYSTEMD").is_some() {
        return true;
    }
    eprintln!("skipped: `make systemd` runs this in a systemd of its own");
    false
}

fn with_systemd() -> World {
    let mut world = World::new();
    world.config.supervisor = Supervisor::Systemd(Systemd::find().unwrap());
    world
}

fn systemctl(words: &[&str]) -> String {
    let output = Command::new("systemctl").args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Returns our units in a state, as systemd lists them.
fn units(state: &str) -> Vec<String> {
    let listed = systemctl(&[
        "list-units",
        "--plain",
        "--no-legend",
        &format!("--state={state}"),
        "sleepwell-shop@*",
    ]);
    let name = |line: &str| line.split(' ').next().map(str::to_owned);
    listed.lines().filter_map(name).collect()
}

fn cgroup(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap()
}

/// Is a limit the host's owner sets for the service, as `systemctl edit` does; it goes with the host's next start.
struct Limit(&'static Path);

impl Limit {
    fn set() -> Self {
        let folder = Path::new("/run/systemd/system/sleepwell-shop@.service.d");
        std::fs::create_dir_all(folder).unwrap();
        let text = "[Service]\nLimitNOFILE=4321\n";
        std::fs::write(folder.join("limit.conf"), text).unwrap();
        systemctl(&["daemon-reload"]);
        Self(folder)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0);
        systemctl(&["daemon-reload"]);
    }
}

/// One test, because units are the whole machine's.
#[test]
fn in_a_real_systemd_units_outlive_the_agent_and_end_with_all_they_started() {
    if !has_systemd() {
        return;
    }
    let (_dir, notes) = notes();
    let world = with_systemd();
    let _limit = Limit::set();
    let words = notes.with_file_name("words");
    let rest = format!("echo '$HOME $$ %n' > {}; exec sleep 300", words.display());
    let mut one = escaping(&world, "1.0", &notes, &rest);
    let secret = "a \"b\" $HOME \\\\ `c` %n \\".to_owned();
    one.run.env.insert("SECRET".to_owned(), secret.clone());
    world.server.wish(1, &one);
    let mut agent = Killable::start(&world);
    let first = world.server.proves(Proof::Converged, 1);
    let unit = units("active");
    assert_eq!(unit.len(), 1, "{unit:?}");
    let main = first
        .processes
        .iter()
        .find(|p| p.release_from_env.is_some());
    let main = main.unwrap().pid;
    let shown = systemctl(&["show", "-p", "MainPID", "--value", &unit[0]]);
    assert_eq!(shown.trim(), main.to_string());
    let told = agent::procfs::environ(main, "SECRET").unwrap();
    assert_eq!(told, Some(secret));
    assert_eq!(lines(&words), ["$HOME $$ %n"]);
    let limits = std::fs::read_to_string(format!("/proc/{main}/limits")).unwrap();
    assert!(limits.contains(" 4321 "), "{limits}");
    let left = escaped(&notes)[0];
    assert_eq!(cgroup(left), cgroup(main), "it did not escape the unit");
    assert!(first.processes.iter().any(|process| process.pid == left));

    agent.kill();
    // As if it had been killed before it wrote down what it started.
    let db = rusqlite::Connection::open(world.base().join("state.db")).unwrap();
    let sql = "UPDATE service SET record = json_set(record, '$.serving.process', NULL,
               '$.serving.unit.group', NULL)";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
    let _agent = Killable::start(&world);
    let adopted = world.server.proves(Proof::Converged, 1);
    assert_eq!(adopted.unexpected_exits, 0);
    let pids = |r: &Reported| r.processes.iter().map(|p| p.pid).collect::<Vec<_>>();
    assert_eq!(pids(&adopted), pids(&first));
    assert!(is_running(main) && is_running(left));

    let crash = notes.with_file_name("crash");
    let mut two = again(&world.idle("2.0"), 2);
    let script = format!(
        "until test -e {0}; do sleep 0.05; done; rm {0}; exit 3",
        crash.display()
    );
    two.run.exec = ["sh", "-c", &script].map(str::to_owned).to_vec();
    world.server.wish(1, &two);
    let second = world.server.proves(Proof::Converged, 2);
    assert!(!is_running(main) && !is_running(left));
    std::fs::write(&crash, "").unwrap();
    let third = world.server.reports("restart", 20, |r| {
        r.unexpected_exits == 1 && r.proof == Proof::Converged
    });
    assert_ne!(pid(&second), pid(&third));
    let told = || {
        let board = world.server.board.0.lock().unwrap();
        let text = format!("{:?}", board.events);
        text.contains("ended with exit status: 3").then_some(())
    };
    until("the end", 10, told, String::new);

    // It lies there and is no program, which only the kernel finds out.
    let mut broken = again(&world.idle("3.0"), 3);
    broken.run.exec = vec!["./tiny".to_owned()];
    world.server.wish(1, &broken);
    let back = world.server.proves(Proof::Reverted, 3);
    assert!(
        back.why.contains("cannot start `./tiny`: systemd-run: "),
        "{}",
        back.why
    );

    let mut stop = again(&world.idle("2.0"), 4);
    stop.state = DesiredState::Stopped;
    world.server.wish(1, &stop);
    world.server.proves(Proof::Stopped, 4);
    let gone = || (units("active").is_empty() && units("failed").is_empty()).then_some(());
    until("end of the units", 10, gone, || {
        systemctl(&["list-units", "sleepwell-shop@*"])
    });
}

/// Is an agent that is a unit itself, as `examples/systemd` has it, and starts services itself.
struct AgentUnit(&'static str);

impl AgentUnit {
    fn start(world: &World) -> Self {
        let name = "agent-under-test.service";
        let tiny = tiny();
        let status = Command::new("systemd-run")
            .args([
                "--quiet",
                "--property=KillMode=process",
                "--property=Delegate=yes",
            ])
            .arg(format!("--unit={name}"))
            .arg(&tiny)
            .args(["agent".as_ref(), world.config.base.as_os_str()])
            .args([world.server.url.as_ref(), tiny.as_os_str()])
            .status()
            .unwrap();
        assert!(status.success());
        Self(name)
    }
}

impl Drop for AgentUnit {
    fn drop(&mut self) {
        systemctl(&["stop", self.0]);
    }
}

#[test]
fn in_a_real_systemd_an_agent_that_is_restarted_as_a_unit_finds_its_services_in_groups_below_it() {
    if !has_systemd() {
        return;
    }
    let (_dir, notes) = notes();
    let world = World::new();
    let one = escaping(&world, "1.0", &notes, "exec sleep 300");
    world.server.wish(1, &one);
    let agent = AgentUnit::start(&world);
    let first = world.server.proves(Proof::Converged, 1);
    let [main, left] = [pid(&first), escaped(&notes)[0]];
    assert!(
        cgroup(main).contains("/agent-under-test.service/sleepwell/"),
        "{}",
        cgroup(main)
    );
    systemctl(&["restart", agent.0]);
    world.server.board.0.lock().unwrap().last = None;
    let adopted = world.server.proves(Proof::Converged, 1);
    assert_eq!((pid(&adopted), adopted.unexpected_exits), (main, 0));
    assert!(is_running(left));
    let mut stop = again(&one, 2);
    stop.state = DesiredState::Stopped;
    world.server.wish(1, &stop);
    world.server.proves(Proof::Stopped, 2);
    assert!(!is_running(main) && !is_running(left));
}
