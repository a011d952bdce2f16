//! Makes incidents of alerts and tells their owner.
//!
//! Each group of alerts is written by itself, with its journal entries and the messages it asks for. The
//! groups of one turn are handed to the store together, so that they share its commits.

use std::collections::BTreeMap;
use std::time::Duration;

use act::alert_message::{About, write};
use act::incident::{Due, News, due, group, state, takes_more, urgency};
use act::message::recipients;
use model::act::{Incident, IncidentState, Message, OutboxRow, OutboxState};
use model::deliver::Owner;
use model::judge::Alert;
use model::{
    AlertId, ChangeId, EntryId, Fact, IncidentId, Kind, ServiceName, Subject, Timestamp, limit,
};
use runtime::{Loop, Turn};
use store::set_aside::Damaged;
use store::{Error, Tx};
use tokio::task::JoinSet;

use crate::Context;
use crate::attempts::Attempts;
use crate::context::Mandate;

const NAME: &str = "act.incidents";
/// Names of alerts, and entries that caused one, that a journal entry holds.
const NAMED: usize = 20;

#[derive(Debug)]
pub struct Incidents {
    context: Context,
    /// Who is told of what no owner is known for.
    receiver: Owner,
}

impl Incidents {
    pub fn new(context: Context, receiver: Owner) -> Self {
        Self { context, receiver }
    }
}

impl Loop for Incidents {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn turn(&mut self, now: Timestamp) -> anyhow::Result<Turn> {
        let Some(mandate) = self.context.mandate(NAME, now).await? else {
            return Ok(Turn::Idle);
        };
        let work = Work {
            context: self.context.clone(),
            receiver: self.receiver.clone(),
            mandate,
            now,
        };
        let mut attempts = Attempts::default();
        let seen = work.look_at_news(&mut attempts).await?;
        work.tell_what_is_due(&mut attempts).await?;
        attempts.end()?;
        if seen == limit::ALERTS_PER_TURN {
            return Ok(Turn::Again);
        }
        let next = self.context.store.read(store::incident::next_due).await?;
        Ok(next.map_or(Turn::Idle, Turn::Until))
    }
}

/// Is what every part of one turn works with.
#[derive(Clone, Debug)]
struct Work {
    context: Context,
    receiver: Owner,
    mandate: Mandate,
    now: Timestamp,
}

impl Work {
    /// Returns how many alerts it looked at.
    async fn look_at_news(&self, attempts: &mut Attempts) -> Result<usize, Error> {
        let read = |tx: &mut Tx<'_>| store::alert::news(tx, limit::ALERTS_PER_TURN);
        let news = self.context.store.read(read).await?;
        let seen = news.len();
        let mut groups: BTreeMap<(ServiceName, String), Vec<AlertId>> = BTreeMap::new();
        for (id, read) in news {
            if let Err(why) = &read {
                self.set_aside(Damaged::Alert(id), why).await?;
            }
            if let Some(alert) = attempts.keep(id, read) {
                let key = (alert.service.clone(), group(&alert));
                groups.entry(key).or_default().push(id);
            }
        }
        let mut writes = JoinSet::new();
        for ((service, name), alerts) in groups {
            let (work, store) = (self.clone(), self.context.store.clone());
            let title = format!("the alerts {name} of {service}");
            let join = move |tx: &mut Tx<'_>| work.join(tx, (&service, &name), &alerts);
            writes.spawn(async move { (title, store.write(join).await) });
        }
        self.gather(writes, attempts).await;
        Ok(seen)
    }

    async fn tell_what_is_due(&self, attempts: &mut Attempts) -> Result<(), Error> {
        let now = self.now;
        let read = move |tx: &mut Tx<'_>| store::incident::due(tx, now, limit::LIST_ITEMS);
        let mut writes = JoinSet::new();
        for (id, read) in self.context.store.read(read).await? {
            if let Err(why) = &read {
                self.set_aside(Damaged::Incident(id), why).await?;
            }
            if attempts.keep(id, read).is_none() {
                continue;
            }
            let (work, store) = (self.clone(), self.context.store.clone());
            let look = move |tx: &mut Tx<'_>| work.look_again(tx, id);
            writes.spawn(async move { (id.to_string(), store.write(look).await) });
        }
        self.gather(writes, attempts).await;
        Ok(())
    }

    async fn set_aside(&self, row: Damaged, why: &Error) -> Result<(), Error> {
        let (mandate, now) = (self.mandate, self.now);
        self.context.set_aside(mandate, row, why, now).await
    }

    /// Waits for all writes: one that fails must not keep the others from being told.
    async fn gather(
        &self,
        mut writes: JoinSet<(String, Result<(), Error>)>,
        attempts: &mut Attempts,
    ) {
        let mut any = false;
        while let Some(written) = writes.join_next().await {
            if let Some((what, written)) = attempts.keep("a write that broke", written) {
                any |= attempts.keep(what, written).is_some();
            }
        }
        if any {
            self.context.wakes.journal.nudge();
            self.context.wakes.outbox.nudge();
        }
    }

