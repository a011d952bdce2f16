//! A server of a few lines that speaks the agents' protocol, and an agent in a thread.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent::{Config, Stop};
use model::api::agent::{Event, Events, Sync, Wish};
use model::deliver::desired::DesiredRelease;
use model::deliver::{
    ArtifactFormat, Check, Desired, DesiredState, Health, Priority, Proof, ReleaseNumber, Reported,
    Run, Scrape,
};
use model::{Digest, Timestamp};

#[derive(Default)]
pub(crate) struct Board {
    pub(crate) wish: Option<Wish>,
    pub(crate) last: Option<Sync>,
    pub(crate) events: Vec<Event>,
    pub(crate) blobs: HashMap<String, Vec<u8>>,
    pub(crate) samples: Vec<Vec<u8>>,
    pub(crate) down: bool,
    /// Answers every call with this status and code.
    pub(crate) turns_away: Option<(&'static str, &'static str)>,
    /// The paths that were called since.
    pub(crate) calls: Vec<String>,
    /// Calls for artifacts are cut after these many bytes of the body, one after the other.
    pub(crate) cuts: Vec<usize>,
    /// The ranges that were asked for, none as empty text.
    pub(crate) ranges: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    /// Who an agent is here; no two agents of a machine are one, also in tests that run side by side.
    agent: Arc<Mutex<model::HostId>>,
    pub(crate) board: Arc<(Mutex<Board>, Condvar)>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            agent: Arc::new(Mutex::new(unique_agent())),
            board: Arc::default(),
        };
        let its = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let its = its.clone();
                std::thread::spawn(move || its.talk(&stream));
            }
        });
        server
    }

    pub(crate) fn agent(&self) -> model::HostId {
        *self.agent.lock().unwrap()
    }

    /// Gives whoever joins from now on another identity.
    pub(crate) fn become_another(&self) {
        *self.agent.lock().unwrap() = unique_agent();
    }

    fn talk(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some((line, body, range)) = request(&mut reader) {
            if self.board.0.lock().unwrap().down {
                return;
            }
            if line.starts_with("GET /artifacts/") {
                if !self.send_artifact(&line, &range, stream) {
                    return;
                }
                continue;
            }
            let (status, answer) = self
                .refusal(&line)
                .unwrap_or_else(|| self.answer(&line, &body));
            let mut out = stream;
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            if out.write_all(head.as_bytes()).is_err() || out.write_all(&answer).is_err() {
                return;
            }
        }
    }

    fn refusal(&self, line: &str) -> Option<(&'static str, Vec<u8>)> {
        let mut board = self.board.0.lock().unwrap();
        let (status, code) = board.turns_away?;
        let path = line.split([' ', '?']).nth(1).unwrap_or("");
        board.calls.push(path.to_owned());
        let number: u16 = status[..3].parse().unwrap();
        let problem = model::api::Problem::new(number, code, "no");
        Some((status, serde_json::to_vec(&problem).unwrap()))
    }

    fn answer(&self, line: &str, body: &[u8]) -> (&'static str, Vec<u8>) {
        let path = line.split([' ', '?']).nth(1).unwrap_or("");
        match path {
            "/agent/v1/enrol" => {
                let json = serde_json::json!({"agent_id": self.agent(), "token": "t0k3n"});
                ("200 OK", json.to_string().into_bytes())
            }
            "/agent/v1/sync" => self.sync(&serde_json::from_slice(body).unwrap()),
            "/agent/v1/events" => {
                let events: Events = serde_json::from_slice(body).unwrap();
                let seq = events.events.last().unwrap().seq;
                self.board.0.lock().unwrap().events.extend(events.events);
                ("200 OK", format!("{{\"seq\": {seq}}}").into_bytes())
            }
            "/agent/v1/samples" => {
                self.board.0.lock().unwrap().samples.push(body.to_vec());
                ("204 No Content", Vec::new())
            }
            _ => ("404 Not Found", Vec::new()),
        }
    }

    /// Sends an artifact from where it is asked for; false when the connection is cut in the middle.
    fn send_artifact(&self, line: &str, range: &str, mut out: &TcpStream) -> bool {
        let path = line.split(' ').nth(1).unwrap_or("");
        let (blob, cut) = {
            let mut board = self.board.0.lock().unwrap();
            board.ranges.push(range.to_owned());
            let blob = board
                .blobs
                .get(path.trim_start_matches("/artifacts/"))
                .cloned();
            let cut = (!board.cuts.is_empty()).then(|| board.cuts.remove(0));
            (blob, cut)
        };
        let from = range
            .strip_prefix("bytes=")
            .and_then(|r| r.strip_suffix('-'));
        let from: usize = from.map_or(0, |from| from.parse().unwrap());
        let (head, rest) = match &blob {
            None => ("404 Not Found\r\n".to_owned(), &[][..]),
            Some(blob) if range.is_empty() => ("200 OK\r\n".to_owned(), &blob[..]),
            Some(blob) => {
                let (last, size) = (blob.len() - 1, blob.len());
                let range = format!("content-range: bytes {from}-{last}/{size}");
                (format!("206 Partial Content\r\n{range}\r\n"), &blob[from..])
            }
        };
        let head = format!("HTTP/1.1 {head}content-length: {}\r\n\r\n", rest.len());
        let sent = &rest[..cut.unwrap_or(rest.len()).min(rest.len())];
        out.write_all(head.as_bytes()).is_ok()
            && out.write_all(sent).is_ok()
            && sent.len() == rest.len()
    }

    fn sync(&self, sync: &Sync) -> (&'static str, Vec<u8>) {
        let mut board = self.board.0.lock().unwrap();
        board.last = Some(sync.clone());
        let (epoch, revision) = (sync.epoch_seen, sync.revision_seen);
        let patience = Duration::from_millis(sync.wait_ms.min(500));
        let same = |board: &mut Board| {
            let wish = board.wish.as_ref();
            wish.is_none_or(|w| (w.epoch, w.revision) == (epoch, revision))
        };
        let (mut board, _) = self
            .board
            .1
            .wait_timeout_while(board, patience, same)
            .unwrap();
        if same(&mut board) {
            return ("304 Not Modified", Vec::new());
        }
        (
            "200 OK",
            serde_json::to_vec(board.wish.as_ref().unwrap()).unwrap(),
        )
    }

    /// Wishes for this and nothing else; the revision counts up.
    pub(crate) fn wish(&self, epoch: u64, desired: &Desired) {
        let mut board = self.board.0.lock().unwrap();
        let revision = board.wish.as_ref().map_or(1, |wish| wish.revision + 1);
        board.wish = Some(Wish {
            epoch,
            revision,
            server_time: Timestamp::UNIX_EPOCH,
            desired: vec![desired.clone()],
            lease_ttl_ms: 15_000,
            program: None,
        });
        self.board.1.notify_all();
    }

    pub(crate) fn last(&self) -> Option<Sync> {
        self.board.0.lock().unwrap().last.clone()
    }

    /// Waits until the host reports what `when` wants, and returns it.
    pub(crate) fn reports(
        &self,
        what: &str,
        seconds: u64,
        when: impl Fn(&Reported) -> bool,
    ) -> Reported {
        until(
            what,
            seconds,
            || {
                let last = self.last()?;
                let reported = last.reported.into_iter().next()?;
                when(&reported).then_some(reported)
            },
            || format!("{:#?}", self.last().map(|sync| sync.reported)),
        )
    }

    pub(crate) fn proves(&self, proof: Proof, generation: u64) -> Reported {
        let what = format!("{proof} at generation {generation}");
        self.reports(&what, 30, |r| {
            r.proof == proof && r.generation_seen == generation
        })
    }
}

