//! Asks one process whether it works, again and again, in a thread of its own: a check that never
//! answers holds up nothing but itself.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::deliver::Check;
use rustix::process::{Pid, Signal};

use crate::clock::Clock;

/// Between two checks while a release or an undo is under way.
const HURRIED: Duration = Duration::from_millis(100);

/// Is what to ask.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) check: Check,
    pub(crate) port: Option<u16>,
    pub(crate) timeout: Duration,
    pub(crate) interval: Duration,
    pub(crate) ok_after: u32,
    pub(crate) dir: PathBuf,
    pub(crate) env: Vec<(String, String)>,
}

/// Is what was learned so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// `ok_after` successes in a row were seen.
    pub(crate) became_healthy: bool,
    pub(crate) ok_in_row: u32,
    pub(crate) failed_in_row: u32,
    /// The longest run of failures since it became healthy.
    pub(crate) longest_failed: u32,
    /// What the last failed check said.
    pub(crate) why: String,
}

impl Health {
    /// Takes one more answer.
    pub(crate) fn saw(&mut self, answer: Result<(), String>, ok_after: u32) {
        match answer {
            Ok(()) => {
                self.ok_in_row += 1;
                self.failed_in_row = 0;
                self.became_healthy |= self.ok_in_row >= ok_after;
            }
            Err(why) => {
                self.ok_in_row = 0;
                self.failed_in_row += 1;
                self.why = why;
                if self.became_healthy {
                    self.longest_failed = self.longest_failed.max(self.failed_in_row);
                }
            }
        }
    }
}

/// Asks until it is dropped.
pub(crate) struct Checker {
    health: Arc<Mutex<Health>>,
    hurried: Arc<AtomicBool>,
    /// Wakes the thread; its end is the thread's end.
    wake: Sender<()>,
}

impl Checker {
    /// Begins to ask; `healthy` says that the process was healthy when it was last seen.
    pub(crate) fn start(asking: Asking, healthy: bool, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let health = Arc::new(Mutex::new(Health {
            became_healthy: healthy,
            ..Health::default()
        }));
        let hurried = Arc::new(AtomicBool::new(true));
        let (wake, woken) = channel();
        let (seen, hurry) = (Arc::clone(&health), Arc::clone(&hurried));
        std::thread::Builder::new()
            .name("health".to_owned())
            .spawn(move || ask(&asking, &*clock, &seen, &hurry, &woken))?;
        Ok(Self {
            health,
            hurried,
            wake,
        })
    }

    pub(crate) fn health(&self) -> Health {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Checks every 100 ms, or as often as the service says.
    pub(crate) fn hurry(&self, hurried: bool) {
        if self.hurried.swap(hurried, Ordering::Relaxed) != hurried {
            // The thread ends only with us.
            let _ = self.wake.send(());
        }
    }
}

fn ask(
    asking: &Asking,
    clock: &dyn Clock,
    seen: &Mutex<Health>,
    hurried: &AtomicBool,
    woken: &Receiver<()>,
) {
    loop {
        let answer = check(asking, clock, woken);
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .saw(answer, asking.ok_after);
        let wait = if hurried.load(Ordering::Relaxed) {
            HURRIED
        } else {
            asking.interval
        };
        if woken.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

fn check(asking: &Asking, clock: &dyn Clock, woken: &Receiver<()>) -> Result<(), String> {
    match &asking.check {
        Check::Http(path) => http(path, asking.port, asking.timeout, clock),
        Check::Tcp => connect(asking.port, asking.timeout).map(drop),
        Check::Exec(command) => exec(command, asking, clock, woken),
    }
}

fn connect(port: Option<u16>, timeout: Duration) -> Result<TcpStream, String> {
    let port = port.ok_or("the service has no port to check")?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, timeout)
        .map_err(|e| format!("port {port}: {}", plain(&e)))?;
    // A port of the ephemeral range nobody listens on can be connected to itself.
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        return Err(format!("port {port}: nobody listens"));
    }
    Ok(stream)
}

/// Asks one HTTP/1.1 question and reads no further than the status.
fn http(path: &str, port: Option<u16>, timeout: Duration, clock: &dyn Clock) -> Result<(), String> {
    let deadline = clock.monotonic_ms() + millis(timeout);
    let mut stream = connect(port, timeout)?;
    let said = |e: io::Error| match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!(
                "{path} did not answer within {}",
                model::time::short(timeout)
            )
        }
        _ => format!("{path}: {}", plain(&e)),
    };
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.set_write_timeout(Some(timeout)).map_err(said)?;
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut head = Vec::new();
    let mut buffer = [0; 256];
    while !head.contains(&b'\n') && head.len() < 1_024 {
        let left = deadline.saturating_sub(clock.monotonic_ms());
        if left == 0 {
            return Err(said(io::ErrorKind::TimedOut.into()));
        }
        let left = Duration::from_millis(left);
        stream.set_read_timeout(Some(left)).map_err(said)?;
        match stream.read(&mut buffer).map_err(said)? {
            0 => break,
            n => head.extend_from_slice(&buffer[..n]),
        }
    }
    match status(&head) {
        Some(200..=299) => Ok(()),
        Some(status) => Err(format!("{path} answered {status}")),
        None => Err(format!("{path} did not answer in HTTP")),
    }
}

