//! Has systemd run services as transient units, so that their limits and logs are systemd's.
//!
//! Only the start goes through systemd. Which process a unit runs and what belongs to it is read from `/proc`
//! and the unit's control group, and it is ended through them, as with any other process: what has to go goes
//! also when systemd does not answer. systemd restarts nothing; when and how often is the agent's decision.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cgroup::{self, Group};
use crate::procfs::{self, ProcessId};
use crate::supervise::{self, Launch};
use crate::{Stop, record::Slot};

/// systemd runs where this folder is (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

/// The first version that says whether a command could be started at all (`Type=exec`).
const FIRST_VERSION: u32 = 240;

/// How long one of its tools may take; a start waits until the command runs.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// How long systemd may take to notice an end that `/proc` shows.
const NOTICE: Duration = Duration::from_millis(500);

/// Who starts services.
#[derive(Clone, Debug, Default)]
pub enum Supervisor {
    /// The agent itself.
    #[default]
    BuiltIn,
    Systemd(Systemd),
}

/// Is the way to systemd: its tools.
#[derive(Clone, Debug)]
pub struct Systemd {
    run: PathBuf,
    ctl: PathBuf,
}

/// Is one unit of ours, written down before it is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) name: String,
    /// The unit's control group, once it was started; systemd's to remove.
    pub(crate) group: Option<Group>,
}

impl Unit {
    /// Names a unit for a process that is about to be started; no other was or will be named so.
    pub(crate) fn of(slot: &Slot) -> Self {
        let instance = procfs::unique(&slot.folder());
        Self {
            name: format!("sleepwell-{}@{instance}.service", slot.desired.service),
            group: None,
        }
    }
}

/// Is what systemd says of a unit.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    main_pid: u32,
    control_group: String,
    active_state: String,
    result: String,
    /// 1: the process ended by itself, 2 and 3: by a signal (`waitid(2)`).
    code: u32,
    status: u32,
}

impl Systemd {
    /// Finds systemd on this host.
    ///
    /// # Errors
    /// Says why services cannot be its units: it does not run here, we are not root, it is too old.
    pub fn find() -> Result<Self, String> {
        if !Path::new(BOOTED).is_dir() {
            return Err("systemd does not run on this host".to_owned());
        }
        if !rustix::process::geteuid().is_root() {
            return Err("only root may start units of the system".to_owned());
        }
        let found = Self {
            run: "systemd-run".into(),
            ctl: "systemctl".into(),
        };
        let said = found.control(&["--version"]).map_err(|e| e.to_string())?;
        match version(&said) {
            Some(FIRST_VERSION..) => Ok(found),
            Some(version) => Err(format!(
                "systemd {version} is older than {FIRST_VERSION}, the first that says whether a start worked"
            )),
            None => Err("systemctl does not say its version".to_owned()),
        }
    }

    /// Uses the tools in a folder; for tests.
    pub fn with_tools(dir: &Path) -> Self {
        Self {
            run: dir.join("systemd-run"),
            ctl: dir.join("systemctl"),
        }
    }

    /// Starts a unit; it has become its command when this returns.
    pub(crate) fn start(
        &self,
        unit: &str,
        launch: &Launch<'_>,
        stop_timeout: Duration,
    ) -> io::Result<(ProcessId, Option<Group>)> {
        // A command line and a unit's properties can be read by anybody; what it is told may be secret.
        let environment = launch.log.with_file_name("unit.env");
        write_environment(&environment, &launch.env)?;
        let started = self.run(unit, launch, &environment, stop_timeout);
        fs::remove_file(&environment)?;
        let shown = started.and_then(|()| self.show(unit)).inspect_err(|_| {
            // It may come up yet, and nobody would know of it.
            let _ = self.stop(unit);
        })?;
        let process = ProcessId::of(shown.main_pid).filter(|_| shown.main_pid != 0);
        let process = process.ok_or_else(|| io::Error::other(ended(&shown)))?;
        Ok((process, cgroup::folder(&shown.control_group)))
    }

