//! `sleepwell ship SERVICE [VERSION]` and `sleepwell ship SERVICE=VERSION ...`: uploads what is new, makes
//! the releases, starts the rollouts and watches them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use client::Client;
use model::api::Problem;
use model::api::deliver::{NewRelease, NewRollout, ReleaseView, ShipWith, Shipped};
use model::api::rehearsal::Rehearse;
use model::deliver::{Definition, IfRunning};
use model::digest::Hasher;
use model::{ChangeId, Digest, EnvironmentName, ServiceName, Version};

use super::connect::connect;
use super::follow::Follow;
use super::{Failed, check, note, print, print_json, style};
use crate::args::{Global, Ship};
use crate::data::Data;
use crate::show;

/// Bytes of an artifact hashed at once.
const PIECE: usize = 1 << 20;

/// Is one service as the command line names it.
pub(crate) struct Shipment {
    pub(crate) service: ServiceName,
    /// None: the newest release.
    pub(crate) version: Option<Version>,
    /// Where it is described; none: the server knows the version.
    pub(crate) file: Option<PathBuf>,
    /// Instead of the one its description names.
    pub(crate) artifact: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Ship) -> Result<u8> {
    let env = |name: &str| std::env::var(name).ok();
    let shipments = shipments(args, env)?;
    let client = connect(global)?;
    if args.rehearse {
        let [shipment] = shipments.as_slice() else {
            return Err(usage(
                "services are rehearsed one at a time",
                "rehearse each alone",
            ));
        };
        return rehearse(&client, global, args, shipment);
    }
    let shipped = start(
        &client,
        global.env.clone(),
        &shipments,
        if_running(args),
        env,
    )?;
    if !global.quiet && global.json.is_none() {
        note(&those_before(&shipped));
    }
    // The one that goes out last is over when all are.
    let last = shipped
        .parts
        .last()
        .map_or(shipped.change, |one| one.part.change);
    if args.detach {
        print(&started(&shipped))?;
        return Ok(0);
    }
    Follow {
        client: &client,
        global,
        command: Data::new(global)?.command(),
    }
    .run(last)
}

/// Reads `SERVICE [VERSION]` or `SERVICE=VERSION ...`, each with the file that describes it.
fn shipments(args: &Ship, env: impl Fn(&str) -> Option<String>) -> Result<Vec<Shipment>> {
    let what: Vec<&str> = args.what.iter().map(String::as_str).collect();
    let pairs: Option<Vec<(&str, &str)>> = what.iter().map(|one| one.split_once('=')).collect();
    match (what.as_slice(), pairs.as_deref()) {
        (_, Some([(service, version)])) => one(args, service, Some(version)),
        (_, Some(pairs)) => several(args, pairs, env),
        ([service], None) => one(args, service, None),
        ([service, version], None) => one(args, service, Some(version)),
        _ => Err(usage(
            "several services are named, and not all with a version",
            "write each as SERVICE=VERSION: sleepwell ship ledger=2.0 shop=1.4",
        )),
    }
}

fn one(args: &Ship, service: &str, version: Option<&str>) -> Result<Vec<Shipment>> {
    let file = match args.file.as_slice() {
        [] => PathBuf::from("sleepwell.yaml"),
        [file] => file.clone(),
        _ => return Err(usage("one service has one file", "name one with --file")),
    };
    Ok(vec![Shipment {
        service: parsed(service)?,
        version: version.map(parsed).transpose()?,
        file: Some(file),
        artifact: args.artifact.clone(),
    }])
}