    /// Brings an incident up to date with what happened to alerts of its kind.
    fn join(
        &self,
        tx: &mut Tx<'_>,
        (service, name): (&ServiceName, &str),
        ids: &[AlertId],
    ) -> Result<(), Error> {
        self.mandate.check(tx)?;
        let (mut new, mut known) = (vec![], BTreeMap::<IncidentId, Vec<Alert>>::new());
        for id in ids {
            store::alert::mark_seen(tx, *id)?;
            match store::alert::get(tx, *id)? {
                Some(alert) => match alert.incident {
                    Some(incident) => known.entry(incident).or_default().push(alert),
                    None => new.push(alert),
                },
                None => continue,
            }
        }
        if !new.is_empty() {
            let (mut incident, is_new) = self.incident_for(tx, service, name, &new)?;
            let joined = self.take(tx, &mut incident, new, is_new)?;
            self.look(tx, incident, &joined)?;
        }
        // Those that ended, in whichever incident they are.
        for (id, alerts) in known {
            if let Some(incident) = store::incident::get(tx, id)? {
                self.look(tx, incident, &alerts)?;
            }
        }
        Ok(())
    }

    /// Returns the incident that takes new alerts, and whether it is a new one.
    fn incident_for(
        &self,
        tx: &mut Tx<'_>,
        service: &ServiceName,
        name: &str,
        alerts: &[Alert],
    ) -> Result<(Incident, bool), Error> {
        if let Some(incident) = self.newest(tx, service, name)? {
            return Ok((incident, false));
        }
        let is_full = store::incident::open_count(tx, service)? >= limit::OPEN_INCIDENTS;
        let name = if is_full { "" } else { name };
        if is_full && let Some(incident) = self.newest(tx, service, name)? {
            return Ok((incident, false));
        }
        let id = store::incident::next_id(tx)?;
        let urgency = alerts.iter().map(urgency).max();
        let mut incident = Incident {
            id,
            service: service.clone(),
            group: name.to_owned(),
            state: IncidentState::Triggered,
            urgency: urgency.unwrap_or(model::act::Urgency::High),
            opened_at: self.now,
            alerts: 0,
            firing: 0,
            told: None,
            due_at: None,
            last_entry: alerts.first().map_or_else(
                || self.context.ids.entry(self.now),
                |alert| alert.last_entry,
            ),
        };
        let fact = Fact::IncidentOpened {
            incident: id,
            service: service.clone(),
            title: incident.title().to_owned(),
            urgency: incident.urgency,
        };
        let causes = causes(alerts);
        self.append(tx, &mut incident, (Kind::Action, &fact), causes)?;
        Ok((incident, true))
    }

    fn newest(
        &self,
        tx: &mut Tx<'_>,
        service: &ServiceName,
        name: &str,
    ) -> Result<Option<Incident>, Error> {
        let newest = store::incident::newest(tx, service, name)?;
        Ok(newest.filter(|incident| takes_more(incident, self.now)))
    }

    /// Writes of new alerts which incident they are part of.
    fn take(
        &self,
        tx: &mut Tx<'_>,
        incident: &mut Incident,
        mut alerts: Vec<Alert>,
        is_new: bool,
    ) -> Result<Vec<Alert>, Error> {
        for alert in &mut alerts {
            alert.incident = Some(incident.id);
            incident.urgency = incident.urgency.max(urgency(alert));
            store::alert::save(tx, alert, false)?;
        }
        if !is_new {
            let was_open = incident.is_open();
            (incident.alerts, incident.firing) = store::alert::counts(tx, incident.id)?;
            incident.state = state(incident.state, incident.firing, self.now);
            if !was_open && incident.is_open() {
                let title = incident.title().to_owned();
                let fact = Fact::IncidentReopened { title };
                self.append(tx, incident, (Kind::Action, &fact), causes(&alerts))?;
            } else {
                let fact = joined(incident, &alerts, self.now);
                self.append(tx, incident, (Kind::Action, &fact), causes(&alerts))?;
            }
        }
        Ok(alerts)
    }

    fn look_again(&self, tx: &mut Tx<'_>, id: IncidentId) -> Result<(), Error> {
        self.mandate.check(tx)?;
        match store::incident::get(tx, id)? {
            Some(incident) => self.look(tx, incident, &[]),
            None => Ok(()),
        }
    }

    /// Brings an incident up to date with its alerts and tells what is due; `news` are those something
    /// happened to.
    fn look(&self, tx: &mut Tx<'_>, mut incident: Incident, news: &[Alert]) -> Result<(), Error> {
        let was_open = incident.is_open();
        (incident.alerts, incident.firing) = store::alert::counts(tx, incident.id)?;
        incident.state = state(incident.state, incident.firing, self.now);
        if was_open && !incident.is_open() {
            let after = self.now.since(incident.opened_at);
            let fact = Fact::IncidentResolved {
                title: incident.title().to_owned(),
                after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            };
            self.append(tx, &mut incident, (Kind::Outcome, &fact), causes(news))?;
        }
        incident.due_at = match due(&incident, self.now) {
            Due::Nothing => None,
            Due::At(at) => Some(at),
            Due::Now(news) => {
                self.tell(tx, &mut incident, news)?;
                None
            }
        };
        store::incident::put(tx, &incident)
    }

