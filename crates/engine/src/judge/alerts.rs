//! Ends alerts that nobody sent again in time.

use std::time::Duration;

use model::judge::{Alert, Resolution};
use model::{AlertId, Fact, Kind, Subject, Timestamp, limit};
use runtime::{Loop, Turn};
use store::set_aside::Damaged;
use store::{Error, Tx};
use tokio::task::JoinSet;

use crate::Context;
use crate::attempts::Attempts;
use crate::context::Mandate;

const NAME: &str = "judge.alerts";

#[derive(Debug)]
pub struct Alerts(Context);

impl Alerts {
    pub fn new(context: Context) -> Self {
        Self(context)
    }
}

impl Loop for Alerts {
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
        let read = move |tx: &mut Tx<'_>| store::alert::lapsed(tx, now, limit::ALERTS_PER_TURN);
        let lapsed = self.0.store.read(read).await?;
        let is_full = lapsed.len() == limit::ALERTS_PER_TURN;
        let mut attempts = Attempts::default();
        // Together, so that they share the store's commits.
        let mut writes = JoinSet::new();
        for (id, read) in lapsed {
            if let Err(why) = &read {
                let row = Damaged::Alert(id);
                self.0.set_aside(mandate, row, why, now).await?;
            }
            if attempts.keep(id, read).is_some() {
                let context = self.0.clone();
                writes.spawn(async move { (id, end(context, id, mandate, now).await) });
            }
        }
        while let Some(written) = writes.join_next().await {
            if let Some((id, written)) = attempts.keep("a write that broke", written)
                && attempts.keep(id, written).is_some()
            {
                self.0.wakes.journal.nudge();
                self.0.wakes.alerts.nudge();
            }
        }
        attempts.end()?;
        if is_full {
            return Ok(Turn::Again);
        }
        let next = self.0.store.read(store::alert::next_end).await?;
        Ok(next.map_or(Turn::Idle, Turn::Until))
    }
}

async fn end(context: Context, id: AlertId, mandate: Mandate, now: Timestamp) -> Result<(), Error> {
    let store = context.store.clone();
    let end = move |tx: &mut Tx<'_>| {
        mandate.check(tx)?;
        // It may have been sent again since it was read.
        let alert = store::alert::get(tx, id)?;
        match alert.and_then(|alert| judge::alert::lapse(&alert, now)) {
            Some(alert) => resolve(tx, &context, alert, now),
            None => Ok(()),
        }
    };
    store.write(end).await
}

fn resolve(
    tx: &mut Tx<'_>,
    context: &Context,
    mut alert: Alert,
    now: Timestamp,
) -> Result<(), Error> {
    let fact = Fact::AlertResolved {
        alert: alert.id,
        name: alert.name().to_owned(),
        how: Resolution::Lapsed,
    };
    let subject = Subject::Alert(alert.id);
    let entry = context.entry_about(
        now,
        subject,
        (Kind::Signal, &fact),
        "sleepwell",
        vec![alert.last_entry],
    );
    alert.last_entry = entry.id;
    store::journal::append(tx, &entry)?;
    store::alert::save(tx, &alert, true)
}
