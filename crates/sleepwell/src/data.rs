//! The server's data folder and what the command line on this machine reads from it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::args::Global;

/// Is a data folder; the files in it are named here and nowhere else.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    folder: PathBuf,
    /// It is not where this program looks without being told.
    named: bool,
}

impl Data {
    pub(crate) fn new(global: &Global) -> Result<Self> {
        match &global.data {
            Some(folder) => Ok(Self {
                folder: std::path::absolute(folder)?,
                named: true,
            }),
            None => Ok(Self {
                folder: default_folder("sleepwell")?,
                named: false,
            }),
        }
    }

    /// Returns the folder of the demo: beside the real one, never the real one.
    pub(crate) fn of_demo(global: &Global) -> Result<Self> {
        match &global.data {
            Some(_) => Self::new(global),
            None => Ok(Self {
                folder: default_folder("sleepwell-demo")?,
                named: true,
            }),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn admin_token(&self) -> PathBuf {
        self.join("admin-token")
    }

    /// Holds the address of the server that runs on this folder.
    pub(crate) fn address(&self) -> PathBuf {
        self.join("address")
    }

    /// Holds the key of the server that runs on this folder, where callers have to know it.
    pub(crate) fn pin(&self) -> PathBuf {
        self.join("pin")
    }

    /// Makes the folder, readable by its owner alone.
    pub(crate) fn create(&self) -> Result<()> {
        create_private_folder(&self.folder)
    }

    /// Returns how this program is called so that it finds this folder again.
    pub(crate) fn command(&self) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| "sleepwell".into());
        let program = quote(&program.display().to_string());
        if self.named {
            format!(
                "{program} --data {}",
                quote(&self.folder.display().to_string())
            )
        } else {
            program
        }
    }

    /// Takes a lock file of the folder; nothing when another process holds it.
    pub(crate) fn lock(&self, name: &str) -> Result<Option<Lock>> {
        let path = self.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(e)) => Err(e.into()),
        }
    }

    /// Returns what the holder of a lock wrote into it.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.join(name))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }
}

/// Is held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Leaves a word for whoever finds the lock taken.
    pub(crate) fn write(&mut self, text: &str) -> Result<()> {
        use std::io::Seek;
        self.0.set_len(0)?;
        self.0.seek(std::io::SeekFrom::Start(0))?;
        self.0.write_all(text.as_bytes())?;
        Ok(())
    }
}

fn default_folder(name: &str) -> Result<PathBuf> {
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute());
    let base =
        base.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share")));
    match base {
        Some(base) => Ok(base.join(name)),
        None => bail!("neither XDG_DATA_HOME nor HOME is set; name a folder with --data"),
    }
}

/// Returns the default base folder of a host's agent.
pub(crate) fn agent_base() -> Result<PathBuf> {
    default_folder("sleepwell-agent")
}

/// Quotes a word for a shell if it needs it.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Makes a folder, and those above it, that only its owner can look into.
pub(crate) fn create_private_folder(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Reads a secret from standard input, a line.
pub(crate) fn read_secret() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().take(4_096).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_only_when_they_need_it() {
        assert_eq!(quote("/usr/bin/sleepwell"), "/usr/bin/sleepwell");
        assert_eq!(quote("/srv/a b"), "'/srv/a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_lock_is_held_once_and_freed_by_dropping_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data {
            folder: folder.path().to_owned(),
            named: true,
        };
        let mut lock = data.lock("x.lock").unwrap().expect("free");
        lock.write("http://127.0.0.1:7700").unwrap();
        assert!(data.lock("x.lock").unwrap().is_none());
        assert_eq!(data.read("x.lock"), "http://127.0.0.1:7700");
        drop(lock);
        assert!(data.lock("x.lock").unwrap().is_some());
    }
}