    fn run(
        &self,
        unit: &str,
        launch: &Launch<'_>,
        environment: &Path,
        stop_timeout: Duration,
    ) -> io::Result<()> {
        let (program, arguments) = launch
            .exec
            .split_first()
            .ok_or_else(|| io::Error::other("the release says nothing to run"))?;
        let program = supervise::program(launch.dir, program);
        let mut command = Command::new(&self.run);
        command
            .args(["--quiet", "--no-ask-password", "--property=Type=exec"])
            .arg(format!("--unit={unit}"))
            .arg(format!("--description={}", launch.title))
            .arg(option("--working-directory=", launch.dir))
            .arg(option("--property=EnvironmentFile=", environment))
            .arg(format!(
                "--property=TimeoutStopSec={}ms",
                stop_timeout.as_millis()
            ))
            .arg("--")
            .arg(program)
            .args(arguments.iter().map(|word| literal(word)));
        said_by(command).map(drop)
    }

    /// Returns the process of a unit and its group, where it runs.
    pub(crate) fn find_unit(&self, unit: &str) -> Option<(ProcessId, Option<Group>)> {
        let shown = self.show(unit).ok()?;
        let process = ProcessId::of(shown.main_pid).filter(|_| shown.main_pid != 0)?;
        Some((process, cgroup::folder(&shown.control_group)))
    }

    /// Says how a unit's process ended that `/proc` does not show any more.
    pub(crate) fn how_ended(&self, unit: &str) -> String {
        let mut waited = Duration::ZERO;
        loop {
            match self.show(unit) {
                Ok(shown) if shown.code == 0 && shown.main_pid != 0 && waited < NOTICE => {}
                Ok(shown) => return ended(&shown),
                Err(e) => return format!("ended (systemd does not say how: {e})"),
            }
            Stop::default().wait(LOOK);
            waited += LOOK;
        }
    }

    fn stop(&self, unit: &str) -> io::Result<()> {
        self.control(&["stop", "--no-block", unit]).map(drop)
    }

    /// Has systemd forget a unit nobody wants any more; false while it has not ended, or systemd has not noticed.
    pub(crate) fn forget(&self, unit: &str) -> bool {
        match self.show(unit) {
            Ok(shown) if shown.active_state == "failed" => {
                // Not to stand among the host's failed units: whether it failed is the agent's to tell.
                let _ = self.control(&["reset-failed", unit]);
                true
            }
            Ok(shown) if shown.active_state == "inactive" => true,
            Ok(_) => self.stop(unit).is_err(),
            // It has no process any more, and a worker has better to do than to wait for systemd.
            Err(_) => true,
        }
    }

    fn show(&self, unit: &str) -> io::Result<Shown> {
        let properties =
            "--property=MainPID,ControlGroup,ActiveState,Result,ExecMainCode,ExecMainStatus";
        Ok(read_shown(&self.control(&["show", properties, unit])?))
    }

    fn control(&self, words: &[&str]) -> io::Result<String> {
        let mut command = Command::new(&self.ctl);
        command.args(words);
        said_by(command)
    }
}

/// Reads the version off what the tools say: `systemd 252 (252.39-1~deb12u2)`.
fn version(said: &str) -> Option<u32> {
    let word = said.split_whitespace().nth(1)?;
    let digits = word.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(path);
    option
}

/// Returns a word as systemd hands it on unchanged: it replaces variables of its own in what it runs.
fn literal(word: &str) -> String {
    word.replace('$', "$$")
}

