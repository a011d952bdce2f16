//! Starts, signals and finds processes; the built-in supervisor's hands.
//!
//! A service's process leads a session (or at least a group) of its own, so the agent can die without
//! it, and everything it started can be found by that session, and by its control group where there is
//! one ([`crate::cgroup`]). Signals go through a pidfd to exactly the process that was meant.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal};

use crate::cgroup::{self, Group};
use crate::procfs::{self, ProcessId};

/// A log that grew over this is moved aside, once.
const LOG_BYTES: u64 = 10 << 20;

/// What of the agent's own environment a service gets; the rest, tokens among it, it does not.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// The word in a hook's environment that names its run; what it starts inherits it.
pub(crate) const HOOK_KEY: &str = "SLEEPWELL_IDEMPOTENCY_KEY";

/// The word in the environment of what we start that names its release.
pub(crate) const RELEASE: &str = "SLEEPWELL_RELEASE";

/// Is everything needed to start one process.
pub(crate) struct Launch<'a> {
    /// What it is, for people: `shop 1.4`.
    pub(crate) title: String,
    pub(crate) exec: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// The release's own folder, not `current`.
    pub(crate) dir: &'a Path,
    pub(crate) log: &'a Path,
    pub(crate) helper: &'a [String],
    /// What the helper joins before it becomes the command.
    pub(crate) group: Option<&'a Group>,
}

pub(crate) fn spawn(launch: &Launch<'_>) -> io::Result<Child> {
    let (program, arguments) = launch
        .exec
        .split_first()
        .ok_or_else(|| io::Error::other("the release says nothing to run"))?;
    let program = self::program(launch.dir, program);
    let mut command = match launch.helper.split_first() {
        Some((helper, first)) => {
            let mut command = Command::new(helper);
            command.args(first).arg(program);
            command
        }
        None => {
            let mut command = Command::new(program);
            command.process_group(0);
            command
        }
    };
    let log = open_log(launch.log)?;
    // Said in the environment, which a helper of another version passes on instead of stumbling over it.
    let group = launch.group.filter(|_| !launch.helper.is_empty());
    command
        .args(arguments)
        .current_dir(launch.dir)
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .envs(group.map(|group| (cgroup::JOIN, group.path())))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Returns the words of the agent's environment a service gets.
pub(crate) fn inherited_env() -> Vec<(String, String)> {
    INHERITED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect()
}

/// Makes `./shop` absolute; a bare name is looked up in `PATH`.
pub(crate) fn program(dir: &Path, program: &str) -> PathBuf {
    let path = Path::new(program);
    if program.contains('/') && path.is_relative() {
        return dir.join(path.strip_prefix(".").unwrap_or(path));
    }
    path.to_owned()
}

/// Becomes the service: joins its control group, makes a session of its own, then replaces this program by
/// the command. A group that cannot be joined is told in the service's log and done without.
///
/// # Errors
/// Returns only when the command could not be started.
pub fn exec_service(command: &[OsString]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::other("no command to become");
    };
    if let Some(group) = std::env::var_os(cgroup::JOIN) {
        join(Path::new(&group));
    }
    if let Err(e) = rustix::process::setsid() {
        return e.into();
    }
    Command::new(program)
        .args(arguments)
        .env_remove(cgroup::JOIN)
        .exec()
}

