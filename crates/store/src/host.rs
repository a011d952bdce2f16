//! Hosts that are expected to report.

use std::collections::BTreeSet;

use model::deliver::Host;
use model::{HostId, HostName, Timestamp};

use crate::value::json;
use crate::{Each, Error, Row, Tx};

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

/// Stores a host of which something new is wished, and raises its revision, so that its agent is told.
pub fn ask(tx: &mut Tx<'_>, host: &Host) -> Result<(), Error> {
    save(tx, host)?;
    let sql = "UPDATE deliver_host SET revision = revision + 1 WHERE id = $1";
    tx.execute(sql, &[host.id.into()]).map(drop)
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
    let sql = "SELECT body FROM deliver_host ORDER BY name";
    let rows = tx.query(TABLE, sql, &[])?;
    rows.iter().map(|row| row.json(0)).collect()
}

/// Returns all hosts that are expected, by name.
pub fn expected(tx: &mut Tx<'_>) -> Result<Vec<Host>, Error> {
    let hosts = expected_each(tx)?.into_iter();
    hosts.map(|(_, host)| host).collect()
}

/// Returns the hosts of [`expected`], each read by itself.
pub fn expected_each(tx: &mut Tx<'_>) -> Result<Each<HostId, Host>, Error> {
    let sql = "SELECT id, body FROM deliver_host WHERE retired = 0 ORDER BY name";
    each(tx.query(TABLE, sql, &[])?)
}

/// Returns how many hosts are expected.
pub fn count_expected(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let sql = "SELECT COUNT(*) FROM deliver_host WHERE retired = 0";
    let row = tx.query_one(TABLE, sql, &[])?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Returns up to `limit` expected hosts that come after a name, in their order.
pub fn page(tx: &mut Tx<'_>, after: Option<&HostName>, limit: usize) -> Result<Vec<Host>, Error> {
    let sql =
        "SELECT body FROM deliver_host WHERE retired = 0 AND name > $1 ORDER BY name LIMIT $2";
    // Every name comes after the empty one.
    let after = after.map_or_else(String::new, ToString::to_string);
    let rows = tx.query(TABLE, sql, &[after.into(), (limit as u64).into()])?;
    rows.iter().map(|row| row.json(0)).collect()
}

/// Returns those of `ids` that there are, retired ones too, by name, each read by itself.
pub fn these_each(tx: &mut Tx<'_>, ids: &BTreeSet<HostId>) -> Result<Each<HostId, Host>, Error> {
    // One pass over the table costs less than a call for each.
    let rows = tx.query(
        TABLE,
        "SELECT id, body FROM deliver_host ORDER BY name, id",
        &[],
    )?;
    let mut hosts = Vec::with_capacity(ids.len());
    for row in &rows {
        let id = row.parsed(0)?;
        if ids.contains(&id) {
            hosts.push((id, row.json(1)));
        }
    }
    Ok(hosts)
}

/// Returns the expected hosts last heard of before `limit`, by name, each read by itself.
pub fn seen_before(tx: &mut Tx<'_>, limit: Timestamp) -> Result<Each<HostId, Host>, Error> {
    let sql = "SELECT id, body FROM deliver_host
               WHERE retired = 0 AND last_seen_us < $1 ORDER BY name";
    each(tx.query(TABLE, sql, &[limit.into()])?)
}

fn each(rows: Vec<Row>) -> Result<Each<HostId, Host>, Error> {
    let read = |row: &Row| Ok((row.parsed(0)?, row.json(1)));
    rows.iter().map(read).collect()
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
