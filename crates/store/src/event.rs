//! What happened on hosts, as their agents tell it, each once.

use model::HostId;
use model::api::agent::Event;

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
