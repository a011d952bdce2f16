//! `sleepwell ship SERVICE [VERSION]`: uploads what is new, makes the release, starts the rollout and
//! watches it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use client::Client;
use model::api::Problem;
use model::api::deliver::{NewRelease, NewRollout, ReleaseView, Shipped};
use model::api::rehearsal::Rehearse;
use model::deliver::{Definition, IfRunning};
use model::digest::Hasher;
use model::{Digest, EnvironmentName, ServiceName, Version};

use super::connect::connect;
use super::follow::Follow;
use super::{Failed, check, note, print, print_json, style};
use crate::args::{Global, Ship};
use crate::data::Data;
use crate::show;

/// Bytes of an artifact hashed at once.
const PIECE: usize = 1 << 20;

pub(crate) fn run(global: &Global, args: &Ship) -> Result<u8> {
    let client = connect(global)?;
    if args.rehearse {
        return rehearse(&client, global, args);
    }
    let shipped = start(&client, global.env.clone(), args, |name| {
        std::env::var(name).ok()
    })?;
    let change = shipped.change;
    if !global.quiet && global.json.is_none() {
        note(&those_before(&shipped));
    }
    if args.detach {
        print(&format!("{change}\n"))?;
        return Ok(0);
    }
    Follow {
        client: &client,
        global,
        command: Data::new(global)?.command(),
    }
    .run(change)
}

/// Says what became of the rollouts before this one, a line each.
fn those_before(shipped: &Shipped) -> String {
    let change = shipped.change;
    let superseded = shipped.superseded.iter();
    let mut lines: Vec<String> = superseded
        .map(|before| format!("{change} takes over from {before}, which ends where it is"))
        .collect();
    if let Some(behind) = shipped.queued_behind {
        lines.push(format!("{change} waits for the end of {behind}"));
    }
    lines.join("\n")
}

/// Ships without watching and returns the change, with what became of those before it.
pub(crate) fn start(
    client: &Client,
    environment: Option<EnvironmentName>,
    args: &Ship,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Shipped> {
    let version = match &args.version {
        Some(version) => {
            release(client, args, version, env)?;
            version.clone()
        }
        None => newest(client, &args.service)?.version,
    };
    let rollout = NewRollout {
        service: args.service.clone(),
        version,
        environment,
        if_running: if_running(args),
    };
    Ok(client.new_rollout(&rollout)?)
}

/// Returns what the command line says about a rollout that is on its way.
fn if_running(args: &Ship) -> Option<IfRunning> {
    match (args.queue, args.supersede) {
        (true, _) => Some(IfRunning::Queue),
        (false, true) => Some(IfRunning::Supersede),
        (false, false) => None,
    }
}

/// Makes the release, unless there is neither a definition nor an artifact here and the server knows the
/// version already.
fn release(
    client: &Client,
    args: &Ship,
    version: &Version,
    env: impl Fn(&str) -> Option<String>,
) -> Result<()> {
    if !is_here(args) && is_known(client, args, version)? {
        return Ok(());
    }
    let Draft {
        artifact,
        size_bytes,
        release,
    } = draft(args, version, env)?;
    let digest = release.digest;
    if !client.artifact_known(digest)? {
        client
            .upload_artifact(
                &args.service,
                digest,
                &mut File::open(&artifact)?,
                size_bytes,
            )
            .with_context(|| {
                format!("cannot upload {} ({size_bytes} bytes)", artifact.display())
            })?;
    }
    client.new_release(&release)?;
    Ok(())
}

/// Is a release as it lies here.
struct Draft {
    artifact: PathBuf,
    size_bytes: u64,
    release: NewRelease,
}

fn draft(args: &Ship, version: &Version, env: impl Fn(&str) -> Option<String>) -> Result<Draft> {
    let (definition, text) = check::read(&args.file, env)?;
    if definition.service != args.service {
        let file = args.file.display();
        let title = format!(
            "{file} describes `{}`, not `{}`",
            definition.service, args.service
        );
        let problem =
            Problem::new(422, "other_service", title).hint("name the right file with --file");
        return Err(Failed { problem, code: 2 }.into());
    }
    let artifact = artifact_path(args, &definition, version);
    let (digest, size_bytes) = digest(&artifact)?;
    let release = NewRelease {
        version: version.clone(),
        digest,
        definition: text,
    };
    Ok(Draft {
        artifact,
        size_bytes,
        release,
    })
}

/// Says how it would go; nothing is uploaded and nothing begins.
fn rehearse(client: &Client, global: &Global, args: &Ship) -> Result<u8> {
    let (version, release) = match &args.version {
        None => (newest(client, &args.service)?.version, None),
        Some(version) if is_here(args) || !is_known(client, args, version)? => {
            let draft = draft(args, version, |name| std::env::var(name).ok())?;
            (version.clone(), Some(draft.release))
        }
        Some(version) => (version.clone(), None),
    };
    let rehearsal = client.rehearse(&Rehearse {
        rollout: NewRollout {
            service: args.service.clone(),
            version,
            environment: global.env.clone(),
            if_running: if_running(args),
        },
        release,
    })?;
    if global.json.is_some() {
        print_json(&rehearsal)?;
    } else {
        print(&show::rehearsal::screen(&rehearsal, style(global)))?;
    }
    Ok(show::rehearsal::code(&rehearsal))
}

/// Tells whether what a release is made of is named or lies here.
fn is_here(args: &Ship) -> bool {
    args.file.exists() || args.artifact.is_some()
}

fn is_known(client: &Client, args: &Ship, version: &Version) -> Result<bool> {
    Ok(releases(client, &args.service)?
        .iter()
        .any(|release| release.version == *version))
}

fn newest(client: &Client, service: &ServiceName) -> Result<ReleaseView> {
    releases(client, service)?
        .into_iter()
        .next()
        .ok_or_else(|| {
            let problem =
                Problem::new(404, "no_release", format!("`{service}` has no release yet"))
                    .hint(format!("make one: sleepwell ship {service} 1.0.0"));
            Failed { problem, code: 5 }.into()
        })
}

fn releases(client: &Client, service: &ServiceName) -> Result<Vec<ReleaseView>> {
    Ok(client.get_json("/api/v1/deliver/releases", &[("service", service.as_str())])?)
}

/// Returns where the artifact is: what was named, else the definition's path, beside its file.
fn artifact_path(args: &Ship, definition: &Definition, version: &Version) -> PathBuf {
    if let Some(artifact) = &args.artifact {
        return artifact.clone();
    }
    let path = definition
        .artifact
        .path
        .replace("${RELEASE}", version.as_str());
    args.file.parent().unwrap_or(Path::new("")).join(path)
}

fn digest(path: &Path) -> Result<(Digest, u64)> {
    let mut file = File::open(path).with_context(|| {
        format!(
            "cannot read the artifact {}; build it, or name it with --artifact",
            path.display()
        )
    })?;
    if !file.metadata()?.is_file() {
        bail!("the artifact {} is not a file", path.display());
    }
    let (mut hasher, mut size_bytes, mut piece) = (Hasher::default(), 0u64, vec![0; PIECE]);
    loop {
        let n = file.read(&mut piece)?;
        if n == 0 {
            return Ok((hasher.finish(), size_bytes));
        }
        hasher.update(&piece[..n]);
        size_bytes += n as u64;
    }
}
