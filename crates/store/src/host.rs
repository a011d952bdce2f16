//! Hosts that are expected to report.

use model::deliver::Host;
use model::{HostId, HostName, Timestamp};

use crate::value::json;
use crate::{Each, Error, Tx};

const TABLE: &str = "deliver_host";

/// Stores a newly enrolled host.
///
/// # Errors
/// [`Error::Exists`] when a host that is expected has the name.
pub fn insert(tx: &mut Tx<'_>, host: &Host) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO deliver_host (id, name, machine_id, revision, last_seen_us, retired, body)
         VALUES ($1, $2, $3, 0, $4, $5, $6)",
        &[
            host.id.into(),
            (&host.name).into(),
            host.machine_id.clone().into(),
            host.last_seen.into(),
            host.retired_at.is_some().into(),
            json(host),
        ],
    )?;
    Ok(())
}

pub fn save(tx: &mut Tx<'_>, host: &Host) -> Result<(), Error> {
    tx.execute(
        "UPDATE deliver_host SET machine_id = $2, last_seen_us = $3, retired = $4, body = $5
         WHERE id = $1",
        &[
            host.id.into(),
            host.machine_id.clone().into(),
            host.last_seen.into(),
            host.retired_at.is_some().into(),
            json(host),
        ],
    )?;
    Ok(())
}

pub fn get(tx: &mut Tx<'_>, id: HostId) -> Result<Option<Host>, Error> {
    let row = tx.query_one(
        TABLE,
        "SELECT body FROM deliver_host WHERE id = $1",
        &[id.into()],
    )?;
    row.map(|row| row.json(0)).transpose()
}

/// Returns the expected host of this name; retired ones may have had it before.
pub fn by_name(tx: &mut Tx<'_>, name: &HostName) -> Result<Option<Host>, Error> {
    let sql = "SELECT body FROM deliver_host WHERE name = $1 AND retired = 0";
    tx.query_one(TABLE, sql, &[name.into()])?
        .map(|row| row.json(0))
        .transpose()
}

/// Returns the expected host this machine is; of several, which a person agreed to, the first.
pub fn by_machine(tx: &mut Tx<'_>, machine_id: &str) -> Result<Option<Host>, Error> {
    let sql = "SELECT body FROM deliver_host WHERE machine_id = $1 AND retired = 0
               ORDER BY id LIMIT 1";
    tx.query_one(TABLE, sql, &[machine_id.into()])?
        .map(|row| row.json(0))
        .transpose()
}

/// Returns all hosts by name, retired ones too; of one name in the order in which they were enrolled.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Host>, Error> {
    list_each(tx)?.into_iter().map(|(_, host)| host).collect()
}

/// Returns the hosts of [`list`], each read by itself.
pub fn list_each(tx: &mut Tx<'_>) -> Result<Each<HostId, Host>, Error> {
    let rows = tx.query(
        TABLE,
        "SELECT id, body FROM deliver_host ORDER BY name, id",
        &[],
    )?;
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, row.json(1))))
        .collect()
}

/// Returns the expected hosts last heard of before `limit`, by name, each read by itself.
pub fn seen_before(tx: &mut Tx<'_>, limit: Timestamp) -> Result<Each<HostId, Host>, Error> {
    let sql = "SELECT id, body FROM deliver_host
               WHERE last_seen_us < $1 AND retired = 0 ORDER BY name";
    tx.query(TABLE, sql, &[limit.into()])?
        .iter()
        .map(|row| Ok((row.parsed(0)?, row.json(1))))
        .collect()
}

/// Returns the number that counts up with every change of the host's desired state.
pub fn revision(tx: &mut Tx<'_>, id: HostId) -> Result<u64, Error> {
    let row = tx.query_one(
        TABLE,
        "SELECT revision FROM deliver_host WHERE id = $1",
        &[id.into()],
    )?;
    row.map_or(Ok(0), |row| row.count(0))
}
