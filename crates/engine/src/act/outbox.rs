//! Sends what is queued: claim, send outside the transaction, settle.
//!
//! A process that dies between sending and settling leaves a leased row; when its lease ends it is sent
//! again, marked as a possible repeat. Nothing is lost, and at most what was in flight comes twice.

use std::time::Duration;

use act::outbox::{Next, next_attempt};
use model::act::{OutboxRow, OutboxState};
use model::{Fact, Kind, Timestamp, limit};
use runtime::{Loop, Turn};
use store::{Error, Tx};
use tokio::task::JoinSet;

use crate::Context;
use crate::attempts::Attempts;
use crate::senders::{SendError, Senders};

const NAME: &str = "act.outbox";
/// Longer than the slowest attempt takes with all its time-outs.
const LEASE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Outbox {
    context: Context,
    senders: Senders,
}

impl Outbox {
    pub fn new(context: Context, senders: Senders) -> Self {
        Self { context, senders }
    }
}

impl Loop for Outbox {
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
        let claim = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            store::outbox::claim(tx, now, LEASE, mandate.fence, limit::SENDS_IN_FLIGHT)
        };
        let rows = self.context.store.write(claim).await?;
        let full = rows.len() == limit::SENDS_IN_FLIGHT;
        let (mut sends, mut attempts) = (JoinSet::new(), Attempts::default());
        for (id, read) in rows {
            let Some(row) = attempts.keep(format!("message {id}"), read) else {
                continue;
            };
            let (context, senders) = (self.context.clone(), self.senders.clone());
            sends.spawn(async move { (row.id, send(&context, &senders, row).await) });
        }
        // All are waited for: one that cannot be settled must not abort the others, which would be sent again.
        while let Some(sent) = sends.join_next().await {
            if let Some((id, sent)) = attempts.keep("a send that broke", sent) {
                attempts.keep(format!("message {id}"), sent);
            }
        }
        attempts.end()?;
        if full {
            return Ok(Turn::Again);
        }
        let due = self.context.store.read(store::outbox::next_due).await?;
        Ok(due.map_or(Turn::Idle, Turn::Until))
    }
}

async fn send(context: &Context, senders: &Senders, row: OutboxRow) -> Result<(), Error> {
    let result = senders.send(&row).await;
    let now = context.clock.now();
    let jitter = context.random.unit();
    let (context, wakes) = (context.clone(), context.wakes.clone());
    let settled = context.store.clone();
    let settle = settled
        .write(move |tx| settle(tx, &context, row, result, now, jitter))
        .await;
    wakes.journal.nudge();
    match settle {
        // Another server claimed it meanwhile; its attempt counts.
        Err(Error::Conflict { .. }) => Ok(()),
        other => other,
    }
}

fn settle(
    tx: &mut Tx<'_>,
    context: &Context,
    mut row: OutboxRow,
    result: Result<(), SendError>,
    now: Timestamp,
    jitter: f64,
) -> Result<(), Error> {
    let to = row.destination.to_string();
    let fact = match result {
        Ok(()) => {
            row.state = OutboxState::Accepted { at: now };
            Some(Fact::MessageAccepted {
                page: row.id,
                to,
                attempt: row.attempt,
            })
        }
        Err(error) => match next_attempt(row.attempt, &error.failure, now, jitter) {
            Next::RetryAt(at) => {
                tracing::warn!(page.id = %row.id, error = %error, "{to} did not take message {}: {error}; tried again at {at}", row.id);
                row.state = OutboxState::Queued;
                row.due_at = at;
                None
            }
            Next::GiveUp => {
                let why = error.to_string();
                row.state = OutboxState::Failed {
                    at: now,
                    why: why.clone(),
                };
                Some(Fact::MessageFailed {
                    page: row.id,
                    to,
                    attempts: row.attempt,
                    why,
                })
            }
        },
    };
    store::outbox::settle(tx, &row)?;
    let (Some(fact), Some(change)) = (fact, row.message.change) else {
        return Ok(());
    };
    let entry = context.entry(
        now,
        change,
        (Kind::Outcome, &fact),
        "sleepwell",
        vec![row.cause],
    );
    store::journal::append(tx, &entry)
}
