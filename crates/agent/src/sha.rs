//! Digests of files, remembered while the file stays the same.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use model::Digest;
use model::digest::Hasher;

/// Hashes everything `source` has.
pub(crate) fn digest_of(mut source: impl Read) -> io::Result<Digest> {
    copy_hashed(&mut source, &mut io::sink()).map(|(digest, _)| digest)
}

/// Copies and hashes on the way; returns the digest and the number of bytes.
pub(crate) fn copy_hashed(
    source: &mut dyn Read,
    sink: &mut dyn Write,
) -> io::Result<(Digest, u64)> {
    let mut hasher = HashingWriter::new(sink);
    io::copy(source, &mut hasher)?;
    Ok(hasher.finish())
}

/// Hashes what is written through it.
pub(crate) struct HashingWriter<'a> {
    sink: &'a mut dyn Write,
    hasher: Hasher,
    bytes: u64,
}

impl<'a> HashingWriter<'a> {
    pub(crate) fn new(sink: &'a mut dyn Write) -> Self {
        Self {
            sink,
            hasher: Hasher::default(),
            bytes: 0,
        }
    }

    /// Goes on behind what `old` has, which was written to `sink` before. Reading it to its end has to
    /// leave `sink` where the next byte belongs.
    pub(crate) fn after(old: &mut dyn Read, sink: &'a mut dyn Write) -> io::Result<Self> {
        let mut nowhere = io::sink();
        let mut past = HashingWriter::new(&mut nowhere);
        io::copy(old, &mut past)?;
        let (hasher, bytes) = (past.hasher, past.bytes);
        Ok(Self {
            sink,
            hasher,
            bytes,
        })
    }

    pub(crate) fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.bytes)
    }
}

impl Write for HashingWriter<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(buf)?;
        self.hasher.update(&buf[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Remembers digests by (device, inode, modification time, size), so that a proof costs no reading.
#[derive(Default)]
pub(crate) struct DigestCache(HashMap<(u64, u64, i64, i64, u64), Digest>);

impl DigestCache {
    /// Returns the digest of the file at `path`, following links as `/proc/PID/exe` wants it.
    pub(crate) fn of(&mut self, path: &Path) -> io::Result<Digest> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        let key = (
            meta.dev(),
            meta.ino(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.size(),
        );
        if let Some(digest) = self.0.get(&key) {
            return Ok(*digest);
        }
        if self.0.len() > 64 {
            self.0.clear(); // more files than a service has releases: old ones
        }
        let digest = digest_of(file)?;
        self.0.insert(key, digest);
        Ok(digest)
    }
}
