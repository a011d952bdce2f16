//! Processes a former agent left running, for those who want to clear up after it.

use std::path::Path;
use std::time::Duration;

use model::ServiceName;
use rustix::process::Signal;

use crate::procfs::ProcessId;
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

/// Returns what still runs of the services recorded under `base`; nothing when no agent was there.
///
/// # Errors
/// `state.db` cannot be read.
pub fn leftovers(base: &Path) -> anyhow::Result<Vec<Leftover>> {
    if !base.join("state.db").exists() {
        return Ok(Vec::new());
    }
    let records = State::open(base)?.services()?;
    let records = records.into_iter().filter_map(|(_, record)| record);
    Ok(records
        .flat_map(|record| {
            let slots = record.slots();
            let slots = slots.map(|slot| (slot.folder(), slot.process.clone()));
            let hooks = record.hooks.iter();
            let hooks = hooks.map(|run| (run.release.clone(), run.process().cloned()));
            let all: Vec<_> = slots.chain(hooks).collect();
            all.into_iter().filter_map(move |(release, process)| {
                Some(Leftover {
                    service: record.wish.service.clone(),
                    release,
                    process: process?,
                })
            })
        })
        .filter(|left| !supervise::members(&left.process).is_empty())
        .collect())
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
    let left = leftovers(base)?;
    let signal_all = |signal| {
        for pid in left.iter().flat_map(|l| supervise::members(&l.process)) {
            supervise::signal(pid, signal);
        }
    };
    let pause = Stop::default();
    let some_run = || {
        left.iter()
            .any(|l| !supervise::members(&l.process).is_empty())
    };
    signal_all(Signal::TERM);
    let turn = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while some_run() && waited < PATIENCE * 2 {
        if waited >= PATIENCE {
            signal_all(Signal::KILL);
        }
        pause.wait(turn);
        waited += turn;
    }
    Ok(left)
}
