//! Control groups: each process we start and each hook gets one of its own, so that whatever it starts is
//! found and ended, also what leaves its session and throws its environment away.
//!
//! Only version 2 is used (the kernel's `Documentation/admin-guide/cgroup-v2.rst`), also where it stands
//! beside version 1. Groups lie below the one the agent itself is in, which is the part of the tree a
//! supervisor of the agent leaves to it. No controller is switched on: nothing is limited here.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use model::HostId;
use rustix::fs::Access;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::{Config, Supervisor, procfs, supervise};

/// The word that tells our helper which group to join; it is taken out before the service begins.
pub(crate) const JOIN: &str = "SLEEPWELL_JOIN_GROUP";

/// The group all of ours lie in, below the agent's own.
const OURS: &str = "sleepwell";

/// Makes the groups of one agent; none where the host does not let it.
pub(crate) struct Groups {
    home: Option<PathBuf>,
}

/// Is one group: a folder of the kernel's, empty or with processes in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Group(PathBuf);

/// Returns the folder in which an agent that is started as this process was makes its groups.
///
/// # Errors
/// Says why it cannot make any; its services are then found by session and environment alone.
pub fn control_groups() -> Result<PathBuf, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    let own = own_group(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
        .ok_or("no cgroup v2 that holds this process is mounted")?;
    // Moving a process needs the right to both groups and to the one they share.
    let procs = own.join("cgroup.procs");
    rustix::fs::access(&procs, Access::WRITE_OK)
        .map_err(|e| format!("{}: {e}", procs.display()))?;
    let home = own.join(OURS);
    make_all(&home).map_err(|e| format!("cannot make {}: {e}", home.display()))?;
    let kind = fs::read_to_string(home.join("cgroup.type")).unwrap_or_default();
    match kind.trim() {
        "domain" => Ok(home),
        kind => Err(format!(
            "{} takes no processes: it is `{kind}`",
            home.display()
        )),
    }
}

/// Finds a process's own group as a folder, from `/proc/PID/cgroup` and its `mountinfo` (proc(5)).
fn own_group(cgroup: &str, mountinfo: &str) -> Option<PathBuf> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    folder_of(path, mountinfo)
}

/// Returns the group of this path, where version 2 shows one.
pub(crate) fn folder(path: &str) -> Option<Group> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let folder = folder_of(path, &mountinfo).filter(|_| !path.is_empty())?;
    Some(Group(folder)).filter(Group::exists)
}

fn folder_of(path: &str, mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        // A mount of a part of the tree shows only what lies in that part.
        let below = Path::new(path).strip_prefix(root).ok()?;
        let is_below = below
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        (file_system.starts_with("cgroup2 ") && is_below).then(|| Path::new(point).join(below))
    })
}

/// Makes a folder and those above it; another agent may just be taking an empty one away.
fn make_all(path: &Path) -> io::Result<()> {
    let mut made = fs::create_dir_all(path);
    for _ in 0..3 {
        match made {
            Err(e) if e.kind() == io::ErrorKind::NotFound => made = fs::create_dir_all(path),
            done => return done,
        }
    }
    made
}

impl Groups {
    /// Finds out whether this agent can make groups, and says so in its log.
    pub(crate) fn find(config: &Config, agent: HostId) -> Self {
        let found = match () {
            () if !config.control_groups => Err("they are switched off".to_owned()),
            () if config.exec_helper.is_empty() => {
                Err("there is no helper to join them".to_owned())
            }
            () => control_groups(),
        };
        let whose = match config.supervisor {
            Supervisor::BuiltIn => "services and hooks",
            Supervisor::Systemd(_) => "hooks", // systemd makes those of its units
        };
        match found {
            Ok(home) => {
                let home = home.join(agent.to_string());
                tracing::info!("{whose} run in control groups below {}", home.display());
                Self { home: Some(home) }
            }
            Err(why) => {
                tracing::info!(
                    "{whose} run without control groups: {why}; what leaves its session and \
                     clears its environment will not be found"
                );
                Self { home: None }
            }
        }
    }

