//! One connection and the statements it has prepared.

use std::collections::HashMap;

use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::value::Any;
use crate::{Error, Row, Value, migrate};

/// Statements kept prepared; the texts are few and fixed.
const STATEMENTS: usize = 256;

pub(crate) struct Session {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Session {
    pub(super) fn connect(config: &Config, tls: MakeRustlsConnect) -> Result<Self, Error> {
        Ok(Self {
            client: config.connect(tls)?,
            prepared: HashMap::new(),
        })
    }

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Runs statements without values, in one round trip.
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), Error> {
        Ok(self.client.batch_execute(sql)?)
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        let statement = self.prepare(sql)?;
        let params = bound(&statement, params)?;
        Ok(self.client.execute(&statement, &params)?)
    }

    pub(crate) fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, Error> {
        let statement = self.prepare(sql)?;
        let params = bound(&statement, params)?;
        let rows = self.client.query(&statement, &params)?;
        rows.iter()
            .map(|row| {
                let values = (0..row.len()).map(|i| Ok(row.try_get::<_, Any>(i)?.0));
                let values = values.collect::<Result<_, Error>>()?;
                Ok(Row { table, values })
            })
            .collect()
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql)?;
        if self.prepared.len() >= STATEMENTS {
            self.prepared.clear();
        }
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl migrate::Database for Session {
    fn batch(&mut self, sql: &str) -> Result<(), Error> {
        Session::batch(self, sql)
    }

    fn number(&mut self, sql: &str) -> Result<i64, Error> {
        let rows = self.query("schema_version", sql, &[])?;
        let row = rows.first();
        row.ok_or_else(|| Error::Unavailable("no schema version".into()))?
            .int(0)
    }
}

/// Returns the first values, as many as the statement names.
fn bound<'v>(
    statement: &Statement,
    params: &'v [Value],
) -> Result<Vec<&'v (dyn ToSql + Sync)>, Error> {
    let count = statement.params().len();
    let params = params
        .get(..count)
        .ok_or_else(|| Error::Unavailable(format!("parameter {count} has no value")))?;
    Ok(params.iter().map(|v| v as &(dyn ToSql + Sync)).collect())
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            // Its own text hides the cause.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            return Error::Unavailable(
                cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
            );
        };
        match db.code() {
            &SqlState::DISK_FULL => Error::Full,
            code if code.code().starts_with("23") => Error::Exists(db.message().to_owned()),
            _ => Error::Unavailable(db.to_string()),
        }
    }
}
