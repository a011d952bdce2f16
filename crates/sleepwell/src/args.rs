//! What can be asked on the command line. The doc comments are the help texts, read as plain text.

#![expect(clippy::doc_markdown, reason = "help texts are shown without Markdown")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use model::api::alert::Asked;
use model::observe::ChangeState;
use model::time::Zone;
use model::{ChangeId, EnvironmentName, FreezeName, HostName, IncidentId, KeyPin, ServiceName};

use crate::complete;

/// Ships your change, watches what it does in production, and undoes it before you wake up.
#[derive(Debug, Parser)]
#[command(name = "sleepwell", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Test {
    #[command(subcommand)]
    pub(crate) what: TestCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TestCommand {
    /// Run scripts in the language of Prometheus' own PromQL tests
    Promql(TestPromql),
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct TestPromql {
    /// Scripts, and folders whose *.test files are run in the order of their names
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// A line for each case: file:line pass|value-only|fail|skip, with the reason
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Global {
    /// Folder of the server's data (default: $XDG_DATA_HOME/sleepwell)
    #[arg(long, global = true, env = "SLEEPWELL_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address of the server (default: the one of the data folder, else http://127.0.0.1:7700)
    #[arg(long, global = true, env = "SLEEPWELL_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Key the server has to have, where its certificate is its own (see `sleepwell doctor` there)
    #[arg(long, global = true, env = "SLEEPWELL_PIN", value_name = "SHA256")]
    pub(crate) pin: Option<KeyPin>,
    /// Environment, where a service has several
    #[arg(long, global = true, value_name = "NAME", add = complete::environments())]
    pub(crate) env: Option<EnvironmentName>,
    /// One JSON document, or with `=lines` one event per line while watching
    #[arg(long, global = true, value_name = "FORM", num_args = 0..=1, default_missing_value = "document", require_equals = true)]
    pub(crate) json: Option<Json>,
    /// No colours (also: NO_COLOR in the environment)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Only the result
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Stop watching after this long, such as 10m; what is watched goes on
    #[arg(long, global = true, value_parser = duration, value_name = "TIME")]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Json {
    Document,
    Lines,
}

fn duration(text: &str) -> Result<Duration, String> {
    model::time::parse_duration(text)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Server and agents on this machine; --demo ships examples/shop and breaks a canary
    Up(Up),
    /// Server alone
    Serve(Serve),
    /// This host's agent: join a server, run, make a join token, update agents
    Agent(Agent),
    /// Hosts that run no agent: a tool of yours changes and observes them
    Adapter(Adapter),
    /// Start a rollout and watch it
    Ship(Ship),
    /// Set every host up anew with the release it runs, ring by ring, and watch it
    Redeploy(Redeploy),
    /// Follow a change live; without argument the newest one
    Watch(Watch),
    /// Roll a change back now
    Undo(Undo),
    /// Stop a rollout at its ring
    Hold(Order),
    /// Let a held rollout go on
    Go(Order),
    /// The chain of causes: verdict, evidence, actions
    Why(Why),
    /// List changes
    Changes(Changes),
    /// What each host really runs
    Hosts(Hosts),
    /// Alerts that fire and whether anybody was told; `alerts pages`: who was told what
    Alerts(Alerts),
    /// When nothing new is released
    Freeze(Freeze),
    /// The schema of a service's data: what it is, and whether it may be migrated
    Schema(Schema),
    /// Check a sleepwell.yaml and show the plan it would run
    Check(Check),
    /// Test expressions without a server
    Test(Test),
    /// What is missing, with the command that fixes it
    Doctor,
    /// Call the API with your token and print the answer
    Api(Api),
    /// Print a script that completes commands, options and the names the server knows
    Completions(Completions),
    /// What the exit codes mean
    #[command(after_help = crate::show::exit::help())]
    ExitCodes,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Up {
    /// Ship examples/shop three times, once with a real defect
    #[arg(long)]
    pub(crate) demo: bool,
    /// Go on with the data of the last run
    #[arg(long)]
    pub(crate) keep: bool,
    /// Agents on this machine (default: 1, with --demo 8)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) agents: Option<u32>,
    /// Address to listen on; when its port is taken, the next free one
    #[arg(long, default_value = "127.0.0.1:7700", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Stop when the demo is over instead of leaving the server running
    #[arg(long, requires = "demo")]
    pub(crate) once: bool,
    /// Folder of the shop's sources (default: examples/shop)
    #[arg(long, default_value = "examples/shop", value_name = "DIR")]
    pub(crate) shop: PathBuf,
    /// Folder of the shop's built programs (default: beside this program)
    #[arg(long, value_name = "DIR")]
    pub(crate) shop_programs: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Address to listen on (default: `listen` of server.yaml, else 127.0.0.1:7700)
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// When the port is taken, use the next free one
    #[arg(long)]
    pub(crate) next_free: bool,
    /// Settings (default: server.yaml in the data folder)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Agent {
    #[command(subcommand)]
    pub(crate) command: AgentCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Make this host report and receive releases
    Join(Join),
    /// Run the agent of a host that joined before
    Run(AgentOptions),
    /// Print the line that makes another host join
    Token(AgentToken),
    /// Have the agents of hosts become another program, one host after the other; services do not notice
    Update(AgentUpdate),
    /// Become the command, and end with the parent (used by the agent itself)
    #[command(hide = true)]
    ExecTrial {
        #[arg(long)]
        parent: u32,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// Make a session of its own and become the command (used by the agent itself)
    #[command(hide = true)]
    ExecService {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<std::ffi::OsString>,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgentUpdate {
    /// In this order; it ends at the first that does not become the program
    #[arg(required_unless_present = "all", conflicts_with = "all", add = complete::hosts())]
    pub(crate) hosts: Vec<HostName>,
    /// Every host that can be updated, by name
    #[arg(long)]
    pub(crate) all: bool,
    /// The program to become (default: this one); the one before it is the way back
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgentToken {
    /// Let in the host of this name alone, even if it is enrolled already or is a copy of another machine
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<HostName>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Join {
    /// Address of the server, such as https://sleepwell.example.com
    pub(crate) url: String,
    /// The join token (see `sleepwell agent token`); `-` reads it from standard input
    pub(crate) token: String,
    /// Only join; run later with `sleepwell agent run`
    #[arg(long)]
    pub(crate) only: bool,
    /// Join even if this host joined before; who it was is forgotten, what it runs goes on
    #[arg(long)]
    pub(crate) again: bool,
    /// Speak with a server elsewhere although the connection is not encrypted
    #[arg(long)]
    pub(crate) plain_http: bool,
    #[command(flatten)]
    pub(crate) options: AgentOptions,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AgentOptions {
    /// Folder of the agent and the releases (default: $XDG_DATA_HOME/sleepwell-agent)
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<PathBuf>,
    /// Name of this host (default: its host name)
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<HostName>,
    /// Label of this host, such as role=shop; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Take free ports for services instead of the ones their releases name
    #[arg(long)]
    pub(crate) free_ports: bool,
    /// Stop the services when the agent stops
    #[arg(long)]
    pub(crate) stop_services: bool,
    /// Name of the machine, where several agents share one (default: /etc/machine-id)
    #[arg(long, value_name = "ID")]
    pub(crate) machine_id: Option<String>,
    /// Who starts services: the agent, or systemd as units of its own (auto: systemd where it runs and the agent is root)
    #[arg(long, value_name = "WHO", value_enum, default_value_t = Supervisor::Auto)]
    pub(crate) supervisor: Supervisor,
    /// How long a new program of the agent may take to speak with the server (default: 60s)
    #[arg(long, value_parser = duration, value_name = "TIME", hide = true)]
    pub(crate) trial_time: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Supervisor {
    Auto,
    Builtin,
    Systemd,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Adapter {
    #[command(subcommand)]
    pub(crate) command: AdapterCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdapterCommand {
    /// Enrol every target of the file that has not joined yet
    Join(AdapterOptions),
    /// Take what the server wants of the targets and have the tool carry it out
    Run(AdapterOptions),
    /// Have the tool observe every target once and show what it says; needs no server
    Check(AdapterCheck),
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AdapterOptions {
    /// The adapter's file
    #[arg(long, value_name = "FILE", default_value = "adapter.yaml")]
    pub(crate) file: PathBuf,
    /// Folder of what is kept: identities, wishes, artifacts (default: .sleepwell beside the file)
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<PathBuf>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct AdapterCheck {
    /// The service to look for
    #[arg(add = complete::services())]
    pub(crate) service: ServiceName,
    /// The adapter's file
    #[arg(long, value_name = "FILE", default_value = "adapter.yaml")]
    pub(crate) file: PathBuf,
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text
        .split_once('=')
        .map(|(n, v)| (n.to_owned(), v.to_owned()));
    pair.ok_or_else(|| format!("`{text}` is not a label; write role=shop"))
}

#[derive(Clone, Debug, ClapArgs)]
#[command(
    override_usage = "sleepwell ship [OPTIONS] <SERVICE> [VERSION]\n       sleepwell ship [OPTIONS] <SERVICE=VERSION> <SERVICE=VERSION>..."
)]
pub(crate) struct Ship {
    /// A service and its version, the name people see, which may not be used twice with other bytes
    /// (default: the newest release); or several services with theirs, which go out in the order of
    /// their `depends_on`, are judged as one and undone together
    #[arg(
        required = true,
        value_name = "SERVICE [VERSION] | SERVICE=VERSION...",
        add = complete::what_to_ship()
    )]
    pub(crate) what: Vec<String>,
    /// Where the service is described (default: sleepwell.yaml); with several services once for each
    /// whose version is new
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// The artifact, instead of the definition's `artifact.path`
    #[arg(long, value_name = "FILE")]
    pub(crate) artifact: Option<PathBuf>,
    /// Wait for the end of a rollout that is on its way (default: what the definition says)
    #[arg(long, conflicts_with = "supersede")]
    pub(crate) queue: bool,
    /// Take over from a rollout that is on its way; only an undo is waited for
    #[arg(long)]
    pub(crate) supersede: bool,
    /// Start it and leave
    #[arg(long)]
    pub(crate) detach: bool,
    /// Say how it would go and what would stop it, and change nothing
    #[arg(long, conflicts_with = "detach")]
    pub(crate) rehearse: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Redeploy {
    #[arg(add = complete::services())]
    pub(crate) service: ServiceName,
    /// Start it and leave
    #[arg(long)]
    pub(crate) detach: bool,
    /// Say how it would go and what would stop it, and change nothing
    #[arg(long, conflicts_with = "detach")]
    pub(crate) rehearse: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Watch {
    #[arg(add = complete::changes())]
    pub(crate) change: Option<ChangeId>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Order {
    #[arg(add = complete::changes())]
    pub(crate) change: ChangeId,
    /// Order it and leave
    #[arg(long)]
    pub(crate) detach: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Undo {
    #[command(flatten)]
    pub(crate) order: Order,
    /// Change nothing; say whether there is a way back, and what is safe instead
    #[arg(long, conflicts_with = "detach")]
    pub(crate) forward: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Schema {
    /// Without it, every schema that is known is listed
    #[command(subcommand)]
    pub(crate) command: Option<SchemaCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Ask whether a migration may begin; from then on both versions count
    Begin(SchemaBegin),
    /// Say what the schema is now: migrated, given up, or found to be so
    Set(SchemaSet),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SchemaPlace {
    #[arg(add = complete::services())]
    pub(crate) service: ServiceName,
    /// The environment
    #[arg(value_name = "ENV", add = complete::environments())]
    pub(crate) environment: EnvironmentName,
    /// The version of the schema, as the service's migrations count
    #[arg(value_name = "N")]
    pub(crate) version: u64,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SchemaBegin {
    #[command(flatten)]
    pub(crate) place: SchemaPlace,
    #[arg(long)]
    pub(crate) kind: SchemaKind,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SchemaSet {
    #[command(flatten)]
    pub(crate) place: SchemaPlace,
    /// What led there; needed for a step that was not begun before
    #[arg(long)]
    pub(crate) kind: Option<SchemaKind>,
    /// Take it as it is, whatever does not work with it; with a reason
    #[arg(long, requires = "reason")]
    pub(crate) anyway: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SchemaKind {
    /// Adds something; what runs goes on, and the step can be taken back
    Expand,
    /// Moves data over; can be stopped and started again
    Migrate,
    /// Takes the old shape away: a point of no return
    Contract,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Why {
    /// A change, alert, incident or page, such as chg-12, alt-12 or inc-12
    #[arg(add = complete::changes())]
    pub(crate) id: Asked,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Changes {
    /// Only those whose state changed within this time, such as 6h
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) since: Option<Duration>,
    /// Only those in this state, such as undone
    #[arg(long, value_parser = state, value_name = "STATE")]
    pub(crate) state: Option<ChangeState>,
}

fn state(text: &str) -> Result<ChangeState, String> {
    ChangeState::ALL
        .into_iter()
        .find(|state| state.to_string() == text)
        .ok_or_else(|| {
            let known: Vec<String> = ChangeState::ALL.iter().map(ToString::to_string).collect();
            format!("unknown state `{text}`; known: {}", known.join(", "))
        })
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Hosts {
    #[command(subcommand)]
    pub(crate) command: Option<HostsCommand>,
    /// Only hosts that are to run this service
    #[arg(add = complete::services())]
    pub(crate) service: Option<ServiceName>,
    /// Only those that do not run what they should, or say nothing
    #[arg(long)]
    pub(crate) drifted: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HostsCommand {
    /// Let the rollouts under way go on without a host; it is brought to the release when it is back
    Exclude(HostOrder),
    /// This server was restored from an old backup and hosts are ahead of it: show what differs; with
    /// --keep or --follow go on from there
    Adopt(AdoptFleet),
    /// Have a host try again what it is blocked at, went back from, or runs otherwise; see first to what stood in
    /// its way
    Fix(FixHost),
    /// A host is gone for good: it is expected no longer, and its token is void
    Retire(HostOrder),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AdoptFleet {
    /// Hosts that are ahead keep what they run until something is shipped to them
    #[arg(long, conflicts_with = "follow")]
    pub(crate) keep: bool,
    /// Hosts that are ahead are asked for what this server knows, which may be older than what they run
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FixHost {
    #[arg(add = complete::hosts())]
    pub(crate) host: HostName,
    /// Only this service (default: every one that needs it)
    #[arg(add = complete::services())]
    pub(crate) service: Option<ServiceName>,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct HostOrder {
    #[arg(add = complete::hosts())]
    pub(crate) host: HostName,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Alerts {
    #[command(subcommand)]
    pub(crate) command: Option<AlertsCommand>,
    /// Only alerts of this service
    #[arg(add = complete::services())]
    pub(crate) service: Option<ServiceName>,
    /// Also those that are resolved
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Who was told what, and whether it arrived; newest first
    Pages(Pages),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Pages {
    /// Only pages about this incident, such as inc-3
    pub(crate) incident: Option<IncidentId>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Freeze {
    /// Without it, every freeze is listed
    #[command(subcommand)]
    pub(crate) command: Option<FreezeCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FreezeCommand {
    /// Keep releases back by a rule of the server, which no sleepwell.yaml can lift
    Set(FreezeSet),
    /// Take a rule of the server back for good
    Lift(FreezeLift),
    /// Let one rollout go on in spite of freezes, for a while
    Override(FreezeOverride),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FreezeSet {
    pub(crate) name: FreezeName,
    /// When it begins: every week, such as "fri 16:00", or once, such as "2026-12-23 12:00"
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// When it ends, in the same form
    #[arg(long, value_name = "TIME")]
    pub(crate) to: String,
    /// Time zone of both, such as Europe/Berlin
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub(crate) zone: Zone,
    /// Only this service; with --env only this environment
    #[arg(long, value_name = "NAME", add = complete::services())]
    pub(crate) service: Option<ServiceName>,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FreezeLift {
    #[arg(add = complete::freezes())]
    pub(crate) name: FreezeName,
    #[command(flatten)]
    pub(crate) because: Because,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FreezeOverride {
    #[arg(add = complete::changes())]
    pub(crate) change: ChangeId,
    /// Why it cannot wait, for the journal
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// For how long, a day at most
    #[arg(long = "for", default_value = "1h", value_parser = duration, value_name = "TIME")]
    pub(crate) span: Duration,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    #[arg(default_value = "sleepwell.yaml")]
    pub(crate) file: PathBuf,
    /// Print the JSON Schema of the file, for editors
    #[arg(long)]
    pub(crate) schema: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Api {
    /// Such as /api/v1/observe/changes
    pub(crate) path: String,
    /// GET, POST, PUT or DELETE (default: GET, with --body POST)
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// JSON to send; `-` reads it from standard input
    #[arg(short = 'd', long, value_name = "JSON")]
    pub(crate) body: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    pub(crate) shell: clap_complete::Shell,
}

/// Is what a person gives as the reason of an order.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Because {
    /// Why, for the journal
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    pub(crate) reason: String,
}
