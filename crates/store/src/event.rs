//! What happened on hosts, as their agents tell it, each once.

use model::api::agent::Event;
use model::{HostId, Timestamp};

use crate::value::json;
use crate::{Error, Tx};

const TABLE: &str = "agent_event";

/// Stores events, leaving out those already there, and returns the new ones.
pub fn store(
    tx: &mut Tx<'_>,
    host: HostId,
    boot_id: &str,
    events: &[Event],
) -> Result<Vec<Event>, Error> {
    let mut new = Vec::new();
    for event in events {
        let stored = tx.execute(
            "INSERT INTO agent_event (host, boot, seq, at_us, body) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (host, boot, seq) DO NOTHING",
            &[
                host.into(),
                boot_id.into(),
                event.seq.into(),
                event.at.into(),
                json(event),
            ],
        )?;
        if stored == 1 {
            new.push(event.clone());
        }
    }
    Ok(new)
}

/// Forgets what happened on a host before `since`, at most `limit` events, apart from the newest of its
/// boot: that one says what need not be sent again.
pub fn forget(
    tx: &mut Tx<'_>,
    (host, boot_id): (HostId, &str),
    since: Timestamp,
    limit: usize,
) -> Result<(), Error> {
    let highest = highest(tx, host, boot_id)?;
    let old = tx.query(
        TABLE,
        "SELECT boot, seq FROM agent_event WHERE host = $1 AND at_us < $2 AND (boot <> $3 OR seq <> $4)
         ORDER BY at_us LIMIT $5",
        &[
            host.into(),
            since.into(),
            boot_id.into(),
            highest.into(),
            (limit as u64).into(),
        ],
    )?;
    for row in &old {
        let sql = "DELETE FROM agent_event WHERE host = $1 AND boot = $2 AND seq = $3";
        tx.execute(
            sql,
            &[host.into(), row.text(0)?.into(), row.count(1)?.into()],
        )?;
    }
    Ok(())
}

/// Returns the highest number stored for a boot of a host.
pub fn highest(tx: &mut Tx<'_>, host: HostId, boot_id: &str) -> Result<u64, Error> {
    let sql = "SELECT COALESCE(MAX(seq), 0) FROM agent_event WHERE host = $1 AND boot = $2";
    let row = tx.query_one(TABLE, sql, &[host.into(), boot_id.into()])?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Returns the newest events of a host, newest first.
pub fn newest(tx: &mut Tx<'_>, host: HostId, limit: usize) -> Result<Vec<Event>, Error> {
    let sql = "SELECT body FROM agent_event WHERE host = $1 ORDER BY at_us DESC, seq DESC LIMIT $2";
    let rows = tx.query(TABLE, sql, &[host.into(), (limit as u64).into()])?;
    rows.iter().map(|row| row.json(0)).collect()
}
