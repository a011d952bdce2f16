//! The crates of the workspace and what they depend on, as cargo sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Is one crate of the workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Crates of the workspace it is built from.
    pub uses: BTreeSet<String>,
    /// Crates of the workspace only its tests need.
    pub uses_in_tests: BTreeSet<String>,
    /// Crates from outside, in whatever way it needs them.
    pub outside: BTreeSet<String>,
}

/// Asks cargo for every crate of the workspace, by name.
///
/// # Errors
/// When cargo cannot be run or answers something else.
pub fn members(root: &Path) -> Result<BTreeMap<String, Member>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root)
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    read(&serde_json::from_slice(&output.stdout)?)
}

fn read(metadata: &Value) -> Result<BTreeMap<String, Member>> {
    let packages = list(metadata, "packages")?;
    packages
        .iter()
        .map(|package| Ok((name(package)?, member(package)?)))
        .collect()
}

fn member(package: &Value) -> Result<Member> {
    let mut member = Member::default();
    for dependency in list(package, "dependencies")? {
        let inside = !dependency["path"].is_null();
        let only_tests = dependency["kind"] == "dev";
        let names = match (inside, only_tests) {
            (true, false) => &mut member.uses,
            (true, true) => &mut member.uses_in_tests,
            (false, _) => &mut member.outside,
        };
        names.insert(name(dependency)?);
    }
    Ok(member)
}

fn list<'v>(value: &'v Value, key: &str) -> Result<&'v Vec<Value>> {
    let list = value[key].as_array();
    list.with_context(|| format!("cargo metadata has no list `{key}`"))
}

fn name(value: &Value) -> Result<String> {
    let name = value["name"].as_str().context("cargo names no crate")?;
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dependencies_are_told_apart() {
        let metadata = json!({"packages": [{"name": "web", "dependencies": [
            {"name": "model", "path": "crates/model", "kind": null},
            {"name": "lab", "path": "crates/lab", "kind": "dev"},
            {"name": "axum", "path": null, "kind": null},
        ]}]});
        let set = |name: &str| BTreeSet::from([name.to_owned()]);
        let web = Member {
            uses: set("model"),
            uses_in_tests: set("lab"),
            outside: set("axum"),
        };
        assert_eq!(
            read(&metadata).unwrap(),
            BTreeMap::from([("web".to_owned(), web)])
        );
    }
}
