//! The sealer: gives journal entries their number and chain hash, in batches.

use std::time::Duration;

use model::Timestamp;
use runtime::{Loop, Turn};

use crate::Context;

/// Entries sealed in one transaction.
const BATCH: usize = 2_000;

#[derive(Debug)]
pub struct Sealer(Context);

impl Sealer {
    pub fn new(context: Context) -> Self {
        Self(context)
    }
}

impl Loop for Sealer {
    fn name(&self) -> &'static str {
        "journal.sealer"
    }

    fn period(&self) -> Duration {
        Duration::from_millis(500)
    }

    async fn turn(&mut self, now: Timestamp) -> anyhow::Result<Turn> {
        let Some(mandate) = self.0.mandate("journal.sealer", now).await? else {
            return Ok(Turn::Idle);
        };
        let seal = move |tx: &mut store::Tx<'_>| {
            mandate.check(tx)?;
            store::journal::seal(tx, BATCH)
        };
        let sealed = self.0.store.write(seal).await?;
        if sealed > 0 {
            self.0.wakes.sealed.nudge();
        }
        Ok(if sealed == BATCH {
            Turn::Again
        } else {
            Turn::Idle
        })
    }
}
