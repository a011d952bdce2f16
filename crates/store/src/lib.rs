//! Where everything is kept: tables of current state and the sealed journal, over a closed set of drivers.
//!
//! **Invariant.** What a call to [`Store::write`] did is durable when it returns, wholly or not at all.
//! Times are bound as integers (microseconds); no SQL text asks the database for the time.
//!
//! **Must not know** what anything means: no decision is taken here beyond "is this row still the one
//! you read" (versions, leases, unique keys).
//!
//! One module per noun, each with plain functions over a [`Tx`]; the SQL text is the same for every
//! driver. The suite that every driver passes is in `tests/contract`.

pub mod action;
pub mod alert;
pub mod change;
pub mod delivery;
pub mod dispersion;
mod driver;
mod error;
pub mod event;
pub mod fleet;
pub mod freeze;
pub mod host;
pub mod id;
pub mod incident;
pub mod journal;
pub mod judgement;
pub mod lease;
mod migrate;
pub mod outbox;
pub mod release;
pub mod rollout;
pub mod schema;
pub mod set_aside;
pub mod surroundings;
pub mod token;
mod tx;
mod value;
mod watch;

use std::path::Path;

use driver::Driver;
pub use driver::{Durability, Hints};
pub use error::Error;
pub use tx::Tx;
pub use value::{Row, Value};
pub use watch::{Moment, Watch};

/// Is a list whose rows are read each by itself: one that cannot be read hides no other.
pub type Each<K, T> = Vec<(K, Result<T, Error>)>;

/// Keeps everything; cheap to clone.
#[derive(Clone)]
pub struct Store {
    driver: Driver,
    /// None outside of tests; asking costs a transaction one look at an empty option.
    watched: Option<watch::Watched>,
}

impl Store {
    /// Opens or makes a SQLite database and brings it to the newest schema.
    ///
    /// # Errors
    /// When the file cannot be opened or was written by a newer program.
    pub fn open_sqlite(path: &Path, durability: Durability) -> Result<Self, Error> {
        let sqlite = driver::sqlite::Sqlite::open(path, durability)?;
        Ok(Self::over(Driver::Sqlite(sqlite)))
    }

    /// Connects to a PostgreSQL database, `postgres://user@host/name`, and brings it to the newest schema.
    /// Several servers may share it.
    ///
    /// # Errors
    /// When it cannot be reached or was written by a newer program.
    pub fn open_postgres(url: &str, durability: Durability) -> Result<Self, Error> {
        let postgres = driver::postgres::Postgres::open(url, durability)?;
        Ok(Self::over(Driver::Postgres(postgres)))
    }

    fn over(driver: Driver) -> Self {
        let watched = None;
        Self { driver, watched }
    }

    /// Has `watch` look on at every transaction that writes.
    #[must_use]
    pub fn watched(self, watch: std::sync::Arc<dyn Watch>) -> Self {
        let watched = Some(watch::Watched::new(watch));
        Self { watched, ..self }
    }

    /// Tells whether other servers may have it open as well.
    pub fn is_shared(&self) -> bool {
        match self.driver {
            Driver::Sqlite(_) => false,
            Driver::Postgres(_) => true,
        }
    }

    /// Starts to exchange hints with the other servers of a shared store: `hear` gets what they tell. A
    /// hint may be lost, and nothing may depend on it. None where there are no others.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn hints(
        &self,
        owner: &str,
        hear: impl Fn(&str) + Send + 'static,
    ) -> Result<Option<Hints>, Error> {
        match &self.driver {
            Driver::Sqlite(_) => Ok(None),
            Driver::Postgres(postgres) => postgres.hints(owner, hear).map(Some),
        }
    }

    /// Runs `work` in a transaction and returns when it is durable. Writers that come together share
    /// one commit; a failure of one undoes only its own part.
    ///
    /// # Errors
    /// What `work` returned, in which case nothing of it was kept, or the store's own.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let Some(watched) = &self.watched else {
            return self.write_unwatched(work).await;
        };
        let _alone = watched.alone().await;
        watched.pass(Moment::BeforeCommit).await;
        let written = self.write_unwatched(work).await;
        watched.pass(Moment::AfterCommit).await;
        written
    }

    async fn write_unwatched<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.write(work).await,
            Driver::Postgres(postgres) => postgres.write(work).await,
        }
    }

    /// Runs `work` on one consistent snapshot.
    ///
    /// # Errors
    /// What `work` returned, or the store's own.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &self.driver {
            Driver::Sqlite(sqlite) => sqlite.read(work).await,
            Driver::Postgres(postgres) => postgres.read(work).await,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}
