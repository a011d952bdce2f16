//! Bytes of outside formats to the model's nouns, and back: the Prometheus text exposition, remote
//! write 1.0, alerts as Alertmanager takes them, the webhooks of git hosts, and CDEvents.
//!
//! **Invariant.** Any input ends in a value or in an error that names the place in the input; nothing
//! panics, and no input makes us reserve more than its limit in [`model::limit`] allows.
//!
//! **Must not know**: sockets, files, clocks, HTTP. A caller brings the bytes and their content type.

pub mod alertmanager;
pub mod cdevents;
pub mod exposition;
pub mod git;
pub mod hmac;
mod percent;
pub mod remote_write;

/// Returns a file of the test data that is not part of the repository, or nothing when it is absent.
#[cfg(test)]
fn test_data(path: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(test_data_folder().join(path)).ok();
    if bytes.is_none() {
        tell_skipped(path);
    }
    bytes
}

/// Returns the files of a folder of the test data by name, without its folders; none when it is absent.
#[cfg(test)]
fn test_files(folder: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(test_data_folder().join(folder)) else {
        tell_skipped(folder);
        return std::collections::BTreeMap::new();
    };
    let files = entries.map(|entry| entry.expect("a readable folder"));
    files
        .filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            Some((name, std::fs::read(file.path()).ok()?))
        })
        .collect()
}

#[cfg(test)]
fn test_data_folder() -> std::path::PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("SLEEPWELL_TEST_DATA").unwrap_or_else(|| beside.into());
    root.into()
}

#[cfg(test)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn tell_skipped(path: &str) {
    eprintln!("skipped: no test data `{path}`; set SLEEPWELL_TEST_DATA");
}
