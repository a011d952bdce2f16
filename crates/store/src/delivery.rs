//! What other tools delivered, each once.

use model::Timestamp;
use model::deliver::{Delivery, Origin};

use crate::value::json;
use crate::{Error, Tx};

const TABLE: &str = "deliver_delivery";

/// Returns what was delivered under this key after `since`; a repeat of it is nothing new.
pub fn find(
    tx: &mut Tx<'_>,
    origin: Origin,
    sender: &str,
    key: &str,
    since: Timestamp,
) -> Result<Option<Delivery>, Error> {
    let row = tx.query_one(
        TABLE,
        "SELECT body FROM deliver_delivery
         WHERE origin = $1 AND sender = $2 AND key = $3 AND at_us > $4",
        &[origin.into(), sender.into(), key.into(), since.into()],
    )?;
    row.map(|row| row.json(0)).transpose()
}

/// Stores a delivery in place of one with its key that is no younger than `since`.
///
/// # Errors
/// [`Error::Exists`] when a younger one is there: it is a repeat.
pub fn insert(tx: &mut Tx<'_>, delivery: &Delivery, since: Timestamp) -> Result<(), Error> {
    let (sender, key) = (delivery.sender.as_str(), delivery.key.as_str());
    tx.execute(
        "DELETE FROM deliver_delivery
         WHERE origin = $1 AND sender = $2 AND key = $3 AND at_us <= $4",
        &[
            delivery.origin.into(),
            sender.into(),
            key.into(),
            since.into(),
        ],
    )?;
    tx.execute(
        "INSERT INTO deliver_delivery (origin, sender, key, at_us, body)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            delivery.origin.into(),
            sender.into(),
            key.into(),
            delivery.at.into(),
            json(delivery),
        ],
    )?;
    Ok(())
}

/// Forgets up to `limit` deliveries of a door that are no younger than `since`, oldest first, and returns
/// how many. Their journal entries stay.
pub fn forget(
    tx: &mut Tx<'_>,
    origin: Origin,
    since: Timestamp,
    limit: usize,
) -> Result<u64, Error> {
    let old = tx.query(
        TABLE,
        "SELECT sender, key FROM deliver_delivery WHERE origin = $1 AND at_us <= $2
         ORDER BY at_us LIMIT $3",
        &[origin.into(), since.into(), (limit as u64).into()],
    )?;
    let mut forgotten = 0;
    for row in &old {
        forgotten += tx.execute(
            "DELETE FROM deliver_delivery WHERE origin = $1 AND sender = $2 AND key = $3",
            &[origin.into(), row.text(0)?.into(), row.text(1)?.into()],
        )?;
    }
    Ok(forgotten)
}
