//! Sends what is queued: claim, send outside the transaction, settle. The urgent goes first, no receiver gets
//! more than its share at once, and none that is slow holds up the others.
//!
//! A process that dies between sending and settling leaves a leased row; when its lease ends it is sent
//! again, marked as a possible repeat. Nothing is lost, and at most what was in flight comes twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use act::outbox::{Next, next_attempt};
use model::act::{OutboxRow, OutboxState};
use model::{Fact, Kind, PageId, Timestamp, limit};
use runtime::{Loop, Turn};
use store::outbox::Room;
use store::{Error, Tx};
use tokio::task::{JoinError, JoinSet};

use crate::Context;
use crate::attempts::Attempts;
use crate::context::Mandate;
use crate::senders::{SendError, Senders};

const NAME: &str = "act.outbox";
/// Longer than the slowest attempt takes with all its time-outs.
const LEASE: Duration = Duration::from_secs(60);
/// A turn waits this long for what it sends. What takes longer goes on by itself, and the next turn sends
/// what is due to others.
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Outbox {
    context: Context,
    senders: Senders,
    under_way: JoinSet<Sent>,
    /// Messages under way through each receiver.
    via: BTreeMap<String, usize>,
    /// No turn waits for what is under way.
    is_left: Arc<AtomicBool>,
}

/// Is what became of a message: through whom, which, and whether that could be kept.
type Sent = (String, PageId, Result<(), Error>);

impl Outbox {
    pub fn new(context: Context, senders: Senders) -> Self {
        Self {
            context,
            senders,
            under_way: JoinSet::new(),
            via: BTreeMap::new(),
            is_left: Arc::default(),
        }
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
        self.is_left.store(false, Ordering::Relaxed);
        let mut attempts = Attempts::default();
        while let Some(sent) = self.under_way.try_join_next() {
            self.end_one(sent, &mut attempts);
        }
        let Some(mandate) = self.context.mandate(NAME, now).await? else {
            return Ok(Turn::Idle);
        };
        let is_full = self.begin(mandate, now, &mut attempts).await?;
        self.wait(&mut attempts).await;
        attempts.end()?;
        if is_full && self.under_way.len() < limit::SENDS_IN_FLIGHT {
            return Ok(Turn::Again);
        }
        // What is due already waits for a receiver that has enough under way, which nudges when it ends.
        let due = self.context.store.read(store::outbox::next_due).await?;
        let due = due.filter(|at| *at > now);
        Ok(due.map_or(Turn::Idle, Turn::Until))
    }

    async fn finish(&mut self) {
        while self.under_way.join_next().await.is_some() {}
    }
}

impl Outbox {
    /// Begins to send what is due and there is room for; true when there may be more.
    async fn begin(
        &mut self,
        mandate: Mandate,
        now: Timestamp,
        attempts: &mut Attempts,
    ) -> Result<bool, Error> {
        let room = Room {
            in_all: limit::SENDS_IN_FLIGHT.saturating_sub(self.under_way.len()),
            via_each: limit::SENDS_VIA_ONE,
            under_way: self.via.clone(),
        };
        if room.in_all == 0 {
            return Ok(false);
        }
        let claim = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            store::outbox::claim(tx, now, LEASE, mandate.fence, &room)
        };
        let rows = self.context.store.write(claim).await?;
        let any = !rows.is_empty();
        for (id, read) in rows {
            if let Some(row) = attempts.keep(format!("message {id}"), read) {
                self.spawn(row);
            }
        }
        Ok(any)
    }

    fn spawn(&mut self, row: OutboxRow) {
        let via = row.destination.via().to_owned();
        *self.via.entry(via.clone()).or_default() += 1;
        let (context, senders) = (self.context.clone(), self.senders.clone());
        let is_left = Arc::clone(&self.is_left);
        self.under_way.spawn(async move {
            let id = row.id;
            let sent = send(&context, &senders, row).await;
            if is_left.load(Ordering::Relaxed) {
                context.wakes.outbox.nudge();
            }
            (via, id, sent)
        });
    }

    /// Waits until all is sent, or a receiver turns out to be slow.
    async fn wait(&mut self, attempts: &mut Attempts) {
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        while !self.under_way.is_empty() {
            let sent = if self.senders.are_immediate() {
                self.under_way.join_next().await
            } else {
                tokio::select! {
                    sent = self.under_way.join_next() => sent,
                    () = &mut patience => {
                        self.is_left.store(true, Ordering::Relaxed);
                        return;
                    }
                }
            };
            if let Some(sent) = sent {
                self.end_one(sent, attempts);
            }
        }
    }

    fn end_one(&mut self, sent: Result<Sent, JoinError>, attempts: &mut Attempts) {
        match attempts.keep("a send that broke", sent) {
            Some((via, id, sent)) => {
                if let Some(count) = self.via.get_mut(&via) {
                    *count -= 1;
                }
                self.via.retain(|_, count| *count > 0);
                attempts.keep(format!("message {id}"), sent);
            }
            // Which one it was is not known; nothing is counted wrong for longer than this.
            None => self.via.clear(),
        }
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
    store::outbox::forget(tx, now - limit::MESSAGE_MEMORY, limit::FORGOTTEN_AT_ONCE)?;
    let (Some(fact), Some(subject)) = (fact, row.message.subject()) else {
        return Ok(());
    };
    let entry = context.entry_about(
        now,
        subject,
        (Kind::Outcome, &fact),
        "sleepwell",
        vec![row.cause],
    );
    store::journal::append(tx, &entry)
}
