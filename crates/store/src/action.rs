//! Actions of procedures, each at most once.

use std::collections::BTreeSet;

use model::{ActionId, ChangeId, Timestamp};

use crate::{Error, Tx};

const TABLE: &str = "act_action";

/// Records that an action is taken; `key` names procedure, change, verdict and step.
///
/// # Errors
/// [`Error::Exists`] when it was taken before.
pub fn insert(
    tx: &mut Tx<'_>,
    key: &str,
    id: ActionId,
    change: ChangeId,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO act_action (key, id, change, at_us) VALUES ($1, $2, $3, $4)",
        &[key.into(), id.into(), change.into(), now.into()],
    )?;
    Ok(())
}

/// Returns the keys of all actions taken about a change.
pub fn keys(tx: &mut Tx<'_>, change: ChangeId) -> Result<BTreeSet<String>, Error> {
    let rows = tx.query(
        TABLE,
        "SELECT key FROM act_action WHERE change = $1",
        &[change.into()],
    )?;
    rows.iter()
        .map(|row| row.text(0).map(str::to_owned))
        .collect()
}
