//! What can go wrong with keeping things.

/// Is why the store did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The row changed since it was read, or a lease was lost; read again and decide anew.
    #[error("{what} was changed by somebody else meanwhile")]
    Conflict { what: String },
    /// A unique key is taken.
    #[error("already exists: {0}")]
    Exists(String),
    /// The disk has no room; nothing was written.
    #[error("the database cannot grow: the disk is full")]
    Full,
    /// A stored row cannot be read by this program.
    #[error("a stored row of {table} cannot be read: {why}")]
    Unreadable { table: &'static str, why: String },
    /// The database was written by a newer program.
    #[error(
        "the database has schema {found}, this program knows up to {known}; use the newer program"
    )]
    Newer { found: i64, known: i64 },
    #[error("the database does not answer: {0}")]
    Unavailable(String),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::Full,
            Some(ErrorCode::ConstraintViolation) => Error::Exists(error.to_string()),
            _ => Error::Unavailable(error.to_string()),
        }
    }
}
