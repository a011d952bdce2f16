//! One transaction, whatever the driver.

use crate::{Error, Row, Value};

/// Is an open transaction. Placeholders are `$1`, `$2`, … on every driver.
pub struct Tx<'c>(pub(crate) Connection<'c>);

pub(crate) enum Connection<'c> {
    Sqlite(&'c rusqlite::Connection),
}

impl Tx<'_> {
    /// Runs a statement and returns how many rows it touched.
    pub(crate) fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        match &self.0 {
            Connection::Sqlite(connection) => {
                crate::driver::sqlite::execute(connection, sql, params)
            }
        }
    }

    /// Returns all rows; `table` names them in an error.
    pub(crate) fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, Error> {
        match &self.0 {
            Connection::Sqlite(connection) => {
                crate::driver::sqlite::query(connection, table, sql, params)
            }
        }
    }

    /// Returns the first row, if there is one.
    pub(crate) fn query_one(
        &mut self,
        table: &'static str,
        sql: &str,
        params: &[Value],
    ) -> Result<Option<Row>, Error> {
        Ok(self.query(table, sql, params)?.into_iter().next())
    }

    /// Counts up `name` and returns the new value, from 1; never the same twice.
    pub(crate) fn count_up(&mut self, name: &str) -> Result<u64, Error> {
        let row = self.query_one(
            "counter",
            "INSERT INTO counter (name, value) VALUES ($1, 1)
             ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value",
            &[name.into()],
        )?;
        row.ok_or_else(|| Error::Unavailable("a counter gave no value".into()))?
            .count(0)
    }
}
