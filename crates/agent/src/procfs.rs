//! Reads `/proc`: who runs, from which file, in which folder, with which words in its environment.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

/// Names one process for good: a pid alone is used again, and after a restart of the host so is the
/// start time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub boot_id: String,
    pub pid: u32,
    /// Clock ticks after boot.
    pub starttime: u64,
}

/// Is what we use of `/proc/PID/stat` (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    pub state: char,
    pub ppid: u32,
    pub pgrp: i64,
    pub session: i64,
    pub starttime: u64,
}

impl Stat {
    /// Tells whether it ended and only waits to be collected.
    pub fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Reads one line of `stat`. The command's name stands in parentheses and may itself hold spaces and
/// parentheses, so fields count from the last `)`.
pub fn parse_stat(text: &str) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let pid = before.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).copied(); // field 3 is the first after the name
    Some(Stat {
        pid,
        state: number(3)?.chars().next()?,
        ppid: number(4)?.parse().ok()?,
        pgrp: number(5)?.parse().ok()?,
        session: number(6)?.parse().ok()?,
        starttime: number(22)?.parse().ok()?,
    })
}

/// Returns the process's line, or nothing when there is no such process.
pub fn stat(pid: u32) -> Option<Stat> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&bytes))
}

/// Names this start of the host, so it is read once; empty when the kernel does not tell.
pub fn boot_id() -> &'static str {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    BOOT_ID.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    })
}

/// Names this run of the agent: another one each time it is started.
pub(crate) fn run_id() -> &'static str {
    static RUN_ID: OnceLock<String> = OnceLock::new();
    RUN_ID.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/uuid")
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    })
}

/// Makes a name that begins with this and is given once, over all runs of the agent.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let run = run_id().split('-').next().unwrap_or_default();
    format!("{name}-{run}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Returns all processes we may see, in no order.
pub fn pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Is the file a process runs, as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exe {
    /// Where it was when it was started.
    pub path: PathBuf,
    /// It was removed or replaced since; its bytes are still readable through [`exe_file`].
    pub deleted: bool,
}

pub fn exe(pid: u32) -> io::Result<Exe> {
    let link = std::fs::read_link(format!("/proc/{pid}/exe"))?;
    let bytes = link.as_os_str().as_bytes();
    Ok(match bytes.strip_suffix(b" (deleted)") {
        Some(path) if !link.exists() => Exe {
            path: OsStr::from_bytes(path).into(),
            deleted: true,
        },
        _ => Exe {
            path: link,
            deleted: false,
        },
    })
}

/// Returns the path under which the running file itself can be read, even when it was deleted.
pub fn exe_file(pid: u32) -> PathBuf {
    format!("/proc/{pid}/exe").into()
}

/// Returns the folder a process stands in; a deleted one has its old name.
pub fn cwd(pid: u32) -> io::Result<PathBuf> {
    let link = std::fs::read_link(format!("/proc/{pid}/cwd"))?.into_os_string();
    let bytes = link.into_vec();
    let bytes = bytes.strip_suffix(b" (deleted)").unwrap_or(&bytes);
    Ok(OsStr::from_bytes(bytes).into())
}

/// Returns a word of the environment the process was started with.
pub fn environ(pid: u32, name: &str) -> io::Result<Option<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ"))?;
    Ok(bytes.split(|&b| b == 0).find_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    }))
}

/// Returns the name of the user a process runs as, or its number.
pub fn user(pid: u32) -> String {
    let Ok(meta) = std::fs::metadata(format!("/proc/{pid}")) else {
        return "unknown".to_owned();
    };
    let uid = meta.uid().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&uid.as_str()))
        .map_or_else(|| format!("uid {uid}"), |fields| fields[0].to_owned())
}

/// Returns the release folder's name when `path` lies in one: the first part below `releases`.
pub fn release_of(path: &Path, releases: &Path) -> Option<String> {
    let first = path.strip_prefix(releases).ok()?.components().next()?;
    Some(first.as_os_str().to_string_lossy().into_owned())
}

impl ProcessId {
    /// Names the process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self {
            boot_id: boot_id().to_owned(),
            pid,
            starttime: stat(pid)?.starttime,
        })
    }

    /// Tells whether exactly this process still runs; one that ended and was not collected does not.
    pub fn is_alive(&self) -> bool {
        boot_id() == self.boot_id
            && stat(self.pid)
                .is_some_and(|stat| stat.starttime == self.starttime && !stat.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_fields() {
        let line = "42 (a) b) (c) S 1 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.state, stat.ppid), (42, 'S', 1));
        assert_eq!((stat.pgrp, stat.session, stat.starttime), (40, 39, 987_654));
    }

    #[test]
    fn our_own_process_is_alive_and_another_start_time_is_not() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        let mut other = me.clone();
        other.starttime += 1;
        assert!(!other.is_alive());
        let rebooted = ProcessId {
            boot_id: "another".into(),
            ..me
        };
        assert!(!rebooted.is_alive());
    }

    #[test]
    fn a_release_is_the_first_folder_below_releases() {
        let releases = Path::new("/b/shop/releases");
        let of = |path: &str| release_of(Path::new(path), releases);
        assert_eq!(of("/b/shop/releases/a-b/bin/shop").as_deref(), Some("a-b"));
        assert_eq!(of("/b/shop/releases"), None);
        assert_eq!(of("/b/shop/releases2/a-b"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_name_and_any_text_is_read_or_refused(name in "[^\\x00]{0,20}", text: String) {
            let line = format!("7 ({name}) R 1 2 3 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 55 9 9");
            proptest::prop_assert_eq!(parse_stat(&line).map(|s| s.starttime), Some(55));
            let _ = parse_stat(&text);
        }
    }
}
