//! Schema changes, in order, each applied once. A landed one is never edited.

use rusqlite::Connection;

use crate::Error;

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_thread.sql"),
    include_str!("migrations/0002_commit_order.sql"),
];

/// Brings the database to the newest schema, each step in a transaction of its own.
pub(crate) fn run(connection: &mut Connection) -> Result<(), Error> {
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")?;
    let found: i64 = connection.query_row(
        "SELECT COALESCE(MAX(version), 0) FROM schema_version",
        [],
        |row| row.get(0),
    )?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for (version, sql) in (1i64..)
        .zip(MIGRATIONS)
        .filter(|(version, _)| *version > found)
    {
        let tx = connection.transaction()?;
        tx.execute_batch(sql)?;
        tx.execute(
            "INSERT INTO schema_version (version) VALUES (?1)",
            [version],
        )?;
        tx.commit()?;
    }
    Ok(())
}
