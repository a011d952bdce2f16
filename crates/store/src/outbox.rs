//! Messages on their way out.

use std::collections::BTreeMap;
use std::time::Duration;

use model::act::{OutboxRow, OutboxState, Urgency};
use model::{PageId, Subject, Timestamp};

use crate::lease::Fence;
use crate::value::json;
use crate::{Each, Error, Row, Tx};

const TABLE: &str = "outbox";

fn is_open(state: &OutboxState) -> bool {
    matches!(state, OutboxState::Queued | OutboxState::Leased { .. })
}

/// Writes a new row, in the transaction of the flip that asks for it.
pub fn enqueue(tx: &mut Tx<'_>, row: &OutboxRow) -> Result<(), Error> {
    let about = row.message.subject().map(|subject| subject.to_string());
    tx.execute(
        "INSERT INTO outbox (id, open, due_us, via, urgent, about, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            row.id.into(),
            is_open(&row.state).into(),
            row.due_at.into(),
            row.destination.via().into(),
            (row.message.urgency == Urgency::High).into(),
            about.unwrap_or_default().into(),
            json(row),
        ],
    )?;
    Ok(())
}

/// Is how many messages may be taken on.
#[derive(Clone, Debug)]
pub struct Room {
    pub in_all: usize,
    /// Through any one receiver.
    pub via_each: usize,
    /// Through those that have some under way already: how many.
    pub under_way: BTreeMap<String, usize>,
}

/// Leases what is due and there is room for, the urgent first, then what waits longest.
///
/// Its attempt counts up and it comes back when the lease ends. So does a row that cannot be read, which
/// nobody can send.
pub fn claim(
    tx: &mut Tx<'_>,
    now: Timestamp,
    lease: Duration,
    fence: Fence,
    room: &Room,
) -> Result<Each<PageId, OutboxRow>, Error> {
    let mut claimed = Vec::new();
    for row in due(tx, now, room)? {
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

/// Returns what is due and fits, in the order in which it is to be sent.
fn due(tx: &mut Tx<'_>, now: Timestamp, room: &Room) -> Result<Vec<Row>, Error> {
    // Of each receiver no more than could fit, so that one with a thousand messages hides no other. What is
    // under way hides as many more, and there are at most so many in all.
    let under_way: usize = room.under_way.values().sum();
    let candidates = tx.query(
        TABLE,
        "SELECT id, body, via FROM (
           SELECT id, body, via, urgent, due_us,
             ROW_NUMBER() OVER (PARTITION BY via ORDER BY urgent DESC, due_us, id) AS nth
           FROM outbox WHERE open = 1 AND due_us <= $1
         ) AS waiting WHERE nth <= $2 ORDER BY urgent DESC, due_us, id LIMIT $3",
        &[
            now.into(),
            (room.via_each as u64).into(),
            ((room.in_all + room.via_each * under_way) as u64).into(),
        ],
    )?;
    let mut taken = room.under_way.clone();
    let mut fitting = Vec::new();
    for row in candidates {
        let via = row.text(2)?;
        let under_way = taken.entry(via.to_owned()).or_default();
        if fitting.len() < room.in_all && *under_way < room.via_each {
            *under_way += 1;
            fitting.push(row);
        }
    }
    Ok(fitting)
}

/// Makes every leased row due. Only for a store that no other server can have open: whoever was sending is dead.
pub fn free_all(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    let sql = "SELECT id, body FROM outbox WHERE open = 1 AND due_us > $1";
    for row in tx.query(TABLE, sql, &[now.into()])? {
        // A row that cannot be read has no lease that anybody could tell from a pause.
        let Ok(row) = row.json::<OutboxRow>(1) else {
            continue;
        };
        if matches!(row.state, OutboxState::Leased { .. }) {
            put_off(tx, row.id, now)?;
        }
    }
    Ok(())
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

/// Returns the newest messages, newest first; about one subject, or all.
pub fn list(
    tx: &mut Tx<'_>,
    about: Option<&Subject>,
    limit: usize,
) -> Result<Vec<OutboxRow>, Error> {
    let limit = (limit as u64).into();
    let rows = match about {
        Some(subject) => {
            let sql = "SELECT body FROM outbox WHERE about = $1 ORDER BY id DESC LIMIT $2";
            tx.query(TABLE, sql, &[subject.into(), limit])?
        }
        None => tx.query(
            TABLE,
            "SELECT body FROM outbox ORDER BY id DESC LIMIT $1",
            &[limit],
        )?,
    };
    rows.iter().map(|row| row.json(0)).collect()
}

/// Returns when the next open row is due.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    let row = tx.query_one(TABLE, "SELECT MIN(due_us) FROM outbox WHERE open = 1", &[])?;
    row.map_or(Ok(None), |row| row.maybe(0, Row::time))
}

/// Counts the rows whose end is not known.
pub fn open_count(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let row = tx.query_one(TABLE, "SELECT COUNT(*) FROM outbox WHERE open = 1", &[])?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Forgets messages that were written before `since` and have ended, at most `limit`, the oldest first.
pub fn forget(tx: &mut Tx<'_>, since: Timestamp, limit: usize) -> Result<(), Error> {
    let sql = "SELECT id FROM outbox WHERE id < $1 AND open = 0 ORDER BY id LIMIT $2";
    let params = [PageId::new(since, 0).into(), (limit as u64).into()];
    for row in tx.query(TABLE, sql, &params)? {
        let id: PageId = row.parsed(0)?;
        tx.execute("DELETE FROM outbox WHERE id = $1", &[id.into()])?;
    }
    Ok(())
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
