//! What each host is asked to run and what it reports.

use std::collections::{BTreeMap, BTreeSet};

use model::deliver::{Ahead, Desired, Reported};
use model::{EnvironmentName, HostId, HostName, ServiceName, limit};

use crate::value::json;
use crate::{Error, Row, Tx};

const DESIRED: &str = "deliver_desired";
const REPORTED: &str = "deliver_reported";
const AHEAD: &str = "deliver_ahead";

/// Asks a host for something new: gives `desired` the next generation of its host and service, stores
/// it, raises the host's revision, and returns the generation.
pub fn ask(tx: &mut Tx<'_>, host: HostId, mut desired: Desired) -> Result<u64, Error> {
    let last = tx.query_one(
        DESIRED,
        "SELECT generation FROM deliver_desired WHERE host = $1 AND service = $2",
        &[host.into(), (&desired.service).into()],
    )?;
    let last = last.map_or(Ok(0), |row| row.count(0))?;
    // A host follows no order older than one it has seen, whoever gave it.
    let seen = generation_seen(tx, host, &desired.service)?;
    desired.generation = seen
        .filter(|seen| believed(*seen, last))
        .unwrap_or(0)
        .max(last)
        + 1;
    tx.execute(
        "INSERT INTO deliver_desired (host, service, environment, generation, body)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (host, service)
         DO UPDATE SET environment = $3, generation = $4, body = $5, held = 0",
        &[
            host.into(),
            (&desired.service).into(),
            (&desired.environment).into(),
            desired.generation.into(),
            json(&desired),
        ],
    )?;
    count_revision(tx, host)?;
    Ok(desired.generation)
}

fn count_revision(tx: &mut Tx<'_>, host: HostId) -> Result<(), Error> {
    let sql = "UPDATE deliver_host SET revision = revision + 1 WHERE id = $1";
    tx.execute(sql, &[host.into()]).map(drop)
}

fn generation_seen(
    tx: &mut Tx<'_>,
    host: HostId,
    service: &ServiceName,
) -> Result<Option<u64>, Error> {
    let sql = "SELECT body FROM deliver_reported WHERE host = $1 AND service = $2";
    let row = tx.query_one(REPORTED, sql, &[host.into(), service.into()])?;
    let reported: Option<Reported> = row.map(|row| row.json(0)).transpose()?;
    Ok(reported.map(|reported| reported.generation_seen))
}

fn believed(seen: u64, ours: u64) -> bool {
    seen <= ours.saturating_add(limit::GENERATION_LEAD)
}

/// Returns everything one host is asked to run, by service; what it only keeps is not asked.
pub fn desired_of(tx: &mut Tx<'_>, host: HostId) -> Result<Vec<Desired>, Error> {
    let sql = "SELECT body FROM deliver_desired WHERE host = $1 AND held = 0 ORDER BY service";
    tx.query(DESIRED, sql, &[host.into()])?
        .iter()
        .map(|row| row.json(0))
        .collect()
}

/// Returns what every host is asked to run of one service in one environment.
pub fn desired_for(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> Result<Vec<(HostId, Desired)>, Error> {
    let sql = "SELECT host, body FROM deliver_desired
               WHERE service = $1 AND environment = $2 AND held = 0 ORDER BY host";
    let rows = tx.query(DESIRED, sql, &[service.into(), environment.into()])?;
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, row.json(1)?)))
        .collect()
}

/// Returns every host's newest order of one service in one environment, and whether it is held: kept without
/// being asked.
pub(crate) fn kept_for(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> Result<Vec<(HostId, Desired, bool)>, Error> {
    let sql = "SELECT host, body, held FROM deliver_desired
               WHERE service = $1 AND environment = $2 ORDER BY host";
    let rows = tx.query(DESIRED, sql, &[service.into(), environment.into()])?;
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, row.json(1)?, row.count(2)? == 1)))
        .collect()
}

/// Returns the hosts that are asked for anything of a service, in whatever environment, or keep it.
pub fn asked_for(tx: &mut Tx<'_>, service: &ServiceName) -> Result<BTreeSet<HostId>, Error> {
    let sql = "SELECT host FROM deliver_desired WHERE service = $1";
    let rows = tx.query(DESIRED, sql, &[service.into()])?;
    rows.iter().map(|row| row.parsed(0)).collect()
}

