//! Tells the owner when a change needs a person: it was held, or an undo somebody ordered got stuck.
//!
//! Reads the sealed journal from where it stopped and moves on behind an entry in the transaction that
//! queues the messages about it, so each entry is dealt with once.

use std::time::Duration;

use act::message::Event;
use act::procedure::{ActionKey, Step};
use model::act::{Do, Urgency};
use model::deliver::{HeldReason, Owner, Rollout};
use model::judge::VerdictState;
use model::{ChangeId, Entry, EntryId, Fact, Subject, Timestamp, limit};
use runtime::{Loop, Turn};
use store::{Error, Tx};

use super::tell;
use crate::Context;
use crate::context::Mandate;

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
        let read = |tx: &mut Tx<'_>| {
            let after = store::journal::cursor(tx, NAME)?;
            store::journal::since_each(tx, after, limit::LIST_ITEMS)
        };
        let entries = self.0.store.read(read).await?;
        let Some((last, _)) = entries.last() else {
            return Ok(Turn::Idle);
        };
        let (last, is_full) = (*last, entries.len() == limit::LIST_ITEMS);
        for (seq, entry) in entries {
            let read = entry.and_then(|entry| Notice::of(seq, entry));
            let told = match read {
                Ok(None) => continue,
                Ok(Some(notice)) => self.tell(notice, mandate, now).await,
                Err(error) => Err(error),
            };
            pass_over(seq, told)?;
        }
        let done = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            move_on(tx, last).map(drop)
        };
        self.0.store.write(done).await?;
        Ok(if is_full { Turn::Again } else { Turn::Idle })
    }
}

impl Notices {
    /// Queues the messages about one entry and moves on behind it, both or neither.
    async fn tell(&self, notice: Notice, mandate: Mandate, now: Timestamp) -> Result<(), Error> {
        let context = self.0.clone();
        let tell = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            if !move_on(tx, notice.seq)? {
                return Ok(());
            }
            let (entry, fact) = (notice.entry, &notice.fact);
            let Some(change) = notice.change else {
                return tell_of_fleet(tx, &context, entry, fact, now);
            };
            let Some(stored) = store::rollout::get(tx, change)? else {
                return Ok(());
            };
            tell_of(tx, &context, entry, fact, &stored.rollout, now)
        };
        self.0.store.write(tell).await?;
        self.0.wakes.outbox.nudge();
        Ok(())
    }
}

/// Is an entry somebody may have to be told of.
struct Notice {
    seq: u64,
    entry: EntryId,
    /// None: it is about the server.
    change: Option<ChangeId>,
    fact: Fact,
}

impl Notice {
    fn of(seq: u64, entry: Entry) -> Result<Option<Self>, Error> {
        let change = match entry.subject {
            Subject::Change(change) => Some(change),
            Subject::Server => None,
            Subject::Alert(_)
            | Subject::Incident(_)
            | Subject::Host(_)
            | Subject::Service(_)
            | Subject::Token(_)
            | Subject::Repository(_)
            | Subject::Tool(_) => return Ok(None),
        };
        let fact = Fact::from_body(&entry.body).map_err(|why| Error::Unreadable {
            table: "journal_entry",
            why,
        })?;
        let is_news = matches!(
            fact,
            Fact::RolloutHeld { .. } | Fact::RolloutStuck { .. } | Fact::BehindFleet { .. }
        );
        Ok(is_news.then_some(Self {
            seq,
            entry: entry.id,
            change,
            fact,
        }))
    }
}

/// Moves behind an entry; false when another turn did so before, and told of it.
fn move_on(tx: &mut Tx<'_>, seq: u64) -> Result<bool, Error> {
    if store::journal::cursor(tx, NAME)? >= seq {
        return Ok(false);
    }
    store::journal::set_cursor(tx, NAME, seq)?;
    Ok(true)
}

/// Passes over an entry nobody can be told of because it, or what it is about, cannot be read: it will not be
/// better at the next turn, and those behind it wait. Any other failure ends the turn in front of it.
fn pass_over(seq: u64, told: Result<(), Error>) -> Result<(), Error> {
    match told {
        Ok(()) => Ok(()),
        Err(error @ Error::Unreadable { .. }) => {
            tracing::error!(journal.seq = seq, error = %error, "journal entry {seq} is passed over and nobody is told of it: {error}");
            Ok(())
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

/// Tells every owner whose service may not be shipped any more, each once.
fn tell_of_fleet(
    tx: &mut Tx<'_>,
    context: &Context,
    entry: EntryId,
    fact: &Fact,
    now: Timestamp,
) -> Result<(), Error> {
    let Fact::BehindFleet { host, .. } = fact else {
        return Ok(());
    };
    let event = Event::BehindFleet { host };
    let mut told: Vec<Owner> = Vec::new();
    for (service, environment) in store::rollout::places(tx)? {
        let Some(newest) = store::rollout::newest_standing(tx, &service, &environment)? else {
            continue;
        };
        let owner = owner_of(tx, &newest.rollout)?;
        if told.contains(&owner) {
            continue;
        }
        let news = (&event, event.urgency());
        let who = (&owner, &[][..]);
        tell::owner(tx, context, &newest.rollout, who, news, entry, now)?;
        told.push(owner);
    }
    Ok(())
}

fn owner_of(tx: &mut Tx<'_>, rollout: &Rollout) -> Result<Owner, Error> {
    let release = store::release::get(tx, &rollout.service, rollout.release.number)?;
    Ok(release
        .map(|release| release.definition.owner)
        .unwrap_or_default())
}

fn tell_of(
    tx: &mut Tx<'_>,
    context: &Context,
    entry: EntryId,
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
                // The undo that was refused is told, see below.
                HeldReason::NoWayBack { .. } => return Ok(()),
                // It was foreseen, and ends by itself.
                HeldReason::Frozen { .. } => return Ok(()),
                // The procedure that would undo a release tells of it.
                HeldReason::Verdict { state, .. }
                    if rollout.is_redeploy()
                        && *state == VerdictState::Fail.to_string()
                        && is_told_by_procedure(tx, rollout)? =>
                {
                    return Ok(());
                }
                HeldReason::WaitingFor { .. } => Urgency::Low,
                HeldReason::Blocked { .. }
                | HeldReason::Incompatible { .. }
                | HeldReason::Verdict { .. } => Urgency::High,
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
        Fact::UndoRefused { .. } if is_told_by_procedure(tx, rollout)? => return Ok(()),
        Fact::UndoRefused { why } => (Event::NoWayBack { why }, Urgency::High),
        Fact::RolloutStuck { .. } if is_told_by_procedure(tx, rollout)? => return Ok(()),
        Fact::RolloutStuck { hosts } => (Event::Stuck { hosts }, Urgency::High),
        _ => return Ok(()),
    };
    let owner = owner_of(tx, rollout)?;
    let (who, what) = ((&owner, &[][..]), (&event, urgency));
    tell::owner(tx, context, rollout, who, what, entry, now).map(drop)
}
