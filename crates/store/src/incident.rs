//! Incidents: at most one open one of each service and name of alerts.

use model::act::Incident;
use model::{IncidentId, ServiceName, Timestamp};

use crate::value::json;
use crate::{Each, Error, Row, Tx};

const TABLE: &str = "act_incident";

/// Returns the id of the next incident.
pub fn next_id(tx: &mut Tx<'_>) -> Result<IncidentId, Error> {
    tx.count_up("incident").map(IncidentId)
}

/// Stores an incident, or what is new about it.
///
/// # Errors
/// [`Error::Exists`] when another one of its kind is open.
pub fn put(tx: &mut Tx<'_>, incident: &Incident) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO act_incident (number, service, alerts_named, open, due_us, body)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (number) DO UPDATE SET open = $4, due_us = $5, body = $6",
        &[
            incident.id.into(),
            (&incident.service).into(),
            incident.group.as_str().into(),
            incident.is_open().into(),
            incident.due_at.into(),
            json(incident),
        ],
    )?;
    Ok(())
}

pub fn get(tx: &mut Tx<'_>, id: IncidentId) -> Result<Option<Incident>, Error> {
    let sql = "SELECT body FROM act_incident WHERE number = $1";
    let row = tx.query_one(TABLE, sql, &[id.into()])?;
    row.map(|row| row.json(0)).transpose()
}

/// Returns the newest incident of a service and name of alerts, open or not.
pub fn newest(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    group: &str,
) -> Result<Option<Incident>, Error> {
    let row = tx.query_one(
        TABLE,
        "SELECT body FROM act_incident
         WHERE service = $1 AND alerts_named = $2 AND open >= 0
         ORDER BY number DESC LIMIT 1",
        &[service.into(), group.into()],
    )?;
    row.map(|row| row.json(0)).transpose()
}

/// Counts the open incidents of a service.
pub fn open_count(tx: &mut Tx<'_>, service: &ServiceName) -> Result<u64, Error> {
    let sql = "SELECT COUNT(*) FROM act_incident WHERE service = $1 AND open = 1";
    let row = tx.query_one(TABLE, sql, &[service.into()])?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Returns incidents with a message that is due, those first that wait longest.
pub fn due(
    tx: &mut Tx<'_>,
    now: Timestamp,
    limit: usize,
) -> Result<Each<IncidentId, Incident>, Error> {
    let rows = tx.query(
        TABLE,
        "SELECT number, body FROM act_incident WHERE due_us <= $1 ORDER BY due_us, number LIMIT $2",
        &[now.into(), (limit as u64).into()],
    )?;
    rows.iter()
        .map(|row| Ok((IncidentId(row.count(0)?), row.json(1))))
        .collect()
}

/// Returns when the next message is due.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT MIN(due_us) FROM act_incident WHERE due_us IS NOT NULL";
    let row = tx.query_one(TABLE, sql, &[])?;
    row.map_or(Ok(None), |row| row.maybe(0, Row::time))
}

/// Returns incidents, newest first; those that are open, or all; of one service, or of all.
pub fn list(
    tx: &mut Tx<'_>,
    only_open: bool,
    service: Option<&ServiceName>,
    limit: usize,
) -> Result<Vec<Incident>, Error> {
    let service = service.map(ToString::to_string).unwrap_or_default();
    let rows = tx.query(
        TABLE,
        "SELECT body FROM act_incident WHERE open >= $1 AND ($2 = '' OR service = $2)
         ORDER BY number DESC LIMIT $3",
        &[only_open.into(), service.into(), (limit as u64).into()],
    )?;
    rows.iter().map(|row| row.json(0)).collect()
}