/// Is what a host runs because it is asked to, or keeps since it was adopted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub desired: Desired,
    /// It is not asked for it.
    pub held: bool,
}

/// Returns what each expected host of a page, from its first name to its last, is asked to run and keeps, by
/// service.
pub fn wanted_of_page(
    tx: &mut Tx<'_>,
    (first, last): (&HostName, &HostName),
) -> Result<BTreeMap<HostId, Vec<Wanted>>, Error> {
    let sql = "SELECT d.host, d.body, d.held FROM deliver_desired d
               JOIN deliver_host h ON h.id = d.host
               WHERE h.retired = 0 AND h.name >= $1 AND h.name <= $2 ORDER BY d.host, d.service";
    let mut wanted: BTreeMap<HostId, Vec<Wanted>> = BTreeMap::new();
    for row in tx.query(DESIRED, sql, &[first.into(), last.into()])? {
        let (desired, held) = (row.json(1)?, row.int(2)? != 0);
        let of_host = wanted.entry(row.parsed(0)?).or_default();
        of_host.push(Wanted { desired, held });
    }
    Ok(wanted)
}

/// Returns what each expected host of a page, from its first name to its last, reported last.
pub fn reported_of_page(
    tx: &mut Tx<'_>,
    (first, last): (&HostName, &HostName),
) -> Result<BTreeMap<(HostId, ServiceName), Reported>, Error> {
    let sql = "SELECT r.host, r.service, r.body FROM deliver_reported r
               JOIN deliver_host h ON h.id = r.host
               WHERE h.retired = 0 AND h.name >= $1 AND h.name <= $2";
    let rows = tx.query(REPORTED, sql, &[first.into(), last.into()])?;
    let read = |row: &Row| Ok(((row.parsed(0)?, row.parsed(1)?), row.json(2)?));
    rows.iter().map(read).collect()
}

/// Lifts the number of a host's order to one it has seen, and asks for it no longer: it keeps what it runs
/// until it is asked for something new.
pub fn hold(tx: &mut Tx<'_>, host: HostId, mut desired: Desired, seen: u64) -> Result<(), Error> {
    desired.generation = seen;
    let sql = "UPDATE deliver_desired SET generation = $3, body = $4, held = 1
               WHERE host = $1 AND service = $2";
    let params = [
        host.into(),
        (&desired.service).into(),
        seen.into(),
        json(&desired),
    ];
    tx.execute(sql, &params)?;
    count_revision(tx, host)
}

/// Returns what all hosts are asked to run of anything, and what they keep.
pub fn desired_all(tx: &mut Tx<'_>) -> Result<Vec<(HostId, Desired)>, Error> {
    let rows = tx.query(
        DESIRED,
        "SELECT host, body FROM deliver_desired ORDER BY host, service",
        &[],
    )?;
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, row.json(1)?)))
        .collect()
}

/// Stores what a host reports of one service.
pub fn report(tx: &mut Tx<'_>, host: HostId, reported: &Reported) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO deliver_reported (host, service, body) VALUES ($1, $2, $3)
         ON CONFLICT (host, service) DO UPDATE SET body = $3",
        &[host.into(), (&reported.service).into(), json(reported)],
    )?;
    Ok(())
}

/// Returns what one host last reported, by service.
pub fn reported_of(tx: &mut Tx<'_>, host: HostId) -> Result<Vec<Reported>, Error> {
    let sql = "SELECT body FROM deliver_reported WHERE host = $1 ORDER BY service";
    tx.query(REPORTED, sql, &[host.into()])?
        .iter()
        .map(|row| row.json(0))
        .collect()
}

/// Returns what all hosts last reported of one service.
pub fn reported_for(
    tx: &mut Tx<'_>,
    service: &ServiceName,
) -> Result<Vec<(HostId, Reported)>, Error> {
    let sql = "SELECT host, body FROM deliver_reported WHERE service = $1 ORDER BY host";
    let rows = tx.query(REPORTED, sql, &[service.into()])?;
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, row.json(1)?)))
        .collect()
}

