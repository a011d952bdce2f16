//! Running tests and the verdicts they gave.

use model::judge::{LastLook, Verdict};
use model::{ChangeId, EntryId, EnvironmentName, ServiceName, VerdictId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::json;
use crate::{Each, Error, Row, Tx};

const VERDICT: &str = "judge_verdict";

/// Saves the whole state of a change's test and the look that led to it, in the transaction of that look.
pub fn save_test<T: Serialize>(
    tx: &mut Tx<'_>,
    change: ChangeId,
    look: &LastLook,
    test: &T,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO judge_test (change, last_look, body) VALUES ($1, $2, $3)
         ON CONFLICT (change) DO UPDATE SET last_look = $2, body = $3",
        &[change.into(), json(look), json(test)],
    )?;
    Ok(())
}

/// Forgets the tests of the changes before this one at its place that are over and watched no longer: what
/// they found stands in their verdicts.
pub fn forget_tests_before(
    tx: &mut Tx<'_>,
    (service, environment): (&ServiceName, &EnvironmentName),
    change: ChangeId,
) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM judge_test WHERE change < $3 AND change IN (
           SELECT change FROM deliver_rollout
           WHERE service = $1 AND environment = $2 AND over = 1 AND watched = 0)",
        &[service.into(), environment.into(), change.into()],
    )?;
    Ok(())
}

/// Returns the newest look at a change; none before the first.
pub fn last_look(tx: &mut Tx<'_>, change: ChangeId) -> Result<Option<LastLook>, Error> {
    let sql = "SELECT last_look FROM judge_test WHERE change = $1";
    tx.query_one("judge_test", sql, &[change.into()])?
        .map(|row| row.json(0))
        .transpose()
}

pub fn test<T: DeserializeOwned>(tx: &mut Tx<'_>, change: ChangeId) -> Result<Option<T>, Error> {
    let sql = "SELECT body FROM judge_test WHERE change = $1";
    tx.query_one("judge_test", sql, &[change.into()])?
        .map(|row| row.json(0))
        .transpose()
}

/// Stores a verdict together with the journal entry that told it; it waits for the procedures.
pub fn insert(tx: &mut Tx<'_>, verdict: &Verdict, entry: EntryId) -> Result<(), Error> {
    // Ids of several servers do not tell which verdict came later.
    let number = tx.count_up(VERDICT)?;
    tx.execute(
        "INSERT INTO judge_verdict (id, number, change, entry, handled, body) VALUES ($1, $2, $3, $4, 0, $5)",
        &[
            verdict.id.into(),
            number.into(),
            verdict.change.into(),
            entry.into(),
            json(verdict),
        ],
    )?;
    Ok(())
}

pub fn get(tx: &mut Tx<'_>, id: VerdictId) -> Result<Option<Verdict>, Error> {
    let sql = "SELECT body FROM judge_verdict WHERE id = $1";
    tx.query_one(VERDICT, sql, &[id.into()])?
        .map(|row| row.json(0))
        .transpose()
}

/// Returns the newest verdict on a change, with its journal entry.
pub fn newest(tx: &mut Tx<'_>, change: ChangeId) -> Result<Option<(Verdict, EntryId)>, Error> {
    let sql = "SELECT body, entry FROM judge_verdict WHERE change = $1 AND handled >= 0
               ORDER BY number DESC LIMIT 1";
    let row = tx.query_one(VERDICT, sql, &[change.into()])?;
    row.map(|row| Ok((row.json(0)?, row.parsed(1)?)))
        .transpose()
}

/// Returns the newest verdicts, newest first; of one change, or of all.
pub fn list(
    tx: &mut Tx<'_>,
    change: Option<ChangeId>,
    limit: usize,
) -> Result<Vec<Verdict>, Error> {
    let sql = "SELECT body FROM judge_verdict WHERE handled >= 0 AND ($1 = 0 OR change = $1)
               ORDER BY number DESC LIMIT $2";
    let params = [
        change.map_or(0u64.into(), Into::into),
        (limit as u64).into(),
    ];
    tx.query(VERDICT, sql, &params)?
        .iter()
        .map(|row| row.json(0))
        .collect()
}

/// Returns verdicts no procedure has looked at yet, oldest first, with their journal entries.
pub fn unhandled(
    tx: &mut Tx<'_>,
    limit: usize,
) -> Result<Each<VerdictId, (Verdict, EntryId)>, Error> {
    let sql =
        "SELECT id, body, entry FROM judge_verdict WHERE handled = 0 ORDER BY number LIMIT $1";
    let rows = tx.query(VERDICT, sql, &[(limit as u64).into()])?;
    let read = |row: &Row| Ok((row.json(1)?, row.parsed(2)?));
    rows.iter()
        .map(|row| Ok((row.parsed(0)?, read(row))))
        .collect()
}

/// Marks a verdict as seen by the procedures; false when it already was.
pub fn mark_handled(tx: &mut Tx<'_>, id: VerdictId) -> Result<bool, Error> {
    let sql = "UPDATE judge_verdict SET handled = 1 WHERE id = $1 AND handled = 0";
    Ok(tx.execute(sql, &[id.into()])? == 1)
}