    /// Makes an empty group whose name begins with `name` and is given to no other, in no life of the agent.
    pub(crate) fn make(&self, name: &str) -> Option<Group> {
        let path = self.home.as_ref()?.join(procfs::unique(name));
        match make_all(&path) {
            Ok(()) => Some(Group(path)),
            Err(e) => {
                tracing::warn!("cannot make {}, so it goes without: {e}", path.display());
                None
            }
        }
    }

    /// Removes the empty groups of former lives of this agent that nothing is recorded of, then its own folder
    /// when that is empty.
    pub(crate) fn tidy(&self, recorded: &[Group]) {
        let Some(home) = &self.home else {
            return;
        };
        for group in folders_in(home).into_iter().map(Group) {
            if !recorded.contains(&group) && !group.remove() {
                tracing::warn!(
                    "{} holds processes and nothing is recorded of it",
                    group.0.display()
                );
            }
        }
        remove_home(home);
    }
}

/// Removes the folder of an agent and the one above it, where they are empty.
fn remove_home(home: &Path) {
    if fs::remove_dir(home).is_ok()
        && let Some(ours) = home.parent()
    {
        let _ = fs::remove_dir(ours); // others may have groups there
    }
}

impl Group {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.is_dir()
    }

    /// Returns the processes in it and in the groups below it, without those that ended.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let folders = self.folders();
        let procs = folders
            .iter()
            .filter_map(|folder| fs::read_to_string(folder.join("cgroup.procs")).ok());
        let mut pids = Vec::new();
        for text in procs {
            pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        }
        // 0 is a process of another namespace.
        pids.retain(|pid| *pid != 0 && procfs::stat(*pid).is_some_and(|stat| !stat.is_over()));
        pids
    }

    /// Kills everything in it at once, also what is just being born.
    pub(crate) fn kill(&self) {
        if self.exists() && write(&self.0.join("cgroup.kill"), "1").is_err() {
            self.kill_each();
        }
    }

    /// Kills one after the other what is held still meanwhile, for kernels before 5.14.
    fn kill_each(&self) {
        let hold = |how| write(&self.0.join("cgroup.freeze"), how);
        let held = hold("1");
        for pid in self.pids() {
            supervise::signal(pid, Signal::KILL);
        }
        if held.is_ok()
            && let Err(e) = hold("0")
        {
            tracing::warn!("cannot thaw {}: {e}", self.0.display());
        }
    }

    /// Removes it and what lies below; false while something runs in it.
    pub(crate) fn remove(&self) -> bool {
        for folder in self.folders().iter().rev() {
            let _ = fs::remove_dir(folder); // whether it worked is looked at below
        }
        !self.exists()
    }

    /// As [`Self::remove`]; takes the agent's folder away too where this was the last.
    pub(crate) fn remove_with_home(&self) -> bool {
        let is_gone = self.remove();
        if is_gone && let Some(home) = self.0.parent() {
            remove_home(home);
        }
        is_gone
    }

    /// Returns itself and all below, each before what lies in it.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.0.clone()];
        let mut next = 0;
        while let Some(folder) = folders.get(next) {
            let below = folders_in(folder);
            folders.extend(below);
            next += 1;
        }
        folders
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Puts this process into a group.
pub(crate) fn join(group: &Path) -> io::Result<()> {
    write(&group.join("cgroup.procs"), "0")
}

