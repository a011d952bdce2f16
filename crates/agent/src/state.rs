//! The journal: `state.db`, SQLite in WAL mode with `synchronous=FULL`, so that what was written is
//! there after a power cut.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use model::api::agent::{Event, EventKind, Wish};
use model::deliver::{Desired, Refused};
use model::{Digest, ServiceName, Timestamp, limit};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

use crate::ballast;
use crate::record::{Record, adds_redeploy};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS service (
    name TEXT PRIMARY KEY,
    generation INTEGER NOT NULL, -- the highest one ever taken
    wish TEXT NOT NULL,
    record TEXT
);
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, so it is unique per boot too
    is_log INTEGER NOT NULL,
    body TEXT NOT NULL
);
";

const STRING_KEYS: &str = "records have string keys";

/// Is the agent's memory; one writer at a time.
pub(crate) struct State {
    db: Mutex<Connection>,
    base: PathBuf,
}

impl State {
    pub(crate) fn open(base: &Path) -> anyhow::Result<Self> {
        let path = base.join("state.db");
        let open = || -> rusqlite::Result<Connection> {
            let db = Connection::open(&path)?;
            db.busy_timeout(std::time::Duration::from_secs(5))?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            db.execute_batch(SCHEMA)?;
            Ok(db)
        };
        let db = open().with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self {
            db: Mutex::new(db),
            base: base.to_owned(),
        })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no half-done transaction behind.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, on a full disk once more after the ballast was given back.
    fn write<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        match self.transaction(&work) {
            Err(e) if is_full(&e) && ballast::release(&self.base) => self.transaction(&work),
            done => done,
        }
    }

    fn transaction<T>(
        &self,
        work: &impl Fn(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut db = self.db();
        let tx = db.transaction()?;
        let done = work(&tx)?;
        tx.commit()?;
        Ok(done)
    }

    /// Returns the highest epoch taken and the newest revision known.
    pub(crate) fn seen(&self) -> rusqlite::Result<(u64, u64)> {
        let db = self.db();
        Ok((meta(&db, "epoch")?, meta(&db, "revision")?))
    }

    /// Returns when this boot of the host began: as it seemed to the first agent of this boot, so that the
    /// times of one boot stay comparable whatever is done to the clock.
    pub(crate) fn boot_at(&self, boot_id: &str, seems: Timestamp) -> rusqlite::Result<Timestamp> {
        let boot = boot_number(boot_id);
        self.write(|tx| {
            if meta(tx, "boot")? == boot {
                return Ok(Timestamp::from_micros(
                    meta(tx, "boot_at_us")?.cast_signed(),
                ));
            }
            set_meta(tx, "boot", boot)?;
            set_meta(tx, "boot_at_us", seems.as_micros().cast_unsigned())?;
            Ok(seems)
        })
    }

    /// Takes a wish: newer generations are written down before anything is done about them. Returns
    /// what is new and what was refused because it is older than what is recorded.
    pub(crate) fn take(&self, wish: &Wish) -> rusqlite::Result<(Vec<Desired>, Vec<Refused>)> {
        let (epoch, _) = self.seen()?;
        if wish.epoch < epoch {
            let refused = refused("epoch", None, epoch, wish.epoch);
            return Ok((Vec::new(), vec![refused]));
        }
        self.write(|tx| take_all(tx, wish))
    }

    /// Forgets how far the orders of the host it was had counted: any order of the one it is now is newer. What
    /// is wished and what runs stays.
    pub(crate) fn count_anew(&self) -> anyhow::Result<()> {
        let services = self.services()?;
        self.write(|tx| {
            set_meta(tx, "epoch", 0)?;
            set_meta(tx, "revision", 0)?;
            for (wish, record) in &services {
                let (mut wish, mut record) = (wish.clone(), record.clone());
                wish.generation = 0;
                if let Some(record) = &mut record {
                    record.wish.generation = 0;
                }
                put_service(tx, &wish, record.as_ref())?;
            }
            Ok(())
        })
        .context("cannot write state.db")
    }

    /// Returns every service ever taken: its newest wish, and how far it was.
    pub(crate) fn services(&self) -> anyhow::Result<Vec<(Desired, Option<Record>)>> {
        let db = self.db();
        let mut statement = db.prepare("SELECT wish, record FROM service ORDER BY name")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        rows.map(|row| {
            let (wish, record) = row?;
            let wish = serde_json::from_str(&wish).context("a wish in state.db is damaged")?;
            let record = record
                .map(|text| serde_json::from_str(&text))
                .transpose()
                .context("a record in state.db is damaged")?;
            Ok((wish, record))
        })
        .collect()
    }

    /// Writes where a service is and what happened, in one transaction.
    pub(crate) fn save(
        &self,
        record: &Record,
        events: &[EventKind],
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let text = serde_json::to_string(record).expect(STRING_KEYS);
        self.write(|tx| {
            tx.execute(
                "UPDATE service SET record = ?2 WHERE name = ?1",
                params![record.service().as_str(), text],
            )?;
            for kind in events {
                add_event(tx, record.service(), record.wish.generation, kind, now)?;
            }
            Ok(())
        })
    }

    /// Queues one event for the server.
    pub(crate) fn note(
        &self,
        service: &ServiceName,
        generation: u64,
        kind: &EventKind,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        self.write(|tx| add_event(tx, service, generation, kind, now))
    }

    /// Returns the oldest unsent events, at most [`limit::AGENT_EVENTS`].
    pub(crate) fn unsent(&self) -> anyhow::Result<Vec<Event>> {
        let db = self.db();
        let mut statement = db.prepare("SELECT seq, body FROM event ORDER BY seq LIMIT ?1")?;
        let rows = statement.query_map([i64::try_from(limit::AGENT_EVENTS)?], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.map(|row| {
            let (seq, body) = row?;
            let mut event: Event = serde_json::from_str(&body)?;
            event.seq = u64::try_from(seq)?;
            Ok(event)
        })
        .collect()
    }

    /// Forgets events the server has stored.
    pub(crate) fn sent(&self, up_to: u64) -> rusqlite::Result<()> {
        let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
        self.db()
            .execute("DELETE FROM event WHERE seq <= ?1", [up_to])?;
        Ok(())
    }

    /// Keeps the unsent events within [`limit::UNSENT_EVENTS_BYTES`] by dropping the oldest log lines,
    /// never a step; returns how many went.
    pub(crate) fn trim_events(&self) -> rusqlite::Result<usize> {
        let db = self.db();
        let bytes: i64 = db.query_row(
            "SELECT coalesce(sum(length(body)), 0) FROM event",
            [],
            |r| r.get(0),
        )?;
        if usize::try_from(bytes).unwrap_or(0) <= limit::UNSENT_EVENTS_BYTES {
            return Ok(0);
        }
        db.execute(
            "DELETE FROM event WHERE seq IN
             (SELECT seq FROM event WHERE is_log ORDER BY seq LIMIT 10000)",
            [],
        )
    }
}

/// Makes a number of a boot's id, for a table of numbers.
fn boot_number(boot_id: &str) -> u64 {
    let digest = Digest::of(boot_id.as_bytes()).short();
    u64::from_str_radix(&digest, 16).unwrap_or(0)
}

/// Writes every newer wish down; the others are refused or known.
fn take_all(tx: &Transaction<'_>, wish: &Wish) -> rusqlite::Result<(Vec<Desired>, Vec<Refused>)> {
    set_meta(tx, "epoch", wish.epoch)?;
    set_meta(tx, "revision", wish.revision)?;
    let (mut taken, mut refusals) = (Vec::new(), Vec::new());
    for desired in &wish.desired {
        let service = || Some(desired.service.clone());
        match generation(tx, &desired.service)? {
            Some(seen) if desired.generation < seen => {
                refusals.push(refused("generation", service(), seen, desired.generation));
            }
            Some(seen) if desired.generation == seen => {
                let recorded = recorded(tx, desired)?;
                if recorded
                    .as_ref()
                    .is_some_and(|one| adds_redeploy(one, desired))
                {
                    save_wish(tx, desired)?;
                    taken.push(desired.clone());
                } else if recorded.is_some_and(|one| is_other(&one, desired)) {
                    // A number that was given twice: the server was restored and counts anew.
                    refusals.push(refused("generation", service(), seen, seen));
                }
            }
            _ => {
                save_wish(tx, desired)?;
                taken.push(desired.clone());
            }
        }
    }
    Ok((taken, refusals))
}

/// Tells whether the disk has no room for the journal.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn meta(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: Option<i64> = db
        .query_row("SELECT value FROM meta WHERE name = ?1", [name], |r| {
            r.get(0)
        })
        .optional()?;
    Ok(value.map_or(0, i64::cast_unsigned))
}

