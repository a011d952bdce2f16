//! Disk kept for the journal: a file that is removed when the disk is full, so that what happens can still be
//! written down (delivery specification, 2.9).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use model::limit;
use rustix::fs::FallocateFlags;

use crate::Config;
use crate::install;

fn path(base: &Path) -> PathBuf {
    base.join("ballast")
}

/// Makes the file when it is missing and there is room for it beside the reserve; a disk that cannot set
/// space aside goes without.
pub(crate) fn keep(config: &Config) {
    if path(&config.base).exists() {
        return;
    }
    match make(config) {
        Ok(()) => {}
        Err(e) => tracing::debug!("no disk is kept for the journal: {e}"),
    }
}

fn make(config: &Config) -> io::Result<()> {
    let needed = limit::BALLAST_BYTES.saturating_add(config.disk_reserve_bytes);
    if install::free_bytes(&config.base)? < needed {
        return Ok(());
    }
    let part = config.base.join("ballast.part");
    let file = File::create(&part)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, limit::BALLAST_BYTES)?;
    fs::rename(&part, path(&config.base))
}

/// Gives the disk back; false when there was nothing to give.
pub(crate) fn release(base: &Path) -> bool {
    let given = fs::remove_file(path(base)).is_ok();
    if given {
        tracing::error!(
            "the disk is full; {} MiB kept for the journal are given back to it",
            limit::BALLAST_BYTES >> 20
        );
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_real_space_once_and_only_where_there_is_enough() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new("http://127.0.0.1:1", dir.path(), "web-1".parse().unwrap());
        config.disk_reserve_bytes = u64::MAX;
        keep(&config);
        assert!(!release(dir.path()), "there is no room");
        config.disk_reserve_bytes = 0;
        keep(&config);
        let meta = fs::metadata(path(dir.path())).unwrap();
        let taken = std::os::unix::fs::MetadataExt::blocks(&meta) * 512;
        assert!(taken >= limit::BALLAST_BYTES, "{taken}");
        assert!(release(dir.path()));
        assert!(!release(dir.path()));
    }
}
