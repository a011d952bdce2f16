//! The journal: append, seal, read, check.

use model::journal::{CHAIN_START, chain, hash_fields};
use model::{Digest, Entry, EntryId, Subject};

use crate::value::json;
use crate::{Each, Error, Row, Tx, Value};

const TABLE: &str = "journal_entry";
const COLUMNS: &str = "id, at_us, subject, kind, actor, causes, body";
/// How many seals one statement writes, in the order tried: few sizes, so that few are prepared.
const SEALS: [usize; 3] = [100, 10, 1];

/// Writes an entry with its hash and its place in the order of commits, in the transaction of the flip it
/// describes.
pub fn append(tx: &mut Tx<'_>, entry: &Entry) -> Result<(), Error> {
    // There is one writer, so that numbers given inside transactions rise in the order of their commits.
    tx.execute(
        "INSERT INTO journal_entry (id, at_us, subject, kind, actor, causes, body, hash, written)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
                 (SELECT COALESCE(MAX(written), 0) + 1 FROM journal_entry))",
        &[
            entry.id.into(),
            entry.at.into(),
            (&entry.subject).into(),
            entry.kind.into(),
            entry.actor.clone().into(),
            json(&entry.causes),
            entry.body.to_string().into(),
            entry.hash().into(),
        ],
    )?;
    Ok(())
}

/// Gives up to `limit` unsealed entries their consecutive number and chain hash, in the order in which
/// they were committed, and returns how many. Only the holder of the sealer's lease may call it.
///
/// No clock is asked: what is committed later comes later, whatever time it bears, so that a clock set
/// back leaves no entry unsealed and puts none in front of those it follows from.
pub fn seal(tx: &mut Tx<'_>, limit: usize) -> Result<usize, Error> {
    let (mut seq, mut previous) = sealed_head(tx)?;
    let unsealed = tx.query(
        TABLE,
        "SELECT id, hash FROM journal_entry WHERE seq IS NULL ORDER BY written, id LIMIT $1",
        &[(limit as u64).into()],
    )?;
    let mut seals = Vec::with_capacity(unsealed.len());
    for row in &unsealed {
        seq += 1;
        previous = chain(previous, seq, row.parsed(1)?);
        seals.push([row.text(0)?.into(), seq.into(), previous.into()]);
    }
    let mut rest = seals.as_slice();
    for at_once in SEALS {
        while let Some((seals, after)) = rest.split_at_checked(at_once) {
            write_seals(tx, seals)?;
            rest = after;
        }
    }
    Ok(unsealed.len())
}

/// Writes id, number and chain hash of some entries in one statement; where a call costs a round trip, one
/// for each entry would cost as much as writing it did.
fn write_seals(tx: &mut Tx<'_>, seals: &[[Value; 3]]) -> Result<(), Error> {
    let rows: Vec<String> = (0..seals.len())
        .map(|i| {
            let (id, seq, chain) = (3 * i + 1, 3 * i + 2, 3 * i + 3);
            format!("(CAST(${id} AS TEXT), CAST(${seq} AS BIGINT), CAST(${chain} AS TEXT))")
        })
        .collect();
    let sql = format!(
        "UPDATE journal_entry SET seq = seal.column2, chain = seal.column3
         FROM (VALUES {}) AS seal WHERE journal_entry.id = seal.column1",
        rows.join(", ")
    );
    tx.execute(&sql, &seals.concat())?;
    Ok(())
}

/// Returns the number and chain hash of the last sealed entry; 0 and the start when there is none.
pub fn sealed_head(tx: &mut Tx<'_>) -> Result<(u64, Digest), Error> {
    let last = tx.query_one(
        TABLE,
        "SELECT seq, chain FROM journal_entry WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1",
        &[],
    )?;
    last.map_or(Ok((0, CHAIN_START)), |row| {
        Ok((row.count(0)?, row.parsed(1)?))
    })
}

/// Returns sealed entries after number `after`, in order, with their numbers.
pub fn since(tx: &mut Tx<'_>, after: u64, limit: usize) -> Result<Vec<(u64, Entry)>, Error> {
    let entries = since_each(tx, after, limit)?;
    entries
        .into_iter()
        .map(|(seq, entry)| Ok((seq, entry?)))
        .collect()
}