/// Returns what all hosts last reported of anything.
pub fn reported_all(tx: &mut Tx<'_>) -> Result<Vec<(HostId, Reported)>, Error> {
    let rows = tx.query(
        REPORTED,
        "SELECT host, body FROM deliver_reported ORDER BY host, service",
        &[],
    )?;
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, row.json(1)?)))
        .collect()
}

/// The lease whose fence is the epoch. Nobody renews it: each server takes it at its start, whether the
/// one before lives or not.
const EPOCH: &str = "deliver.desired";

/// Returns the epoch under which desired state is handed out, one for all servers of a store; 0 before
/// the first server.
pub fn epoch(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let sql = "SELECT fence FROM lease WHERE name = $1";
    let row = tx.query_one("lease", sql, &[EPOCH.into()])?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Replaces the signs that a host has seen newer orders than this server knows of.
pub fn set_ahead(tx: &mut Tx<'_>, host: HostId, ahead: &[Ahead]) -> Result<(), Error> {
    tx.execute("DELETE FROM deliver_ahead WHERE host = $1", &[host.into()])?;
    for one in ahead {
        let service = one.service.as_ref().map_or("", ServiceName::as_str);
        tx.execute(
            "INSERT INTO deliver_ahead (host, service, seen, ours) VALUES ($1, $2, $3, $4)",
            &[
                host.into(),
                service.to_owned().into(),
                one.seen.into(),
                one.ours.into(),
            ],
        )?;
    }
    Ok(())
}

/// Returns the signs of one host, the epoch first, then by service.
pub fn ahead_of(tx: &mut Tx<'_>, host: HostId) -> Result<Vec<Ahead>, Error> {
    let sql =
        "SELECT host, service, seen, ours FROM deliver_ahead WHERE host = $1 ORDER BY service";
    let rows = tx.query(AHEAD, sql, &[host.into()])?;
    rows.iter().map(|row| Ok(read_ahead(row)?.1)).collect()
}

/// Returns the signs of all hosts.
pub fn ahead(tx: &mut Tx<'_>) -> Result<Vec<(HostId, Ahead)>, Error> {
    let sql = "SELECT host, service, seen, ours FROM deliver_ahead ORDER BY host, service";
    let rows = tx.query(AHEAD, sql, &[])?;
    rows.iter().map(read_ahead).collect()
}

/// Tells whether any host has seen newer orders than this server knows of.
pub fn is_behind(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let row = tx.query_one(AHEAD, "SELECT seen FROM deliver_ahead LIMIT 1", &[])?;
    Ok(row.is_some())
}

fn read_ahead(row: &Row) -> Result<(HostId, Ahead), Error> {
    let service: String = row.text(1)?.to_owned();
    let service = (!service.is_empty()).then(|| row.parsed(1)).transpose()?;
    let ahead = Ahead {
        service,
        seen: row.count(2)?,
        ours: row.count(3)?,
    };
    Ok((row.parsed(0)?, ahead))
}

/// Lifts the epoch above one that was seen; it never falls.
pub fn lift_epoch(tx: &mut Tx<'_>, seen: u64) -> Result<(), Error> {
    let sql = "UPDATE lease SET fence = $2 WHERE name = $1 AND fence < $2";
    tx.execute(sql, &[EPOCH.into(), (seen + 1).into()])
        .map(drop)
}

/// Begins the next epoch and returns it. Agents follow none that is lower than one they have seen, so
/// that a store that was restored from an old backup is noticed.
pub fn next_epoch(tx: &mut Tx<'_>, owner: &str) -> Result<u64, Error> {
    let row = tx.query_one(
        "lease",
        "INSERT INTO lease (name, owner, fence, until_us) VALUES ($1, $2, 1, 0)
         ON CONFLICT (name) DO UPDATE SET fence = lease.fence + 1, owner = $2
         RETURNING fence",
        &[EPOCH.into(), owner.into()],
    )?;
    row.ok_or_else(|| Error::Unavailable("the epoch gave no number".into()))?
        .count(0)
}
