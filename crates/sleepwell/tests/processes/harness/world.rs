//! A server, its agents and their owner's inbox, in a folder that nobody else knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use client::Client;
use model::api::change::{ChangeView, RingState};
use model::api::deliver::HostService;
use model::observe::ChangeState;
use model::{ChangeId, KeyPin, Secret};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::definition::{self, Definition};
use super::front;
use super::inbox::{Doors, Inbox};
use super::process::{self, Ended, Process, sleepwell};
use super::wait::{until, until_true};

/// How long a command of the test may take: well over a rollout, under the test's own patience.
const COMMAND_S: u64 = 25;
/// How long something may take to start.
const START_S: u64 = 15;

pub(crate) struct World {
    folder: TempDir,
    server: Option<Process>,
    /// On the same database, with a data folder of its own.
    second: Option<Process>,
    /// What servers find in their environment.
    settings: Vec<(&'static str, String)>,
    agents: BTreeMap<usize, Process>,
    stop_services: bool,
    /// How long a new program of an agent may take, where it is not the minute it has.
    pub(crate) trial_time: Option<&'static str>,
    pub(crate) inbox: Inbox,
    pub(crate) doors: Doors,
}

impl Drop for World {
    fn drop(&mut self) {
        self.agents.clear();
        self.server = None;
        self.second = None;
        process::end_all_of(self.folder.path());
        for base in self.agents_bases() {
            // Nothing runs any more; the control groups of agents that were killed are left.
            let _ = agent::end_leftovers(&base);
        }
    }
}

impl World {
    fn agents_bases(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).into_iter().flatten();
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect()
    }

    /// Starts a server and that many agents, called `web-1`, `web-2`, …, whose services end with them.
    pub(crate) fn with_agents(count: usize) -> Self {
        let mut world = Self::empty();
        world.stop_services = true;
        world.start_all(count);
        world
    }

    /// Starts agents as on a real host: services outlive them.
    pub(crate) fn with_lasting_services(count: usize) -> Self {
        let mut world = Self::empty();
        world.start_all(count);
        world
    }

    /// Starts two servers on one PostgreSQL database, behind one address, and their agents; nothing where
    /// PostgreSQL is not installed.
    pub(crate) fn with_two_servers(count: usize) -> Option<Self> {
        Self::empty().shared_by_two_servers(count)
    }

    /// The same without hosts; alerts are told by webhook.
    pub(crate) fn with_two_servers_and_receiver() -> Option<Self> {
        let mut world = Self::empty();
        let receiver = format!("http://{}/alerts", world.doors.http);
        world.settings = vec![("SLEEPWELL_RECEIVER_WEBHOOK", receiver)];
        world.shared_by_two_servers(0)
    }

    fn shared_by_two_servers(self, count: usize) -> Option<Self> {
        let mut world = self;
        world.stop_services = true;
        let servers = [front::free(), front::free()];
        let artifacts = world.folder().join("artifacts");
        world.settings.extend([
            ("SLEEPWELL_DATABASE", testdb::database()?),
            ("SLEEPWELL_ARTIFACTS", artifacts.display().to_string()),
            (
                "SLEEPWELL_PUBLIC_URL",
                format!("http://{}", front::open(servers)),
            ),
        ]);
        let [first, second] = servers.map(|address| address.to_string());
        world.write_settings(&world.data());
        world.start_server(&["--listen", &first]);
        let data = world.folder().join("second");
        world.write_settings(&data);
        world.second = Some(world.serve(&data, &["--listen", &second]));
        world.join_all(count);
        Some(world)
    }