fn set_meta(tx: &Transaction<'_>, name: &str, value: u64) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        params![name, value.cast_signed()],
    )?;
    Ok(())
}

fn generation(tx: &Transaction<'_>, service: &ServiceName) -> rusqlite::Result<Option<u64>> {
    let found: Option<i64> = tx
        .query_row(
            "SELECT generation FROM service WHERE name = ?1",
            [service.as_str()],
            |r| r.get(0),
        )
        .optional()?;
    Ok(found.map(i64::cast_unsigned))
}

/// Tells whether the recorded wish of this number is for something else. What only says how it is run may
/// have been written down by an older agent that knew less of it.
fn is_other(recorded: &Desired, desired: &Desired) -> bool {
    let what = |one: &Desired| (one.release.folder(), one.release.number, one.state);
    what(recorded) != what(desired)
}

/// Returns the wish that is written down for the service; none when it cannot be read.
fn recorded(tx: &Transaction<'_>, desired: &Desired) -> rusqlite::Result<Option<Desired>> {
    let sql = "SELECT wish FROM service WHERE name = ?1";
    let text: String = tx.query_row(sql, [desired.service.as_str()], |r| r.get(0))?;
    Ok(serde_json::from_str(&text).ok())
}

fn save_wish(tx: &Transaction<'_>, desired: &Desired) -> rusqlite::Result<()> {
    let text = serde_json::to_string(desired).expect("wishes have string keys");
    tx.execute(
        "INSERT INTO service (name, generation, wish) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET generation = ?2, wish = ?3",
        params![
            desired.service.as_str(),
            desired.generation.cast_signed(),
            text
        ],
    )?;
    Ok(())
}

