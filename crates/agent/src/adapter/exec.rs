//! The tool as a command: the question on stdin, the answer on stdout, stderr for people.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use model::limit;
use rustix::process::{Pid, Signal};

use super::contract::Request;
use super::decide::millis;
use super::tool::{Fault, Watch};

/// "Try again later", as sendmail and others say it (sysexits.h, `EX_TEMPFAIL`).
const AGAIN: i32 = 75;
/// Between two looks at a running command.
const LOOK: Duration = Duration::from_millis(20);
/// Between asking a command to end and ending it.
const GRACE: Duration = Duration::from_secs(10);
/// How long output may still come when the command has ended: something it started may hold it open.
const DRAIN: Duration = Duration::from_secs(2);
/// How much of what a command says to people is kept.
const STDERR_BYTES: usize = 64 << 10;

pub(super) struct Exec(Vec<String>);

impl Exec {
    /// Takes a command that is not empty.
    pub(super) fn new(command: Vec<String>) -> Self {
        Self(command)
    }

    /// Runs the command once. It and what it started in its group do not outlive the call.
    pub(super) fn call(
        &self,
        request: &Request,
        limit: Duration,
        watch: &Watch<'_>,
    ) -> Result<Vec<u8>, Fault> {
        let question = serde_json::to_vec(request).expect("requests have string keys");
        let program = self.0.first().map_or("", String::as_str);
        let failed = |e: io::Error| Fault::Failed(format!("{program}: {e}"));
        let mut child = self.start(request).map_err(failed)?;
        if let Some(stdin) = child.stdin.take() {
            hand_over(stdin, question).map_err(failed)?;
        }
        let answer = collect(child.stdout.take(), limit::ADAPTER_ANSWER_BYTES, false);
        let said = collect(child.stderr.take(), STDERR_BYTES, true);
        let ended = wait(&mut child, limit, watch);
        end_group(&child);
        let answer = answer.recv_timeout(DRAIN).unwrap_or_default();
        let said = tail(&said.recv_timeout(DRAIN).unwrap_or_default());
        if !said.is_empty() {
            tracing::info!(verb = %request.verb, service.name = %request.service, "{program}: {said}");
        }
        let why = |what: String| match said.as_str() {
            "" => format!("{} {what}", request.verb),
            said => format!("{} {what}: {said}", request.verb),
        };
        match ended.map_err(failed)? {
            Ended::Itself(status) => match status.code() {
                Some(0) if answer.len() > limit::ADAPTER_ANSWER_BYTES => {
                    Err(Fault::Failed(format!(
                        "{} answered with more than {} bytes",
                        request.verb,
                        limit::ADAPTER_ANSWER_BYTES
                    )))
                }
                Some(0) => Ok(answer),
                Some(AGAIN) => Err(Fault::Again(why("is to be tried again".into()))),
                Some(code) => Err(Fault::Failed(why(format!("failed with status {code}")))),
                None => Err(Fault::Failed(why(format!("ended by {status}")))),
            },
            Ended::TimedOut => {
                let limit = model::time::short(limit);
                Err(Fault::Failed(why(format!("did not end within {limit}"))))
            }
            Ended::CutShort => Err(Fault::CutShort),
        }
    }

    fn start(&self, request: &Request) -> io::Result<Child> {
        let (program, arguments) = self
            .0
            .split_first()
            .ok_or_else(|| io::Error::other("the command is empty"))?;
        Command::new(program)
            .args(arguments)
            .arg(request.verb.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
    }
}

/// Writes the question in a thread of its own: a command may answer before it has read it all.
fn hand_over(mut stdin: ChildStdin, question: Vec<u8>) -> io::Result<()> {
    std::thread::Builder::new()
        .name("adapter-stdin".into())
        .spawn(move || {
            // A command that does not read what it is asked says so by its answer.
            let _ = stdin.write_all(&question);
        })
        .map(drop)
}

/// Reads a stream to its end in a thread of its own. Of what goes over `limit_bytes` one byte is kept, or
/// with `newest` the oldest bytes go.
fn collect(
    stream: Option<impl Read + Send + 'static>,
    limit_bytes: usize,
    newest: bool,
) -> mpsc::Receiver<Vec<u8>> {
    let (send, received) = mpsc::channel();
    let Some(mut stream) = stream else {
        return received;
    };
    std::thread::spawn(move || {
        let (mut kept, mut buffer) = (Vec::new(), [0; 8 << 10]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) => kept.extend_from_slice(&buffer[..n]),
            }
            if newest {
                kept.drain(..kept.len().saturating_sub(limit_bytes));
            } else {
                kept.truncate(limit_bytes + 1);
            }
        }
        // Nobody waits for it any more when the call took too long.
        let _ = send.send(kept);
    });
    received
}

enum Ended {
    Itself(ExitStatus),
    TimedOut,
    CutShort,
}