fn several(
    args: &Ship,
    pairs: &[(&str, &str)],
    env: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Shipment>> {
    if args.artifact.is_some() {
        return Err(usage(
            "one artifact is named for several services",
            "leave --artifact out: each service's file names its own",
        ));
    }
    let mut shipments = Vec::new();
    for (service, version) in pairs {
        let service: ServiceName = parsed(service)?;
        if shipments
            .iter()
            .any(|one: &Shipment| one.service == service)
        {
            let what = format!("`{service}` is named twice");
            return Err(usage(what, "name each service once, with one version"));
        }
        shipments.push(Shipment {
            service,
            version: Some(parsed(version)?),
            file: None,
            artifact: None,
        });
    }
    for file in &args.file {
        let (definition, _) = check::read(file, &env)?;
        let described = |one: &&mut Shipment| one.service == definition.service;
        match shipments.iter_mut().find(described) {
            Some(one) => one.file = Some(file.clone()),
            None => {
                let what = format!(
                    "{} describes `{}`, which is not shipped",
                    file.display(),
                    definition.service
                );
                return Err(usage(
                    what,
                    "name the files of what is shipped, and no others",
                ));
            }
        }
    }
    Ok(shipments)
}

fn parsed<T: FromStr<Err = String>>(text: &str) -> Result<T> {
    text.parse()
        .map_err(|why: String| match why.split_once("; ") {
            Some((what, hint)) => usage(what, hint),
            None => usage(why, "sleepwell ship --help says how it is written"),
        })
}

fn usage(what: impl Into<String>, hint: &str) -> anyhow::Error {
    let problem = Problem::new(422, "usage", what.into()).hint(hint);
    Failed { problem, code: 2 }.into()
}

/// Names the changes that were started, in the order they go out.
fn started(shipped: &Shipped) -> String {
    if shipped.parts.is_empty() {
        return format!("{}\n", shipped.change);
    }
    let parts = shipped.parts.iter().map(|one| &one.part);
    parts
        .map(|part| format!("{}  {} {}\n", part.change, part.service, part.version))
        .collect()
}

/// Says what became of the rollouts before this one, a line each.
fn those_before(shipped: &Shipped) -> String {
    let mut lines = Vec::new();
    let mut tell = |change: ChangeId, superseded: &[ChangeId], behind: Option<ChangeId>| {
        for before in superseded {
            lines.push(format!(
                "{change} takes over from {before}, which ends where it is"
            ));
        }
        if let Some(behind) = behind {
            lines.push(format!("{change} waits for the end of {behind}"));
        }
    };
    if shipped.parts.is_empty() {
        tell(shipped.change, &shipped.superseded, shipped.queued_behind);
    }
    for one in &shipped.parts {
        tell(one.part.change, &one.superseded, one.queued_behind);
    }
    lines.join("\n")
}

/// Ships without watching and returns the change, with what became of those before it.
pub(crate) fn start(
    client: &Client,
    environment: Option<EnvironmentName>,
    shipments: &[Shipment],
    if_running: Option<IfRunning>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Shipped> {
    // What is wrong with one is found before anything of another is uploaded.
    let mut releases = Vec::new();
    for shipment in shipments {
        releases.push(prepare(client, shipment, &env)?);
    }
    for (shipment, (_, draft)) in shipments.iter().zip(&releases) {
        if let Some(draft) = draft {
            release(client, &shipment.service, draft)?;
        }
    }
    let services = shipments.iter().map(|one| one.service.clone());
    let mut releases = services.zip(releases.into_iter().map(|(version, _)| version));
    let (service, version) = releases.next().context("nothing is named")?;
    let with = releases.map(|(service, version)| ShipWith { service, version });
    let rollout = NewRollout {
        service,
        version,
        environment,
        if_running,
        with: with.collect(),
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

/// Returns the version, and the release to be made of it unless there is neither a definition nor an artifact
/// here and the server knows the version already.
fn prepare(
    client: &Client,
    shipment: &Shipment,
    env: impl Fn(&str) -> Option<String>,
) -> Result<(Version, Option<Draft>)> {
    let Some(version) = &shipment.version else {
        return Ok((newest(client, &shipment.service)?.version, None));
    };
    if !is_here(shipment) && is_known(client, shipment, version)? {
        return Ok((version.clone(), None));
    }
    Ok((version.clone(), Some(draft(shipment, version, env)?)))
}

/// Uploads the artifact unless its digest is known, and makes the release.
fn release(client: &Client, service: &ServiceName, draft: &Draft) -> Result<()> {
    let Draft {
        artifact,
        size_bytes,
        release,
    } = draft;
    let digest = release.digest;
    if !client.artifact_known(digest)? {
        client
            .upload_artifact(service, digest, &mut File::open(artifact)?, *size_bytes)
            .with_context(|| {
                format!("cannot upload {} ({size_bytes} bytes)", artifact.display())
            })?;
    }
    client.new_release(release)?;
    Ok(())
}

/// Is a release as it lies here.
struct Draft {
    artifact: PathBuf,
    size_bytes: u64,
    release: NewRelease,
}

fn draft(
    shipment: &Shipment,
    version: &Version,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Draft> {
    let service = &shipment.service;
    let Some(file) = &shipment.file else {
        let title = format!("`{service}` {version} is not known to the server");
        let hint = format!("name the file that describes it: --file {service}/sleepwell.yaml");
        let problem = Problem::new(404, "unknown_version", title).hint(hint);
        return Err(Failed { problem, code: 5 }.into());
    };
    let (definition, text) = check::read(file, env)?;
    if definition.service != *service {
        let title = format!(
            "{} describes `{}`, not `{service}`",
            file.display(),
            definition.service
        );
        let problem =
            Problem::new(422, "other_service", title).hint("name the right file with --file");
        return Err(Failed { problem, code: 2 }.into());
    }
    let artifact = artifact_path(shipment, file, &definition, version);
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
fn rehearse(client: &Client, global: &Global, args: &Ship, one: &Shipment) -> Result<u8> {
    let (version, release) = match &one.version {
        None => (newest(client, &one.service)?.version, None),
        Some(version) if is_here(one) || !is_known(client, one, version)? => {
            let draft = draft(one, version, |name| std::env::var(name).ok())?;
            (version.clone(), Some(draft.release))
        }
        Some(version) => (version.clone(), None),
    };
    let rehearsal = client.rehearse(&Rehearse {
        rollout: NewRollout {
            service: one.service.clone(),
            version,
            environment: global.env.clone(),
            if_running: if_running(args),
            with: Vec::new(),
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
fn is_here(shipment: &Shipment) -> bool {
    let file = shipment.file.as_ref();
    file.is_some_and(|file| file.exists()) || shipment.artifact.is_some()
}

fn is_known(client: &Client, shipment: &Shipment, version: &Version) -> Result<bool> {
    Ok(releases(client, &shipment.service)?
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
fn artifact_path(
    shipment: &Shipment,
    file: &Path,
    definition: &Definition,
    version: &Version,
) -> PathBuf {
    if let Some(artifact) = &shipment.artifact {
        return artifact.clone();
    }
    let path = definition
        .artifact
        .path
        .replace("${RELEASE}", version.as_str());
    file.parent().unwrap_or(Path::new("")).join(path)
}

pub(super) fn digest(path: &Path) -> Result<(Digest, u64)> {
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
