//! Rows that cannot be read: taken off the list of the loop that found them, so that none stands at its head for
//! ever, and kept as they are.

use std::fmt;

use model::{AlertId, ChangeId, IncidentId, Subject, Timestamp, VerdictId};

use crate::{Error, Tx};

const TABLE: &str = "set_aside";

/// Names a row of a loop's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// Of those no procedure has looked at. What led to it leads to another one at the judge's next look.
    Verdict(VerdictId),
    /// Of those that are news or ran out. Sent again, it is a new one.
    Alert(AlertId),
    /// Of those with a message that is due. The next alert of its kind opens another one.
    Incident(IncidentId),
}

impl Damaged {
    fn kind(self) -> &'static str {
        match self {
            Damaged::Verdict(_) => "verdict",
            Damaged::Alert(_) => "alert",
            Damaged::Incident(_) => "incident",
        }
    }

    fn id(self) -> String {
        match self {
            Damaged::Verdict(id) => id.to_string(),
            Damaged::Alert(id) => id.to_string(),
            Damaged::Incident(id) => id.to_string(),
        }
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damaged::Verdict(id) => write!(f, "verdict {id}"),
            Damaged::Alert(id) => id.fmt(f),
            Damaged::Incident(id) => id.fmt(f),
        }
    }
}

/// Takes a row out of every list and returns what it is about; nothing when somebody did so before. A row that is
/// neither open nor handled, -1 in that column, is in none.
pub fn put(
    tx: &mut Tx<'_>,
    row: Damaged,
    why: &str,
    now: Timestamp,
) -> Result<Option<Subject>, Error> {
    let new = tx.execute(
        "INSERT INTO set_aside (kind, id, at_us, why) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, id) DO NOTHING",
        &[
            row.kind().to_owned().into(),
            row.id().into(),
            now.into(),
            why.to_owned().into(),
        ],
    )?;
    let (sql, key) = match row {
        Damaged::Verdict(id) => (
            "UPDATE judge_verdict SET handled = -1 WHERE id = $1",
            id.into(),
        ),
        Damaged::Alert(id) => (
            "UPDATE judge_alert SET open = -1, news = 0 WHERE number = $1",
            id.into(),
        ),
        Damaged::Incident(id) => (
            "UPDATE act_incident SET open = -1, due_us = NULL WHERE number = $1",
            id.into(),
        ),
    };
    tx.execute(sql, &[key])?;
    match new {
        0 => Ok(None),
        _ => about(tx, row).map(Some),
    }
}

fn about(tx: &mut Tx<'_>, row: Damaged) -> Result<Subject, Error> {
    Ok(match row {
        Damaged::Verdict(id) => {
            let sql = "SELECT change FROM judge_verdict WHERE id = $1";
            let row = tx.query_one("judge_verdict", sql, &[id.into()])?;
            let change = row.map(|row| row.count(0)).transpose()?;
            change.map_or(Subject::Server, |number| Subject::Change(ChangeId(number)))
        }
        Damaged::Alert(id) => Subject::Alert(id),
        Damaged::Incident(id) => Subject::Incident(id),
    })
}

/// Counts the rows that were set aside.
pub fn count(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let row = tx.query_one(TABLE, "SELECT COUNT(*) FROM set_aside", &[])?;
    row.map_or(Ok(0), |row| row.count(0))
}
