//! `adapter.yaml`: a tool, and the hosts it changes and observes.

use std::path::{Path, PathBuf};

use agent::adapter::{Adapter, Raw};
use anyhow::{Context, Result, anyhow};

/// Reads the file.
///
/// # Errors
/// A file that cannot be read or says something unknown or impossible, with its name.
pub(crate) fn read(path: &Path) -> Result<Adapter> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let raw: Raw = serde_saphyr::from_str(&text).map_err(|e| anyhow!("{}: {e}", path.display()))?;
    let folder = folder(path)?;
    raw.checked(&folder)
        .map_err(|why| anyhow!("{}: {why}", path.display()))
}

/// Returns the folder a file lies in, whole.
pub(crate) fn folder(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let folder = path.parent().context("the adapter's file has no folder")?;
    Ok(folder.to_owned())
}