/// Returns the entries of [`since`], each read by itself.
pub fn since_each(tx: &mut Tx<'_>, after: u64, limit: usize) -> Result<Each<u64, Entry>, Error> {
    let sql =
        format!("SELECT {COLUMNS}, seq FROM journal_entry WHERE seq > $1 ORDER BY seq LIMIT $2");
    let rows = tx.query(TABLE, &sql, &[after.into(), (limit as u64).into()])?;
    rows.iter()
        .map(|row| Ok((row.count(7)?, read(row))))
        .collect()
}

/// Returns the newest entries about a subject, oldest first, sealed or not.
pub fn about(tx: &mut Tx<'_>, subject: &Subject, limit: usize) -> Result<Vec<Entry>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM journal_entry WHERE subject = $1 ORDER BY id DESC LIMIT $2");
    let rows = tx.query(TABLE, &sql, &[subject.into(), (limit as u64).into()])?;
    rows.iter().rev().map(read).collect()
}

/// Returns one entry.
pub fn get(tx: &mut Tx<'_>, id: EntryId) -> Result<Option<Entry>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM journal_entry WHERE id = $1");
    tx.query_one(TABLE, &sql, &[id.into()])?
        .as_ref()
        .map(read)
        .transpose()
}

/// Returns the number of the last entry a reader has dealt with, 0 at first.
pub fn cursor(tx: &mut Tx<'_>, reader: &str) -> Result<u64, Error> {
    let sql = "SELECT seq FROM journal_cursor WHERE reader = $1";
    tx.query_one("journal_cursor", sql, &[reader.into()])?
        .map_or(Ok(0), |row| row.count(0))
}

/// Moves a reader on, in the transaction of what it did about the entries.
pub fn set_cursor(tx: &mut Tx<'_>, reader: &str, seq: u64) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO journal_cursor (reader, seq) VALUES ($1, $2)
         ON CONFLICT (reader) DO UPDATE SET seq = $2",
        &[reader.into(), seq.into()],
    )?;
    Ok(())
}

/// Is what a walk over the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// All `sealed` entries are as they were written; `unsealed` ones wait for the sealer.
    Whole { sealed: u64, unsealed: u64 },
    /// The entry at this number was changed, removed or inserted.
    Broken { seq: u64, why: String },
}

/// Walks the chain from its start and compares every hash.
pub fn check(tx: &mut Tx<'_>) -> Result<Check, Error> {
    let (mut seq, mut previous) = (0, CHAIN_START);
    loop {
        let sql = format!(
            "SELECT {COLUMNS}, seq, hash, chain FROM journal_entry WHERE seq > $1 ORDER BY seq LIMIT 1000"
        );
        let rows = tx.query(TABLE, &sql, &[seq.into()])?;
        for row in &rows {
            let (found, hash) = (row.count(7)?, hash_as_stored(row)?);
            let why = if found != seq + 1 {
                Some(format!("entry {} is missing", seq + 1))
            } else if hash != row.parsed(8)? {
                Some("its fields do not match its hash".to_owned())
            } else if chain(previous, found, hash) != row.parsed(9)? {
                Some("its hash does not follow from the one before".to_owned())
            } else {
                None
            };
            if let Some(why) = why {
                return Ok(Check::Broken { seq: found, why });
            }
            (seq, previous) = (found, chain(previous, found, hash));
        }
        if rows.is_empty() {
            break;
        }
    }
    let unsealed = tx.query_one(
        TABLE,
        "SELECT COUNT(*) FROM journal_entry WHERE seq IS NULL",
        &[],
    )?;
    Ok(Check::Whole {
        sealed: seq,
        unsealed: unsealed.map_or(Ok(0), |row| row.count(0))?,
    })
}

/// Hashes an entry over what the database holds, not over what this program makes of it.
fn hash_as_stored(row: &Row) -> Result<Digest, Error> {
    let causes: Vec<String> = row.json(5)?;
    Ok(hash_fields([
        row.text(0)?,
        &row.int(1)?.to_string(),
        row.text(2)?,
        row.text(3)?,
        row.text(4)?,
        &causes.join(","),
        row.text(6)?,
    ]))
}

fn read(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        id: row.parsed(0)?,
        at: row.time(1)?,
        subject: row.parsed(2)?,
        kind: row.parsed(3)?,
        actor: row.text(4)?.to_owned(),
        causes: row.json(5)?,
        body: row.json(6)?,
    })
}