fn join(group: &Path) {
    if let Err(e) = cgroup::join(group) {
        let group = group.display();
        let told =
            format!("sleepwell: cannot join the control group {group}: {e}; going without\n");
        let _ = io::stderr().write_all(told.as_bytes()); // there is nobody else to tell
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    rotate(path)?;
    OpenOptions::new().create(true).append(true).open(path)
}

/// Keeps a log within twice [`LOG_BYTES`]. It is copied and cut, because its writer goes on writing to
/// the same file; lines written between the two are lost.
pub(crate) fn rotate(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_BYTES) {
        fs::copy(path, path.with_extension("1"))?;
        OpenOptions::new().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}

/// Returns what belongs to a process that was started by us: itself, its group and its session, without
/// those that ended. Empty once the pid means something else.
pub(crate) fn members(leader: &ProcessId) -> Vec<u32> {
    if procfs::boot_id() != leader.boot_id {
        return Vec::new();
    }
    // A pid is not given to another process while a group or session of that number exists.
    if procfs::stat(leader.pid).is_some_and(|stat| stat.starttime != leader.starttime) {
        return Vec::new();
    }
    // Once it is gone, the number may have become that of a group of somebody else, whose leader is gone too.
    let is_there = procfs::stat(leader.pid).is_some();
    let is_ours = |pid| procfs::environ(pid, RELEASE).is_ok_and(|name| name.is_some());
    let number = i64::from(leader.pid);
    procfs::pids()
        .into_iter()
        .filter_map(procfs::stat)
        .filter(|stat| !stat.is_over())
        .filter(|stat| stat.pid == leader.pid || stat.pgrp == number || stat.session == number)
        .filter(|stat| stat.starttime >= leader.starttime)
        .filter(|stat| is_there || is_ours(stat.pid))
        .map(|stat| stat.pid)
        .collect()
}

/// Returns what belongs to a process by [`members`] and what is in its group, each once.
pub(crate) fn all_of(leader: Option<&ProcessId>, group: Option<&Group>) -> Vec<u32> {
    let mut pids = leader.map(members).unwrap_or_default();
    let grouped = group.map(Group::pids).unwrap_or_default();
    pids.extend(grouped);
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Kills these, and with the group also what they start meanwhile.
pub(crate) fn kill_all(pids: &[u32], group: Option<&Group>) {
    if let Some(group) = group {
        group.kill();
    }
    for pid in pids {
        signal(*pid, Signal::KILL);
    }
}

/// Returns processes that carry this release's name, stand or run in its folder and are none of
/// `known`: children that left the session, or one the agent was killed before writing down.
pub(crate) fn strays(dir: &Path, folder: &str, known: &[u32]) -> Vec<u32> {
    procfs::pids()
        .into_iter()
        .filter(|pid| !known.contains(pid) && is_in(*pid, dir))
        .filter(|pid| procfs::stat(*pid).is_some_and(|stat| !stat.is_over()))
        .filter(|pid| {
            let name = procfs::environ(*pid, RELEASE);
            name.is_ok_and(|name| name.as_deref() == Some(folder))
        })
        // A hook of the release is not its service.
        .filter(|pid| !procfs::environ(*pid, HOOK_KEY).is_ok_and(|key| key.is_some()))
        .collect()
}

/// Returns what a hook started, wherever it went: what is in its group, in its session, or carries its key.
/// Without a group, a child that left the session and threw its environment away as well is not found.
pub(crate) fn of_hook(key: &str, leader: Option<&ProcessId>, group: Option<&Group>) -> Vec<u32> {
    let mut found = all_of(leader, group);
    let carries = |pid: &u32| {
        carries_key(*pid, key) && procfs::stat(*pid).is_some_and(|stat| !stat.is_over())
    };
    let carriers: Vec<u32> = procfs::pids()
        .into_iter()
        .filter(|pid| !found.contains(pid) && carries(pid))
        .collect();
    found.extend(carriers);
    found
}

/// Tells of one process whether a hook started it, also when that was just now.
pub(crate) fn is_of_hook(pid: u32, key: &str, group: Option<&Group>) -> bool {
    carries_key(pid, key) || group.is_some_and(|group| group.pids().contains(&pid))
}

fn carries_key(pid: u32, key: &str) -> bool {
    procfs::environ(pid, HOOK_KEY).is_ok_and(|found| found.as_deref() == Some(key))
}

fn is_in(pid: u32, dir: &Path) -> bool {
    procfs::cwd(pid).is_ok_and(|cwd| cwd.starts_with(dir))
        || procfs::exe(pid).is_ok_and(|exe| exe.path.starts_with(dir))
}

/// Sends a signal to exactly the process that has this pid now and had it when it was looked at.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let Some(before) = procfs::stat(pid) else {
        return;
    };
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let Ok(fd) = rustix::process::pidfd_open(raw, PidfdFlags::empty()) else {
        return;
    };
    if procfs::stat(pid).is_some_and(|now| now.starttime == before.starttime) {
        // It may have ended meanwhile, which is what was wanted.
        let _ = rustix::process::pidfd_send_signal(fd, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_program_is_the_releases_own() {
        let of = |text| program(Path::new("/r"), text);
        assert_eq!(of("./shop"), Path::new("/r/shop"));
        assert_eq!(of("bin/shop"), Path::new("/r/bin/shop"));
        assert_eq!(of("sh"), Path::new("sh"));
        assert_eq!(of("/bin/sh"), Path::new("/bin/sh"));
    }

    /// Starts a group whose leader ends and leaves one process behind; returns the leader and what it left.
    fn orphan(release: Option<&str>) -> (ProcessId, u32) {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 300 > /dev/null & echo $!"]);
        command
            .process_group(0)
            .stdout(Stdio::piped())
            .env_remove(RELEASE);
        if let Some(release) = release {
            command.env(RELEASE, release);
        }
        let child = command.spawn().unwrap();
        let leader = ProcessId::of(child.id()).unwrap();
        let said = child.wait_with_output().unwrap().stdout;
        (
            leader,
            String::from_utf8(said).unwrap().trim().parse().unwrap(),
        )
    }

    #[test]
    fn what_a_gone_leader_left_is_ours_only_where_it_names_a_release() {
        for (release, is_ours) in [(Some("a-b"), true), (None, false)] {
            let (leader, left) = orphan(release);
            let found = members(&leader);
            signal(left, Signal::KILL);
            let expected = if is_ours { vec![left] } else { vec![] };
            assert_eq!(found, expected, "{release:?}");
        }
    }

    #[test]
    fn a_pid_that_means_another_process_has_no_members() {
        let mut me = ProcessId::of(std::process::id()).unwrap();
        assert!(members(&me).contains(&me.pid));
        me.starttime -= 1;
        assert!(members(&me).is_empty());
    }
}
