//! Rollouts, with the version that makes a decision on stale state fail.

use model::deliver::{Rollout, RolloutState};
use model::{ChangeId, Entry, EnvironmentName, ServiceName};

use crate::value::json;
use crate::{Error, Row, Tx};

const TABLE: &str = "deliver_rollout";

/// Is a rollout as it was read; saving it again needs the version.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned {
    pub rollout: Rollout,
    pub version: u64,
}

impl Versioned {
    /// Tells whether nothing more happens to it by itself, apart from its watch.
    pub fn is_over(&self) -> bool {
        is_over(&self.rollout)
    }
}

/// A finished rollout with an order (an undo) is not over: it still has that to do.
fn is_over(rollout: &Rollout) -> bool {
    rollout.state.is_over() && rollout.order.is_none()
}

/// Tells whether time may still end something of a rollout that is done: its watch, or that the slot before is
/// kept running.
fn is_watched(rollout: &Rollout) -> bool {
    rollout.watched_until().is_some() || rollout.warm_until().is_some()
}

/// Stores a new rollout.
///
/// # Errors
/// [`Error::Exists`] while another one of the same service and environment is not over, unless this one
/// waits for it.
pub fn insert(tx: &mut Tx<'_>, rollout: &Rollout) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO deliver_rollout (change, service, environment, over, watched, queued, version, body)
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7)",
        &[
            rollout.change.into(),
            (&rollout.service).into(),
            (&rollout.environment).into(),
            is_over(rollout).into(),
            is_watched(rollout).into(),
            rollout.queued.is_some().into(),
            json(rollout),
        ],
    )?;
    Ok(())
}

/// Saves a decision about a rollout that was read with `version`.
///
/// # Errors
/// [`Error::Conflict`] when it was saved by somebody else since.
pub fn save(tx: &mut Tx<'_>, rollout: &Rollout, version: u64) -> Result<(), Error> {
    let touched = tx.execute(
        "UPDATE deliver_rollout SET over = $3, watched = $4, queued = $5, version = version + 1, body = $6
         WHERE change = $1 AND version = $2",
        &[
            rollout.change.into(),
            version.into(),
            is_over(rollout).into(),
            is_watched(rollout).into(),
            rollout.queued.is_some().into(),
            json(rollout),
        ],
    )?;
    if touched == 1 {
        Ok(())
    } else {
        Err(Error::Conflict {
            what: format!("rollout {}", rollout.change),
        })
    }
}

pub fn get(tx: &mut Tx<'_>, change: ChangeId) -> Result<Option<Versioned>, Error> {
    let sql = "SELECT body, version FROM deliver_rollout WHERE change = $1";
    tx.query_one(TABLE, sql, &[change.into()])?
        .as_ref()
        .map(read)
        .transpose()
}

