//! Unpacks an archive nobody vouched for into an empty folder, and nowhere else.
//!
//! Every entry is checked before anything of it is written: no absolute path, no `..`, no link that
//! leaves the tree, no device, no setuid; the limits of `model::limit` are kept while the bytes stream
//! in, so that a bomb is refused early. Owner and mode come from us, not from the archive.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use model::deliver::ArtifactFormat;
use model::limit;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use tar::EntryType;

/// Says why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// The archive itself is at fault; it will never do.
    #[error("archive: {0}")]
    Refused(String),
    /// This host could not write; it may later.
    #[error("cannot unpack into {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

type Result<T> = std::result::Result<T, UnpackError>;

/// Unpacks `archive` into `into`, which exists and is empty.
pub(crate) fn unpack(archive: File, format: ArtifactFormat, into: &Path) -> Result<()> {
    let stored = archive.metadata().map_err(|e| io_error(into, e))?.len();
    let source = BufReader::new(archive);
    match format {
        ArtifactFormat::TarGz => {
            unpack_tar(flate2::bufread::MultiGzDecoder::new(source), stored, into)
        }
        ArtifactFormat::TarZst => unpack_tar(Frames::new(source), stored, into),
        ArtifactFormat::File => Err(refused("a single file", "is not an archive")),
    }
}

fn unpack_tar(source: impl Read, stored_bytes: u64, into: &Path) -> Result<()> {
    let too_much = Rc::new(RefCell::new(None));
    let limited = Limited {
        source,
        budget: Budget {
            bytes: 0,
            stored_bytes,
        },
        too_much: Rc::clone(&too_much),
    };
    let mut budget = Budget {
        bytes: 0,
        stored_bytes,
    };
    let outcome = unpack_entries(tar::Archive::new(limited), into, &mut budget);
    match too_much.take() {
        Some(why) => Err(UnpackError::Refused(why)),
        None => outcome,
    }
}

fn unpack_entries<R: Read>(
    mut archive: tar::Archive<R>,
    into: &Path,
    budget: &mut Budget,
) -> Result<()> {
    let broken = |e: io::Error| UnpackError::Refused(format!("cannot be read: {e}"));
    let mut count = 0u64;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        count += 1;
        if count > limit::ARCHIVE_ENTRIES {
            let why = format!("has more than {} entries", limit::ARCHIVE_ENTRIES);
            return Err(UnpackError::Refused(why));
        }
        unpack_entry(&mut entry, into, budget)?;
    }
    if count == 0 {
        return Err(UnpackError::Refused("is empty".to_owned()));
    }
    Ok(())
}

fn unpack_entry<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    into: &Path,
    budget: &mut Budget,
) -> Result<()> {
    let kind = entry.header().entry_type();
    if matches!(kind, EntryType::XGlobalHeader) {
        return Ok(()); // a comment, such as git's commit id
    }
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let raw = entry
        .path()
        .map_err(|_| refused(&name, "has no usable name"))?
        .into_owned();
    let relative = inside(&raw).map_err(|why| refused(&name, why))?;
    let mode = entry
        .header()
        .mode()
        .map_err(|_| refused(&name, "has no readable mode"))?;
    if mode & 0o6000 != 0 && kind != EntryType::Directory {
        return Err(refused(&name, "is setuid or setgid"));
    }
    let target = into.join(&relative);
    match kind {
        EntryType::Directory => make_dirs(into, &relative, &name),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            make_parent(into, &relative, &name)?;
            write_file(entry, &target, mode, &name, budget)
        }
        EntryType::Symlink => {
            let link = link_target(entry, &name)?;
            symlink_inside(&relative, &link).map_err(|why| refused(&name, why))?;
            make_parent(into, &relative, &name)?;
            std::os::unix::fs::symlink(&link, &target).map_err(|e| twice_or_io(&target, &name, e))
        }
        EntryType::Link => {
            let link = link_target(entry, &name)?;
            let link = inside(&link).map_err(|why| refused(&name, why))?;
            make_parent(into, &relative, &name)?;
            hard_link(into, &link, &target, &name)
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            Err(refused(&name, "is a device or a pipe"))
        }
        _ => Err(refused(&name, "is of a kind that is not supported")),
    }
}

/// Returns the path without `.` parts, if it stays below where it starts.
pub(crate) fn inside(path: &Path) -> std::result::Result<PathBuf, &'static str> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("leads out of the archive (`..`)"),
            Component::RootDir | Component::Prefix(_) => return Err("has an absolute path"),
        }
    }
    Ok(clean)
}

/// Checks the target of a symbolic link at `at`. `..` may stand only in front, at most as often as
/// `at` is deep: parents are real folders (see [`make_dirs`]), so such a link cannot leave the tree
/// however other links are named, which counting `..` alone could not promise.
fn symlink_inside(at: &Path, target: &Path) -> std::result::Result<(), &'static str> {
    let depth = at.components().count().saturating_sub(1);
    let mut ups = 0;
    let mut down = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => down = true,
            Component::CurDir => {}
            Component::ParentDir if down => return Err("is a link with `..` after a name"),
            Component::ParentDir => ups += 1,
            Component::RootDir | Component::Prefix(_) => {
                return Err("is a link to an absolute path");
            }
        }
    }
    if ups > depth {
        return Err("is a link out of the archive");
    }
    Ok(())
}