fn put_service(
    tx: &Transaction<'_>,
    wish: &Desired,
    record: Option<&Record>,
) -> rusqlite::Result<()> {
    save_wish(tx, wish)?;
    let record = record.map(|record| serde_json::to_string(record).expect(STRING_KEYS));
    tx.execute(
        "UPDATE service SET record = ?2 WHERE name = ?1",
        params![wish.service.as_str(), record],
    )?;
    Ok(())
}

fn add_event(
    tx: &Transaction<'_>,
    service: &ServiceName,
    generation: u64,
    kind: &EventKind,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let event = Event {
        seq: 0, // given by the table
        at: now,
        service: Some(service.clone()),
        generation,
        kind: kind.clone(),
    };
    let body = serde_json::to_string(&event).expect("events have string keys");
    let is_log = matches!(kind, EventKind::Log { .. });
    tx.execute(
        "INSERT INTO event (is_log, body) VALUES (?1, ?2)",
        params![is_log, body],
    )?;
    Ok(())
}

fn refused(kind: &str, service: Option<ServiceName>, seen: u64, offered: u64) -> Refused {
    Refused {
        kind: kind.to_owned(),
        service,
        seen,
        offered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::record::tests::desired;

    #[test]
    fn a_journal_on_a_full_disk_gets_the_ballast_before_it_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new("http://127.0.0.1:1", dir.path(), "web-1".parse().unwrap());
        config.disk_reserve_bytes = 0;
        let state = State::open(dir.path()).unwrap();
        let pages = "SELECT page_count FROM pragma_page_count";
        let used: i64 = state.db().query_row(pages, [], |r| r.get(0)).unwrap();
        state
            .db()
            .pragma_update(None, "max_page_count", used)
            .unwrap();
        let text = "x".repeat(100_000);
        let log = EventKind::Log { text };
        let service = desired(1, "1.0").service;
        let write = || state.note(&service, 1, &log, Timestamp::UNIX_EPOCH);
        ballast::keep(&config);
        let error = write().unwrap_err();
        assert!(is_full(&error), "{error}");
        assert!(!ballast::release(dir.path()), "it was given back");
        state
            .db()
            .pragma_update(None, "max_page_count", 0x7fff_fffe)
            .unwrap();
        write().unwrap();
        assert_eq!(
            state.unsent().unwrap().len(),
            1,
            "nothing was written twice"
        );
    }
}
