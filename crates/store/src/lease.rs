//! Leases with fencing: who may do a piece of work, until when, and under which number.

use std::time::Duration;

use model::Timestamp;

use crate::{Error, Tx};

/// Numbers the owners of a lease; a later owner has a greater one, so what an earlier one still sends
/// can be told apart and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// Takes or renews the lease `name` for `owner` until `now + ttl`. Nothing is returned while another
/// owner holds it. Renewing keeps the fence; every change of owner and every lapse raises it.
pub fn acquire(
    tx: &mut Tx<'_>,
    name: &str,
    owner: &str,
    ttl: Duration,
    now: Timestamp,
) -> Result<Option<Fence>, Error> {
    let row = tx.query_one(
        "lease",
        "INSERT INTO lease (name, owner, fence, until_us) VALUES ($1, $2, 1, $3)
         ON CONFLICT (name) DO UPDATE SET
           fence = lease.fence + CASE WHEN lease.owner = $2 AND lease.until_us > $4 THEN 0 ELSE 1 END,
           owner = $2, until_us = $3
         WHERE lease.owner = $2 OR lease.until_us <= $4
         RETURNING fence",
        &[name.into(), owner.into(), (now + ttl).into(), now.into()],
    )?;
    row.map(|row| row.count(0).map(Fence)).transpose()
}

/// Refuses the transaction unless `fence` is still the newest of its lease. A lease that ran out but
/// that nobody else took is still good: the fence decides, not the clock.
pub fn check(tx: &mut Tx<'_>, name: &str, fence: Fence) -> Result<(), Error> {
    let row = tx.query_one(
        "lease",
        "SELECT fence FROM lease WHERE name = $1",
        &[name.into()],
    )?;
    match row {
        Some(row) if row.count(0)? == fence.0 => Ok(()),
        _ => Err(Error::Conflict {
            what: format!("the lease `{name}`"),
        }),
    }
}

/// Gives the lease back so that another owner need not wait for its end.
pub fn release(tx: &mut Tx<'_>, name: &str, fence: Fence) -> Result<(), Error> {
    tx.execute(
        "UPDATE lease SET until_us = 0 WHERE name = $1 AND fence = $2",
        &[name.into(), fence.0.into()],
    )?;
    Ok(())
}

/// Frees every lease. Only for a store that no other server can have open: whoever held one is dead.
pub fn free_all(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.execute("UPDATE lease SET until_us = 0", &[])?;
    Ok(())
}

/// Frees the leases of every process of one server, whose owners are called `SERVER/…`: all of them are
/// dead.
pub fn free_those_of(tx: &mut Tx<'_>, server: &str) -> Result<(), Error> {
    let owners = format!("{server}/%");
    tx.execute(
        "UPDATE lease SET until_us = 0 WHERE owner LIKE $1",
        &[owners.into()],
    )?;
    Ok(())
}
