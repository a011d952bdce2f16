//! Schema changes, in order, each applied once. A landed one is never edited.

use crate::Error;

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_thread.sql"),
    include_str!("migrations/0002_commit_order.sql"),
    include_str!("migrations/0003_delivery.sql"),
    include_str!("migrations/0004_journal_written.sql"),
    include_str!("migrations/0005_alerts.sql"),
    include_str!("migrations/0006_watch.sql"),
    include_str!("migrations/0007_ahead.sql"),
    include_str!("migrations/0008_freeze.sql"),
    include_str!("migrations/0009_queue.sql"),
    include_str!("migrations/0010_host_names.sql"),
    include_str!("migrations/0011_set_aside.sql"),
    include_str!("migrations/0012_schema.sql"),
    include_str!("migrations/0013_dispersion.sql"),
    include_str!("migrations/0014_forget.sql"),
];

/// Is a database being brought to the newest schema; nobody else does so at the same time.
pub(crate) trait Database {
    /// Runs statements without values.
    fn batch(&mut self, sql: &str) -> Result<(), Error>;
    /// Returns the only value of the only row.
    fn number(&mut self, sql: &str) -> Result<i64, Error>;
}

/// Brings the database to the newest schema, each step in a transaction of its own.
pub(crate) fn run(database: &mut impl Database) -> Result<(), Error> {
    database.batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")?;
    let found = database.number("SELECT COALESCE(MAX(version), 0) FROM schema_version")?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for (version, sql) in (1i64..)
        .zip(MIGRATIONS)
        .filter(|(version, _)| *version > found)
    {
        database.batch(&format!(
            "BEGIN; {sql}; INSERT INTO schema_version (version) VALUES ({version}); COMMIT"
        ))?;
    }
    Ok(())
}