    /// Makes the folder and the inbox and starts nothing.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("sleepwell-processes-")
            .tempdir()
            .expect("a folder can be made");
        let (inbox, doors) = Inbox::open();
        Self {
            folder,
            server: None,
            second: None,
            settings: vec![],
            agents: BTreeMap::new(),
            stop_services: false,
            trial_time: None,
            inbox,
            doors,
        }
    }

    /// Starts a server alone that tells the inbox's webhook of every alert without an owner.
    pub(crate) fn with_receiver() -> Self {
        let mut world = Self::empty();
        let receiver = format!("http://{}/alerts", world.doors.http);
        world.settings = vec![("SLEEPWELL_RECEIVER_WEBHOOK", receiver)];
        world.start_all(0);
        world
    }

    /// Says what servers find in their environment from now on.
    pub(crate) fn set(&mut self, settings: Vec<(&'static str, String)>) {
        self.settings = settings;
        self.write_settings(&self.data());
    }

    /// Starts a server and agents as [`World::with_agents`] in a world where nothing runs yet.
    pub(crate) fn start(&mut self, count: usize) {
        self.stop_services = true;
        self.start_all(count);
    }

    /// Starts a server and agents as [`World::with_lasting_services`] in a world where nothing runs yet.
    pub(crate) fn start_lasting(&mut self, count: usize) {
        self.start_all(count);
    }

    fn start_all(&mut self, count: usize) {
        self.write_settings(&self.data());
        let listen = format!("127.0.0.1:{}", first_port());
        self.start_server(&["--listen", &listen, "--next-free"]);
        self.join_all(count);
    }

    /// Writes the settings of a server into its data folder.
    pub(crate) fn write_settings(&self, data: &Path) {
        let settings = format!(
            "smtp: {{ url: 'smtp://{smtp}', from: sleepwell@example.test }}\noutbound_allow: ['{smtp}', '{http}']\n",
            smtp = self.doors.smtp,
            http = self.doors.http
        );
        std::fs::create_dir_all(data).unwrap();
        std::fs::write(data.join("server.yaml"), settings).unwrap();
    }

    fn join_all(&mut self, count: usize) {
        (1..=count).for_each(|n| self.join(n));
        until_true("the hosts to join", START_S, || {
            self.client()
                .hosts(&[])
                .is_ok_and(|hosts| hosts.len() == count)
        });
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the server's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the base folder of an agent.
    pub(crate) fn base(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("web-{n}"))
    }

    // The server.

    fn start_server(&mut self, options: &[&str]) {
        let address = self.data().join("address");
        let _ = std::fs::remove_file(&address); // of a server that was killed
        self.server = Some(self.serve(&self.data(), options));
        until_true("the server to answer", START_S, || {
            self.client().me().is_ok()
        });
    }

    pub(crate) fn serve(&self, data: &Path, options: &[&str]) -> Process {
        let mut command = sleepwell(&["serve"]);
        command.args(options).arg("--data").arg(data);
        command.envs(self.settings.iter().map(|(key, value)| (key, value)));
        let mut server = Process::start(&mut command);
        server.says("listening on", START_S);
        server
    }

    pub(crate) fn server(&mut self) -> &mut Process {
        self.server.as_mut().expect("a server runs")
    }

    pub(crate) fn url(&self) -> String {
        std::fs::read_to_string(self.data().join("address")).expect("a server wrote its address")
    }

    /// Returns a client with a token of its own that may post alerts.
    pub(crate) fn sender_of_alerts(&self) -> Client {
        let new = json!({ "name": "prometheus", "role": "ingest", "expires_at": null });
        let created: Value = self.client().post_json("/api/v1/tokens", &new).unwrap();
        let secret = created["secret"].as_str().unwrap();
        Client::new(&self.url(), Some(Secret::new(secret)))
    }

    pub(crate) fn client(&self) -> Client {
        let token =
            std::fs::read_to_string(self.data().join("admin-token")).expect("a server made it");
        Client::pinned(&self.url(), Some(Secret::new(token.trim())), self.pin())
    }

    /// Returns the key the server is known by; none where it is not.
    pub(crate) fn pin(&self) -> Option<KeyPin> {
        let pin = std::fs::read_to_string(self.data().join("pin")).ok()?;
        Some(pin.parse().expect("the server wrote it"))
    }

    /// Kills the server with no warning and returns where it was.
    pub(crate) fn kill_server(&mut self) -> String {
        let url = self.url();
        self.server = None;
        url
    }

    /// Starts a server on the same data, where its agents look for it.
    pub(crate) fn restart_server(&mut self, url: &str) {
        let listen = url.split_once("://").expect("an address").1;
        self.start_server(&["--listen", listen]);
    }

    // The agents.

    fn agent_options(&self, n: usize) -> Vec<String> {
        let name = format!("web-{n}");
        let machine = format!("{name}@{}", self.folder.path().display());
        let base = self.base(n).display().to_string();
        // For those that are shipped to in two slots.
        let slot = if n % 2 == 1 {
            "slot=blue"
        } else {
            "slot=green"
        };
        let mut options = vec![
            "--name",
            &name,
            "--machine-id",
            &machine,
            "--label",
            "role=web",
            "--label",
            slot,
            "--free-ports",
            "--supervisor",
            "builtin", // a test leaves nothing in the host's systemd
        ];
        if self.stop_services {
            options.push("--stop-services");
        }
        if let Some(time) = self.trial_time {
            options.extend(["--trial-time", time]);
        }
        options.extend(["--base", &base]);
        options.into_iter().map(str::to_owned).collect()
    }

    fn join(&mut self, n: usize) {
        let token = self
            .client()
            .join_token(None)
            .expect("the server makes one")
            .token;
        let mut command = sleepwell(&["agent", "join", &self.url(), "-"]);
        command.args(self.agent_options(n));
        self.agents
            .insert(n, Process::start_with_input(&mut command, &token));
    }

    pub(crate) fn agent(&mut self, n: usize) -> &mut Process {
        self.agents.get_mut(&n).expect("this agent runs")
    }

    pub(crate) fn kill_agent(&mut self, n: usize) {
        self.agents.remove(&n).expect("this agent runs").kill();
    }

    /// Starts an agent that had joined before.
    pub(crate) fn run_agent(&mut self, n: usize) {
        let mut command = sleepwell(&["agent", "run"]);
        command.args(self.agent_options(n));
        self.agents.insert(n, Process::start(&mut command));
    }

    /// Makes the script of that version unhealthy on a host.
    pub(crate) fn close(&self, n: usize, version: &str) {
        std::fs::write(self.base(n).join(definition::gate(version)), "").unwrap();
    }

    /// Makes it healthy again.
    pub(crate) fn open(&self, n: usize, version: &str) {
        std::fs::remove_file(self.base(n).join(definition::gate(version))).unwrap();
    }

    // The command line.

    /// Starts a command against this server.
    pub(crate) fn start_command(&self, words: &[&str]) -> Process {
        let mut command = sleepwell(words);
        Process::start(
            command
                .arg("--data")
                .arg(self.data())
                .current_dir(self.folder()),
        )
    }

    /// Runs a command against this server to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.start_command(words).ends_within(COMMAND_S)
    }

    /// Runs a command that is to end well and returns its JSON document.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let ended = self.run(words);
        assert_eq!(ended.code, Some(0), "{words:?}:\n{}", ended.said);
        serde_json::from_str(&ended.said)
            .unwrap_or_else(|e| panic!("{words:?}: {e}\n{}", ended.said))
    }

    /// Writes `sleepwell.yaml` where commands look for it.
    pub(crate) fn define(&self, definition: &Definition) {
        let yaml = definition.yaml(self.doors);
        std::fs::write(self.folder().join("sleepwell.yaml"), yaml).unwrap();
    }

    /// Writes the script of a version as the artifact to ship.
    pub(crate) fn write_script(&self, version: &str) {
        std::fs::write(self.folder().join("svc"), definition::script(version)).unwrap();
    }

    /// Starts a rollout of the script and returns its change.
    pub(crate) fn begin(&self, version: &str) -> ChangeId {
        self.write_script(version);
        self.begin_artifact(version, "svc")
    }

    /// Starts a rollout of any file and returns its change.
    pub(crate) fn begin_artifact(&self, version: &str, artifact: &str) -> ChangeId {
        let ended = self.run(&["ship", "svc", version, "--artifact", artifact, "--detach"]);
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        ended.said.trim().parse().expect("it prints the change")
    }

    /// Ships the script to its end.
    pub(crate) fn ship(&self, version: &str) -> ChangeId {
        let change = self.begin(version);
        self.ends(change, ChangeState::Done);
        change
    }

    // What the server says.

    pub(crate) fn view(&self, change: ChangeId) -> ChangeView {
        self.client().change(change).expect("the server answers")
    }

    /// Waits until the change is in that state for good.
    pub(crate) fn ends(&self, change: ChangeId, state: ChangeState) -> ChangeView {
        self.reaches(change, &format!("to be {state}"), |view| {
            view.change.state == state
        })
    }

    /// Waits until a ring of the change is in that state.
    pub(crate) fn ring_is(&self, change: ChangeId, ring: usize, state: RingState) -> ChangeView {
        self.reaches(change, &format!("to be {state:?} in ring {ring}"), |view| {
            view.rings[ring].state == state
        })
    }

    pub(crate) fn reaches(
        &self,
        change: ChangeId,
        what: &str,
        is_there: impl Fn(&ChangeView) -> bool,
    ) -> ChangeView {
        let mut last = None;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(&format!("{change} {what}"), COMMAND_S, || {
                let view = self.client().change(change).ok()?;
                let there = is_there(&view);
                last = Some(story(&view));
                there.then_some(view)
            })
        }));
        found.unwrap_or_else(|_| {
            panic!(
                "{change} did not come {what}:\n{}",
                last.unwrap_or_default()
            )
        })
    }

    /// Returns what a host says about the service.
    pub(crate) fn service(&self, n: usize) -> HostService {
        self.service_if_asked(n).expect("it has the service")
    }

    /// Returns what a host says about the service, or nothing before it was asked for it.
    pub(crate) fn service_if_asked(&self, n: usize) -> Option<HostService> {
        let name = format!("web-{n}");
        let hosts = self.client().hosts(&[]).expect("the server answers");
        let host = hosts.into_iter().find(|host| host.name.as_str() == name);
        host.expect("it joined").services.into_iter().next()
    }

    /// Returns the main process of the service on a host, as its agent knows it.
    pub(crate) fn service_pid(&self, n: usize) -> u32 {
        let reported = self.service(n).reported.expect("it reported");
        reported.processes.first().expect("the service runs").pid
    }

    /// Stops everything politely and checks that no entry of the journal was lost or changed.
    pub(crate) fn journal_is_whole(&mut self) {
        let server = self.server();
        server.terminate();
        server.ends_within(5);
        self.server = None;
        let path = self.data().join("sleepwell.db");
        let store = store::Store::open_sqlite(&path, store::Durability::Full).expect("it opens");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let check = runtime.block_on(store.read(store::journal::check)).unwrap();
        let whole = matches!(check, store::journal::Check::Whole { sealed, .. } if sealed > 0);
        assert!(whole, "{check:?}");
    }
}

/// Returns a port to begin with: below those the system gives to connections, so that nobody takes it
/// while its server is away, and far from those of other tests.
fn first_port() -> u16 {
    static SERVERS: AtomicU32 = AtomicU32::new(0);
    let n = SERVERS.fetch_add(1, Ordering::Relaxed);
    let offset = (std::process::id() * 101 + n * 103) % 10_000;
    20_000 + u16::try_from(offset).expect("it is under 10,000")
}

/// Returns the events of a change, a line each.
pub(crate) fn story(view: &ChangeView) -> String {
    let lines: Vec<String> = view
        .timeline
        .iter()
        .map(|item| format!("{} {} {}", item.at.time_of_day(), item.event, item.text))
        .collect();
    lines.join("\n")
}

/// Returns how often something happened to a change.
pub(crate) fn times(view: &ChangeView, event: &str) -> usize {
    view.timeline
        .iter()
        .filter(|item| item.event == event)
        .count()
}
