//! What is known of programs across restarts, in `base/agent/program.json`. One process writes it at a time:
//! the one that holds the lock of the base.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use model::Digest;
use serde::{Deserialize, Serialize};

use crate::install::sync_dir;

/// Is a place for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    A,
    B,
}

impl Place {
    pub(super) fn other(self) -> Self {
        match self {
            Place::A => Place::B,
            Place::B => Place::A,
        }
    }

    pub(super) fn path(self, base: &Path) -> PathBuf {
        folder(base).join(match self {
            Place::A => "a",
            Place::B => "b",
        })
    }

    /// Returns the file a program is in until it is whole.
    pub(super) fn part(self, base: &Path, digest: Digest) -> PathBuf {
        let end = format!("{}.part", digest.short());
        self.path(base).with_extension(end)
    }

    /// Returns the place this process runs from; none when it is the installed program.
    pub(super) fn of_this_process(base: &Path) -> Option<Self> {
        let own = fs::read_link("/proc/self/exe").ok()?;
        [Place::A, Place::B]
            .into_iter()
            .find(|place| place.path(base) == own)
    }
}

pub(super) fn folder(base: &Path) -> PathBuf {
    base.join("agent")
}

/// Is everything that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The highest number of a wish that was dealt with, or is being tried.
    pub(super) seen: u64,
    /// The program that runs in place of the installed one.
    pub(super) proved: Option<Proved>,
    pub(super) trying: Option<Trying>,
    /// Why the newest wish was not followed, or is no longer.
    pub(super) failed: Option<Failed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proved {
    pub(super) place: Place,
    pub(super) digest: Digest,
    /// The wish it came by.
    pub(super) number: u64,
    /// What was installed when it was proved; whoever installs another one by hand wants that.
    pub(super) installed: Option<Digest>,
    /// How often it was started since its agent was last seen to work.
    pub(super) starts: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trying {
    pub(super) place: Place,
    pub(super) digest: Digest,
    pub(super) number: u64,
    pub(super) installed: Option<Digest>,
    /// Trials that were begun; more than one only when somebody ended the trying process.
    pub(super) tries: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) number: u64,
    pub(super) why: String,
}

impl Record {
    /// Returns what is kept under `base`. One that cannot be read is nothing to go by: the installed program runs.
    pub(super) fn load(base: &Path) -> Self {
        let path = file(base);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(e) => {
                tracing::error!("cannot read {}, so it counts as empty: {e}", path.display());
                return Self::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|e| {
            tracing::error!("{} is damaged and counts as empty: {e}", path.display());
            Self::default()
        })
    }

    /// Keeps it; it is there after a power cut when this returns.
    pub(super) fn save(&self, base: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("a record is JSON")?;
        write_durably(&file(base), &text)
    }
}

fn file(base: &Path) -> PathBuf {
    folder(base).join("program.json")
}

/// Writes a small file whole or not at all, and flushes it to the disk.
pub(super) fn write_durably(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    let part = path.with_extension("new");
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = File::create(&part)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        sync_dir(folder)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
