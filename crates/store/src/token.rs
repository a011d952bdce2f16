//! Tokens, stored as the hash of their secret.

use model::api::token::TokenView;
use model::{Digest, HostId, Timestamp, TokenId};

use crate::{Error, Row, Tx};

const TABLE: &str = "token";
const COLUMNS: &str = "id, name, role, host, created_us, expires_us, revoked_us, used_us, for_host";

/// Returns what is stored of a secret.
pub fn hash(secret: &str) -> Digest {
    Digest::of(secret.as_bytes())
}

/// Stores a new token with the [`hash`] of its secret, which nobody keeps.
pub fn insert(tx: &mut Tx<'_>, token: &TokenView, hash: Digest) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO token
           (id, hash, name, role, host, created_us, expires_us, revoked_us, used_us, for_host)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            token.id.into(),
            hash.into(),
            token.name.clone().into(),
            token.role.into(),
            token.host.into(),
            token.created_at.into(),
            token.expires_at.into(),
            token.revoked_at.into(),
            token.used_at.into(),
            token.for_host.as_ref().into(),
        ],
    )?;
    Ok(())
}

pub fn get(tx: &mut Tx<'_>, id: TokenId) -> Result<Option<TokenView>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM token WHERE id = $1");
    tx.query_one(TABLE, &sql, &[id.into()])?
        .as_ref()
        .map(read)
        .transpose()
}

/// Finds a token by the digest of its secret, also an expired or revoked one.
pub fn by_hash(tx: &mut Tx<'_>, hash: Digest) -> Result<Option<TokenView>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM token WHERE hash = $1");
    tx.query_one(TABLE, &sql, &[hash.into()])?
        .as_ref()
        .map(read)
        .transpose()
}

/// Marks a join token as used; false when it was used before, is revoked or is not there.
pub fn mark_used(tx: &mut Tx<'_>, id: TokenId, now: Timestamp) -> Result<bool, Error> {
    let touched = tx.execute(
        "UPDATE token SET used_us = $2 WHERE id = $1 AND used_us IS NULL AND revoked_us IS NULL",
        &[id.into(), now.into()],
    )?;
    Ok(touched == 1)
}

/// Revokes every token with which a host says who it is.
pub fn revoke_of_host(tx: &mut Tx<'_>, host: HostId, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "UPDATE token SET revoked_us = $2 WHERE host = $1 AND revoked_us IS NULL",
        &[host.into(), now.into()],
    )?;
    Ok(())
}

/// Returns the hosts all of whose tokens are revoked, each with when the last one was.
pub fn locked_out(tx: &mut Tx<'_>) -> Result<Vec<(HostId, Timestamp)>, Error> {
    let sql = "SELECT host, MAX(revoked_us) FROM token WHERE host IS NOT NULL
               GROUP BY host HAVING COUNT(*) = COUNT(revoked_us) ORDER BY host";
    tx.query(TABLE, sql, &[])?
        .iter()
        .map(|row| Ok((row.parsed(0)?, row.time(1)?)))
        .collect()
}

/// Marks a token as revoked; false when there is none or it already was.
pub fn revoke(tx: &mut Tx<'_>, id: TokenId, now: Timestamp) -> Result<bool, Error> {
    let touched = tx.execute(
        "UPDATE token SET revoked_us = $2 WHERE id = $1 AND revoked_us IS NULL",
        &[id.into(), now.into()],
    )?;
    Ok(touched == 1)
}

/// Returns up to `limit` tokens, oldest first, from behind one on.
pub fn list(
    tx: &mut Tx<'_>,
    after: Option<TokenId>,
    limit: usize,
) -> Result<Vec<TokenView>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM token WHERE id > $1 ORDER BY id LIMIT $2");
    // Every id comes after the empty one.
    let after = after.map_or_else(String::new, |id| id.to_string());
    let rows = tx.query(TABLE, &sql, &[after.into(), (limit as u64).into()])?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<TokenView, Error> {
    Ok(TokenView {
        id: row.parsed(0)?,
        name: row.text(1)?.to_owned(),
        role: row.parsed(2)?,
        host: row.maybe(3, Row::parsed)?,
        created_at: row.time(4)?,
        expires_at: row.maybe(5, Row::time)?,
        revoked_at: row.maybe(6, Row::time)?,
        used_at: row.maybe(7, Row::time)?,
        for_host: row.maybe(8, Row::parsed)?,
    })
}