/// Returns what a rollout was shipped together with, in the order it goes out. A part whose row cannot be
/// read is left out, so that it does not keep the others from going back.
pub fn others(tx: &mut Tx<'_>, rollout: &Rollout) -> Result<Vec<Versioned>, Error> {
    let together = rollout.together.iter();
    let mut others = Vec::new();
    for part in together.flat_map(|together| together.others(rollout.change)) {
        match get(tx, part.change) {
            Ok(part) => others.extend(part),
            Err(Error::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(others)
}

/// Is what is left at one of several rollouts that were shipped as one.
#[derive(Debug)]
pub struct Left {
    /// What it is next; none: it stays as it is.
    pub next: Option<Rollout>,
    pub entry: Entry,
}

/// Leaves something at everything `rollout` was shipped together with, in the order it goes out; `leave` says what,
/// of a part and the newest rollout of its service there.
///
/// # Errors
/// Those of `leave`, and of the store.
pub fn leave_at_others<E: From<Error>>(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    mut leave: impl FnMut(&Rollout, ChangeId) -> Result<Option<Left>, E>,
) -> Result<(), E> {
    for Versioned {
        rollout: part,
        version,
    } in others(tx, rollout)?
    {
        let newest = newest_standing(tx, &part.service, &part.environment)?;
        let newest = newest.map_or(part.change, |newest| newest.rollout.change);
        if let Some(left) = leave(&part, newest)? {
            crate::journal::append(tx, &left.entry)?;
            if let Some(next) = left.next {
                save(tx, &next, version)?;
            }
        }
    }
    Ok(())
}

/// Returns those of a history that a later rollout cannot pass over: they are not over, or something they
/// were shipped together with is not. `history` is as [`history`] returns it, and so is the answer.
pub fn under_way<'a>(
    tx: &mut Tx<'_>,
    history: &'a [Versioned],
) -> Result<Vec<&'a Versioned>, Error> {
    let mut found: Vec<&Versioned> = history.iter().filter(|one| !one.is_over()).collect();
    // Nothing began after one whose parts are under way: the newest that is over is the only candidate.
    if let Some(newest) = history.iter().find(|one| one.is_over())
        && others(tx, &newest.rollout)?
            .iter()
            .any(|part| !part.is_over())
    {
        found.push(newest);
        found.sort_by_key(|one| std::cmp::Reverse(one.rollout.change));
    }
    Ok(found)
}

/// Returns which rollouts are not over, oldest first, whether their rows can be read or not.
pub fn running_changes(tx: &mut Tx<'_>) -> Result<Vec<ChangeId>, Error> {
    let sql = "SELECT change FROM deliver_rollout WHERE over = 0 ORDER BY change";
    let rows = tx.query(TABLE, sql, &[])?;
    rows.iter().map(|row| row.count(0).map(ChangeId)).collect()
}

/// Returns which rollouts something may still follow for, oldest first: those that are not over, and those
/// that are done and watched.
pub fn looked_after(tx: &mut Tx<'_>) -> Result<Vec<ChangeId>, Error> {
    let sql = "SELECT change FROM deliver_rollout WHERE over = 0 OR watched = 1 ORDER BY change";
    let rows = tx.query(TABLE, sql, &[])?;
    rows.iter().map(|row| row.count(0).map(ChangeId)).collect()
}

/// Returns the newest rollout of a service in an environment that began and was neither undone nor
/// superseded.
pub fn newest_standing(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> Result<Option<Versioned>, Error> {
    // Almost always the first or second one; a row at a time, because a body may be large.
    let sql = "SELECT body, version FROM deliver_rollout WHERE service = $1 AND environment = $2 AND change < $3
               ORDER BY change DESC LIMIT 1";
    let mut before = i64::MAX;
    loop {
        let row = tx.query_one(
            TABLE,
            sql,
            &[service.into(), environment.into(), before.into()],
        )?;
        let Some(found) = row.as_ref().map(read).transpose()? else {
            return Ok(None);
        };
        let left_nothing = matches!(
            found.rollout.state,
            RolloutState::Undone { .. } | RolloutState::Superseded { .. }
        );
        if !left_nothing && found.rollout.queued.is_none() {
            return Ok(Some(found));
        }
        before = i64::try_from(found.rollout.change.0).unwrap_or(i64::MAX);
    }
}

/// Returns every service with an environment it was shipped to, in order.
pub fn places(tx: &mut Tx<'_>) -> Result<Vec<(ServiceName, EnvironmentName)>, Error> {
    let sql =
        "SELECT DISTINCT service, environment FROM deliver_rollout ORDER BY service, environment";
    let rows = tx.query(TABLE, sql, &[])?;
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, row.parsed(1)?)))
        .collect()
}

/// Returns all rollouts of a service in an environment, newest first.
pub fn history(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
    limit: usize,
) -> Result<Vec<Versioned>, Error> {
    let sql = "SELECT body, version FROM deliver_rollout WHERE service = $1 AND environment = $2
               ORDER BY change DESC LIMIT $3";
    let params = [service.into(), environment.into(), (limit as u64).into()];
    tx.query(TABLE, sql, &params)?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Versioned, Error> {
    Ok(Versioned {
        rollout: row.json(0)?,
        version: row.count(1)?,
    })
}
