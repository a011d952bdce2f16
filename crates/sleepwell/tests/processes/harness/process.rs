//! Processes: started with what they say kept, ended by their ids, found again by what they belong to.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use agent::procfs;
use rustix::process::{Pid, Signal, kill_process};

use super::wait::{Deadline, pause, until};

/// Is one process of ours; it is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// Is how a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Standard output and standard error as they came.
    pub(crate) said: String,
}

/// Returns a call of the program under test that sees nothing of the environment it runs in but the
/// path and the home folder, and has no terminal.
pub(crate) fn sleepwell(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleepwell"));
    command.args(words).env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LANG", "C.UTF-8");
    command
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_input(command, "")
    }

    pub(crate) fn start_with_input(command: &mut Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut stdin = child.stdin.take().expect("it is a pipe");
        stdin
            .write_all(input.as_bytes())
            .expect("a few bytes fit into the pipe");
        let said = Arc::new(Mutex::new(String::new()));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let readers = vec![
            listen(out.expect("it is a pipe"), Arc::clone(&said)),
            listen(err.expect("it is a pipe"), Arc::clone(&said)),
        ];
        Self {
            child,
            said,
            readers,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said something and returns all it said.
    pub(crate) fn says(&mut self, text: &str, limit_s: u64) -> String {
        let deadline = Deadline::in_seconds(limit_s);
        loop {
            let said = self.said();
            if said.contains(text) {
                return said;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended without saying `{text}`:\n{said}");
            assert!(
                !deadline.is_over(),
                "waited {limit_s} s for `{text}`:\n{said}"
            );
            pause();
        }
    }

    pub(crate) fn terminate(&self) {
        send(self.pid(), Signal::TERM);
    }

    pub(crate) fn interrupt(&self) {
        send(self.pid(), Signal::INT);
    }

    /// Kills it as `kill -9` does and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        self.child.wait().expect("it was ours");
    }

    /// Waits until it ends by itself.
    pub(crate) fn ends_within(&mut self, limit_s: u64) -> Ended {
        let deadline = Deadline::in_seconds(limit_s);
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                !deadline.is_over(),
                "it did not end within {limit_s} s:\n{}",
                self.said()
            );
            pause();
        };
        // What it said is complete unless somebody else holds the pipe.
        until("the last words", 5, || {
            self.readers
                .iter()
                .all(JoinHandle::is_finished)
                .then_some(())
        });
        Ended {
            code: status.code(),
            said: self.said(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn listen(pipe: impl Read + Send + 'static, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            said.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

/// Kills a process the test did not start itself, but knows.
pub(crate) fn kill(pid: u32) {
    send(pid, Signal::KILL);
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal); // it may have ended meanwhile
    }
}

/// Returns every living process that runs or stands under `folder` or names it on its command line.
pub(crate) fn of_folder(folder: &Path) -> Vec<u32> {
    let name = folder.display().to_string();
    let belongs = |pid: u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        procfs::cwd(pid).is_ok_and(|cwd| cwd.starts_with(folder))
            || procfs::exe(pid).is_ok_and(|exe| exe.path.starts_with(folder))
            || String::from_utf8_lossy(&words).contains(&name)
    };
    let lives = |pid: &u32| procfs::stat(*pid).is_some_and(|s| !matches!(s.state, 'Z' | 'X'));
    procfs::pids()
        .into_iter()
        .filter(|pid| belongs(*pid))
        .filter(lives)
        .collect()
}

/// Returns how those that are left of a folder were called, for a message.
pub(crate) fn names(pids: &[u32]) -> Vec<String> {
    pids.iter()
        .map(|pid| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!(
                "{pid} {}",
                String::from_utf8_lossy(&words).replace('\0', " ")
            )
        })
        .collect()
}

/// Kills everything that belongs to a folder nobody else knows.
pub(crate) fn end_all_of(folder: &Path) {
    let deadline = Deadline::in_seconds(5);
    loop {
        let left = of_folder(folder);
        if left.is_empty() || deadline.is_over() {
            return;
        }
        left.iter().for_each(|pid| send(*pid, Signal::KILL));
        pause();
    }
}
