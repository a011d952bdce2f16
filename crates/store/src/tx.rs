//! One transaction, whatever the driver.

use crate::driver::{postgres, sqlite};
use crate::{Error, Row, Value};

/// Is an open transaction. Placeholders are `$1`, `$2`, … on every driver.
///
/// A statement that fails ends it: each one after it fails with the same error, and nothing is kept, also
/// when the work returns a value all the same. PostgreSQL works that way; the others follow it.
pub struct Tx<'c> {
    connection: Connection<'c>,
    failed: Option<Error>,
}

pub(crate) enum Connection<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgres(&'c mut postgres::Session),
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: Connection<'c>) -> Self {
        Self {
            connection,
            failed: None,
        }
    }

    /// Returns the error that ended it, if one did.
    pub(crate) fn failed(&self) -> Option<Error> {
        self.failed.clone()
    }

    /// Runs a statement and returns how many rows it touched.
    pub(crate) fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.run(|connection| match connection {
            Connection::Sqlite(connection) => sqlite::execute(connection, sql, params),
            Connection::Postgres(session) => session.execute(sql, params),
        })
    }

    /// Returns all rows; `table` names them in an error.
    pub(crate) fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, Error> {
        self.run(|connection| match connection {
            Connection::Sqlite(connection) => sqlite::query(connection, table, sql, params),
            Connection::Postgres(session) => session.query(table, sql, params),
        })
    }

    fn run<T>(
        &mut self,
        statement: impl FnOnce(&mut Connection<'c>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        statement(&mut self.connection).inspect_err(|error| self.failed = Some(error.clone()))
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
