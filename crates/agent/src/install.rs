//! Brings a release onto the disk: space, fetch, unpack, verify, rename (steps 0 to 4 of the delivery
//! specification, 2.9). Runs in a thread of its own, so that what runs is looked after meanwhile.
//!
//! A release folder is there whole or not at all: it is built in `.staging-<generation>`, flushed to
//! the disk and renamed. The bytes are hashed while they are written; wrong ones are never installed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use client::Client;
use model::Digest;
use model::api::agent::{EventKind, StepPhase};
use model::deliver::{ArtifactFormat, Desired};

use crate::Config;
use crate::download;
use crate::sha::{copy_hashed, digest_of};
use crate::unpack::{self, UnpackError};

/// Says why a release is not on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InstallError {
    /// A person must change something, then it goes on by itself.
    Blocked(String),
    /// The artifact itself will never do.
    Refused(String),
    /// It may work in a moment.
    Retry(String),
}

/// Is the outcome of the checks before a step and of the step.
type Result<T> = std::result::Result<T, InstallError>;

/// Tells others how far it is: step, phase, detail.
pub(crate) type Note<'a> = &'a dyn Fn(EventKind);

pub(crate) fn is_installed(config: &Config, desired: &Desired) -> bool {
    release_dir(config, desired).is_dir()
}

pub(crate) fn release_dir(config: &Config, desired: &Desired) -> PathBuf {
    config
        .releases_dir(&desired.service)
        .join(desired.release.folder())
}

/// Does everything that is missing; may be called again at any time.
pub(crate) fn install(
    config: &Config,
    client: &Client,
    desired: &Desired,
    note: Note<'_>,
) -> Result<()> {
    let releases = config.releases_dir(&desired.service);
    fs::create_dir_all(&releases).map_err(|e| retry(&releases, &e))?;
    remove_staging(config, desired).map_err(|e| retry(&releases, &e))?;
    if is_installed(config, desired) {
        return Ok(());
    }
    let blob = blob(config, desired.release.digest);
    step(note, "space", || space(config, desired, &blob))?;
    step(note, "fetch", || fetch(config, client, desired, &blob))?;
    let staging = staging(config, desired);
    let built = step(note, "unpack", || build(desired, &blob, &staging)).and_then(|()| {
        step(note, "rename", || {
            let target = release_dir(config, desired);
            fs::rename(&staging, &target).map_err(|e| retry(&target, &e))?;
            sync_dir(&releases).map_err(|e| retry(&releases, &e))
        })
    });
    if built.is_err() {
        // The first error says what is wrong; staging is swept again at the next try.
        let _ = remove_staging(config, desired);
    }
    built
}

fn step(note: Note<'_>, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    note(step_event(name, StepPhase::Intent, ""));
    let outcome = work();
    match &outcome {
        Ok(()) => note(step_event(name, StepPhase::Done, "")),
        Err(error) => note(step_event(name, StepPhase::Failed, error.why())),
    }
    outcome
}

pub(crate) fn step_event(step: &str, phase: StepPhase, detail: &str) -> EventKind {
    EventKind::Step {
        step: step.to_owned(),
        phase,
        detail: detail.to_owned(),
    }
}

impl InstallError {
    pub(crate) fn why(&self) -> &str {
        match self {
            InstallError::Blocked(why) | InstallError::Refused(why) | InstallError::Retry(why) => {
                why
            }
        }
    }
}

/// Wants twice the artifact's size and the reserve; nothing is written before.
fn space(config: &Config, desired: &Desired, blob: &Path) -> Result<()> {
    let size = desired.release.size_bytes;
    let length = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len().min(size));
    let stored = length(blob).max(length(&download::part(config, desired)));
    let needed = (size.saturating_mul(2) - stored).saturating_add(config.disk_reserve_bytes);
    let free = free_bytes(&config.base).map_err(|e| retry(&config.base, &e))?;
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(InstallError::Blocked(format!(
        "disk: {} MiB free at {}, {} MiB needed (twice the artifact and {} MiB in reserve)",
        free >> 20,
        config.base.display(),
        mib(needed),
        mib(config.disk_reserve_bytes)
    )))
}

/// Returns what an ordinary user may still write.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn fetch(config: &Config, client: &Client, desired: &Desired, blob: &Path) -> Result<()> {
    let wanted = desired.release.digest;
    if File::open(blob)
        .and_then(digest_of)
        .is_ok_and(|found| found == wanted)
    {
        return Ok(());
    }
    let dir = config.blobs_dir();
    fs::create_dir_all(&dir).map_err(|e| retry(&dir, &e))?;
    let part = download::part(config, desired);
    download::remove_other_parts(config, desired).map_err(|e| retry(&dir, &e))?;
    download::fetch(client, download::of(&desired.release), &part)?;
    fs::rename(&part, blob).map_err(|e| retry(blob, &e))?;
    sync_dir(&dir).map_err(|e| retry(&dir, &e))
}