fn link_target<R: Read>(entry: &tar::Entry<'_, R>, name: &str) -> Result<PathBuf> {
    match entry.link_name() {
        Ok(Some(target)) if !target.as_os_str().is_empty() => Ok(target.into_owned()),
        _ => Err(refused(name, "is a link to nothing")),
    }
}

fn make_parent(into: &Path, relative: &Path, name: &str) -> Result<()> {
    match relative.parent() {
        Some(parent) if relative.file_name().is_some() => make_dirs(into, parent, name),
        _ => Err(refused(name, "has no name")),
    }
}

/// Makes the folders of `relative` one by one; each must be a real folder, never a link.
fn make_dirs(into: &Path, relative: &Path, name: &str) -> Result<()> {
    let mut path = into.to_path_buf();
    for part in relative.components() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(refused(name, "goes through something that is not a folder")),
            Err(_) => fs::create_dir(&path).map_err(|e| io_error(&path, e))?,
        }
    }
    Ok(())
}

fn write_file<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    target: &Path,
    mode: u32,
    name: &str,
    budget: &mut Budget,
) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(target)
        .map_err(|e| twice_or_io(target, name, e))?;
    let announced = entry.size();
    let mut written = 0u64;
    let mut buffer = vec![0; 64 << 10];
    loop {
        // Reading fails because of the archive, writing because of this host: two errors.
        let n = entry
            .read(&mut buffer)
            .map_err(|e| refused(name, &format!("cannot be read: {e}")))?;
        if n == 0 {
            break;
        }
        // The holes of a sparse file are not in the stream, so what is written is counted as well.
        budget.spend(n).map_err(UnpackError::Refused)?;
        io::Write::write_all(&mut file, &buffer[..n]).map_err(|e| io_error(target, e))?;
        written += n as u64;
    }
    if written != announced {
        let why = format!("ends after {written} of {announced} bytes");
        return Err(refused(name, &why));
    }
    let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(|e| io_error(target, e))
}

fn hard_link(into: &Path, link: &Path, target: &Path, name: &str) -> Result<()> {
    let mut source = into.to_path_buf();
    for part in link.components() {
        source.push(part);
        let is_link = fs::symlink_metadata(&source).is_ok_and(|meta| meta.is_symlink());
        if is_link {
            return Err(refused(name, "is a hard link through a symbolic one"));
        }
    }
    if !source.is_file() {
        return Err(refused(name, "is a hard link to a file that is not there"));
    }
    fs::hard_link(&source, target).map_err(|e| twice_or_io(target, name, e))
}

fn refused(name: &str, why: &str) -> UnpackError {
    let name: String = name.chars().take(200).collect();
    UnpackError::Refused(format!("`{}` {why}", name.escape_debug()))
}

fn io_error(path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Io {
        path: path.to_owned(),
        source,
    }
}

fn twice_or_io(path: &Path, name: &str, error: io::Error) -> UnpackError {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return refused(name, "appears twice");
    }
    io_error(path, error)
}

/// Counts bytes against the limits.
struct Budget {
    bytes: u64,
    stored_bytes: u64,
}

impl Budget {
    fn spend(&mut self, bytes: usize) -> std::result::Result<(), String> {
        self.bytes += bytes as u64;
        let ratio = self.bytes / self.stored_bytes.max(1);
        if self.bytes > limit::UNPACKED_BYTES {
            return Err(format!(
                "unpacks to more than {} bytes",
                limit::UNPACKED_BYTES
            ));
        }
        if self.bytes > limit::UNPACK_RATIO_FLOOR_BYTES && ratio >= limit::UNPACK_RATIO {
            return Err(format!(
                "unpacks to more than {} times its {} bytes",
                limit::UNPACK_RATIO,
                self.stored_bytes
            ));
        }
        Ok(())
    }
}

/// Counts what comes out of the decoder and ends the stream when it is too much.
struct Limited<R> {
    source: R,
    budget: Budget,
    too_much: Rc<RefCell<Option<String>>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buf)?;
        self.budget.spend(n).map_err(|why| {
            self.too_much.replace(Some(why.clone()));
            io::Error::other(why)
        })?;
        Ok(n)
    }
}

/// Reads zstd frames one after another; the decoder knows only one.
struct Frames<R: BufRead> {
    rest: Option<R>,
    frame: Option<StreamingDecoder<R, FrameDecoder>>,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Self {
        Self {
            rest: Some(source),
            frame: None,
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(mut frame) = self.frame.take() {
                let n = frame.read(buf)?;
                if n > 0 || buf.is_empty() {
                    self.frame = Some(frame);
                    return Ok(n);
                }
                self.rest = Some(frame.into_inner());
            }
            let Some(mut rest) = self.rest.take() else {
                return Err(io::Error::other("damaged zstd data"));
            };
            if rest.fill_buf()?.is_empty() {
                self.rest = Some(rest);
                return Ok(0);
            }
            let frame = StreamingDecoder::new(rest).map_err(|e| io::Error::other(e.to_string()))?;
            self.frame = Some(frame);
        }
    }
}

#[cfg(test)]
mod tests;
