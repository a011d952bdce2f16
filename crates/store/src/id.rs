//! The ids of all nouns together.

use std::str::FromStr;

use model::{ActionId, EntryId, HostId, PageId, TokenId, Ulid, VerdictId};

use crate::{Error, Tx};

/// Returns the greatest id in the store, whatever it names; none when nothing is stored. Whoever makes
/// ids goes on after it, since the clock may have been set back since it was made.
pub fn greatest(tx: &mut Tx<'_>) -> Result<Option<Ulid>, Error> {
    let found = [
        of::<ActionId>(tx, "act_action", "SELECT MAX(id) FROM act_action")?.map(ActionId::ulid),
        of::<EntryId>(tx, "journal_entry", "SELECT MAX(id) FROM journal_entry")?.map(EntryId::ulid),
        of::<HostId>(tx, "deliver_host", "SELECT MAX(id) FROM deliver_host")?.map(HostId::ulid),
        of::<PageId>(tx, "outbox", "SELECT MAX(id) FROM outbox")?.map(PageId::ulid),
        of::<TokenId>(tx, "token", "SELECT MAX(id) FROM token")?.map(TokenId::ulid),
        of::<VerdictId>(tx, "judge_verdict", "SELECT MAX(id) FROM judge_verdict")?
            .map(VerdictId::ulid),
    ];
    Ok(found.into_iter().flatten().max())
}

fn of<T: FromStr<Err = String>>(
    tx: &mut Tx<'_>,
    table: &'static str,
    sql: &str,
) -> Result<Option<T>, Error> {
    let row = tx.query_one(table, sql, &[])?;
    row.map_or(Ok(None), |row| row.maybe(0, crate::Row::parsed))
}
