//! The recorded schema of each service's data.

use model::deliver::Schema;
use model::{EnvironmentName, ServiceName};

use crate::value::json;
use crate::{Error, Tx};

const TABLE: &str = "deliver_schema";

/// Stores what the schema is, in place of what it was.
pub fn put(tx: &mut Tx<'_>, schema: &Schema) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO deliver_schema (service, environment, body) VALUES ($1, $2, $3)
         ON CONFLICT (service, environment) DO UPDATE SET body = $3",
        &[
            (&schema.service).into(),
            (&schema.environment).into(),
            json(schema),
        ],
    )?;
    Ok(())
}

pub fn get(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> Result<Option<Schema>, Error> {
    let sql = "SELECT body FROM deliver_schema WHERE service = $1 AND environment = $2";
    let row = tx.query_one(TABLE, sql, &[service.into(), environment.into()])?;
    row.map(|row| row.json(0)).transpose()
}

/// Returns all that are known, by service and environment.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Schema>, Error> {
    let sql = "SELECT body FROM deliver_schema ORDER BY service, environment";
    let rows = tx.query(TABLE, sql, &[])?;
    rows.iter().map(|row| row.json(0)).collect()
}
