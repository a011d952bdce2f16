//! Says which hooks were run, so that each is run once per order and release: the intent is written
//! before, the end after.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use model::deliver::{Hook, Hooks};
use serde::{Deserialize, Serialize};

use crate::cgroup::Group;
use crate::procfs::ProcessId;
use crate::reconcile::Gate;
use crate::record::Slot;

/// How much of the end of a hook's output is looked at, and how much of that is told.
const TAIL_BYTES: u64 = 4_096;
const TOLD_LINES: usize = 3;
const TOLD_CHARS: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HookName {
    PreStart,
    PostStart,
    PreStop,
}

impl HookName {
    pub(crate) fn of(self, hooks: &Hooks) -> Option<&Hook> {
        match self {
            HookName::PreStart => hooks.pre_start.as_ref(),
            HookName::PostStart => hooks.post_start.as_ref(),
            HookName::PreStop => hooks.pre_stop.as_ref(),
        }
    }
}

impl fmt::Display for HookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            HookName::PreStart => "pre_start",
            HookName::PostStart => "post_start",
            HookName::PreStop => "pre_stop",
        })
    }
}

/// Is one run of a hook, in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HookRun {
    pub(crate) hook: HookName,
    /// The order it belongs to.
    pub(crate) generation: u64,
    /// The release folder it stands in.
    pub(crate) release: String,
    pub(crate) idempotent: bool,
    /// The control group it runs in, where the host has them; none once it ended.
    #[serde(default)]
    pub(crate) group: Option<Group>,
    pub(crate) state: HookState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub(crate) enum HookState {
    /// It was decided on; without a process it was not started, or the agent was killed before it could
    /// write that down.
    Begun {
        process: Option<ProcessId>,
        /// Of the monotonic clock of this boot.
        deadline_ms: u64,
    },
    Done,
    Failed {
        why: String,
    },
    /// It ended, or was cut short, while nobody looked.
    Uncertain,
}

impl HookRun {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, HookState::Begun { .. })
    }

    /// Returns the process of a run that is under way.
    pub(crate) fn process(&self) -> Option<&ProcessId> {
        match &self.state {
            HookState::Begun { process, .. } => process.as_ref(),
            HookState::Done | HookState::Failed { .. } | HookState::Uncertain => None,
        }
    }

    /// Tells whether it belongs to this process's life.
    pub(crate) fn is_of(&self, slot: &Slot) -> bool {
        self.release == slot.folder()
            && match self.hook {
                HookName::PreStart => false,
                HookName::PostStart => self.generation == slot.started_for,
                HookName::PreStop => true,
            }
    }

    pub(crate) fn gate(&self) -> Gate {
        match &self.state {
            HookState::Begun { .. } => Gate::Running,
            HookState::Done => Gate::Open,
            HookState::Failed { why } => Gate::Failed(why.clone()),
            HookState::Uncertain => Gate::Uncertain,
        }
    }
}

/// Returns the last lines a hook wrote, in one line for people; empty when it wrote nothing.
pub(crate) fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(told(&String::from_utf8_lossy(&bytes)))
}

fn told(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(TOLD_LINES)..];
    let joined = last.join(" / ");
    let skip = joined.chars().count().saturating_sub(TOLD_CHARS);
    joined.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_told_in_one_without_control_characters() {
        assert_eq!(told(""), "");
        assert_eq!(told("a\nb\n\n\u{1b}[31mc\r\n  \nd\n"), "b / [31mc / d");
        assert_eq!(told(&"é".repeat(1_000)).chars().count(), TOLD_CHARS);
    }

    #[test]
    fn a_long_output_is_read_from_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("hook.log");
        std::fs::write(&log, format!("{}\nlast words\n", "é".repeat(100_000))).unwrap();
        assert!(tail(&log).unwrap().ends_with(" / last words"));
        assert!(tail(&dir.path().join("none")).is_err());
    }
}
