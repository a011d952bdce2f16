//! Processes a former agent left running, for those who want to clear up after it.

use std::path::Path;
use std::time::Duration;

use model::ServiceName;
use rustix::process::Signal;

use crate::cgroup::Group;
use crate::procfs::ProcessId;
use crate::record::Record;
use crate::state::State;
use crate::{Stop, run, supervise};

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Is one process recorded under a base that still runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    pub service: ServiceName,
    pub process: ProcessId,
    /// The release's folder.
    pub release: String,
}

/// Is what the agent wrote down about one process or hook of a release.
struct Recorded {
    service: ServiceName,
    release: String,
    process: Option<ProcessId>,
    group: Option<Group>,
    /// The group is the agent's to remove, not systemd's.
    is_ours: bool,
}

impl Recorded {
    fn pids(&self) -> Vec<u32> {
        supervise::all_of(self.process.as_ref(), self.group.as_ref())
    }

    /// Returns what is left of it: the process that was written down, else one of what it started.
    fn leftover(&self) -> Option<Leftover> {
        let first = *self.pids().first()?;
        let process = self.process.clone().filter(ProcessId::is_alive);
        Some(Leftover {
            service: self.service.clone(),
            process: process.or_else(|| ProcessId::of(first))?,
            release: self.release.clone(),
        })
    }
}

/// Returns what still runs of the services recorded under `base`; nothing when no agent was there.
///
/// # Errors
/// `state.db` cannot be read.
pub fn leftovers(base: &Path) -> anyhow::Result<Vec<Leftover>> {
    let recorded = recorded(base)?;
    Ok(recorded.iter().filter_map(Recorded::leftover).collect())
}

fn recorded(base: &Path) -> anyhow::Result<Vec<Recorded>> {
    if !base.join("state.db").exists() {
        return Ok(Vec::new());
    }
    let records = State::open(base)?.services()?;
    let records = records.into_iter().filter_map(|(_, record)| record);
    Ok(records.flat_map(|record| recorded_in(&record)).collect())
}

fn recorded_in(record: &Record) -> Vec<Recorded> {
    let service = &record.wish.service;
    let slots = record.slots().map(|slot| Recorded {
        service: service.clone(),
        release: slot.folder(),
        process: slot.process.clone(),
        group: slot.holder().cloned(),
        is_ours: slot.unit.is_none(),
    });
    let hooks = record.hooks.iter().map(|run| Recorded {
        service: service.clone(),
        release: run.release.clone(),
        process: run.process().cloned(),
        group: run.group.clone(),
        is_ours: true,
    });
    slots.chain(hooks).collect()
}

/// Ends them: politely, after 2 s the hard way. Returns what was ended.
///
/// # Errors
/// An agent is running on this base, or `state.db` cannot be read.
pub fn end_leftovers(base: &Path) -> anyhow::Result<Vec<Leftover>> {
    if !base.join("state.db").exists() {
        return Ok(Vec::new());
    }
    let _lock = run::lock(base)?;
    let recorded = recorded(base)?;
    let left = recorded.iter().filter_map(Recorded::leftover).collect();
    for pid in recorded.iter().flat_map(Recorded::pids) {
        supervise::signal(pid, Signal::TERM);
    }
    let pause = Stop::default();
    let turn = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while !recorded.iter().all(is_gone) && waited < PATIENCE * 2 {
        if waited >= PATIENCE {
            for one in &recorded {
                supervise::kill_all(&one.pids(), one.group.as_ref());
            }
        }
        pause.wait(turn);
        waited += turn;
    }
    Ok(left)
}

/// Tells whether nothing runs any more, and takes an empty group away.
fn is_gone(one: &Recorded) -> bool {
    let ours = one.group.as_ref().filter(|_| one.is_ours);
    one.pids().is_empty() && ours.is_none_or(Group::remove_with_home)
}
