//! Alerts: at most one open one of each service and key.

use model::judge::Alert;
use model::{AlertId, IncidentId, ServiceName, Timestamp};

use crate::value::json;
use crate::{Each, Error, Row, Tx};

const TABLE: &str = "judge_alert";

/// Returns the id of the next alert.
pub fn next_id(tx: &mut Tx<'_>) -> Result<AlertId, Error> {
    tx.count_up("alert").map(AlertId)
}

/// Returns the open alert of this key.
pub fn open(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    dedup_key: &str,
) -> Result<Option<Alert>, Error> {
    let row = tx.query_one(
        TABLE,
        "SELECT body FROM judge_alert WHERE service = $1 AND dedup_key = $2 AND open = 1",
        &[service.into(), dedup_key.into()],
    )?;
    row.map(|row| row.json(0)).transpose()
}

/// Counts the open alerts of a service.
pub fn open_count(tx: &mut Tx<'_>, service: &ServiceName) -> Result<u64, Error> {
    let row = tx.query_one(
        TABLE,
        "SELECT COUNT(*) FROM judge_alert WHERE service = $1 AND open = 1",
        &[service.into()],
    )?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Stores a new alert; the incidents look at it next.
///
/// # Errors
/// [`Error::Exists`] when one of its key is open.
pub fn insert(tx: &mut Tx<'_>, alert: &Alert) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO judge_alert (number, service, dedup_key, open, ends_us, incident, news, body)
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7)",
        &[
            alert.id.into(),
            (&alert.service).into(),
            alert.dedup_key.as_str().into(),
            alert.is_open().into(),
            alert.ends_at.into(),
            alert.incident.into(),
            json(alert),
        ],
    )?;
    Ok(())
}

/// Stores what is new about an alert; with `is_news` the incidents look at it next.
pub fn save(tx: &mut Tx<'_>, alert: &Alert, is_news: bool) -> Result<(), Error> {
    tx.execute(
        "UPDATE judge_alert SET open = $2, ends_us = $3, incident = $4,
           news = CASE WHEN $5 = 1 THEN 1 ELSE news END, body = $6
         WHERE number = $1",
        &[
            alert.id.into(),
            alert.is_open().into(),
            alert.ends_at.into(),
            alert.incident.into(),
            is_news.into(),
            json(alert),
        ],
    )?;
    Ok(())
}

/// Says that the incidents have looked at it.
pub fn mark_seen(tx: &mut Tx<'_>, id: AlertId) -> Result<(), Error> {
    let sql = "UPDATE judge_alert SET news = 0 WHERE number = $1";
    tx.execute(sql, &[id.into()])?;
    Ok(())
}

pub fn get(tx: &mut Tx<'_>, id: AlertId) -> Result<Option<Alert>, Error> {
    let sql = "SELECT body FROM judge_alert WHERE number = $1";
    let row = tx.query_one(TABLE, sql, &[id.into()])?;
    row.map(|row| row.json(0)).transpose()
}

/// Returns alerts the incidents have not looked at since something happened, oldest first.
pub fn news(tx: &mut Tx<'_>, limit: usize) -> Result<Each<AlertId, Alert>, Error> {
    let sql = "SELECT number, body FROM judge_alert WHERE news = 1 ORDER BY number LIMIT $1";
    let rows = tx.query(TABLE, sql, &[(limit as u64).into()])?;
    each(&rows)
}

/// Returns open alerts whose time has run out, those first that ran out first.
pub fn lapsed(
    tx: &mut Tx<'_>,
    now: Timestamp,
    limit: usize,
) -> Result<Each<AlertId, Alert>, Error> {
    let rows = tx.query(
        TABLE,
        "SELECT number, body FROM judge_alert WHERE open = 1 AND ends_us <= $1
         ORDER BY ends_us, number LIMIT $2",
        &[now.into(), (limit as u64).into()],
    )?;
    each(&rows)
}

/// Returns when the next open alert runs out.
pub fn next_end(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT MIN(ends_us) FROM judge_alert WHERE open = 1";
    let row = tx.query_one(TABLE, sql, &[])?;
    row.map_or(Ok(None), |row| row.maybe(0, Row::time))
}

/// Counts the alerts of an incident, all and those that are open.
pub fn counts(tx: &mut Tx<'_>, incident: IncidentId) -> Result<(u64, u64), Error> {
    let row = tx.query_one(
        TABLE,
        "SELECT COUNT(*), CAST(COALESCE(SUM(open), 0) AS BIGINT) FROM judge_alert
         WHERE incident = $1 AND open >= 0",
        &[incident.into()],
    )?;
    row.map_or(Ok((0, 0)), |row| Ok((row.count(0)?, row.count(1)?)))
}

/// Returns alerts of an incident, newest first; those that are open, or all.
pub fn of_incident(
    tx: &mut Tx<'_>,
    incident: IncidentId,
    only_open: bool,
    limit: usize,
) -> Result<Vec<Alert>, Error> {
    let rows = tx.query(
        TABLE,
        "SELECT body FROM judge_alert WHERE incident = $1 AND open >= $2
         ORDER BY number DESC LIMIT $3",
        &[incident.into(), only_open.into(), (limit as u64).into()],
    )?;
    rows.iter().map(|row| row.json(0)).collect()
}

/// Narrows a list; an empty filter takes everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub only_open: bool,
    pub service: Option<ServiceName>,
    /// Alerts with a smaller number than this, for the next page.
    pub before: Option<AlertId>,
}

/// Returns alerts, newest first.
pub fn list(tx: &mut Tx<'_>, filter: &Filter, limit: usize) -> Result<Vec<Alert>, Error> {
    let service = filter.service.as_ref().map(ToString::to_string);
    let rows = tx.query(
        TABLE,
        "SELECT body FROM judge_alert
         WHERE open >= $1 AND ($2 = '' OR service = $2) AND number < $3
         ORDER BY number DESC LIMIT $4",
        &[
            filter.only_open.into(),
            service.unwrap_or_default().into(),
            filter.before.map_or(i64::MAX.into(), Into::into),
            (limit as u64).into(),
        ],
    )?;
    rows.iter().map(|row| row.json(0)).collect()
}

fn each(rows: &[Row]) -> Result<Each<AlertId, Alert>, Error> {
    rows.iter()
        .map(|row| Ok((AlertId(row.count(0)?), row.json(1))))
        .collect()
}