/// Returns the status of an answer's first line.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|&b| b == b'\r' || b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("HTTP/1.")?.split(' ');
    words.next()?;
    words.next()?.parse().ok()
}

fn exec(
    command: &[String],
    asking: &Asking,
    clock: &dyn Clock,
    woken: &Receiver<()>,
) -> Result<(), String> {
    let (program, arguments) = command
        .split_first()
        .ok_or("the check's command is empty")?;
    let mut child = Command::new(crate::supervise::program(&asking.dir, program))
        .args(arguments)
        .current_dir(&asking.dir)
        .env_clear()
        .envs(asking.env.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|e| format!("{program}: {}", plain(&e)))?;
    let deadline = clock.monotonic_ms() + millis(asking.timeout);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break Ok(()),
            Ok(Some(status)) => break Err(format!("{program}: {status}")),
            Ok(None) => {}
            Err(e) => break Err(format!("{program}: {}", plain(&e))),
        }
        let ended = matches!(
            woken.recv_timeout(Duration::from_millis(10)),
            Err(RecvTimeoutError::Disconnected)
        );
        if ended || clock.monotonic_ms() >= deadline {
            end(&mut child);
            let limit = model::time::short(asking.timeout);
            break Err(format!("{program} did not end within {limit}"));
        }
    }
}

/// Ends the command and what it started.
fn end(child: &mut std::process::Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended this very moment; it was not collected, so the group is still its own.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    let _ = child.wait();
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn only_failures_after_it_became_healthy_are_counted() {
        let mut health = Health::default();
        for answer in [false, true, true, false, false, true, false] {
            health.saw(answer.then_some(()).ok_or_else(|| "no".into()), 2);
        }
        assert!(health.became_healthy);
        assert_eq!((health.failed_in_row, health.longest_failed), (1, 2));
    }

    #[test]
    fn a_check_that_trickles_for_ever_times_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (_keep, never) = channel::<()>();
            while stream.write_all(b"H").is_ok() {
                let _ = never.recv_timeout(Duration::from_millis(20));
            }
        });
        let clock = SystemClock::default();
        let error = http("/healthz", Some(port), Duration::from_millis(200), &clock).unwrap_err();
        assert_eq!(error, "/healthz did not answer within 0.2s");
    }

    #[test]
    fn a_status_is_read_from_http_only() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status(b"HTTP/1.0 503"), Some(503));
        for bad in [&b""[..], b"HTTP/1.1", b"GET / HTTP/1.1", b"\xff\xfe"] {
            assert_eq!(status(bad), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_read(head: Vec<u8>) {
            let _ = status(&head);
        }
    }
}
