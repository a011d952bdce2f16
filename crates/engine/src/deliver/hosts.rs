//! Notices hosts that fell silent, and gives those that joined late what they are owed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use deliver::rollout::{Ask, fits, owed};
use model::deliver::{Host, RingHost};
use model::{Entry, EnvironmentName, Fact, HostId, Kind, ServiceName, Subject, Timestamp, limit};
use runtime::{Loop, Turn};
use store::rollout::Versioned;
use store::{Error, Tx};

use super::ask::ask;
use super::gate::gate_facts;
use crate::Context;
use crate::attempts::Attempts;
use crate::context::Mandate;

const NAME: &str = "deliver.hosts";

#[derive(Debug)]
pub struct Hosts(Context);

impl Hosts {
    pub fn new(context: Context) -> Self {
        Self(context)
    }
}

impl Loop for Hosts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn turn(&mut self, now: Timestamp) -> anyhow::Result<Turn> {
        let Some(mandate) = self.0.mandate(NAME, now).await? else {
            return Ok(Turn::Idle);
        };
        // A host or a service whose rows are broken must not stop what is due to the others.
        let mut attempts = Attempts::default();
        self.note_silent(&mut attempts, mandate, now).await?;
        self.give_all_owed(&mut attempts, mandate, now).await?;
        attempts.end()?;
        Ok(Turn::Idle)
    }
}

impl Hosts {
    async fn note_silent(
        &self,
        attempts: &mut Attempts,
        mandate: Mandate,
        now: Timestamp,
    ) -> Result<(), Error> {
        let read = move |tx: &mut Tx<'_>| store::host::seen_before(tx, now - limit::HOST_LEASE);
        for (id, read) in self.0.store.read(read).await? {
            let Some(host) = attempts.keep(format!("host {id}"), read) else {
                continue;
            };
            if host.silent_noted {
                continue;
            }
            let context = self.0.clone();
            let note = move |tx: &mut Tx<'_>| {
                mandate.check(tx)?;
                note_silence(tx, &context, id, now)
            };
            let noted = self.0.store.write(note).await;
            if attempts.keep(host.name, noted).is_some() {
                self.0.wakes.journal.nudge();
                self.0.wakes.rollouts.nudge();
            }
        }
        Ok(())
    }

    async fn give_all_owed(
        &self,
        attempts: &mut Attempts,
        mandate: Mandate,
        now: Timestamp,
    ) -> Result<(), Error> {
        let hosts = Arc::new(self.0.store.read(readable_hosts).await?);
        for place in self.0.store.read(store::rollout::places).await? {
            let name = format!("{} in {}", place.0, place.1);
            let (at, hosts) = (place.clone(), Arc::clone(&hosts));
            let look = move |tx: &mut Tx<'_>| what_is_owed(tx, &at, &hosts);
            // Almost never is anything owed, and looking keeps no writer waiting.
            if !matches!(
                attempts.keep(&name, self.0.store.read(look).await),
                Some(Some(_))
            ) {
                continue;
            }
            let context = self.0.clone();
            let give = move |tx: &mut Tx<'_>| {
                mandate.check(tx)?;
                give_owed(tx, &context, &place, now)
            };
            let given = self.0.store.write(give).await;
            if attempts.keep(name, given).is_some() {
                self.0.wakes.journal.nudge();
                self.0.wakes.desired.nudge();
            }
        }
        Ok(())
    }
}

/// Is a service in one of its environments.
type Place = (ServiceName, EnvironmentName);

/// Leaves out hosts whose rows cannot be read: they are told of when they fall silent, as they must, and are
/// owed nothing until then.
fn readable_hosts(tx: &mut Tx<'_>) -> Result<Vec<Host>, Error> {
    let hosts = store::host::expected_each(tx)?.into_iter();
    Ok(hosts.filter_map(|(_, host)| host.ok()).collect())
}

/// Returns the newest rollout that was not undone there and what hosts are owed of it, if any are.
fn what_is_owed(
    tx: &mut Tx<'_>,
    (service, environment): &Place,
    hosts: &[Host],
) -> Result<Option<(Versioned, Vec<Ask>)>, Error> {
    let Some(newest) = store::rollout::newest_standing(tx, service, environment)? else {
        return Ok(None);
    };
    // A host serves one environment of a service: a wish of another one is not replaced.
    let asked = store::fleet::asked_for(tx, service)?;
    let asks = owed(&newest.rollout, hosts, |id| asked.contains(&id));
    let is_owed = !asks.is_empty() && fits(gate_facts(tx, &newest.rollout)?.as_ref());
    Ok(is_owed.then_some((newest, asks)))
}

/// Asks hosts that joined after a release went live to run it. They become members of a ring of the rollout,
/// the last one as a rule, so that an undo asks them back like the others.
fn give_owed(
    tx: &mut Tx<'_>,
    context: &Context,
    place: &Place,
    now: Timestamp,
) -> Result<(), Error> {
    if store::fleet::is_behind(tx)? {
        return Ok(());
    }
    let hosts = readable_hosts(tx)?;
    let Some((newest, asks)) = what_is_owed(tx, place, &hosts)? else {
        return Ok(());
    };
    let mut rollout = newest.rollout;
    let by_id: BTreeMap<HostId, &Host> = hosts.iter().map(|host| (host.id, host)).collect();
    for one in &asks {
        let Some(host) = by_id.get(&one.host) else {
            continue;
        };
        let cause = rollout.last_entry;
        ask(tx, context, &rollout, (one, &host.name), cause, now)?;
        let ring = rollout.rings.iter_mut().find(|ring| ring.name == one.ring);
        if let Some(ring) = ring {
            ring.hosts.push(RingHost {
                touched: true,
                ..RingHost::new(host)
            });
        }
    }
    store::rollout::save(tx, &rollout, newest.version)
}

/// Tells a silence once; the host may have come back since it was read.
fn note_silence(
    tx: &mut Tx<'_>,
    context: &Context,
    id: HostId,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(mut host) = store::host::get(tx, id)? else {
        return Ok(());
    };
    let Some(since) = host.unknown_since(now) else {
        return Ok(());
    };
    if host.silent_noted {
        return Ok(());
    }
    host.silent_noted = true;
    store::host::save(tx, &host)?;
    store::journal::append(
        tx,
        &Entry {
            id: context.ids.entry(now),
            at: now,
            subject: Subject::Host(host.name.clone()),
            kind: Kind::Signal,
            actor: "sleepwell".into(),
            causes: vec![],
            body: Fact::HostSilent {
                host: host.name,
                since,
            }
            .to_body(),
        },
    )
}
