//! Changes: the list people read.

use model::observe::{Change, ChangeState};
use model::{ChangeId, ServiceName, Timestamp};

use crate::value::json;
use crate::{Error, Tx};

const TABLE: &str = "observe_change";

/// Returns the id of the next change.
pub fn next_id(tx: &mut Tx<'_>) -> Result<ChangeId, Error> {
    tx.count_up("change").map(ChangeId)
}

/// Stores a change, or what is new about it.
pub fn put(tx: &mut Tx<'_>, change: &Change) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO observe_change (number, service, environment, state, updated_us, body)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (number) DO UPDATE SET state = $4, updated_us = $5, body = $6",
        &[
            change.id.into(),
            (&change.service).into(),
            (&change.environment).into(),
            change.state.into(),
            change.updated_at.into(),
            json(change),
        ],
    )?;
    Ok(())
}

pub fn get(tx: &mut Tx<'_>, id: ChangeId) -> Result<Option<Change>, Error> {
    let sql = "SELECT body FROM observe_change WHERE number = $1";
    tx.query_one(TABLE, sql, &[id.into()])?
        .map(|row| row.json(0))
        .transpose()
}

/// Returns the newest changes of a service, newest first.
pub fn of_service(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    limit: usize,
) -> Result<Vec<Change>, Error> {
    let sql = "SELECT body FROM observe_change WHERE service = $1 ORDER BY number DESC LIMIT $2";
    let rows = tx.query(TABLE, sql, &[service.into(), (limit as u64).into()])?;
    rows.iter().map(|row| row.json(0)).collect()
}

/// Narrows a list; an empty filter takes everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<ChangeState>,
    /// Changes whose state last changed at or after this.
    pub since: Option<Timestamp>,
    /// Changes with a smaller number than this, for the next page.
    pub before: Option<ChangeId>,
}

/// Returns changes, newest first.
pub fn list(tx: &mut Tx<'_>, filter: &Filter, limit: usize) -> Result<Vec<Change>, Error> {
    let rows = tx.query(
        TABLE,
        "SELECT body FROM observe_change
         WHERE ($1 = '' OR state = $1) AND updated_us >= $2 AND number < $3
         ORDER BY number DESC LIMIT $4",
        &[
            filter
                .state
                .map(|s| s.to_string())
                .unwrap_or_default()
                .into(),
            filter
                .since
                .unwrap_or(Timestamp::from_micros(i64::MIN))
                .into(),
            filter.before.map_or(i64::MAX.into(), Into::into),
            (limit as u64).into(),
        ],
    )?;
    rows.iter().map(|row| row.json(0)).collect()
}
