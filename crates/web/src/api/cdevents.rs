//! `POST /api/v1/deliver/cdevents`: other tools tell what they did.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use model::api::Problem;
use model::api::delivery::{CdeventEnd, CdeventReceipt, CdeventReceipts};
use model::deliver::{DeliveryOutcome, Origin};
use model::{Fact, Kind, Subject, limit};
use wire::cdevents::{self, BadEvent, CloudEvent, Look, Malformed, Received, Said};

use super::Raw;
use super::deliveries::{self, Incoming};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result};

/// Keeps each event with its journal entry, all in one transaction; one that is refused harms no other.
/// Answers 202, or 200 when all of them had been delivered before.
pub(crate) async fn receive(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<(StatusCode, Json<CdeventReceipts>)> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let received = cdevents::receive(&header, &body).map_err(malformed)?;
    let read = |event: CloudEvent| Item::read(event, &caller.name);
    let items: Vec<Item> = match received {
        Received::One(event) => vec![read(event)],
        Received::Batch(events) => events
            .into_iter()
            .map(|event| event.map_or_else(|why| Item::unreadable(&why), read))
            .collect(),
    };
    if let Some(why) = refusal_of_all(&items) {
        return Err(why);
    }
    let receipts = keep(&app, items).await?;
    app.wakes.journal.nudge();
    let is_new = |item: &CdeventReceipt| matches!(&item.end, CdeventEnd::Taken(r) if !r.repeat);
    let any_new = receipts.items.iter().any(is_new);
    Ok((deliveries::status(any_new), Json(receipts)))
}

async fn keep(app: &App, items: Vec<Item>) -> Result<CdeventReceipts> {
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let write = app.store.write(move |tx| {
        let kept = items.into_iter().map(|item| {
            let end = match item.read {
                Ok(incoming) => CdeventEnd::Taken(deliveries::keep(tx, *incoming, now, &ids)?),
                Err(refused) => CdeventEnd::Refused { refused },
            };
            let (source, id) = (item.source, item.id);
            Ok(CdeventReceipt { source, id, end })
        });
        let items = kept.collect::<std::result::Result<_, store::Error>>()?;
        Ok::<_, store::Error>(CdeventReceipts { items })
    });
    Ok(write.await?)
}

/// Is one event of a request, with what became of it so far.
struct Item {
    source: Option<String>,
    id: Option<String>,
    /// Or why it is refused.
    read: std::result::Result<Box<Incoming>, String>,
}

impl Item {
    fn read(event: CloudEvent, caller: &str) -> Self {
        let (source, id) = (event.source.clone(), event.id.clone());
        let read = cdevents::look(&event).map(|look| Box::new(incoming(event, look, caller)));
        Self {
            source: Some(source),
            id: Some(id),
            read: read.map_err(|why: BadEvent| why.to_string()),
        }
    }

    fn unreadable(why: &Malformed) -> Self {
        Self {
            source: None,
            id: None,
            read: Err(why.to_string()),
        }
    }
}

fn incoming(event: CloudEvent, look: Look, caller: &str) -> Incoming {
    let (mut environment, mut artifact) = (None, None);
    let outcome = match look.said {
        Said::Service {
            environment: place,
            artifact: what,
        } => {
            (environment, artifact) = (place, what);
            DeliveryOutcome::Deployment
        }
        Said::Artifact => {
            artifact.clone_from(&look.about);
            DeliveryOutcome::Artifact
        }
        Said::Other => DeliveryOutcome::Recorded,
        Said::NotUnderstood => DeliveryOutcome::NotUnderstood,
    };
    let service = look.about.as_ref().and_then(|id| id.parse().ok());
    let (subject, kind) = match (outcome, service) {
        (DeliveryOutcome::Deployment, Some(service)) => (Subject::Service(service), Kind::Change),
        (DeliveryOutcome::Deployment, None) => (Subject::Tool(event.source.clone()), Kind::Change),
        _ => (Subject::Tool(event.source.clone()), Kind::Signal),
    };
    Incoming {
        origin: Origin::Cdevents,
        sender: event.source.clone(),
        key: event.id.clone(),
        memory: limit::CDEVENT_MEMORY,
        outcome,
        body: event.data,
        subject,
        kind,
        actor: caller.to_owned(),
        fact: Fact::CdeventReceived {
            source: event.source,
            id: event.id,
            event_type: event.event_type,
            about: look.about,
            environment,
            artifact,
            outcome,
        },
    }
}

/// Refuses a request of which nothing would be kept.
fn refusal_of_all(items: &[Item]) -> Option<Failure> {
    let first = items.first()?.read.as_ref().err()?;
    if items.iter().any(|item| item.read.is_ok()) {
        return None;
    }
    let title = match items.len() {
        1 => first.clone(),
        n => format!("none of {n} events was taken; the first because {first}"),
    };
    let problem = Problem::new(422, "bad_event", title).at("body");
    Some(problem.hint(FORM).into())
}

const FORM: &str = "send CDEvents 0.4 or 0.5 as CloudEvents 1.0: binary, structured or a batch";

fn malformed(error: Malformed) -> Failure {
    let (status, code) = match error {
        Malformed::TooMany(_) => (413, "too_large"),
        _ => (400, "not_a_cloud_event"),
    };
    let problem = Problem::new(status, code, error.to_string());
    problem.at("body").hint(FORM).into()
}