    /// Queues the message to everybody who is to know; when that is nobody, that is what is written.
    fn tell(&self, tx: &mut Tx<'_>, incident: &mut Incident, news: News) -> Result<(), Error> {
        let mut receivers = recipients(&owner(tx, &incident.service)?);
        if receivers.is_empty() {
            receivers = recipients(&self.receiver);
        }
        let cause = incident.last_entry;
        let message = self.message(tx, incident, news)?;
        for destination in &receivers {
            let page = self.context.ids.page(self.now);
            let fact = Fact::MessageQueued {
                page,
                to: destination.to_string(),
                title: message.title.clone(),
            };
            self.append(tx, incident, (Kind::Action, &fact), vec![cause])?;
            let row = OutboxRow {
                id: page,
                destination: destination.clone(),
                message: message.clone(),
                state: OutboxState::Queued,
                attempt: 0,
                due_at: self.now,
                created_at: self.now,
                cause: incident.last_entry,
            };
            store::outbox::enqueue(tx, &row)?;
        }
        if receivers.is_empty() {
            self.tell_nobody(tx, incident, &message)?;
        }
        incident.told = Some(news.told(incident, receivers.len(), self.now));
        Ok(())
    }

    fn tell_nobody(
        &self,
        tx: &mut Tx<'_>,
        incident: &mut Incident,
        message: &Message,
    ) -> Result<(), Error> {
        let service = &incident.service;
        let why = format!(
            "no release of {service} names an owner with a mail or webhook, and server.yaml has no `receiver`"
        );
        tracing::error!(incident.id = %incident.id, service = %service, "nobody is told that {}: {why}", message.title);
        let title = message.title.clone();
        let fact = Fact::NobodyTold { title, why };
        let cause = incident.last_entry;
        self.append(tx, incident, (Kind::Outcome, &fact), vec![cause])
    }

    fn message(&self, tx: &mut Tx<'_>, incident: &Incident, news: News) -> Result<Message, Error> {
        let is_open = incident.is_open();
        let alerts = store::alert::of_incident(tx, incident.id, is_open, limit::ALERTS_LISTED)?;
        let mut beside: Vec<ChangeId> = alerts
            .iter()
            .flat_map(|alert| alert.changes.iter().copied())
            .collect();
        beside.sort_unstable_by(|a, b| b.cmp(a));
        beside.dedup();
        let mut changes = vec![];
        for id in beside.into_iter().take(limit::CHANGES_AT_ALERT) {
            changes.extend(store::change::get(tx, id)?);
        }
        let about = About {
            incident,
            alerts: &alerts,
            changes: &changes,
            command: &self.context.addresses.command,
        };
        Ok(write(&about, news, self.now))
    }

    /// Writes an entry about an incident, which is the cause of what follows.
    fn append(
        &self,
        tx: &mut Tx<'_>,
        incident: &mut Incident,
        said: (Kind, &Fact),
        causes: Vec<EntryId>,
    ) -> Result<(), Error> {
        let subject = Subject::Incident(incident.id);
        let entry = self
            .context
            .entry_about(self.now, subject, said, "sleepwell", causes);
        incident.last_entry = entry.id;
        store::journal::append(tx, &entry)
    }
}

fn joined(incident: &Incident, alerts: &[Alert], now: Timestamp) -> Fact {
    let names = alerts.iter().take(NAMED).map(|alert| alert.id.to_string());
    let told_at = match due(incident, now) {
        Due::At(at) => Some(at),
        Due::Nothing | Due::Now(_) => None,
    };
    Fact::IncidentJoined {
        alerts: alerts.len() as u64,
        names: names.collect(),
        told_at,
    }
}

fn causes(alerts: &[Alert]) -> Vec<EntryId> {
    alerts
        .iter()
        .take(NAMED)
        .map(|alert| alert.last_entry)
        .collect()
}

/// Returns who is told of a service: what its newest release says. A release that cannot be read says
/// nothing, since somebody has to be told all the same.
fn owner(tx: &mut Tx<'_>, service: &ServiceName) -> Result<Owner, Error> {
    match store::release::list(tx, service, 1) {
        Ok(newest) => {
            let newest = newest.into_iter().next();
            Ok(newest
                .map(|release| release.definition.owner)
                .unwrap_or_default())
        }
        Err(error @ Error::Unreadable { .. }) => {
            tracing::error!(service = %service, error = %error, "the owner of {service} is not known: {error}");
            Ok(Owner::default())
        }
        Err(
            error @ (Error::Conflict { .. }
            | Error::Exists(_)
            | Error::Full
            | Error::Newer { .. }
            | Error::Unavailable(_)),
        ) => Err(error),
    }
}
