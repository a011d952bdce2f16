//! Tells other tools what happened here: a CDEvent for each journal entry that is one of theirs.
//!
//! Reads the sealed journal from where it stopped and moves on behind what it read in the transaction
//! that queues the events, so each entry is told once. A sink that was set today is not told of yesterday.

use std::time::Duration;

use model::act::{Destination, Message, OutboxRow, OutboxState, Urgency};
use model::deliver::Rollout;
use model::{Entry, Subject, Timestamp, limit};
use runtime::{Loop, Turn};
use store::{Error, Tx};
use wire::cdevents::Event;
use wire::cdevents::binding::structured_json;
use wire::cdevents::tell::tell;

use crate::Context;

const NAME: &str = "act.cdevents";

/// Is where the events go.
#[derive(Clone, Debug)]
pub struct CdeventSink {
    /// Gets each event by POST, in the structured form of CloudEvents.
    pub url: String,
    /// Names this server to others: `/sleepwell/prod`.
    pub source: String,
}

#[derive(Debug)]
pub struct Cdevents {
    context: Context,
    sink: CdeventSink,
}

impl Cdevents {
    pub fn new(context: Context, sink: CdeventSink) -> Self {
        Self { context, sink }
    }
}

impl Loop for Cdevents {
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
        let (context, sink) = (self.context.clone(), self.sink.clone());
        let queue = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            queue(tx, &context, &sink, now)
        };
        let Queued { events, is_full } = self.context.store.write(queue).await?;
        if events > 0 {
            self.context.wakes.outbox.nudge();
        }
        Ok(if is_full { Turn::Again } else { Turn::Idle })
    }
}

struct Queued {
    events: usize,
    /// Whether there may be more entries to read.
    is_full: bool,
}

fn queue(
    tx: &mut Tx<'_>,
    context: &Context,
    sink: &CdeventSink,
    now: Timestamp,
) -> Result<Queued, Error> {
    let after = match store::journal::cursor(tx, NAME)? {
        0 => {
            let (head, _) = store::journal::sealed_head(tx)?;
            store::journal::set_cursor(tx, NAME, head)?;
            head
        }
        seq => seq,
    };
    let entries = store::journal::since_each(tx, after, limit::LIST_ITEMS)?;
    let is_full = entries.len() == limit::LIST_ITEMS;
    let mut events = 0;
    for (seq, entry) in entries {
        match entry.and_then(|entry| told(tx, &entry, &sink.source)) {
            Ok(Some((entry, event))) => {
                store::outbox::enqueue(tx, &row(context, sink, &entry, &event, now))?;
                events += 1;
            }
            Ok(None) => {}
            // It will not be better at the next turn, and those behind it wait.
            Err(error @ Error::Unreadable { .. }) => {
                tracing::error!(journal.seq = seq, error = %error, "journal entry {seq} is passed over and no tool is told of it: {error}");
            }
            Err(error) => return Err(error),
        }
        store::journal::set_cursor(tx, NAME, seq)?;
    }
    Ok(Queued { events, is_full })
}

fn told(tx: &mut Tx<'_>, entry: &Entry, source: &str) -> Result<Option<(Entry, Event)>, Error> {
    let rollout = match &entry.subject {
        Subject::Change(change) => store::rollout::get(tx, *change)?,
        Subject::Alert(_)
        | Subject::Incident(_)
        | Subject::Host(_)
        | Subject::Service(_)
        | Subject::Token(_)
        | Subject::Repository(_)
        | Subject::Tool(_)
        | Subject::Server => None,
    };
    let rollout: Option<&Rollout> = rollout.as_ref().map(|stored| &stored.rollout);
    let event = tell(entry, rollout, source);
    Ok(event.map(|event| (entry.clone(), event)))
}

/// The message names no change: that a tool took an event is no part of the change's story.
fn row(
    context: &Context,
    sink: &CdeventSink,
    entry: &Entry,
    event: &Event,
    now: Timestamp,
) -> OutboxRow {
    OutboxRow {
        id: context.ids.page(now),
        destination: Destination::Cdevents(sink.url.clone()),
        message: Message {
            urgency: Urgency::Low,
            title: event.context.event_type.clone(),
            text: vec![],
            change: None,
            incident: None,
            data: structured_json(event),
        },
        state: OutboxState::Queued,
        attempt: 0,
        due_at: now,
        created_at: now,
        cause: entry.id,
    }
}
