//! `POST /api/v2/alerts`: Prometheus and others send alerts as to an Alertmanager.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use judge::alert::{Taken, changes_beside, take};
use model::api::Problem;
use model::judge::{Alert, AlertState, Posted, Resolution};
use model::observe::Change;
use model::{ChangeId, Entry, EntryId, Fact, Kind, ServiceName, Subject, Timestamp, limit};
use runtime::Ids;
use store::{Error, Tx};
use wire::alertmanager::{self, Malformed};

use crate::App;
use crate::access::Caller;
use crate::api::Raw;
use crate::error::{Failure, Result};

/// Changes of a service that are looked at; those of a day, where it ships all day.
const CHANGES: usize = 50;

/// Keeps every valid alert and answers when they are durable: 200, 400 with the faults of the others, or 429
/// when a service has as many open ones as it may.
pub(crate) async fn receive(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response> {
    demand_json(&headers)?;
    let (mut valid, mut faults) = (vec![], vec![]);
    for alert in alertmanager::read(&body).map_err(malformed)? {
        match alert {
            Ok(alert) => valid.push(alert),
            Err(why) => faults.push(why),
        }
    }
    let mut refused = BTreeMap::new();
    if !valid.is_empty() {
        let mut intake = Intake::new(&app, &caller);
        let keep = app.store.write(move |tx| {
            for posted in valid {
                intake.take(tx, posted)?;
            }
            intake.tell_refused(tx)
        });
        refused = keep.await?;
        app.wakes.journal.nudge();
        app.wakes.alerts.nudge();
    }
    answer(&refused, faults)
}

fn demand_json(headers: &HeaderMap) -> Result<()> {
    let named = headers.get(header::CONTENT_TYPE);
    let named = named.and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = named.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let title = format!("unsupported media type {kind:?}, only [application/json] are allowed");
    Err(Problem::new(415, "not_json", title).into())
}

fn malformed(error: Malformed) -> Failure {
    let (status, code) = match error {
        Malformed::TooMany(_) => (413, "too_large"),
        Malformed::Json(_) | Malformed::NoArray | Malformed::Shape { .. } => (400, "not_alerts"),
    };
    Problem::new(status, code, error.to_string())
        .at("body")
        .into()
}

fn answer(refused: &BTreeMap<ServiceName, u64>, mut faults: Vec<String>) -> Result<Response> {
    if !refused.is_empty() {
        let most = limit::OPEN_ALERTS;
        let full = refused.iter().map(|(service, alerts)| {
            format!("{alerts} alerts refused: {service} has {most} open ones, which is the limit")
        });
        faults.splice(0..0, full);
        return Err(Problem::new(429, "too_many_alerts", faults.join("; ")).into());
    }
    if !faults.is_empty() {
        let faults = Json(faults.join("; "));
        return Ok((StatusCode::BAD_REQUEST, faults).into_response());
    }
    Ok(StatusCode::OK.into_response())
}

/// Takes the alerts of one request, in the transaction that keeps them all.
struct Intake {
    ids: Ids,
    sender: String,
    now: Timestamp,
    services: BTreeMap<ServiceName, Known>,
}

/// Is what is known of a service while a request is taken.
struct Known {
    open: u64,
    refused: u64,
    /// Newest first.
    changes: Vec<Change>,
}

impl Intake {
    fn new(app: &App, caller: &Caller) -> Self {
        Self {
            ids: app.ids.clone(),
            sender: caller.name.clone(),
            now: app.clock.now(),
            services: BTreeMap::new(),
        }
    }

    fn take(&mut self, tx: &mut Tx<'_>, posted: Posted) -> std::result::Result<(), Error> {
        let open = store::alert::open(tx, &posted.service, &posted.dedup_key)?;
        match take(open.as_ref(), &posted, self.now) {
            Taken::Opens { starts_at, ends_at } => self.open(tx, posted, starts_at, ends_at),
            Taken::Extends(alert) => store::alert::save(tx, &alert, false),
            Taken::Resolves(alert) => self.resolve(tx, *alert),
            // Prometheus says for a quarter of an hour that something is over.
            Taken::Ignored => Ok(()),
        }
    }

    fn open(
        &mut self,
        tx: &mut Tx<'_>,
        posted: Posted,
        starts_at: Timestamp,
        ends_at: Timestamp,
    ) -> std::result::Result<(), Error> {
        let known = self.known(tx, &posted.service)?;
        if known.open >= limit::OPEN_ALERTS {
            known.refused += 1;
            return Ok(());
        }
        known.open += 1;
        let environment = posted.labels.get("environment").parse().ok();
        let changes = changes_beside(&known.changes, environment.as_ref(), starts_at);
        let mut alert = Alert {
            id: store::alert::next_id(tx)?,
            service: posted.service,
            dedup_key: posted.dedup_key,
            labels: posted.labels,
            annotations: posted.annotations,
            generator_url: posted.generator_url,
            starts_at,
            ends_at,
            state: AlertState::Firing,
            received_at: self.now,
            sender: self.sender.clone(),
            changes,
            incident: None,
            last_entry: EntryId::new(self.now, 0),
        };
        let fact = Fact::AlertFired {
            alert: alert.id,
            service: alert.service.clone(),
            name: alert.name().to_owned(),
            summary: alert.summary().to_owned(),
            starts_at,
            changes: alert.changes.clone(),
        };
        let causes = causes(tx, &alert.changes)?;
        self.append(tx, &mut alert, &fact, causes)?;
        store::alert::insert(tx, &alert)
    }

    fn resolve(&mut self, tx: &mut Tx<'_>, mut alert: Alert) -> std::result::Result<(), Error> {
        let known = self.known(tx, &alert.service)?;
        known.open = known.open.saturating_sub(1);
        let fact = Fact::AlertResolved {
            alert: alert.id,
            name: alert.name().to_owned(),
            how: Resolution::Told,
        };
        let causes = vec![alert.last_entry];
        self.append(tx, &mut alert, &fact, causes)?;
        store::alert::save(tx, &alert, true)
    }

    /// Writes down how many alerts of which service were refused, and returns it.
    fn tell_refused(
        &self,
        tx: &mut Tx<'_>,
    ) -> std::result::Result<BTreeMap<ServiceName, u64>, Error> {
        let mut refused = BTreeMap::new();
        for (service, known) in &self.services {
            if known.refused == 0 {
                continue;
            }
            refused.insert(service.clone(), known.refused);
            let fact = Fact::AlertsRefused {
                service: service.clone(),
                alerts: known.refused,
                limit: limit::OPEN_ALERTS,
            };
            let entry = self.entry(Subject::Service(service.clone()), &fact, vec![]);
            store::journal::append(tx, &entry)?;
        }
        Ok(refused)
    }

    fn known(
        &mut self,
        tx: &mut Tx<'_>,
        service: &ServiceName,
    ) -> std::result::Result<&mut Known, Error> {
        if !self.services.contains_key(service) {
            let known = Known {
                open: store::alert::open_count(tx, service)?,
                refused: 0,
                changes: store::change::of_service(tx, service, CHANGES)?,
            };
            self.services.insert(service.clone(), known);
        }
        let known = self.services.get_mut(service);
        known.ok_or_else(|| Error::Unavailable("a service was forgotten".into()))
    }

    fn append(
        &self,
        tx: &mut Tx<'_>,
        alert: &mut Alert,
        fact: &Fact,
        causes: Vec<EntryId>,
    ) -> std::result::Result<(), Error> {
        let entry = self.entry(Subject::Alert(alert.id), fact, causes);
        alert.last_entry = entry.id;
        store::journal::append(tx, &entry)
    }

    fn entry(&self, subject: Subject, fact: &Fact, causes: Vec<EntryId>) -> Entry {
        Entry {
            id: self.ids.entry(self.now),
            at: self.now,
            subject,
            kind: Kind::Signal,
            actor: self.sender.clone(),
            causes,
            body: fact.to_body(),
        }
    }
}

/// Returns the newest entry about each change, so that `why` finds the way from an alert to what was shipped.
fn causes(tx: &mut Tx<'_>, changes: &[ChangeId]) -> std::result::Result<Vec<EntryId>, Error> {
    let mut causes = vec![];
    for change in changes {
        let stored = store::rollout::get(tx, *change)?;
        causes.extend(stored.and_then(|stored| stored.rollout.last_entry));
    }
    Ok(causes)
}