fn unique_agent() -> model::HostId {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let number = u128::from(std::process::id()) << 32 | u128::from(count);
    model::HostId::new(Timestamp::UNIX_EPOCH, number)
}

/// Reads a request: its first line, its body, and the range it asks for.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>, String)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|n| *n > 0)?;
    let (mut length, mut range) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if line == "\r\n" {
            break;
        }
        if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if let Some(text) = line.to_lowercase().strip_prefix("range:") {
            text.trim().clone_into(&mut range);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, body, range))
}

/// Looks again and again until there is something, with a deadline.
#[expect(clippy::disallowed_methods, reason = "a test polls the outside world")]
pub(crate) fn until<T>(
    what: &str,
    seconds: u64,
    mut look: impl FnMut() -> Option<T>,
    state: impl Fn() -> String,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let pause = Stop::default();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "no {what} within {seconds} s: {}",
            state()
        );
        pause.wait(Duration::from_millis(10));
    }
}

/// Returns the example beside this test's binary.
pub(crate) fn tiny() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let debug = test.parent().unwrap().parent().unwrap();
    debug.join("examples/tiny")
}

pub(crate) struct World {
    pub(crate) server: Server,
    /// Removed at the end.
    _dir: tempfile::TempDir,
    pub(crate) config: Config,
    /// What the agent takes for the time, where that is not the system's.
    pub(crate) clock: Option<Arc<dyn agent::clock::Clock>>,
    running: Option<(Stop, JoinHandle<()>)>,
}

