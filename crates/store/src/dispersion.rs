//! What each quarter of an hour said about the noise between hosts, kept longer than its samples.

use std::ops::Range;

use model::{EnvironmentName, ServiceName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::json;
use crate::{Error, Tx};

const TABLE: &str = "judge_dispersion";

/// Is one signal of a service in an environment.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    pub service: &'a ServiceName,
    pub environment: &'a EnvironmentName,
    pub signal: &'a str,
}

/// Keeps what a quarter said; what is kept of it already stays.
pub fn keep<T: Serialize>(
    tx: &mut Tx<'_>,
    of: Of<'_>,
    quarter: u64,
    said: &T,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO judge_dispersion (service, environment, signal, quarter, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (service, environment, signal, quarter) DO NOTHING",
        &[
            of.service.into(),
            of.environment.into(),
            of.signal.into(),
            quarter.into(),
            json(said),
        ],
    )?;
    Ok(())
}

/// Returns what these quarters said, oldest first. One that cannot be read says nothing.
pub fn of<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    of: Of<'_>,
    quarters: Range<u64>,
) -> Result<Vec<T>, Error> {
    let sql = "SELECT body FROM judge_dispersion
               WHERE service = $1 AND environment = $2 AND signal = $3 AND quarter >= $4 AND quarter < $5
               ORDER BY quarter";
    let params = [
        of.service.into(),
        of.environment.into(),
        of.signal.into(),
        quarters.start.into(),
        quarters.end.into(),
    ];
    let rows = tx.query(TABLE, sql, &params)?;
    Ok(rows.iter().filter_map(|row| row.json(0).ok()).collect())
}

/// Forgets every quarter before this one.
pub fn forget_before(tx: &mut Tx<'_>, quarter: u64) -> Result<(), Error> {
    let sql = "DELETE FROM judge_dispersion WHERE quarter < $1";
    tx.execute(sql, &[quarter.into()])?;
    Ok(())
}
