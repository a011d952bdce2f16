//! `sleepwell agent join | run | token`; `agent update` has a file of its own.

use std::path::{Path, PathBuf};

use agent::{Config, Joined, SelfUpdate, Stop};
use anyhow::{Context, Result, bail};
use model::api::Problem;
use model::{HostName, Labels, Secret, limit};

use super::connect::{connect, is_private};
use super::{Failed, print};
use crate::args::{Agent, AgentCommand, AgentOptions, AgentToken, Global, Join, Supervisor};
use crate::data;

pub(crate) fn run(global: &Global, args: &Agent) -> Result<u8> {
    match &args.command {
        AgentCommand::Join(join) => self::join(global, join),
        AgentCommand::Run(options) => run_agent(options),
        AgentCommand::Token(args) => token(global, args),
        AgentCommand::Update(args) => super::update::run(global, args),
        AgentCommand::ExecService { command } => Err(agent::exec_service(command).into()),
        AgentCommand::ExecTrial { parent, command } => {
            Err(agent::exec_trial(*parent, command).into())
        }
    }
}

/// Prints the line that makes another host join.
fn token(global: &Global, args: &AgentToken) -> Result<u8> {
    let client = connect(global)?;
    let token = client.join_token(args.host.clone())?;
    let (options, whom) = match &args.host {
        Some(host) => (
            format!(" --again --name {host}"),
            format!("It lets in {host} alone; whatever was {host} until then is nobody.\n"),
        ),
        None => (String::new(), String::new()),
    };
    let consent = if is_private(client.base_url()) {
        ""
    } else {
        " --plain-http"
    };
    print(&format!(
        "sleepwell agent join {} {}{options}{consent}\n\nIt works once, until {}.\n{whom}",
        client.base_url(),
        token.token,
        token.expires_at
    ))?;
    Ok(0)
}

fn join(global: &Global, args: &Join) -> Result<u8> {
    crate::log::start();
    if !is_private(&args.url) && !args.plain_http {
        return Err(in_the_clear(&args.url).into());
    }
    let config = config(&args.options, &args.url)?;
    let token = join_token(global, args)?;
    let joined = if args.again {
        agent::join_again(&config, &token)?
    } else {
        agent::join(&config, &token)?
    };
    tell_joined(&joined);
    if args.only {
        return Ok(0);
    }
    start(config)
}

/// Returns the token, with the key named beside it where it names none itself.
fn join_token(global: &Global, args: &Join) -> Result<Secret> {
    let token = if args.token == "-" {
        data::read_secret()?
    } else {
        args.token.clone()
    };
    model::pin::split_join_token(&token).map_err(cut)?;
    Ok(Secret::new(match global.pin {
        Some(pin) if !token.contains('.') => pin.behind(&token),
        _ => token,
    }))
}

fn cut(why: String) -> Failed {
    let problem = Problem::new(400, "", why);
    let problem = problem.hint("copy the whole line that `sleepwell agent token` prints");
    Failed { problem, code: 1 }
}

fn in_the_clear(url: &str) -> Failed {
    let title = format!("the connection to {url} is not encrypted");
    let problem = Problem::new(400, "", title)
        .at("anybody on the way could read this host's token and what is shipped to it")
        .hint("write https://; where a tunnel or a network of your own keeps others out, add --plain-http");
    Failed { problem, code: 1 }
}

fn tell_joined(joined: &Joined) {
    let (host, url) = (&joined.identity.host, &joined.identity.server_url);
    match (joined.already, joined.identity.pin) {
        (false, _) => tracing::info!(host.name = %host, "{host} joined {url}"),
        (true, _) if !joined.repinned => {
            tracing::info!(host.name = %host, "{host} had joined {url} before");
        }
        (true, Some(pin)) => tracing::info!(
            host.name = %host,
            "{host} had joined {url} before, and knows it by its key {pin} from now on"
        ),
        (true, None) => tracing::info!(
            host.name = %host,
            "{host} had joined {url} before, and knows it by who signed its certificate from now on"
        ),
    }
}

