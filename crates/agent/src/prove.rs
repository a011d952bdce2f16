//! Proves from the running processes what a host runs (delivery specification, 2.11).
//!
//! All that apply must agree with the wanted release: the bytes of the running file, the folder the
//! process stands in, the release's name in its environment. Any other process whose file or folder
//! lies in another release is named.

use std::io;
use std::path::Path;

use model::Digest;
use model::deliver::{ArtifactFormat, Desired, Process};

use crate::procfs;
use crate::sha::DigestCache;

/// Is one process as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) process: Process,
    /// What we were not allowed to read.
    pub(crate) denied: Option<String>,
    /// What the release on the disk holds where the running file came from.
    on_disk: Option<Digest>,
    /// The running file's name.
    exe: String,
}

/// Is what one process says about the wanted release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Agrees,
    Disagrees(String),
    CannotTell(String),
}

/// Reads everything about one process; none when it ended meanwhile.
pub(crate) fn see(pid: u32, releases: &Path, cache: &mut DigestCache) -> Option<Seen> {
    let starttime = procfs::stat(pid)?.starttime;
    let mut denied = None;
    let exe = allowed(procfs::exe(pid), "exe", &mut denied)?;
    let cwd = allowed(procfs::cwd(pid), "cwd", &mut denied)?;
    let env = allowed(
        procfs::environ(pid, "SLEEPWELL_RELEASE"),
        "environ",
        &mut denied,
    )?
    .flatten();
    let from_exe = exe
        .as_ref()
        .and_then(|exe| procfs::release_of(&exe.path, releases));
    let exe_sha256 = match &exe {
        Some(_) => allowed(cache.of(&procfs::exe_file(pid)), "exe", &mut denied)?,
        None => None,
    };
    let on_disk = exe
        .as_ref()
        .filter(|_| from_exe.is_some())
        .and_then(|exe| cache.of(&exe.path).ok());
    Some(Seen {
        on_disk,
        exe: exe
            .as_ref()
            .map(|exe| exe.path.display().to_string())
            .unwrap_or_default(),
        process: Process {
            pid,
            starttime,
            exe_sha256,
            exe_deleted: exe.as_ref().is_some_and(|exe| exe.deleted),
            release_from_exe: from_exe,
            release_from_cwd: cwd.and_then(|cwd| procfs::release_of(&cwd, releases)),
            release_from_env: env,
        },
        denied,
    })
}

/// Turns "not allowed" into a missing value that is remembered, and "gone" into nothing at all.
fn allowed<T>(read: io::Result<T>, what: &str, denied: &mut Option<String>) -> Option<Option<T>> {
    match read {
        Ok(value) => Some(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            *denied = Some(what.to_owned());
            Some(None)
        }
        Err(_) => None,
    }
}

/// Compares one process with the wanted release. `leader` is the process we started; what it started
/// itself need not be the artifact, but may not be another release.
pub(crate) fn compare(seen: &Seen, wanted: &Desired, leader: bool) -> Finding {
    let folder = wanted.release.folder();
    let process = &seen.process;
    let pid = process.pid;
    if let Some(what) = &seen.denied {
        let user = procfs::user(pid);
        return Finding::CannotTell(format!("not allowed to read {what} of pid {pid} ({user})"));
    }
    let named = [
        ("runs a file", &process.release_from_exe),
        ("stands in the folder", &process.release_from_cwd),
        ("was started as", &process.release_from_env),
    ];
    for (how, release) in named {
        if release.as_ref().is_some_and(|release| *release != folder) {
            let release = release.as_deref().unwrap_or_default();
            return Finding::Disagrees(format!("pid {pid} {how} of release {release}"));
        }
    }
    // A daemon may change to `/`, an interpreter lies elsewhere; both at once is not our release.
    if leader && process.release_from_cwd.is_none() && process.release_from_exe.is_none() {
        let exe = &seen.exe;
        return Finding::Disagrees(format!("pid {pid} runs {exe} and not in release {folder}"));
    }
    if leader && process.release_from_env.is_none() {
        return Finding::Disagrees(format!("pid {pid} does not carry the name of its release"));
    }
    compare_bytes(seen, wanted)
}

