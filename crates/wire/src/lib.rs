//! Bytes of outside formats to the model's nouns, and back: the Prometheus text exposition and remote
//! write 1.0.
//!
//! **Invariant.** Any input ends in a value or in an error that names the place in the input; nothing
//! panics, and no input makes us reserve more than its limit in [`model::limit`] allows.
//!
//! **Must not know**: sockets, files, clocks, HTTP. A caller brings the bytes and their content type.

pub mod exposition;
pub mod remote_write;

/// Returns a file of the test data that is not part of the repository, or nothing when it is absent.
#[cfg(test)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn test_data(path: &str) -> Option<Vec<u8>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("SLEEPWELL_TEST_DATA").unwrap_or_else(|| beside.into());
    let bytes = std::fs::read(std::path::Path::new(&root).join(path)).ok();
    if bytes.is_none() {
        eprintln!("skipped: no test data `{path}`; set SLEEPWELL_TEST_DATA");
    }
    bytes
}
