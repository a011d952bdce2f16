//! What every loop works with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::Metrics;
use model::{ChangeId, Entry, EntryId, Fact, Kind, Subject, Timestamp};
use runtime::{Clock, Ids, Random, Wakes};
use store::lease::Fence;
use store::set_aside::Damaged;
use store::{Store, Tx};

/// Is handed to every loop; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    pub store: Store,
    pub metrics: Metrics,
    pub clock: Clock,
    pub random: Random,
    pub ids: Ids,
    pub wakes: Wakes,
    pub addresses: Addresses,
    /// Names this process among the servers of one store, for its leases.
    pub owner: Arc<str>,
    /// The leases held; empty at the start.
    pub mandates: Mandates,
}

/// Is where people are sent from a message.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// `http://127.0.0.1:7700`.
    pub public_url: Arc<str>,
    /// `sleepwell`, with what it needs to find this server.
    pub command: Arc<str>,
}

/// A loop that did not turn for this long lost its work to another server.
const LEASE: Duration = Duration::from_secs(15);

/// Is a loop's right to act: it holds the lease of its name under this fence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mandate {
    name: &'static str,
    pub(crate) fence: Fence,
}

impl Mandate {
    /// Refuses the transaction when another server has taken over.
    pub(crate) fn check(&self, tx: &mut Tx<'_>) -> Result<(), store::Error> {
        store::lease::check(tx, self.name, self.fence)
    }
}

/// Remembers the leases this server holds, so that an idle loop does not write at every turn. Every
/// transaction checks the fence all the same.
#[derive(Clone, Debug, Default)]
pub struct Mandates(Arc<Mutex<BTreeMap<&'static str, (Mandate, Timestamp)>>>);

impl Mandates {
    /// Returns a lease that lasts for another half of its time at least.
    fn held(&self, name: &str, now: Timestamp) -> Option<Mandate> {
        let mandates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mandate, taken_at) = mandates.get(name)?;
        // A clock that stepped back says nothing about how long ago it was.
        (now >= *taken_at && now.since(*taken_at) < LEASE / 2).then_some(*mandate)
    }

    fn keep(&self, name: &'static str, mandate: Option<Mandate>, now: Timestamp) {
        let mut mandates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match mandate {
            Some(mandate) => mandates.insert(name, (mandate, now)),
            None => mandates.remove(name),
        };
    }
}

impl Context {
    /// Takes or renews the lease of a loop; nothing while another server holds it.
    pub(crate) async fn mandate(
        &self,
        name: &'static str,
        now: Timestamp,
    ) -> Result<Option<Mandate>, store::Error> {
        if let Some(held) = self.mandates.held(name, now) {
            return Ok(Some(held));
        }
        let owner = Arc::clone(&self.owner);
        let fence = self
            .store
            .write(move |tx| store::lease::acquire(tx, name, &owner, LEASE, now))
            .await?;
        let mandate = fence.map(|fence| Mandate { name, fence });
        self.mandates.keep(name, mandate, now);
        Ok(mandate)
    }

    /// Makes an entry about a change.
    pub(crate) fn entry(
        &self,
        now: Timestamp,
        change: ChangeId,
        (kind, fact): (Kind, &Fact),
        actor: &str,
        causes: Vec<EntryId>,
    ) -> Entry {
        self.entry_about(now, Subject::Change(change), (kind, fact), actor, causes)
    }

    /// Makes an entry about anything.
    pub(crate) fn entry_about(
        &self,
        now: Timestamp,
        subject: Subject,
        (kind, fact): (Kind, &Fact),
        actor: &str,
        causes: Vec<EntryId>,
    ) -> Entry {
        Entry {
            id: self.ids.entry(now),
            at: now,
            subject,
            kind,
            actor: actor.to_owned(),
            causes,
            body: fact.to_body(),
        }
    }

    /// Keeps a row that cannot be read from standing in its loop's list for ever, and tells of it once. Whatever
    /// else went wrong with a row may be over at the next turn.
    pub(crate) async fn set_aside(
        &self,
        mandate: Mandate,
        row: Damaged,
        why: &store::Error,
        now: Timestamp,
    ) -> Result<(), store::Error> {
        let store::Error::Unreadable { why, .. } = why else {
            return Ok(());
        };
        let (context, why) = (self.clone(), why.clone());
        let put = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            let Some(subject) = store::set_aside::put(tx, row, &why, now)? else {
                return Ok(());
            };
            let fact = Fact::SetAside {
                row: row.to_string(),
                why,
            };
            let told = (Kind::Signal, &fact);
            let entry = context.entry_about(now, subject, told, "sleepwell", vec![]);
            store::journal::append(tx, &entry)
        };
        self.store.write(put).await?;
        self.wakes.journal.nudge();
        Ok(())
    }

    /// Returns the address of a change's page.
    pub(crate) fn page(&self, change: ChangeId) -> String {
        format!("{}/c/{}", self.addresses.public_url, change.0)
    }
}