fn compare_bytes(seen: &Seen, wanted: &Desired) -> Finding {
    let process = &seen.process;
    if process.release_from_exe.is_none() {
        return Finding::Agrees; // an interpreter: the folder decided
    }
    let expected = match wanted.release.format {
        ArtifactFormat::File => Some(wanted.release.digest),
        ArtifactFormat::TarGz | ArtifactFormat::TarZst => seen.on_disk,
    };
    if process.exe_sha256.is_some() && process.exe_sha256 == expected {
        return Finding::Agrees;
    }
    let shown = |digest: Option<Digest>| digest.map_or("nothing".to_owned(), |d| d.short());
    Finding::Disagrees(format!(
        "pid {} runs {} with digest {}, the release has {}",
        process.pid,
        seen.exe,
        shown(process.exe_sha256),
        shown(expected)
    ))
}

/// Looks at all processes of the host for one that runs or stands in another release than `wanted`,
/// leaving out `known` and whatever belongs to the running hook; names the first.
pub(crate) fn foreigner(
    releases: &Path,
    wanted: Option<&str>,
    known: &[u32],
    is_hooks: impl Fn(u32) -> bool,
) -> Option<String> {
    let mut pids = procfs::pids();
    pids.sort_unstable();
    pids.into_iter()
        .filter(|pid| !known.contains(pid))
        .find_map(|pid| {
            // What we may not read belongs to somebody else's service.
            let exe = procfs::exe(pid).ok().map(|exe| exe.path);
            let cwd = procfs::cwd(pid).ok();
            let release = [exe, cwd]
                .into_iter()
                .flatten()
                .filter_map(|path| procfs::release_of(&path, releases))
                .find(|release| Some(release.as_str()) != wanted)?;
            // Asked of the process itself: a hook may have started it after any list was made.
            if is_hooks(pid) {
                return None;
            }
            let user = procfs::user(pid);
            Some(format!("pid {pid} ({user}) runs release {release}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(desired: &Desired) -> Seen {
        let folder = Some(desired.release.folder());
        Seen {
            process: Process {
                pid: 7,
                starttime: 1,
                exe_sha256: Some(desired.release.digest),
                exe_deleted: false,
                release_from_exe: folder.clone(),
                release_from_cwd: folder.clone(),
                release_from_env: folder,
            },
            denied: None,
            on_disk: Some(desired.release.digest),
            exe: "/b/shop/releases/x/shop".to_owned(),
        }
    }

    fn disagreement(seen: &Seen, wanted: &Desired) -> String {
        match compare(seen, wanted, true) {
            Finding::Disagrees(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_of_file_folder_and_name_can_contradict() {
        let wanted = crate::record::tests::desired(1, "1.0");
        assert_eq!(compare(&seen(&wanted), &wanted, true), Finding::Agrees);
        let other = || Some("old-one".to_owned());
        let mut by_exe = seen(&wanted);
        by_exe.process.release_from_exe = other();
        assert_eq!(
            disagreement(&by_exe, &wanted),
            "pid 7 runs a file of release old-one"
        );
        let mut by_cwd = seen(&wanted);
        by_cwd.process.release_from_cwd = other();
        assert!(disagreement(&by_cwd, &wanted).contains("stands in the folder of release old-one"));
        let mut by_env = seen(&wanted);
        by_env.process.release_from_env = other();
        assert!(disagreement(&by_env, &wanted).contains("was started as"));
        let mut by_bytes = seen(&wanted);
        by_bytes.process.exe_sha256 = Some(Digest::of(b"patched by hand"));
        assert!(disagreement(&by_bytes, &wanted).contains("with digest"));
    }

    #[test]
    fn what_may_not_be_read_is_never_converged() {
        let wanted = crate::record::tests::desired(1, "1.0");
        let mut denied = seen(&wanted);
        denied.denied = Some("exe".to_owned());
        assert!(matches!(
            compare(&denied, &wanted, true),
            Finding::CannotTell(_)
        ));
    }

    #[test]
    fn an_interpreter_is_proved_by_its_folder_and_a_daemon_by_its_file() {
        let wanted = crate::record::tests::desired(1, "1.0");
        let mut interpreter = seen(&wanted);
        interpreter.process.release_from_exe = None;
        interpreter.process.exe_sha256 = Some(Digest::of(b"python"));
        assert_eq!(compare(&interpreter, &wanted, true), Finding::Agrees);
        let mut daemon = seen(&wanted);
        daemon.process.release_from_cwd = None;
        assert_eq!(compare(&daemon, &wanted, true), Finding::Agrees);
        interpreter.process.release_from_cwd = None;
        assert!(disagreement(&interpreter, &wanted).contains("and not in release"));
    }
}
