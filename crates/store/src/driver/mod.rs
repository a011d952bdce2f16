//! The closed set of databases.

mod group;
pub(crate) mod postgres;
pub(crate) mod sqlite;

pub use postgres::Hints;

#[derive(Clone)]
pub(crate) enum Driver {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

/// Is how hard a commit is pressed onto the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every commit survives a power cut (`synchronous=FULL`). The only choice for real data.
    Full,
    /// A commit survives the end of the process, not of the machine. For worlds that live in a test.
    Process,
}
