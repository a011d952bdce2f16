//! What each host is asked to run and what it reports.

use std::collections::BTreeSet;

use model::deliver::{Desired, Reported};
use model::{EnvironmentName, HostId, ServiceName};

use crate::value::json;
use crate::{Error, Tx};

const DESIRED: &str = "deliver_desired";
const REPORTED: &str = "deliver_reported";

/// Asks a host for something new: gives `desired` the next generation of its host and service, stores
/// it, raises the host's revision, and returns the generation.
pub fn ask(tx: &mut Tx<'_>, host: HostId, mut desired: Desired) -> Result<u64, Error> {
    let last = tx.query_one(
        DESIRED,
        "SELECT generation FROM deliver_desired WHERE host = $1 AND service = $2",
        &[host.into(), (&desired.service).into()],
    )?;
    desired.generation = last.map_or(Ok(0), |row| row.count(0))? + 1;
    tx.execute(
        "INSERT INTO deliver_desired (host, service, environment, generation, body)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (host, service) DO UPDATE SET environment = $3, generation = $4, body = $5",
        &[
            host.into(),
            (&desired.service).into(),
            (&desired.environment).into(),
            desired.generation.into(),
            json(&desired),
        ],
    )?;
    tx.execute(
        "UPDATE deliver_host SET revision = revision + 1 WHERE id = $1",
        &[host.into()],
    )?;
    Ok(desired.generation)
}

/// Returns everything one host is asked to run, by service.
pub fn desired_of(tx: &mut Tx<'_>, host: HostId) -> Result<Vec<Desired>, Error> {
    let sql = "SELECT body FROM deliver_desired WHERE host = $1 ORDER BY service";
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
    let sql = "SELECT host, body FROM deliver_desired WHERE service = $1 AND environment = $2 ORDER BY host";
    let rows = tx.query(DESIRED, sql, &[service.into(), environment.into()])?;
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, row.json(1)?)))
        .collect()
}

/// Returns the hosts that are asked for anything of a service, in whatever environment.
pub fn asked_for(tx: &mut Tx<'_>, service: &ServiceName) -> Result<BTreeSet<HostId>, Error> {
    let sql = "SELECT host FROM deliver_desired WHERE service = $1";
    let rows = tx.query(DESIRED, sql, &[service.into()])?;
    rows.iter().map(|row| row.parsed(0)).collect()
}

/// Returns what all hosts are asked to run of anything.
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
