//! The server's own freezes.

use model::deliver::{Freeze, FreezeRule};
use model::{EnvironmentName, FreezeName, ServiceName};

use crate::value::json;
use crate::{Error, Tx};

const TABLE: &str = "deliver_freeze";

/// Stores a freeze in place of one of the same name.
pub fn put(tx: &mut Tx<'_>, freeze: &Freeze) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO deliver_freeze (name, body) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET body = $2",
        &[freeze.rule.name.as_str().into(), json(freeze)],
    )?;
    Ok(())
}

/// Removes a freeze; false when there is none of the name.
pub fn remove(tx: &mut Tx<'_>, name: &FreezeName) -> Result<bool, Error> {
    let sql = "DELETE FROM deliver_freeze WHERE name = $1";
    Ok(tx.execute(sql, &[name.as_str().into()])? == 1)
}

/// Returns all freezes by name.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Freeze>, Error> {
    let rows = tx.query(TABLE, "SELECT body FROM deliver_freeze ORDER BY name", &[])?;
    rows.iter().map(|row| row.json(0)).collect()
}

/// Returns the rules that apply to a service in an environment, by name.
pub fn rules_for(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> Result<Vec<FreezeRule>, Error> {
    let freezes = list(tx)?.into_iter();
    let applying = freezes.filter(|freeze| freeze.applies_to(service, environment));
    Ok(applying.map(|freeze| freeze.rule).collect())
}
