//! Fetches an artifact, and goes on where the last try was cut short (step 1 of the delivery specification,
//! 2.9).
//!
//! What came is kept in a file beside the blob. Nothing is believed of it but its length: the digest over
//! the whole decides, and when it is another one the file is thrown away and fetched anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use client::Client;
use model::Digest;
use model::deliver::Desired;
use model::deliver::desired::DesiredRelease;

use crate::Config;
use crate::install::{InstallError, chain, retry};
use crate::sha::HashingWriter;

/// The status of a range behind the end of what the server has.
const NO_SUCH_RANGE: u16 = 416;

/// Returns the file an artifact is in until it is whole. Each service has its own, so that two that want
/// the same bytes do not write into one file.
pub(crate) fn part(config: &Config, desired: &Desired) -> PathBuf {
    let digest = desired.release.digest.hex();
    let name = format!("sha256-{digest}{}", suffix(desired));
    config.blobs_dir().join(name)
}

fn suffix(desired: &Desired) -> String {
    format!(".{}.part", desired.service)
}

/// Removes what was begun for this service and is wanted no longer.
pub(crate) fn remove_other_parts(config: &Config, desired: &Desired) -> io::Result<()> {
    let (own, suffix) = (part(config, desired), suffix(desired));
    for entry in fs::read_dir(config.blobs_dir())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(&suffix) && path != own {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Returns what is to be fetched of a release.
pub(crate) fn of(release: &DesiredRelease) -> (Digest, u64) {
    (release.digest, release.size_bytes)
}

/// Makes `part` whole, which is to have this digest and so many bytes, and flushes it to the disk.
///
/// # Errors
/// What came is kept when more may follow, and removed when it is of no use.
pub(crate) fn fetch(
    client: &Client,
    wanted: (Digest, u64),
    part: &Path,
) -> Result<(), InstallError> {
    let outcome = fetch_rest(client, wanted, part);
    if let Err(Cut::Worthless(_)) = &outcome {
        // The next try writes it anew, also when this fails: it begins by looking at the length.
        let _ = fs::remove_file(part);
    }
    outcome.map_err(|cut| match cut {
        Cut::Worthless(error) | Cut::Unfinished(error) => error,
    })
}

/// Is why an artifact is not whole, and what its part is good for.
enum Cut {
    Worthless(InstallError),
    Unfinished(InstallError),
}

fn fetch_rest(
    client: &Client,
    (digest, size_bytes): (Digest, u64),
    part: &Path,
) -> Result<(), Cut> {
    let unwritten = |e: io::Error| Cut::Unfinished(retry(part, &e));
    let mut file = open(part).map_err(unwritten)?;
    let held = held(&file, size_bytes).map_err(unwritten)?;
    let found = if held == size_bytes {
        // It was whole when the agent ended, before it got its name.
        crate::sha::digest_of(&mut file).map_err(unwritten)?
    } else {
        let download = client.artifact(digest, held, size_bytes);
        let download = download.map_err(|e| not_sent(&e))?;
        let start = download.starts_at();
        if start < held {
            file.set_len(start).map_err(unwritten)?;
        }
        let mut old = file.try_clone().map_err(unwritten)?.take(start);
        let mut disk = Disk::new(&mut file);
        let mut hashing = HashingWriter::after(&mut old, &mut disk).map_err(unwritten)?;
        let copied = download.copy_to(&mut hashing);
        let (found, _) = hashing.finish();
        copied.map_err(|e| match disk.failed {
            Some(written) => unwritten(written),
            None => Cut::Unfinished(failed(&e)),
        })?;
        found
    };
    if found != digest {
        let why = format!("fetch: the bytes are {found}, wanted {digest}");
        return Err(Cut::Worthless(InstallError::Retry(why)));
    }
    file.sync_all().map_err(unwritten)
}

/// Remembers why a write failed: whoever copies from the network to the disk tells no difference, and a full
/// disk is a matter for a person where a cut line is not.
struct Disk<'a> {
    file: &'a mut File,
    failed: Option<io::Error>,
}

impl<'a> Disk<'a> {
    fn new(file: &'a mut File) -> Self {
        Self { file, failed: None }
    }

    fn note<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        if let Err(e) = &done {
            self.failed = Some(e.kind().into());
        }
        done
    }
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.file.write(bytes);
        self.note(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.file.flush();
        self.note(done)
    }
}

/// Opens the part at its beginning, as long as it is.
fn open(part: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(part)
}

/// Returns how many bytes are here; more than there should be are thrown away.
fn held(file: &File, size_bytes: u64) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length <= size_bytes {
        return Ok(length);
    }
    file.set_len(0)?;
    Ok(0)
}

fn not_sent(error: &client::Error) -> Cut {
    if error.status() == Some(NO_SUCH_RANGE) {
        return Cut::Worthless(failed(error));
    }
    Cut::Unfinished(failed(error))
}

fn failed(error: &client::Error) -> InstallError {
    InstallError::Retry(format!("fetch: {}", chain(error)))
}
