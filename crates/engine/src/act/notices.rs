//! Tells the owner when a change needs a person: it was held, or an undo somebody ordered got stuck.
//!
//! Reads the sealed journal from where it stopped and moves on in the transaction that queues the
//! messages, so each entry is dealt with once.

use std::time::Duration;

use act::message::Event;
use act::procedure::{ActionKey, Step};
use model::act::{Do, Urgency};
use model::deliver::{HeldReason, Rollout};
use model::{Entry, Fact, Subject, Timestamp, limit};
use runtime::{Loop, Turn};
use store::{Error, Tx};

use super::tell;
use crate::Context;

const NAME: &str = "act.notices";

#[derive(Debug)]
pub struct Notices(Context);

impl Notices {
    pub fn new(context: Context) -> Self {
        Self(context)
    }
}

impl Loop for Notices {
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
        let context = self.0.clone();
        let read = self
            .0
            .store
            .write(move |tx| {
                mandate.check(tx)?;
                read_on(tx, &context, now)
            })
            .await?;
        if read > 0 {
            self.0.wakes.outbox.nudge();
        }
        Ok(if read == limit::LIST_ITEMS {
            Turn::Again
        } else {
            Turn::Idle
        })
    }
}

fn read_on(tx: &mut Tx<'_>, context: &Context, now: Timestamp) -> Result<usize, Error> {
    let after = store::journal::cursor(tx, NAME)?;
    let entries = store::journal::since(tx, after, limit::LIST_ITEMS)?;
    for (_, entry) in &entries {
        if let Subject::Change(change) = entry.subject
            && let Ok(fact) = Fact::from_body(&entry.body)
            && let Some(stored) = store::rollout::get(tx, change)?
        {
            tell_of(tx, context, entry, &fact, &stored.rollout, now)?;
        }
    }
    if let Some((last, _)) = entries.last() {
        store::journal::set_cursor(tx, NAME, *last)?;
    }
    Ok(entries.len())
}

/// Tells whether a procedure ordered the undo that also says itself whom it tells when that gets stuck.
fn is_told_by_procedure(tx: &mut Tx<'_>, rollout: &Rollout) -> Result<bool, Error> {
    let Some(release) = store::release::get(tx, &rollout.service, rollout.release.number)? else {
        return Ok(false);
    };
    let keys = store::action::keys(tx, rollout.change)?;
    let taken: Vec<ActionKey> = keys.iter().filter_map(|key| key.parse().ok()).collect();
    Ok(release.definition.procedures.iter().any(|procedure| {
        let ordered = taken.iter().any(|key| {
            matches!(key.step, Step::Action(i) if procedure.actions.get(i) == Some(&Do::Undo))
                && key.procedure == procedure.name
        });
        let tells = |what: &Do| matches!(what, Do::NotifyOwner | Do::PageOwner);
        ordered && (procedure.otherwise.is_some() || procedure.actions.iter().any(tells))
    }))
}

fn tell_of(
    tx: &mut Tx<'_>,
    context: &Context,
    entry: &Entry,
    fact: &Fact,
    rollout: &Rollout,
    now: Timestamp,
) -> Result<(), Error> {
    let held;
    let (event, urgency) = match fact {
        Fact::RolloutHeld { reason } => {
            let urgency = match reason {
                // Whoever holds a change knows it.
                HeldReason::Person { .. } => return Ok(()),
                HeldReason::WaitingFor { .. } => Urgency::Low,
                HeldReason::Blocked { .. } | HeldReason::Verdict { .. } => Urgency::High,
            };
            held = learn::sentence::held(reason);
            (
                Event::Held {
                    reason,
                    because: &held,
                },
                urgency,
            )
        }
        Fact::RolloutStuck { .. } if is_told_by_procedure(tx, rollout)? => return Ok(()),
        Fact::RolloutStuck { hosts } => (Event::Stuck { hosts }, Urgency::High),
        _ => return Ok(()),
    };
    let release = store::release::get(tx, &rollout.service, rollout.release.number)?;
    let owner = release
        .map(|release| release.definition.owner)
        .unwrap_or_default();
    tell::owner(
        tx,
        context,
        rollout,
        &owner,
        (&event, urgency),
        entry.id,
        now,
    )
    .map(drop)
}
