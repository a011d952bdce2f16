//! The text files of the repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders nobody writes by hand.
const NOT_OURS: [&str; 2] = [".git", "target"];
/// Files that programs write.
const WRITTEN_BY_PROGRAMS: [&str; 1] = ["Cargo.lock"];

/// Is one text file with its path below the root, written with `/`.
#[derive(Clone, Debug)]
pub struct TextFile {
    pub path: String,
    pub text: String,
}

impl TextFile {
    /// Returns what stands behind the last dot of its name; empty when there is none.
    pub fn extension(&self) -> &str {
        let extension = Path::new(&self.path).extension();
        extension
            .and_then(|extension| extension.to_str())
            .unwrap_or_default()
    }
}

/// Returns the folder of the whole repository.
///
/// # Errors
/// When this crate does not stand in a folder of the workspace.
pub fn root() -> Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.parent().context("xtask stands in no folder")?;
    Ok(root.to_owned())
}

/// Returns every text file people write, ordered by path; what is not UTF-8 is left out.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let mut paths = Vec::new();
    walk(root, &mut paths)?;
    let mut files = Vec::new();
    for path in paths {
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let below = path.strip_prefix(root)?.to_string_lossy().into_owned();
        files.push(TextFile { path: below, text });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let is = |names: &[&str]| names.iter().any(|known| name == *known);
        // In a worktree `.git` is a file.
        if is(&NOT_OURS) {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), found)?;
        } else if kind.is_file() && !is(&WRITTEN_BY_PROGRAMS) {
            found.push(entry.path());
        }
    }
    Ok(())
}