/// Builds the release in `staging` and flushes it to the disk.
fn build(desired: &Desired, blob: &Path, staging: &Path) -> Result<()> {
    fs::create_dir(staging).map_err(|e| retry(staging, &e))?;
    let source = File::open(blob).map_err(|e| retry(blob, &e))?;
    if desired.release.format == ArtifactFormat::File {
        copy_file(desired, source, staging)?;
    } else {
        unpack::unpack(source, desired.release.format, staging).map_err(|e| match e {
            UnpackError::Refused(_) => InstallError::Refused(e.to_string()),
            UnpackError::Io { path, source } => retry(&path, &source),
        })?;
    }
    // One call for the whole tree: an archive may have 200,000 files.
    let dir = File::open(staging).map_err(|e| retry(staging, &e))?;
    rustix::fs::syncfs(&dir).map_err(|e| retry(staging, &e.into()))?;
    dir.sync_all().map_err(|e| retry(staging, &e))
}

fn copy_file(desired: &Desired, mut source: File, staging: &Path) -> Result<()> {
    let name = Path::new(&desired.release.file_name);
    let plain = unpack::inside(name).is_ok_and(|p| p == name && p.components().count() == 1);
    if !plain {
        let name = desired.release.file_name.escape_debug();
        let why = format!("archive: `{name}` is not the name of a file");
        return Err(InstallError::Refused(why));
    }
    let target = staging.join(name);
    let mut file = File::create(&target).map_err(|e| retry(&target, &e))?;
    let copied = copy_hashed(&mut source, &mut file).map_err(|e| retry(&target, &e))?;
    if copied.0 != desired.release.digest {
        return Err(InstallError::Retry(format!(
            "verify: the copy is {}, wanted {}",
            copied.0, desired.release.digest
        )));
    }
    file.set_permissions(fs::Permissions::from_mode(0o755))
        .and_then(|()| file.sync_all())
        .map_err(|e| retry(&target, &e))
}

fn blob(config: &Config, digest: Digest) -> PathBuf {
    config.blobs_dir().join(format!("sha256-{}", digest.hex()))
}

fn staging(config: &Config, desired: &Desired) -> PathBuf {
    config
        .releases_dir(&desired.service)
        .join(format!(".staging-{}", desired.generation))
}

/// Throws away what a cut-short installation left.
fn remove_staging(config: &Config, desired: &Desired) -> io::Result<()> {
    for entry in fs::read_dir(config.releases_dir(&desired.service))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(".staging-") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Points `current` at a release folder: old or new, never absent, also after a power cut.
pub(crate) fn switch(config: &Config, desired: &Desired) -> io::Result<()> {
    let dir = config.service_dir(&desired.service);
    let temporary = dir.join(".current");
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let target = Path::new("releases").join(desired.release.folder());
    std::os::unix::fs::symlink(target, &temporary)?;
    fs::rename(&temporary, dir.join("current"))?;
    sync_dir(&dir)
}

/// Returns the release folder `current` points to.
pub(crate) fn current(config: &Config, service: &model::ServiceName) -> Option<String> {
    let link = fs::read_link(config.service_dir(service).join("current")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// Flushes a folder, so that names made or renamed in it survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes releases that are neither in `keep` nor under it; returns the names.
pub(crate) fn collect_garbage(
    config: &Config,
    service: &model::ServiceName,
    keep: &[String],
) -> io::Result<Vec<String>> {
    let releases = config.releases_dir(service);
    let mut removed = Vec::new();
    for entry in fs::read_dir(&releases)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if keep.contains(&name) || name.starts_with('.') {
            continue;
        }
        fs::remove_dir_all(entry.path())?;
        removed.push(name);
    }
    Ok(removed)
}

/// Removes the blobs of this service's collected releases: what no folder of any service stands for
/// can be fetched again.
pub(crate) fn collect_blobs(
    config: &Config,
    removed: &[String],
    kept: &[String],
) -> io::Result<()> {
    let digest_of = |folder: &String| Some(folder.split_once('-')?.0.to_owned());
    for folder in removed {
        // The next redeploy unpacks what runs from it.
        let Some(digest) = digest_of(folder).filter(|digest| {
            !kept
                .iter()
                .any(|kept| digest_of(kept).as_ref() == Some(digest))
        }) else {
            continue;
        };
        for entry in fs::read_dir(config.blobs_dir())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let theirs = name.starts_with(&format!("sha256-{digest}"));
            if theirs && !name.ends_with(".part") {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// Writes an error with everything under it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

/// A disk that became full on the way is a matter for a person, like one that was full before.
pub(crate) fn retry(path: &Path, error: &io::Error) -> InstallError {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            InstallError::Blocked(format!("disk: full while writing {path}"))
        }
        _ => InstallError::Retry(format!("{path}: {error}")),
    }
}
