//! `sleepwell agent update HOST... | --all`: the agents of hosts become another program, one host after the other.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use agent::Stop;
use anyhow::{Context, Result};
use client::{Client, Error};
use model::api::Problem;
use model::api::deliver::{HostView, UpdateAgent};
use model::deliver::{ProgramOutcome, ProgramUpdate};
use model::{Digest, HostName, ServiceName, Timestamp, words};
use runtime::Clock;
use serde::Serialize;

use super::connect::connect;
use super::{Failed, hosts, note, print, print_json, ship};
use crate::args::{AgentUpdate, Global};
use crate::show::exit::Exit;
use crate::show::trouble;

/// Between two looks at a host.
const LOOK: Duration = Duration::from_millis(250);
/// A server that restarts is away for less than this.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one host may take, where nothing else is said: the fetch, and the minute a new program has.
const HOST_TIME: Duration = Duration::from_secs(300);
/// Under this name programs lie among the artifacts.
const SERVICE: &str = "sleepwell-agent";

pub(crate) fn run(global: &Global, args: &AgentUpdate) -> Result<u8> {
    let client = connect(global)?;
    let program = Program::read(args.program.as_deref())?;
    let (hosts, mut done) = choose(&client, args, &program)?;
    if hosts.iter().any(|host| !program.is_of(host)) {
        program.upload(&client)?;
    }
    for host in &hosts {
        let what = if program.is_of(host) {
            What::Had
        } else {
            update(&client, global, args, (host, &program))?;
            What::Updated
        };
        let one = Done::new(host, what);
        if global.json.is_none() && !global.quiet {
            print(&one.line(&program))?;
        }
        done.push(one);
    }
    let is_whole = done.iter().all(|one| one.why.is_none());
    if global.json.is_some() {
        print_json(&done)?;
    } else {
        print(&summary(&done, &program))?;
    }
    Ok(if is_whole { 0 } else { Exit::Drift.code() })
}

/// Is the file agents are to become.
struct Program {
    path: PathBuf,
    digest: Digest,
    size_bytes: u64,
    /// What it says itself; empty where it does not run on this machine.
    version: String,
    /// Of this very program; none of a file that was named, which the hosts find out themselves.
    platform: Option<String>,
}

impl Program {
    fn read(named: Option<&Path>) -> Result<Self> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => std::env::current_exe().context("cannot find this program's own file")?,
        };
        File::open(&path).with_context(|| {
            format!(
                "cannot read {}; name a program with --program",
                path.display()
            )
        })?;
        let (digest, size_bytes) = ship::digest(&path)?;
        let own = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        Ok(Self {
            version: version(&path),
            platform: named.is_none().then_some(own),
            path,
            digest,
            size_bytes,
        })
    }

    fn name(&self) -> String {
        trouble::program(&self.version, self.digest)
    }

    fn is_of(&self, host: &HostView) -> bool {
        let said = host.program.reported.as_ref();
        said.is_some_and(|said| said.digest == Some(self.digest))
            && host.program.pending().is_none()
    }

    /// Says why the agent of a host cannot become this.
    fn unfit(&self, host: &HostView) -> Option<String> {
        let Some(said) = &host.program.reported else {
            return Some("its agent does not say what program it is".to_owned());
        };
        if let ProgramUpdate::Unable { why } = &said.update {
            return Some(why.clone());
        }
        if let Some(since) = host.unknown_since {
            return Some(format!("it is silent since {since}"));
        }
        let own = self.platform.as_ref()?;
        (*own != said.platform).then(|| {
            format!(
                "it needs a program for {}, and this one is for {own}",
                said.platform
            )
        })
    }

    fn upload(&self, client: &Client) -> Result<()> {
        if client.artifact_known(self.digest)? {
            return Ok(());
        }
        let service: ServiceName = SERVICE.parse().map_err(anyhow::Error::msg)?;
        client
            .upload_artifact(
                &service,
                self.digest,
                &mut File::open(&self.path)?,
                self.size_bytes,
            )
            .with_context(|| format!("cannot upload {}", self.path.display()))
    }
}

/// Asks a program what it is. One for another kind of machine does not run here, and has no name but its digest.
fn version(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let asked = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let said = said.unwrap_or_default();
    let first = said.lines().next().unwrap_or_default();
    let version = first.strip_prefix("sleepwell ").unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic();
    version.chars().filter(|c| is_plain(*c)).take(50).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Updated,
    /// It was this program before.
    Had,
    LeftOut,
}

/// Is what became of one host.
#[derive(Clone, Debug, Serialize)]
struct Done {
    host: HostName,
    what: What,
    /// Of one that was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Done {
    fn new(host: &HostView, what: What) -> Self {
        let host = host.name.clone();
        Self {
            host,
            what,
            why: None,
        }
    }

    fn line(&self, program: &Program) -> String {
        let (host, name) = (&self.host, program.name());
        match self.what {
            What::Updated => format!("{host} runs {name}\n"),
            What::Had => format!("{host} ran {name} before\n"),
            What::LeftOut => format!(
                "{host} was left out: {}\n",
                self.why.as_deref().unwrap_or_default()
            ),
        }
    }
}

