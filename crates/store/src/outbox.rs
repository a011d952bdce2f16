//! Messages on their way out.

use std::time::Duration;

use model::act::{OutboxRow, OutboxState};
use model::{PageId, Timestamp};

use crate::lease::Fence;
use crate::value::json;
use crate::{Each, Error, Tx};

const TABLE: &str = "outbox";

fn is_open(state: &OutboxState) -> bool {
    matches!(state, OutboxState::Queued | OutboxState::Leased { .. })
}

/// Writes a new row, in the transaction of the flip that asks for it.
pub fn enqueue(tx: &mut Tx<'_>, row: &OutboxRow) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO outbox (id, open, due_us, body) VALUES ($1, $2, $3, $4)",
        &[
            row.id.into(),
            is_open(&row.state).into(),
            row.due_at.into(),
            json(row),
        ],
    )?;
    Ok(())
}

/// Leases what is due, oldest first: its attempt counts up and it comes back when the lease ends. So does
/// a row that cannot be read, which nobody can send.
pub fn claim(
    tx: &mut Tx<'_>,
    now: Timestamp,
    lease: Duration,
    fence: Fence,
    limit: usize,
) -> Result<Each<PageId, OutboxRow>, Error> {
    let rows = tx.query(
        TABLE,
        "SELECT id, body FROM outbox WHERE open = 1 AND due_us <= $1 ORDER BY due_us, id LIMIT $2",
        &[now.into(), (limit as u64).into()],
    )?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.parsed(0)?;
        let leased = row.json(1).map(|row: OutboxRow| OutboxRow {
            attempt: row.attempt + 1,
            due_at: now + lease,
            state: OutboxState::Leased { fence: fence.0 },
            ..row
        });
        match &leased {
            Ok(row) => put(tx, row)?,
            Err(_) => put_off(tx, id, now + lease)?,
        }
        claimed.push((id, leased));
    }
    Ok(claimed)
}

fn put_off(tx: &mut Tx<'_>, id: PageId, until: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE outbox SET due_us = $2 WHERE id = $1";
    tx.execute(sql, &[id.into(), until.into()])?;
    Ok(())
}

/// Stores how an attempt ended. Refused when the row was claimed anew meanwhile or has already ended:
/// states only move forward.
pub fn settle(tx: &mut Tx<'_>, row: &OutboxRow) -> Result<(), Error> {
    let stored = get(tx, row.id)?;
    match stored {
        Some(stored) if stored.attempt == row.attempt && is_open(&stored.state) => put(tx, row),
        _ => Err(Error::Conflict {
            what: format!("message {}", row.id),
        }),
    }
}

pub fn get(tx: &mut Tx<'_>, id: PageId) -> Result<Option<OutboxRow>, Error> {
    let row = tx.query_one(TABLE, "SELECT body FROM outbox WHERE id = $1", &[id.into()])?;
    row.map(|row| row.json(0)).transpose()
}

/// Returns when the next open row is due.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    let row = tx.query_one(TABLE, "SELECT MIN(due_us) FROM outbox WHERE open = 1", &[])?;
    row.map_or(Ok(None), |row| row.maybe(0, crate::Row::time))
}

/// Counts the rows whose end is not known.
pub fn open_count(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let row = tx.query_one(TABLE, "SELECT COUNT(*) FROM outbox WHERE open = 1", &[])?;
    row.map_or(Ok(0), |row| row.count(0))
}

fn put(tx: &mut Tx<'_>, row: &OutboxRow) -> Result<(), Error> {
    tx.execute(
        "UPDATE outbox SET open = $2, due_us = $3, body = $4 WHERE id = $1",
        &[
            row.id.into(),
            is_open(&row.state).into(),
            row.due_at.into(),
            json(row),
        ],
    )?;
    Ok(())
}
