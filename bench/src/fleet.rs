//! A server and its agents as their users run them: the released program, each a process of its own.

#![expect(clippy::disallowed_methods, reason = "it measures time that passes")]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use client::Client;
use model::api::deliver::HostView;
use model::deliver::Proof;
use model::observe::ChangeState;
use model::{ChangeId, Secret, Timestamp};
use tempfile::TempDir;

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(120);

/// Is a server with its agents; all of it ends when it is dropped.
pub(crate) struct Fleet {
    folder: TempDir,
    program: PathBuf,
    url: String,
    server: Option<Child>,
    agents: Vec<Child>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Agents end their services when they are asked to end.
        for process in self.agents.iter().chain(&self.server) {
            let _ = Command::new("kill").arg(process.id().to_string()).status();
        }
        for process in self.agents.iter_mut().chain(&mut self.server) {
            let _ = process.wait();
        }
    }
}

impl Fleet {
    /// Makes the folder beside the checkout, since a temporary folder may be in memory.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(std::env::current_dir()?)?;
        let program = std::env::current_exe()?.with_file_name("sleepwell");
        ensure!(
            program.exists(),
            "{} is missing; `make bench` builds it",
            program.display()
        );
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self {
            folder,
            program,
            url: format!("http://127.0.0.1:{port}"),
            server: None,
            agents: vec![],
        })
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server and returns how long it took to be ready, and its process id.
    pub(crate) fn start_server(&mut self) -> Result<(Duration, u32)> {
        let begun = Instant::now();
        let address = self.url.trim_start_matches("http://").to_owned();
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--listen", &address, "--data"])
            .arg(self.data());
        let server = start(command, None)?;
        let pid = server.id();
        self.server = Some(server);
        let client = Client::new(&self.url, None);
        until("the server to be ready", || {
            client.raw("GET", "/-/ready", &[], None, 10_000).ok()
        })?;
        Ok((begun.elapsed(), pid))
    }

    /// Kills the server, as a power cut would.
    pub(crate) fn stop_server(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.kill()?;
            server.wait()?;
        }
        Ok(())
    }

    /// Starts that many agents with the label `role=bench`.
    pub(crate) fn start_agents(&mut self, count: usize) -> Result<()> {
        for n in 1..=count {
            let token = self.client()?.join_token(None)?.token;
            let name = format!("web-{n}");
            let mut command = Command::new(&self.program);
            command
                .args(["agent", "join", &self.url, "-", "--name", &name])
                .args(["--machine-id", &name, "--label", "role=bench"])
                .args(["--stop-services", "--free-ports", "--base"])
                .arg(self.folder.path().join(&name));
            self.agents.push(start(command, Some(&token))?);
        }
        let client = self.client()?;
        until("the agents to join", || {
            client.hosts(&[]).ok().filter(|hosts| hosts.len() == count)
        })?;
        Ok(())
    }

    pub(crate) fn client(&self) -> Result<Client> {
        let token = fs::read_to_string(self.data().join("admin-token"))?;
        Ok(Client::new(&self.url, Some(Secret::new(token.trim()))))
    }

    /// Returns a client that speaks as an agent.
    pub(crate) fn agent(&self, n: usize) -> Result<Client> {
        let path = self.folder.path().join(format!("web-{n}/identity.json"));
        let identity: serde_json::Value = serde_json::from_slice(&fs::read(path)?)?;
        let token = identity["token"].as_str().context("it has no token")?;
        Ok(Client::new(&self.url, Some(Secret::new(token))))
    }

    /// Writes a `sleepwell.yaml` for everybody at once, and an artifact of a megabyte that is this version.
    pub(crate) fn define(&self, version: &str) -> Result<PathBuf> {
        let yaml = "service: svc
owner: { team: bench, mail: bench@example.test }
artifact: { path: svc }
run: { exec: [\"./svc\", \"86400\"], stop_timeout: 1s }
health: { exec: [\"./svc\", \"0\"], interval: 1s, ok_after: 1, deadline: 30s }
environments:
  production: { hosts: { role: bench }, strategy: all, bake: 1ms }
";
        fs::write(self.folder.path().join("sleepwell.yaml"), yaml)?;
        let mut program = fs::read("/bin/sleep").context("it ships copies of /bin/sleep")?;
        program.resize((1 << 20) - version.len(), 0);
        program.extend_from_slice(version.as_bytes());
        let path = self.folder.path().join("svc");
        fs::write(&path, program)?;
        Ok(path)
    }

    /// Ships a version to every host, and returns its change with how long it took from the command to the
    /// last proof.
    pub(crate) fn ship(&self, version: &str) -> Result<(ChangeId, Duration)> {
        self.define(version)?;
        let begun = Instant::now();
        let said = self.run(&["ship", "svc", version, "--detach"])?;
        let change = said.trim().parse().map_err(anyhow::Error::msg)?;
        self.proved(version)?;
        Ok((change, begun.elapsed()))
    }

    /// Takes a change back, and returns how long it took from the order to the last proof.
    pub(crate) fn undo(&self, change: ChangeId, to: &str) -> Result<Duration> {
        let begun = Instant::now();
        self.client()?.order(change, "undo")?;
        self.proved(to)?;
        Ok(begun.elapsed())
    }

    fn proved(&self, version: &str) -> Result<()> {
        let client = self.client()?;
        until(&format!("every host to prove {version}"), || {
            let hosts = client.hosts(&[]).ok()?;
            hosts.iter().all(|host| proves(host, version)).then_some(())
        })
    }

    /// Waits until the newest change is over, so that the next one begins at once.
    pub(crate) fn settled(&self) -> Result<()> {
        let client = self.client()?;
        until("the change to be over", || {
            let changes = client.changes(&[]).ok()?;
            let mut states = changes.iter().map(|change| change.state);
            states.all(is_over).then_some(())
        })
    }

    fn run(&self, words: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(words)
            .arg("--data")
            .arg(self.data())
            .current_dir(self.folder.path())
            .output()?;
        if !output.status.success() {
            bail!("{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn start(mut command: Command, input: Option<&str>) -> Result<Child> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("the program cannot be started")?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        stdin.write_all(input.as_bytes())?;
    }
    Ok(child)
}

fn is_over(state: ChangeState) -> bool {
    match state {
        ChangeState::Done | ChangeState::Undone | ChangeState::Superseded => true,
        ChangeState::Planned
        | ChangeState::Running
        | ChangeState::Held
        | ChangeState::Undoing
        | ChangeState::Stuck => false,
    }
}

fn proves(host: &HostView, version: &str) -> bool {
    let service = host.services.first();
    service.is_some_and(|service| {
        service.proof == Proof::Converged
            && service
                .running
                .as_ref()
                .is_some_and(|v| v.as_str() == version)
    })
}

/// Returns what the clock of this machine says.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::UNIX_EPOCH + since.unwrap_or_default()
}

/// Returns the resident memory of a process, in bytes.
pub(crate) fn memory_of(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: u64 = kilobytes.context("the kernel does not say")?.parse()?;
    Ok(kilobytes << 10)
}

/// Waits until `look` finds something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::park_timeout(LOOK);
    }
}