/// Writes to a file of the kernel's; there is no making one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::Stop;

    const UNIFIED: &str = "31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
    const HYBRID: &str = "40 39 0:33 / /sys/fs/cgroup/pids rw shared:2 - cgroup cgroup rw,pids\n\
        41 39 0:34 / /sys/fs/cgroup/unified rw shared:3 - cgroup2 cgroup rw,nsdelegate\n";
    const PART: &str = "31 23 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup ro\n";

    #[test]
    fn the_agents_own_group_is_found_wherever_version_2_is_mounted() {
        let own = |cgroup: &str, mounts: &str| {
            own_group(cgroup, mounts).map(|path| path.display().to_string())
        };
        let unit = "0::/system.slice/sleepwell-agent.service\n";
        for (cgroup, mounts, expected) in [
            (
                unit,
                UNIFIED,
                Some("/sys/fs/cgroup/system.slice/sleepwell-agent.service"),
            ),
            (
                "8:pids:/a\n0::/b\n",
                HYBRID,
                Some("/sys/fs/cgroup/unified/b"),
            ),
            ("0::/docker/ab/c\n", PART, Some("/sys/fs/cgroup/c")),
            // It lies outside of what is mounted, or of its own namespace.
            ("0::/docker/abc\n", PART, None),
            ("0::/../a\n", UNIFIED, None),
            ("8:pids:/a\n", HYBRID, None),
            ("0::/a\n", "", None),
            ("", "no such line - cgroup2", None),
        ] {
            assert_eq!(own(cgroup, mounts).as_deref(), expected, "{cgroup}");
        }
    }

    /// Returns a group of the real host; none, said loudly, where it makes none.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn real(name: &str) -> Option<Group> {
        match control_groups() {
            Ok(home) => {
                let groups = Groups {
                    home: Some(home.join(format!("test-{}-{name}", std::process::id()))),
                };
                Some(groups.make(name).unwrap())
            }
            Err(why) if std::env::var_os("SLEEPWELL_DEMAND_CGROUPS").is_some() => panic!("{why}"),
            Err(why) => {
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    /// Starts a shell in a group that starts a child outside of its session, without its environment; returns
    /// when both are there.
    fn two_in(group: &Group) -> Child {
        let procs = group.0.join("cgroup.procs");
        let script = format!(
            "echo 0 > {}; setsid env -i sleep 300 & sleep 300 & wait",
            procs.display()
        );
        let child = Command::new("sh")
            .args(["-c", &script])
            .process_group(0)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until(|| group.pids().len() == 3);
        child
    }

    fn until(what: impl Fn() -> bool) {
        let pause = Stop::default();
        for _ in 0..1_000 {
            if what() {
                return;
            }
            pause.wait(std::time::Duration::from_millis(10));
        }
        panic!("it did not come to be within 10 s");
    }

    #[test]
    fn what_is_killed_as_a_group_is_gone_wherever_it_went_and_the_group_with_it() {
        for by_hand in [false, true] {
            let Some(group) = real("kill") else {
                return;
            };
            let mut child = two_in(&group);
            assert!(!group.remove(), "it holds processes");
            if by_hand {
                group.kill_each();
            } else {
                group.kill();
            }
            until(|| group.pids().is_empty());
            child.wait().unwrap();
            until(|| group.remove());
            group.remove_with_home();
            assert!(!group.0.parent().unwrap().exists());
        }
    }

    #[test]
    fn a_group_below_is_part_of_it() {
        let Some(group) = real("nested") else {
            return;
        };
        let below = Group(group.0.join("below/it"));
        fs::create_dir_all(&below.0).unwrap();
        let mut child = two_in(&below);
        assert_eq!(group.pids().len(), 3);
        group.kill();
        until(|| group.pids().is_empty());
        child.wait().unwrap();
        until(|| group.remove());
        assert!(!below.exists());
        group.remove_with_home();
    }

    #[test]
    fn only_empty_groups_nothing_is_recorded_of_are_tidied_away() {
        let Some(recorded) = real("recorded") else {
            return;
        };
        let home = recorded.0.parent().unwrap().join("tidy");
        let groups = Groups { home: Some(home) };
        let [empty, full, kept] = ["empty", "full", "kept"].map(|name| groups.make(name).unwrap());
        let mut child = two_in(&full);
        groups.tidy(std::slice::from_ref(&kept));
        assert_eq!(
            [&empty, &full, &kept].map(Group::exists),
            [false, true, true]
        );
        full.kill();
        until(|| full.pids().is_empty() && full.remove());
        child.wait().unwrap();
        groups.tidy(&[]);
        assert!(!groups.home.as_ref().unwrap().exists());
        until(|| recorded.remove());
        recorded.remove_with_home();
    }
}