/// Waits for the command, and ends it when it takes too long or something more urgent came up.
fn wait(child: &mut Child, limit: Duration, watch: &Watch<'_>) -> io::Result<Ended> {
    let deadline = watch.clock.monotonic_ms() + millis(limit);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Itself(status));
        }
        let ending = if watch.clock.monotonic_ms() >= deadline {
            Ended::TimedOut
        } else if watch.stop.wait(LOOK) || (watch.is_overtaken)() {
            Ended::CutShort
        } else {
            continue;
        };
        end(child, watch)?;
        return Ok(ending);
    }
}

/// Asks the command's group to end, waits a while, and ends it.
fn end(child: &mut Child, watch: &Watch<'_>) -> io::Result<()> {
    signal(child, Signal::TERM);
    let deadline = watch.clock.monotonic_ms() + millis(GRACE);
    let never = crate::Stop::default();
    while watch.clock.monotonic_ms() < deadline {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        never.wait(LOOK);
    }
    signal(child, Signal::KILL);
    child.wait().map(drop)
}

/// Ends what the command left behind in its group.
fn end_group(child: &Child) {
    signal(child, Signal::KILL);
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Nobody may be left in the group.
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

/// Returns the last lines of what was said, without control characters, as one sentence can hold them.
pub(super) fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.len().saturating_sub(3);
    let mut said = lines[last..].join(" / ");
    while said.len() > 500 {
        said.pop();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stop;
    use crate::adapter::contract::{CONTRACT, Verb};
    use crate::clock::{Clock, SystemClock};

    fn request(verb: Verb) -> Request {
        Request {
            contract: CONTRACT,
            verb,
            idem_key: "key".into(),
            fence: 1,
            service: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
            release: None,
            slot: None,
            targets: vec![],
            params: serde_json::Map::default(),
        }
    }

    fn call_with(script: &str, limit_ms: u64, overtaken: bool) -> Result<String, Fault> {
        let exec = Exec::new(vec!["sh".into(), "-c".into(), script.into()]);
        let (clock, stop) = (SystemClock::default(), Stop::default());
        let watch = Watch {
            clock: &clock,
            stop: &stop,
            is_overtaken: &|| overtaken,
        };
        let limit = Duration::from_millis(limit_ms);
        let answer = exec.call(&request(Verb::Apply), limit, &watch)?;
        Ok(String::from_utf8(answer).unwrap())
    }

    fn call(script: &str) -> Result<String, Fault> {
        call_with(script, 20_000, false)
    }

    #[test]
    fn the_question_comes_on_stdin_and_the_verb_last() {
        let answer = call("cat; echo; echo \"$0\"").unwrap();
        let (question, verb) = answer.trim_end().split_once('\n').unwrap();
        let question: serde_json::Value = serde_json::from_str(question).unwrap();
        assert_eq!(question["verb"], "apply");
        assert_eq!(question["contract"], 1);
        assert_eq!(verb, "apply");
    }

    #[test]
    fn a_failure_says_what_the_command_said_last() {
        let failed = call("echo one >&2; echo two >&2; exit 3").unwrap_err();
        let why = "apply failed with status 3: one / two";
        assert_eq!(failed, Fault::Failed(why.into()));
        let again = call("echo busy >&2; exit 75").unwrap_err();
        assert_eq!(
            again,
            Fault::Again("apply is to be tried again: busy".into())
        );
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let exec = Exec::new(vec!["/nowhere/deploy".into()]);
        let (clock, stop) = (SystemClock::default(), Stop::default());
        let watch = Watch {
            clock: &clock,
            stop: &stop,
            is_overtaken: &|| false,
        };
        let failed = exec.call(&request(Verb::Plan), Duration::from_secs(1), &watch);
        let why = failed.unwrap_err().to_string();
        assert!(why.starts_with("/nowhere/deploy: "), "{why}");
    }

    #[test]
    fn one_that_hangs_is_ended_with_what_it_started() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = format!("sleep 1000 & echo $! >{}; wait", file.path().display());
        let failed = call_with(&script, 300, false).unwrap_err();
        assert_eq!(
            failed,
            Fault::Failed("apply did not end within 0.3s".into())
        );
        let pid = std::fs::read_to_string(file.path()).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        let (clock, stop) = (SystemClock::default(), Stop::default());
        let until = clock.monotonic_ms() + 10_000;
        // Whoever inherits it may be slow to collect it.
        while state().is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(clock.monotonic_ms() < until, "{pid} still runs");
            stop.wait(LOOK);
        }
    }

    #[test]
    fn something_more_urgent_cuts_it_short() {
        let cut = call_with("sleep 1000", 60_000, true).unwrap_err();
        assert_eq!(cut, Fault::CutShort);
    }

    #[test]
    fn an_answer_without_end_is_refused() {
        let failed = call("head -c 3000000 /dev/zero").unwrap_err();
        let why = failed.to_string();
        assert!(why.contains("answered with more than"), "{why}");
    }
}