fn run_agent(options: &AgentOptions) -> Result<u8> {
    crate::log::start();
    let base = base(options)?;
    let identity = agent::Identity::load(&base)?.with_context(|| {
        format!(
            "no agent joined from {}; see `sleepwell agent join --help`",
            base.display()
        )
    })?;
    let mut config = config(options, &identity.server_url)?;
    config.host = identity.host;
    start(config)
}

fn start(config: Config) -> Result<u8> {
    let stop = Stop::default();
    stop_on_signal(stop.clone())?;
    agent::run(config, &stop)?;
    Ok(0)
}

/// Waits for SIGTERM or SIGINT in a thread of its own.
pub(super) fn stop_on_signal(stop: Stop) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        use tokio::signal::unix::{SignalKind, signal};
        let _entered = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! { _ = signals.0.recv() => {}, _ = signals.1.recv() => {} }
            });
            stop.stop();
        })?;
    Ok(())
}

fn base(options: &AgentOptions) -> Result<PathBuf> {
    match &options.base {
        Some(base) => Ok(std::path::absolute(base)?),
        None => data::agent_base(),
    }
}

fn config(options: &AgentOptions, url: &str) -> Result<Config> {
    let host = options.name.clone().map_or_else(own_name, Ok)?;
    let mut config = Config::new(url, base(options)?, host);
    config.labels = Labels::new(options.labels.iter().cloned()).map_err(anyhow::Error::msg)?;
    config.machine_id.clone_from(&options.machine_id);
    config.free_ports = options.free_ports;
    config.stop_services_on_exit = options.stop_services;
    config.supervisor = supervisor(options.supervisor)?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let program = program
        .to_str()
        .context("the path of this program is not UTF-8")?;
    config.exec_helper = [program, "agent", "exec-service", "--"]
        .map(str::to_owned)
        .to_vec();
    config.update = Some(self_update(options, &config.base)?);
    Ok(config)
}

fn supervisor(wanted: Supervisor) -> Result<agent::Supervisor> {
    if wanted == Supervisor::Builtin {
        return Ok(agent::Supervisor::BuiltIn);
    }
    match agent::Systemd::find() {
        Ok(systemd) => {
            tracing::info!("services run as units of systemd");
            Ok(agent::Supervisor::Systemd(systemd))
        }
        Err(why) if wanted == Supervisor::Systemd => {
            bail!("services cannot be units of systemd: {why}; leave out `--supervisor systemd`")
        }
        Err(why) => {
            tracing::info!("services are started by the agent itself: {why}");
            Ok(agent::Supervisor::BuiltIn)
        }
    }
}

/// Returns how this agent is started again in place of itself: as `run`, however it was started first.
fn self_update(options: &AgentOptions, base: &Path) -> Result<SelfUpdate> {
    let base = base
        .to_str()
        .context("the path of the agent's folder is not UTF-8")?;
    let mut run = vec!["agent", "run", "--base", base];
    if options.free_ports {
        run.push("--free-ports");
    }
    if options.stop_services {
        run.push("--stop-services");
    }
    match options.supervisor {
        Supervisor::Auto => {}
        Supervisor::Builtin => run.extend(["--supervisor", "builtin"]),
        Supervisor::Systemd => run.extend(["--supervisor", "systemd"]),
    }
    let time = options.trial_time;
    let time = time.map(|time| format!("{}ms", time.as_millis()));
    if let Some(time) = &time {
        run.extend(["--trial-time", time]);
    }
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    Ok(SelfUpdate {
        run: words(&run),
        helper: words(&["agent", "exec-trial", "--parent"]),
        patience: options.trial_time.unwrap_or(limit::AGENT_TRIAL),
    })
}

fn own_name() -> Result<HostName> {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    match name.parse() {
        Ok(name) => Ok(name),
        Err(why) => bail!("{why}; name this host with --name"),
    }
}
