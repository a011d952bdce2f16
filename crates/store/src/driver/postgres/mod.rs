//! PostgreSQL: the same one writer with group commit as on SQLite, across all servers of the database.
//!
//! A group's transaction takes an advisory lock, so that the groups of several servers follow each
//! other: whatever a write decides on is true when it commits, and a server that is killed in the
//! middle leaves nothing and holds nobody up, since its connection ends with it. Reads are snapshots on
//! connections of their own.
//!
//! The library's calls block and may not be made on a thread that runs tasks. They are made on the
//! writer's thread and on threads for blocking work.

mod hints;
mod session;
mod tls;
mod value;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use ::postgres::Config;
pub use hints::Hints;
pub(crate) use session::Session;
use tokio::sync::Semaphore;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Durability;
use super::group::{Job, Writer, write_groups};
use crate::tx::Connection;
use crate::{Error, Tx, migrate};

/// Snapshots read at the same time.
const READERS: usize = 8;
/// How long a database may take to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Names this program's locks among those of other programs on the same database: `SLPW`.
const LOCKS: i32 = 0x534c_5057;
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const WRITER: i32 = 1;
const MIGRATION: i32 = 2;

#[derive(Clone)]
pub(crate) struct Postgres {
    writer: Writer,
    readers: Arc<Readers>,
}

/// Is how a connection is made.
#[derive(Clone)]
struct Source {
    config: Config,
    tls: MakeRustlsConnect,
    durability: Durability,
}

struct Readers {
    source: Source,
    idle: Mutex<Vec<Session>>,
    permits: Arc<Semaphore>,
}

impl Postgres {
    /// Connects and brings the database to the newest schema; blocks until that is done.
    pub(crate) fn open(url: &str, durability: Durability) -> Result<Self, Error> {
        let (address, tls) = tls::read(url)?;
        let mut config: Config = address
            .parse()
            .map_err(|e| Error::Unavailable(format!("the database's address: {e}")))?;
        config.connect_timeout(CONNECT);
        config.application_name("sleepwell");
        // A lock must not outlive a server that is cut off: neither waiting for it nor silent.
        config.keepalives_idle(Duration::from_secs(10));
        config.tcp_user_timeout(Duration::from_secs(30));
        let source = Source {
            config,
            tls,
            durability,
        };
        let (writer, jobs) = Writer::new();
        let (opened, open) = mpsc::channel();
        let of_writer = source.clone();
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run_writer(&of_writer, &jobs, &opened))
            .map_err(|e| Error::Unavailable(e.to_string()))?;
        let ended = |_| Error::Unavailable("the writer has ended".into());
        open.recv().map_err(ended)??;
        let readers = Readers {
            source,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(READERS)),
        };
        Ok(Self {
            writer,
            readers: Arc::new(readers),
        })
    }

    pub(crate) fn hints(
        &self,
        owner: &str,
        hear: impl Fn(&str) + Send + 'static,
    ) -> Result<Hints, Error> {
        Hints::start(&self.readers.source, owner, hear)
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writer.write(work).await
    }

    pub(crate) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        // It goes with the read: a caller that leaves does not make room for one more.
        let permit = Arc::clone(&self.readers.permits)
            .acquire_owned()
            .await
            .map_err(|_| Error::Unavailable("the readers have ended".into()))?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut session = readers.begin()?;
            let result = work(&mut Tx::new(Connection::Postgres(&mut session)));
            if session.batch("ROLLBACK").is_ok() {
                readers.put_back(session);
            }
            result
        })
        .await
        .unwrap_or_else(|e| Err(Error::Unavailable(format!("the read panicked: {e}")).into()))
    }
}

impl Readers {
    /// Begins a snapshot. A connection that was idle may have been cut since; nothing was done on it yet.
    fn begin(&self) -> Result<Session, Error> {
        loop {
            let idle = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let Some(mut session) = idle else {
                let mut session = self.source.connect()?;
                return session.batch(SNAPSHOT).map(|()| session);
            };
            if session.batch(SNAPSHOT).is_ok() {
                return Ok(session);
            }
        }
    }

    fn put_back(&self, session: Session) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
    }
}

impl Drop for Readers {
    /// Closing a connection blocks as well, and the last one who lets go may be a task.
    fn drop(&mut self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        std::thread::spawn(move || drop(idle));
    }
}

impl Source {
    fn connect(&self) -> Result<Session, Error> {
        let mut session = Session::connect(&self.config, self.tls.clone())?;
        let synchronous = match self.durability {
            Durability::Full => "on",
            Durability::Process => "off",
        };
        session.batch(&format!(
            "SET synchronous_commit = {synchronous};
             SET idle_in_transaction_session_timeout = '30s';
             SET lock_timeout = '30s'"
        ))?;
        Ok(session)
    }

    /// Connects and migrates; several servers that start together do so one after the other.
    fn open(&self) -> Result<Session, Error> {
        let mut session = self.connect()?;
        session.batch(&format!("SELECT pg_advisory_lock({LOCKS}, {MIGRATION})"))?;
        let migrated = migrate::run(&mut session);
        session.batch(&format!("SELECT pg_advisory_unlock({LOCKS}, {MIGRATION})"))?;
        migrated.map(|()| session)
    }
}

/// Is the writer's thread: opens the database, tells how that went, and writes until nobody can ask.
fn run_writer(
    source: &Source,
    jobs: &mpsc::Receiver<Box<dyn Job>>,
    opened: &mpsc::Sender<Result<(), Error>>,
) {
    let mut session = match source.open() {
        Ok(session) => session,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    write_groups(jobs, |group| {
        if begin(&mut session).is_err() {
            // It may have been cut while it was idle; nothing was done on it yet.
            session = source.connect()?;
            begin(&mut session)?;
        }
        write_group(&mut session, group)
    });
}

/// Begins a group's transaction and its first part, when no other server is writing any more.
fn begin(session: &mut Session) -> Result<(), Error> {
    session.batch(&format!(
        "BEGIN; SELECT pg_advisory_xact_lock({LOCKS}, {WRITER}); SAVEPOINT part"
    ))
}

/// Runs and commits a group that has begun; what a failed one left open is rolled back.
fn write_group(session: &mut Session, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
    let commit = try_group(session, group);
    if commit.is_err() {
        let _ = session.batch("ROLLBACK");
    }
    commit
}

fn try_group(session: &mut Session, group: &mut [Box<dyn Job>]) -> Result<(), Error> {
    for job in group {
        let keep = job.run(&mut Tx::new(Connection::Postgres(session)));
        // The next part begins with the same call that ends this one.
        session.batch(if keep {
            "RELEASE part; SAVEPOINT part"
        } else {
            "ROLLBACK TO part"
        })?;
    }
    session.batch("COMMIT")
}