fn read_shown(text: &str) -> Shown {
    let mut shown = Shown::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match name {
            "MainPID" => shown.main_pid = value.parse().unwrap_or(0),
            "ControlGroup" => value.clone_into(&mut shown.control_group),
            "ActiveState" => value.clone_into(&mut shown.active_state),
            "Result" => value.clone_into(&mut shown.result),
            "ExecMainCode" => shown.code = value.parse().unwrap_or(0),
            "ExecMainStatus" => shown.status = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    shown
}

fn ended(shown: &Shown) -> String {
    let status = shown.status;
    match (shown.code, shown.result.as_str()) {
        (_, "oom-kill") => {
            "ended: killed because the host or its unit was out of memory".to_owned()
        }
        (1, _) => format!("ended with exit status: {status}"),
        (2 | 3, _) => format!("ended with signal: {status}"),
        // systemd forgets what did not fail.
        _ => "ended without a failure, or was stopped through systemctl".to_owned(),
    }
}

/// Writes words in the syntax of `EnvironmentFile=` (`systemd.exec(5)`), readable by us alone.
fn write_environment(path: &Path, env: &[(String, String)]) -> io::Result<()> {
    let _ = fs::remove_file(path); // one that was left behind may be readable by others
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(environment(env).as_bytes())
}

fn environment(env: &[(String, String)]) -> String {
    env.iter()
        .map(|(name, value)| format!("{name}=\"{}\"\n", quoted(value)))
        .collect()
}

fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// Runs a tool to its end and returns what it said; what it said of a failure is the error.
fn said_by(mut command: Command) -> io::Result<String> {
    let name = Path::new(command.get_program()).file_name();
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    let failed = |why: String| io::Error::other(format!("{name}: {why}"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    let (pause, mut waited) = (Stop::default(), Duration::ZERO);
    // What they say fits into a pipe, so they need no reader to come to their end.
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if waited >= PATIENCE {
            child.kill()?;
            child.wait()?;
            let limit = model::time::short(PATIENCE);
            return Err(failed(format!("it did not answer within {limit}")));
        }
        pause.wait(LOOK);
        waited += LOOK;
    };
    let output = Output {
        status,
        stdout: rest_of(child.stdout.take()),
        stderr: rest_of(child.stderr.take()),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(
        said.trim()
            .lines()
            .next()
            .map_or_else(|| output.status.to_string(), str::to_owned),
    ))
}

fn rest_of(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What cannot be read was not said.
        let _ = stream.read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_of_a_unit_is_how_it_ended() {
        let how = |text: &str| ended(&read_shown(text));
        for (text, expected) in [
            (
                "Result=exit-code\nExecMainCode=1\nExecMainStatus=3\nActiveState=failed\n",
                "ended with exit status: 3",
            ),
            (
                "Result=signal\nExecMainCode=2\nExecMainStatus=11\n",
                "ended with signal: 11",
            ),
            (
                "Result=oom-kill\nExecMainCode=2\nExecMainStatus=9\n",
                "ended: killed because the host or its unit was out of memory",
            ),
            (
                "Result=success\nExecMainCode=0\nExecMainStatus=0\nActiveState=inactive\n",
                "ended without a failure, or was stopped through systemctl",
            ),
        ] {
            assert_eq!(how(text), expected);
        }
        let running = read_shown("MainPID=42\nControlGroup=/system.slice/a=b.service\nnonsense\n");
        assert_eq!(running.main_pid, 42);
        assert_eq!(running.control_group, "/system.slice/a=b.service");
    }

    #[test]
    fn the_version_is_read_also_off_a_candidate_of_a_release() {
        assert_eq!(version("systemd 252 (252.39-1~deb12u2)\n+PAM"), Some(252));
        assert_eq!(version("systemd 259~rc1 (259~rc1-1)\n"), Some(259));
        assert_eq!(version("busybox"), None);
    }

    #[test]
    fn words_and_values_reach_the_command_as_they_are_written() {
        assert_eq!(literal("a$HOME${x}"), "a$$HOME$${x}");
        let env = [("A".to_owned(), "x \"y\" \\ $Z `w`\n#n".to_owned())];
        assert_eq!(
            environment(&env),
            "A=\"x \\\"y\\\" \\\\ \\$Z \\`w\\`\n#n\"\n"
        );
    }

    #[test]
    fn a_tool_that_fails_says_why_and_one_that_is_not_there_is_named() {
        let says = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            said_by(command).map_err(|e| e.to_string())
        };
        assert_eq!(says("echo yes"), Ok("yes\n".to_owned()));
        assert_eq!(
            says("echo no such unit >&2; echo more >&2; exit 1"),
            Err("sh: no such unit".to_owned())
        );
        assert_eq!(says("exit 4"), Err("sh: exit status: 4".to_owned()));
        let missing = said_by(Command::new("/nonexistent/systemctl")).unwrap_err();
        assert!(missing.to_string().starts_with("systemctl: No such file"));
    }

    #[test]
    fn a_file_of_words_is_readable_by_us_alone_whatever_was_there() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("unit.env");
        fs::write(&path, "old").unwrap();
        write_environment(&path, &[("A".to_owned(), "b".to_owned())]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=\"b\"\n");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
