//! The beginning of an agent's process: it stays what it is, becomes the proved program, or tries a new one.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use model::Digest;

use super::SelfUpdate;
use super::decide::{self, Begin, Start};
use super::record::{Place, Proved, Record, folder};
use super::trial::{self, lock_of_trials};
use crate::Stop;
use crate::clock::Clock;
use crate::sha::digest_of;

/// The file of this very process, also when it was replaced or removed since.
pub(super) const OWN: &str = "/proc/self/exe";

/// Is how a process goes on that was started to be the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    Stays,
    /// It was to stop while a program was tried.
    Stopped,
}

/// Finds out what this process is to be. Returns only when that is the agent; becomes another program otherwise.
///
/// The caller holds the lock of the base, and runs no thread but its own.
///
/// # Errors
/// This program's own file cannot be read, or another program on trial does not end.
pub(crate) fn begin(
    base: &Path,
    update: &SelfUpdate,
    clock: &dyn Clock,
    stop: &Stop,
) -> anyhow::Result<Begun> {
    let mut record = Record::load(base);
    if folder(base).exists() {
        // A program on trial whose parent was killed takes a moment to end.
        drop(lock_of_trials(base)?);
    }
    loop {
        if record.proved.is_none() && record.trying.is_none() {
            return Ok(Begun::Stays);
        }
        let place = Place::of_this_process(base);
        let start = Start {
            own: own_digest()?,
            place,
            found: found(base, &record),
            marked: trial::marked(base),
            record: &record,
        };
        match decide::begin(&start) {
            Begin::Stay => return Ok(Begun::Stays),
            Begin::Note(next, why) => {
                tracing::warn!("the agent's program: {why}");
                record = kept(base, next);
            }
            Begin::Become(proved) => {
                let next = become_proved(base, update, &record, &proved);
                record = kept(base, next);
            }
            Begin::Try(trying) => {
                match trial::try_out(base, update, (&record, &trying), (clock, stop)) {
                    Some(next) => record = kept(base, next),
                    None => return Ok(Begun::Stopped),
                }
            }
        }
        if stop.is_stopped() {
            return Ok(Begun::Stopped);
        }
    }
}

/// Writes down what is known from now on. Where that fails, as on a full disk, it counts for this process all the
/// same: an agent has to run.
fn kept(base: &Path, record: Record) -> Record {
    if let Err(e) = record.save(base) {
        tracing::error!("it will be found out again at the next start: {e:#}");
    }
    record
}

/// Becomes the proved program; returns what is known when that cannot be started.
fn become_proved(base: &Path, update: &SelfUpdate, record: &Record, proved: &Proved) -> Record {
    let mut counted = record.clone();
    if let Some(proved) = &mut counted.proved {
        proved.starts += 1;
    }
    if let Err(e) = counted.save(base) {
        // A full disk is no reason to run another program than the one that is proved.
        tracing::warn!("this start is not counted: {e:#}");
    }
    let path = proved.place.path(base);
    tracing::info!("the agent goes on as {}", path.display());
    let error = Command::new(&path).args(&update.run).exec();
    let why = format!("it cannot be started: {error}");
    let (next, why) = decide::fall_back(record, proved, why);
    tracing::error!("{}: {why}", path.display());
    next
}

/// Starts this agent anew in this process, from the same program.
///
/// # Errors
/// Returns only when that failed.
pub(crate) fn again(update: &SelfUpdate) -> anyhow::Error {
    let error = Command::new(OWN).args(&update.run).exec();
    anyhow::Error::new(error).context("the agent cannot start itself anew")
}

/// Returns the digest of the program this process runs.
pub(super) fn own_digest() -> anyhow::Result<Digest> {
    let read = || digest_of(File::open(OWN)?);
    read().context("cannot read this program's own file")
}

/// Returns what is in the place the record is about.
fn found(base: &Path, record: &Record) -> Option<Digest> {
    let trying = record.trying.as_ref().map(|trying| trying.place);
    let place = trying.or(record.proved.as_ref().map(|proved| proved.place))?;
    digest_at(&place.path(base))
}

pub(super) fn digest_at(path: &Path) -> Option<Digest> {
    match File::open(path).and_then(digest_of) {
        Ok(digest) => Some(digest),
        Err(e) => {
            tracing::debug!("{}: {e}", path.display());
            None
        }
    }
}
