//! The example shop's programs, which cargo builds for other packages' tests only when asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of a program of the shop, such as `shop-1-0`.
pub(crate) fn program(name: &str) -> PathBuf {
    programs().join(name)
}

/// Returns the folder the shop's programs are in, built.
pub(crate) fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let program = Path::new(env!("CARGO_BIN_EXE_sleepwell"));
        let folder = program.parent().expect("a program is in a folder");
        build(folder);
        folder.to_owned()
    })
}

/// Returns the folder of the shop's sources and its definition.
pub(crate) fn sources() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.join("../../examples/shop")
}

fn build(folder: &Path) {
    let target = folder.parent().expect("`debug` is in the target folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--offline",
            "--package",
            "shop",
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "the shop could not be built:\n{errors}"
    );
}
