//! The processes `up` starts: recorded, watched, stopped, and found again after a run that was killed.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use agent::procfs::ProcessId;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::data::Data;

/// How long a child may take to end before it is ended the hard way. Agents first stop the services,
/// which have 2 s; everything has to be over within 5.
const PATIENCE: Duration = Duration::from_millis(4_500);
const LOOK: Duration = Duration::from_millis(20);
/// Lines of a child's log that are shown when it ends by itself.
const LAST_WORDS: usize = 5;

/// Is every process this run has started.
pub(super) struct Children {
    children: Vec<Child>,
    record: PathBuf,
    log_folder: PathBuf,
}

pub(super) struct Child {
    name: String,
    process: std::process::Child,
    id: Option<ProcessId>,
}

impl Child {
    /// Tells whether it has not ended: the id of one that has may be another process's by now.
    fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Children {
    pub(super) fn new(data: &Data) -> Self {
        Self {
            children: vec![],
            record: data.join("up.processes"),
            log_folder: super::log_folder(data),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    pub(super) fn log_folder(&self) -> &Path {
        &self.log_folder
    }

    /// Starts this program with `words` and then `paths` as arguments.
    pub(super) fn spawn(&mut self, name: &str, words: &[&str], paths: &[PathBuf]) -> Result<()> {
        self.spawn_with_input(name, words, paths, "")
    }

    /// Starts this program and hands it `input`; a secret does not belong on a command line.
    pub(super) fn spawn_with_input(
        &mut self,
        name: &str,
        words: &[&str],
        paths: &[PathBuf],
        input: &str,
    ) -> Result<()> {
        std::fs::create_dir_all(&self.log_folder)?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log(name))?;
        let mut process = Command::new(std::env::current_exe()?)
            .args(words)
            .args(paths)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0) // Ctrl-C is for us; we stop the children in order
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let id = ProcessId::of(process.id());
        if let Some(mut stdin) = process.stdin.take() {
            // A child that ends before it reads is noticed by `check`.
            let _ = stdin.write_all(input.as_bytes());
        }
        self.children.push(Child {
            name: name.to_owned(),
            process,
            id,
        });
        self.write_record()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.log_folder.join(format!("{name}.log"))
    }

    fn write_record(&self) -> Result<()> {
        let ids: Vec<&ProcessId> = self
            .children
            .iter()
            .filter_map(|child| child.id.as_ref())
            .collect();
        crate::data::write_private(&self.record, &serde_json::to_string(&ids)?)
    }

    /// Fails with the last words of a child that ended.
    pub(super) fn check(&mut self) -> Result<()> {
        for child in &mut self.children {
            if let Some(status) = child.process.try_wait()? {
                let log = self.log_folder.join(format!("{}.log", child.name));
                bail!(
                    "{} ended ({status}):\n  {}",
                    child.name,
                    last_words(&log).join("\n  ")
                );
            }
        }
        Ok(())
    }

    /// Waits until a child ends, which is a failure.
    pub(super) async fn watch(&mut self) -> Result<u8> {
        loop {
            self.check()?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Stops everything: agents first, so that their services end, then the server.
    pub(super) async fn stop(&mut self) {
        let begun = tokio::time::Instant::now();
        let (server, agents): (Vec<_>, Vec<_>) = self
            .children
            .drain(..)
            .partition(|child| child.name == "server");
        for mut group in [agents, server] {
            for child in &mut group {
                if child.runs() {
                    signal(child.process.id(), Signal::TERM);
                }
            }
            while group.iter_mut().any(|child| child.runs()) {
                if begun.elapsed() > PATIENCE {
                    group
                        .iter_mut()
                        .for_each(|child| drop(child.process.kill()));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        // Nothing is left that the next run would have to end.
        let _ = std::fs::remove_file(&self.record);
    }
}

/// Ends what an earlier run on this folder left behind and returns how many processes that were.
pub(super) fn end_leftovers(data: &Data) -> Result<usize> {
    let record = data.read("up.processes");
    let ids: Vec<ProcessId> = serde_json::from_str(&record).unwrap_or_default();
    let alive: Vec<&ProcessId> = ids.iter().filter(|id| id.is_alive()).collect();
    alive.iter().for_each(|id| signal(id.pid, Signal::TERM));
    let pause = agent::Stop::default();
    let mut waited = Duration::ZERO;
    while alive.iter().any(|id| id.is_alive()) && waited < PATIENCE * 2 {
        if waited > PATIENCE {
            alive
                .iter()
                .filter(|id| id.is_alive())
                .for_each(|id| signal(id.pid, Signal::KILL));
        }
        pause.wait(LOOK);
        waited += LOOK;
    }
    let mut ended = alive.len();
    for base in bases(data) {
        ended += agent::end_leftovers(&base)?.len();
    }
    Ok(ended)
}

fn bases(data: &Data) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("agents")).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended a moment ago, which is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

fn last_words(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].to_vec()
}
