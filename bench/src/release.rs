//! A release to 8 and 32 hosts on this machine, proof included, and its undo; beside the same bytes copied,
//! flushed, hashed and started one host after the other, and beside Ansible where it is installed.

#![expect(clippy::disallowed_methods, reason = "it measures time that passes")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use model::Digest;

use crate::figures::{median, seconds, skipped, time, title};
use crate::fleet::Fleet;

const RUNS: usize = 5;

pub(crate) fn run() -> Result<()> {
    title(&format!(
        "1 MB to every host at once, from `ship` to the last proof, and back; median of {RUNS}"
    ));
    for hosts in [8, 32] {
        with(hosts)?;
    }
    Ok(())
}

fn with(hosts: usize) -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.start_server()?;
    fleet.start_agents(hosts)?;
    fleet.ship("0")?;
    fleet.settled()?;
    let (mut shipped, mut undone) = (vec![], vec![]);
    for run in 1..=RUNS {
        let (change, took) = fleet.ship(&run.to_string())?;
        fleet.settled()?;
        shipped.push(seconds(took));
        undone.push(seconds(fleet.undo(change, "0")?));
        fleet.settled()?;
    }
    let floor = floor(&fleet, hosts)?;
    time(
        &format!("floor: {hosts} copies, one by one"),
        floor,
        None,
        None,
    );
    let wanted = (hosts == 32).then_some("3 s");
    time(
        &format!("ship to {hosts} hosts"),
        median(shipped),
        Some(floor),
        wanted,
    );
    time(
        &format!("undo on {hosts} hosts"),
        median(undone),
        Some(floor),
        Some("2 s"),
    );
    let name = format!("Ansible, {hosts} local connections");
    match ansible(&fleet, hosts)? {
        Some(took) => time(&name, took, Some(floor), None),
        None => skipped(&name, "it is not installed"),
    }
    Ok(())
}

/// Copies, flushes, starts and hashes for one host after the other.
fn floor(fleet: &Fleet, hosts: usize) -> Result<f64> {
    let bytes = fs::read(fleet.define("floor")?)?;
    let begun = Instant::now();
    let mut children = vec![];
    for n in 0..hosts {
        let path = fleet.folder().join(format!("copy-{n}"));
        let mut file = File::create(&path)?;
        file.write_all(&bytes)?;
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
        file.sync_all()?;
        drop(file);
        let child = Command::new(&path).arg("86400").spawn()?;
        let found = Digest::of(&fs::read(format!("/proc/{}/exe", child.id()))?);
        ensure!(found == Digest::of(&bytes), "the copy is another file");
        children.push(child);
    }
    let took = begun.elapsed();
    for child in &mut children {
        child.kill()?;
        child.wait()?;
    }
    Ok(seconds(took))
}

/// Has the adapter's example ship and observe the same bytes by Ansible, all hosts at once; nothing where it
/// is not installed.
fn ansible(fleet: &Fleet, hosts: usize) -> Result<Option<f64>> {
    if Command::new("ansible-playbook")
        .arg("--version")
        .output()
        .is_err()
    {
        return Ok(None);
    }
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/adapters/ansible/deploy");
    let artifact = fleet.define("ansible")?;
    let digest = Digest::of(&fs::read(&artifact)?);
    let base = fleet.folder().join("ansible/{{ inventory_hostname }}");
    let targets: Vec<_> = (1..=hosts)
        .map(|n| serde_json::json!({ "host": format!("web-{n}"), "labels": {}, "previous": null }))
        .collect();
    let request = serde_json::json!({
        "contract": 1, "verb": "apply", "idem_key": "bench", "fence": 1,
        "service": "svc", "environment": "production",
        "release": {
            "number": 1, "version": "1", "digest": digest, "format": "file", "file_name": "svc",
            "path": artifact, "exec": ["./svc", "86400"], "env": {}, "ports": [],
        },
        "targets": targets,
        "params": { "ansible_connection": "local", "base": base },
    });
    let begun = Instant::now();
    for verb in ["apply", "observe"] {
        let answer = call(&tool, verb, &request)?;
        if verb == "observe" {
            let seen = answer.matches(&digest.to_string()).count();
            ensure!(seen == hosts, "{seen} of {hosts} hosts run it: {answer}");
        }
    }
    let took = begun.elapsed();
    let stop = serde_json::json!({ "release": null });
    let mut rollback = request;
    rollback["release"] = stop["release"].clone();
    call(&tool, "rollback", &rollback)?;
    Ok(Some(seconds(took)))
}

fn call(tool: &Path, verb: &str, request: &serde_json::Value) -> Result<String> {
    let mut child = Command::new(tool)
        .arg(verb)
        .env("ANSIBLE_FORKS", "32")
        .env("ANSIBLE_PIPELINING", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().context("it is a pipe")?;
    stdin.write_all(request.to_string().as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{verb} by Ansible failed");
    Ok(String::from_utf8(output.stdout)?)
}