impl World {
    pub(crate) fn new() -> Self {
        let server = Server::start();
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(
            &server.url,
            dir.path().join("base"),
            "web-1".parse().unwrap(),
        );
        config.disk_reserve_bytes = 0;
        config.free_ports = true;
        config.exec_helper = vec![tiny().display().to_string(), "exec-service".to_owned()];
        config.timings.restart.0 = Duration::from_millis(100);
        Self {
            server,
            _dir: dir,
            config,
            clock: None,
            running: None,
        }
    }

    pub(crate) fn start(&mut self) {
        agent::join(&self.config, &model::Secret::new("join")).unwrap();
        let (config, stop) = (self.config.clone(), Stop::default());
        let its = stop.clone();
        let clock = self.clock.clone();
        let thread = std::thread::spawn(move || match clock {
            Some(clock) => agent::run_by(clock, config, &its).unwrap(),
            None => agent::run(config, &its).unwrap(),
        });
        self.running = Some((stop, thread));
    }

    pub(crate) fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.stop();
            thread.join().unwrap();
        }
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.config.base.canonicalize().unwrap()
    }

    /// Puts a release on the server whose bytes differ by `version`, and returns the wish for it.
    pub(crate) fn release(&self, version: &str, mode: &str) -> Desired {
        let mut bytes = std::fs::read(tiny()).unwrap();
        bytes.extend(version.as_bytes());
        self.upload(&bytes);
        let mut desired = wish(version, &bytes);
        desired.run.exec = ["./tiny", "serve", "${PORT}", mode]
            .map(str::to_owned)
            .to_vec();
        desired
    }

    /// Puts a release on the server that only waits: without a port and without a check.
    pub(crate) fn idle(&self, version: &str) -> Desired {
        let bytes = version.as_bytes();
        self.upload(bytes);
        let mut desired = wish(version, bytes);
        desired.run.exec = ["sleep", "300"].map(str::to_owned).to_vec();
        (desired.health, desired.metrics, desired.run.ports) = (None, None, vec![]);
        desired
    }

    pub(crate) fn upload(&self, bytes: &[u8]) {
        let name = Digest::of(bytes).to_string();
        self.server
            .board
            .0
            .lock()
            .unwrap()
            .blobs
            .insert(name, bytes.to_vec());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.stop();
            let _ = thread.join();
        }
        let _ = agent::end_leftovers(&self.config.base);
    }
}

/// Returns a wish for bytes that are run; generation 1.
pub(crate) fn wish(version: &str, bytes: &[u8]) -> Desired {
    Desired {
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        ring: "staff".parse().unwrap(),
        generation: 1,
        priority: Priority::Rollout,
        state: DesiredState::Running,
        release: DesiredRelease {
            number: ReleaseNumber(1),
            version: version.parse().unwrap(),
            digest: Digest::of(bytes),
            size_bytes: bytes.len() as u64,
            format: ArtifactFormat::File,
            file_name: "tiny".to_owned(),
            config_digest: Digest::of(version.as_bytes()),
            redeploy: None,
        },
        run: Run {
            exec: vec![],
            env: [("GREETING".to_owned(), "from ${RELEASE}".to_owned())].into(),
            ports: vec![8_101, 8_102],
            stop_timeout: Duration::from_secs(1),
            hooks: Default::default(),
            drain: None,
        },
        health: Some(Health {
            check: Check::Http("/healthz".to_owned()),
            interval: Duration::from_millis(200),
            ok_after: 2,
            unhealthy_after: 3,
            deadline: Duration::from_secs(3),
            timeout: Duration::from_millis(500),
        }),
        metrics: Some(Scrape {
            url: "http://127.0.0.1:${PORT}/metrics".to_owned(),
            interval: Duration::from_millis(200),
        }),
        keep: 1,
        slot: None,
    }
}

/// Returns the same wish with a newer generation.
pub(crate) fn again(desired: &Desired, generation: u64) -> Desired {
    Desired {
        generation,
        ..desired.clone()
    }
}

pub(crate) fn pid(reported: &Reported) -> u32 {
    reported.processes[0].pid
}

pub(crate) fn is_running(pid: u32) -> bool {
    agent::procfs::stat(pid).is_some_and(|stat| stat.state != 'Z')
}

pub(crate) fn link(path: &Path) -> String {
    std::fs::read_link(path).unwrap().display().to_string()
}
