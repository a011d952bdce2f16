//! Notices hosts that fell silent, and gives those that joined late what they are owed.

use std::time::Duration;

use deliver::rollout::{Ask, owed};
use model::deliver::{Host, RingHost, Rollout};
use model::{Entry, Fact, Kind, Subject, Timestamp, limit};
use runtime::{Loop, Turn};
use store::rollout::Versioned;
use store::{Error, Tx};

use super::desired::{desired, wanted_release};
use crate::Context;

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
        let read = move |tx: &mut Tx<'_>| store::host::seen_before(tx, now - limit::HOST_LEASE);
        let silent: Vec<Host> = self.0.store.read(read).await?;
        let new = silent
            .into_iter()
            .filter(|h| !h.silent_noted && h.retired_at.is_none());
        for host in new.collect::<Vec<_>>() {
            let context = self.0.clone();
            let note = move |tx: &mut Tx<'_>| {
                mandate.check(tx)?;
                note_silence(tx, &context, &host, now)
            };
            self.0.store.write(note).await?;
            self.0.wakes.journal.nudge();
            self.0.wakes.rollouts.nudge();
        }
        let context = self.0.clone();
        let give = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            give_owed(tx, &context, now)
        };
        if self.0.store.write(give).await? {
            self.0.wakes.journal.nudge();
            self.0.wakes.desired.nudge();
        }
        Ok(Turn::Idle)
    }
}

/// Asks hosts that joined after a release went live to run it. They become members of the rollout's last
/// ring, so that an undo asks them back like the others.
fn give_owed(tx: &mut Tx<'_>, context: &Context, now: Timestamp) -> Result<bool, Error> {
    let hosts = store::host::list(tx)?;
    // A host serves one environment of a service: a wish of another one is not replaced.
    let wishes = store::fleet::desired_all(tx)?;
    let mut given = false;
    for Versioned {
        mut rollout,
        version,
    } in store::rollout::standing(tx)?
    {
        let has_wish = |id| {
            wishes
                .iter()
                .any(|(host, wish)| *host == id && wish.service == rollout.service)
        };
        let asks = owed(&rollout, &hosts, has_wish);
        for ask in &asks {
            let Some(host) = hosts.iter().find(|host| host.id == ask.host) else {
                continue;
            };
            give(tx, context, &rollout, ask, host, now)?;
            if let Some(last) = rollout.rings.last_mut() {
                last.hosts.push(RingHost {
                    id: host.id,
                    name: host.name.clone(),
                    touched: true,
                });
            }
        }
        if !asks.is_empty() {
            store::rollout::save(tx, &rollout, version)?;
            given = true;
        }
    }
    Ok(given)
}

fn give(
    tx: &mut Tx<'_>,
    context: &Context,
    rollout: &Rollout,
    ask: &Ask,
    host: &Host,
    now: Timestamp,
) -> Result<(), Error> {
    let release = wanted_release(tx, rollout, ask)?;
    let generation = store::fleet::ask(tx, host.id, desired(rollout, ask, &release))?;
    let fact = Fact::HostAsked {
        host: host.name.clone(),
        service: rollout.service.clone(),
        version: release.version,
        generation,
        priority: ask.priority,
    };
    let causes = rollout.last_entry.into_iter().collect();
    let entry = context.entry(
        now,
        rollout.change,
        (Kind::Action, &fact),
        "sleepwell",
        causes,
    );
    store::journal::append(tx, &entry)
}

/// Tells a silence once; the host may have come back since it was read.
fn note_silence(
    tx: &mut Tx<'_>,
    context: &Context,
    seen: &Host,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(mut host) = store::host::get(tx, seen.id)? else {
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
