//! What is common to everything other tools deliver: kept once, with its journal entry.

use std::time::Duration;

use model::api::delivery::Receipt;
use model::deliver::{Delivery, DeliveryOutcome, Origin};
use model::{Entry, Fact, Kind, Subject, Timestamp, limit};
use runtime::Ids;
use store::{Error, Tx};

/// Is something that came in, after it was read and before it is kept.
pub(crate) struct Incoming {
    pub(crate) origin: Origin,
    pub(crate) sender: String,
    pub(crate) key: String,
    /// How long the same key counts as a repeat.
    pub(crate) memory: Duration,
    pub(crate) outcome: DeliveryOutcome,
    pub(crate) body: serde_json::Value,
    pub(crate) subject: Subject,
    pub(crate) kind: Kind,
    pub(crate) actor: String,
    pub(crate) fact: Fact,
}

/// Keeps it with its entry, unless it was kept before: then it tells how that ended and changes nothing.
pub(crate) fn keep(
    tx: &mut Tx<'_>,
    incoming: Incoming,
    now: Timestamp,
    ids: &Ids,
) -> Result<Receipt, Error> {
    let Incoming { origin, memory, .. } = incoming;
    let (sender, key) = (incoming.sender, incoming.key);
    if let Some(known) = store::delivery::find(tx, origin, &sender, &key, now - memory)? {
        let outcome = known.outcome;
        return Ok(Receipt {
            outcome,
            repeat: true,
        });
    }
    let entry = Entry {
        id: ids.entry(now),
        at: now,
        subject: incoming.subject,
        kind: incoming.kind,
        actor: incoming.actor,
        causes: vec![],
        body: incoming.fact.to_body(),
    };
    let delivery = Delivery {
        origin,
        sender,
        key,
        at: now,
        outcome: incoming.outcome,
        entry: entry.id,
        body: incoming.body,
    };
    store::journal::append(tx, &entry)?;
    store::delivery::insert(tx, &delivery, now - memory)?;
    let longest = match origin {
        Origin::Hook(_) => limit::HOOK_MEMORY,
        Origin::Cdevents => limit::CDEVENT_MEMORY,
    };
    store::delivery::forget(tx, origin, now - longest, limit::FORGOTTEN_AT_ONCE)?;
    Ok(Receipt {
        outcome: delivery.outcome,
        repeat: false,
    })
}

/// Says how it ended to an HTTP client: 202 for something new, 200 for a repeat.
pub(crate) fn status(any_new: bool) -> axum::http::StatusCode {
    if any_new {
        axum::http::StatusCode::ACCEPTED
    } else {
        axum::http::StatusCode::OK
    }
}