fn summary(done: &[Done], program: &Program) -> String {
    let left: Vec<&Done> = done.iter().filter(|one| one.why.is_some()).collect();
    let there = done.len() - left.len();
    let mut text = format!(
        "{there} of {} run {}.\n",
        words::counted(done.len() as u64, "agent"),
        program.name()
    );
    for one in left {
        text.push_str(&one.line(program));
    }
    text
}

/// Returns the hosts to update, and those of all that are left out. One that is named and cannot be updated is a
/// failure, before anything begins.
fn choose(
    client: &Client,
    args: &AgentUpdate,
    program: &Program,
) -> Result<(Vec<HostView>, Vec<Done>)> {
    if args.all {
        let all = client.hosts(&[])?.into_iter();
        let (fit, unfit): (Vec<_>, Vec<_>) = all.partition(|host| program.unfit(host).is_none());
        let left_out = |host: &HostView| Done {
            why: program.unfit(host),
            ..Done::new(host, What::LeftOut)
        };
        return Ok((fit, unfit.iter().map(left_out).collect()));
    }
    let mut hosts: Vec<HostView> = Vec::new();
    for name in &args.hosts {
        if hosts.iter().any(|host| host.name == *name) {
            continue;
        }
        let host = hosts::find(client, name)?;
        if let Some(why) = program.unfit(&host) {
            let title = format!("the agent of `{name}` cannot be updated: {why}");
            let problem = Problem::new(409, "cannot_update", title).hint(
                "nothing was begun; name a program that fits with --program, or replace it by hand",
            );
            return Err(Failed { problem, code: 1 }.into());
        }
        hosts.push(host);
    }
    Ok((hosts, vec![]))
}

/// Asks one host, and waits until its agent has spoken as the new program.
fn update(
    client: &Client,
    global: &Global,
    args: &AgentUpdate,
    (host, program): (&HostView, &Program),
) -> Result<()> {
    let asked = client.update_agent(
        host.id,
        &UpdateAgent {
            digest: program.digest,
            version: program.version.clone(),
            reason: args.because.reason.clone(),
        },
    )?;
    let begun = Clock::System.now();
    let limit = global.timeout.unwrap_or(HOST_TIME);
    let (pause, mut answered, mut told) = (Stop::default(), begun, String::new());
    loop {
        let now = Clock::System.now();
        match client.host(&host.name) {
            Ok(seen) => {
                answered = now;
                match standing(seen.as_ref(), asked.number) {
                    Standing::Done => return Ok(()),
                    Standing::Failed(why) => return Err(failed(host, program, &why).into()),
                    Standing::Other(why) => return Err(overtaken(host, &why).into()),
                    Standing::Waits(why) if why != told && !global.quiet => {
                        note(&format!("{}: {why}", host.name));
                        told = why;
                    }
                    Standing::Waits(_) => {}
                }
            }
            Err(Error::Unreachable { .. }) if now.since(answered) < PATIENCE => {}
            Err(error) => return Err(error.into()),
        }
        if now.since(begun) >= limit {
            return Err(too_long(host, (begun, now)).into());
        }
        pause.wait(LOOK);
    }
}

/// Is how far a host is with a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// With what is in its way; empty while nothing is.
    Waits(String),
    Done,
    Failed(String),
    /// The wish counts no longer.
    Other(String),
}

fn standing(host: Option<&HostView>, number: u64) -> Standing {
    let Some(host) = host else {
        return Standing::Other("it was retired meanwhile".to_owned());
    };
    let order = host.program.order.as_ref();
    let Some(order) = order.filter(|order| order.wish.number == number) else {
        return Standing::Other("somebody asked it for another program meanwhile".to_owned());
    };
    match &order.outcome {
        ProgramOutcome::Done { .. } => Standing::Done,
        ProgramOutcome::Failed { why, .. } => Standing::Failed(why.clone()),
        ProgramOutcome::Replaced { .. } => {
            Standing::Other("it runs another program that was put there by hand".to_owned())
        }
        ProgramOutcome::Pending => {
            let said = host.program.reported.as_ref().map(|said| &said.update);
            Standing::Waits(match (said, host.unknown_since) {
                (Some(ProgramUpdate::Preparing { why }), _) => why.clone(),
                (_, Some(since)) => format!("silent since {since}"),
                _ => String::new(),
            })
        }
    }
}

fn failed(host: &HostView, program: &Program, why: &str) -> Failed {
    let title = format!(
        "the agent of `{}` did not become {}: {why}",
        host.name,
        program.name()
    );
    let problem = Problem::new(409, "update_failed", title)
        .at("it goes on with the program it had; hosts behind it were not asked")
        .hint("look into its log on the host; ask again with the same command, or with a program that works");
    Failed { problem, code: 1 }
}

fn overtaken(host: &HostView, why: &str) -> Failed {
    let title = format!(
        "the update of `{}` is not followed any more: {why}",
        host.name
    );
    let problem =
        Problem::new(409, "overtaken", title).hint("sleepwell hosts shows where it stands");
    Failed { problem, code: 1 }
}

fn too_long(host: &HostView, (begun, now): (Timestamp, Timestamp)) -> Failed {
    let title = format!(
        "the agent of `{}` has not become the new program within {}",
        host.name,
        words::duration(now.since(begun))
    );
    let problem = Problem::new(408, "not_in_time", title)
        .at("its update goes on; hosts behind it were not asked")
        .hint("sleepwell hosts shows where it stands");
    Failed {
        problem,
        code: Exit::NoVerdict.code(),
    }
}
