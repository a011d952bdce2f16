//! Runs the procedures a verdict calls for: one step after the other, each once.
//!
//! A step's effect (an order to the rollout, a queued message) is written in the transaction that
//! records the step, so there is no gap between the two. A step that undoes is over when the undo is;
//! what stands behind it waits for that, so that people are told how it ended.

use std::collections::BTreeSet;
use std::time::Duration;

use act::message::{Answer, Event, recipients};
use act::procedure::{ActionKey, Due, due, otherwise};
use deliver::rollout::{WayBack, accept_order};
use model::act::{Destination, Do, Procedure, Urgency};
use model::deliver::{Command, Definition, Order, Owner, Rollout, RolloutState};
use model::judge::Verdict;
use model::{ActionId, EntryId, Fact, HostName, Kind, Timestamp, limit};
use runtime::{Loop, Turn};
use store::rollout::Versioned;
use store::set_aside::Damaged;
use store::{Error, Tx};

use super::tell;
use crate::Context;
use crate::attempts::Attempts;
use crate::context::Mandate;
use crate::deliver::{Because, hold_others, undo_others, way_back};

const NAME: &str = "act.procedures";

#[derive(Debug)]
pub struct Procedures(Context);

impl Procedures {
    pub fn new(context: Context) -> Self {
        Self(context)
    }
}

impl Loop for Procedures {
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
        let read = |tx: &mut Tx<'_>| store::judgement::unhandled(tx, limit::LIST_ITEMS);
        let mut attempts = Attempts::default();
        for (id, read) in self.0.store.read(read).await? {
            if let Err(why) = &read {
                let row = Damaged::Verdict(id);
                self.0.set_aside(mandate, row, why, now).await?;
            }
            // One verdict that cannot be acted on must not stop what follows from the others.
            let Some((verdict, entry)) = attempts.keep(format!("verdict {id}"), read) else {
                continue;
            };
            let context = self.0.clone();
            let acted = self
                .0
                .store
                .write(move |tx| act_on(tx, &context, mandate, &verdict, entry, now))
                .await;
            if attempts.keep(format!("verdict {id}"), acted) == Some(true) {
                self.0.wakes.journal.nudge();
                self.0.wakes.rollouts.nudge();
                self.0.wakes.outbox.nudge();
            }
        }
        attempts.end()?;
        Ok(Turn::Idle)
    }
}

/// Is one verdict being acted on, in one transaction.
struct Run<'a> {
    context: &'a Context,
    verdict: &'a Verdict,
    /// The verdict's journal entry.
    entry: EntryId,
    rollout: Rollout,
    definition: Definition,
    now: Timestamp,
}

/// Is what became of an undo that was ordered.
enum Undo {
    Under,
    Over,
    /// It did not reach these hosts; `action` is the step that ordered it.
    Stuck {
        action: usize,
        hosts: Vec<HostName>,
    },
    /// It did not begin, because there is no way back.
    Refused {
        action: usize,
        why: String,
    },
}

impl Undo {
    /// Tells whether the steps behind it wait for its end. One that is stuck still ends some day; whoever
    /// was woken by the way out is told then, and not the same twice now. Without a way out those steps
    /// are all there is, and they are not kept back.
    fn is_awaited(&self, procedure: &Procedure) -> bool {
        match self {
            Undo::Under => true,
            Undo::Stuck { .. } => procedure.otherwise.is_some(),
            // It has no end: whoever the way out wakes is all who will be told.
            Undo::Over | Undo::Refused { .. } => false,
        }
    }

    /// Tells whether the steps behind it stand for nothing, since the way out was taken in their place.
    fn ends_procedure(&self, procedure: &Procedure) -> bool {
        match self {
            Undo::Refused { .. } => procedure.otherwise.is_some(),
            Undo::Under | Undo::Stuck { .. } | Undo::Over => false,
        }
    }
}

/// Returns what became of an undo that no procedure orders: that of a redeploy. The planner holds it first, so
/// that whoever is told hears of that as well.
fn instead_of_undo(rollout: &Rollout, action: usize) -> Option<Undo> {
    if !rollout.is_redeploy() {
        return None;
    }
    match rollout.state {
        RolloutState::Planned | RolloutState::Ring { .. } => Some(Undo::Under),
        RolloutState::Held { .. } | RolloutState::Done { .. } => Some(Undo::Refused {
            action,
            why: deliver::redeploy::NO_UNDO.to_owned(),
        }),
        // A person undid it.
        RolloutState::Undoing { .. }
        | RolloutState::Undone { .. }
        | RolloutState::Stuck { .. }
        | RolloutState::Superseded { .. } => None,
    }
}

/// Is what became of a step.
enum Step {
    Done,
    /// It goes on; look again later.
    Under,
    Failed(String),
}

/// Takes the steps that can be taken now; true when something was done.
fn act_on(
    tx: &mut Tx<'_>,
    context: &Context,
    mandate: Mandate,
    verdict: &Verdict,
    entry: EntryId,
    now: Timestamp,
) -> Result<bool, Error> {
    mandate.check(tx)?;
    let Some(Versioned { rollout, .. }) = store::rollout::get(tx, verdict.change)? else {
        return store::judgement::mark_handled(tx, verdict.id);
    };
    let release = store::release::get(tx, &rollout.service, rollout.release.number)?;
    let Some(release) = release else {
        return store::judgement::mark_handled(tx, verdict.id);
    };
    let run = Run {
        context,
        verdict,
        entry,
        rollout,
        definition: release.definition,
        now,
    };
    let mut acted = false;
    let mut done = run.keys(tx)?;
    for procedure in &run.definition.procedures {
        acted |= run.follow(tx, procedure, &mut done)?;
        let undo = run.undo(tx, procedure, &done)?;
        if undo.is_some_and(|undo| undo.is_awaited(procedure)) {
            return Ok(acted);
        }
    }
    Ok(store::judgement::mark_handled(tx, verdict.id)? || acted)
}

impl Run<'_> {
    fn keys(&self, tx: &mut Tx<'_>) -> Result<BTreeSet<ActionKey>, Error> {
        let keys = store::action::keys(tx, self.verdict.change)?;
        Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
    }

    /// Takes a procedure's steps until one has to be waited for.
    fn follow(
        &self,
        tx: &mut Tx<'_>,
        procedure: &Procedure,
        done: &mut BTreeSet<ActionKey>,
    ) -> Result<bool, Error> {
        let undo = self.undo(tx, procedure, done)?;
        let mut acted = match &undo {
            Some(Undo::Stuck { action, hosts }) => {
                let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
                let why = format!("the undo did not reach {}", names.join(", "));
                self.give_way(tx, procedure, (*action, &why), done)?
            }
            Some(Undo::Refused { action, why }) => {
                self.give_way(tx, procedure, (*action, why), done)?
            }
            Some(Undo::Under | Undo::Over) | None => false,
        };
        if undo.is_some_and(|undo| undo.is_awaited(procedure) || undo.ends_procedure(procedure)) {
            return Ok(acted);
        }
        for due in due(std::slice::from_ref(procedure), self.verdict, done) {
            acted = true;
            let step = self.take(tx, &due, procedure)?;
            done.insert(due.key.clone());
            match step {
                Step::Done => {}
                Step::Under => break,
                Step::Failed(why) => self.fail(tx, procedure, &due, &why, done)?,
            }
        }
        Ok(acted)
    }

    /// Returns what became of the undo this procedure ordered.
    fn undo(
        &self,
        tx: &mut Tx<'_>,
        procedure: &Procedure,
        done: &BTreeSet<ActionKey>,
    ) -> Result<Option<Undo>, Error> {
        let mut steps = procedure.actions.iter().enumerate();
        let Some((action, _)) = steps.find(|(_, what)| **what == Do::Undo) else {
            return Ok(None);
        };
        if !done.contains(&self.key(procedure, act::procedure::Step::Action(action))) {
            return Ok(None);
        }
        let Some(Versioned { rollout, .. }) = store::rollout::get(tx, self.verdict.change)? else {
            return Ok(Some(Undo::Over));
        };
        if let Some(undo) = instead_of_undo(&rollout, action) {
            return Ok(Some(undo));
        }
        // What was shipped with it goes back with it; of a part that gets stuck its own entry tells.
        let parts = store::rollout::others(tx, &rollout)?;
        let is_under = parts.iter().any(|part| part.rollout.is_going_back());
        Ok(Some(match rollout.state {
            RolloutState::Planned
            | RolloutState::Ring { .. }
            | RolloutState::Held { .. }
            | RolloutState::Done { .. } => match rollout.no_way_back {
                Some(why) if rollout.order.is_none() => Undo::Refused { action, why },
                Some(_) | None => Undo::Under,
            },
            RolloutState::Undoing { .. } => Undo::Under,
            RolloutState::Stuck { hosts, .. } => Undo::Stuck { action, hosts },
            RolloutState::Undone { .. } | RolloutState::Superseded { .. } if is_under => {
                Undo::Under
            }
            RolloutState::Undone { .. } | RolloutState::Superseded { .. } => Undo::Over,
        }))
    }

    /// Takes the way out of an undo that got stuck or did not begin, once.
    fn give_way(
        &self,
        tx: &mut Tx<'_>,
        procedure: &Procedure,
        (action, why): (usize, &str),
        done: &mut BTreeSet<ActionKey>,
    ) -> Result<bool, Error> {
        if done.contains(&self.key(procedure, act::procedure::Step::Otherwise)) {
            return Ok(false);
        }
        let key = self.key(procedure, act::procedure::Step::Action(action));
        self.fail(
            tx,
            procedure,
            &Due {
                key,
                what: Do::Undo,
            },
            why,
            done,
        )?;
        Ok(true)
    }

    fn key(&self, procedure: &Procedure, step: act::procedure::Step) -> ActionKey {
        ActionKey {
            change: self.verdict.change,
            state: self.verdict.state,
            step,
            procedure: procedure.name.clone(),
        }
    }

    /// Records one step and writes its effect.
    fn take(&self, tx: &mut Tx<'_>, due: &Due, procedure: &Procedure) -> Result<Step, Error> {
        let action = self.context.ids.action(self.now);
        store::action::insert(
            tx,
            &due.key.to_string(),
            action,
            self.verdict.change,
            self.now,
        )?;
        let entry = self.tell_taken(tx, action, &procedure.name, due.what.word())?;
        match &due.what {
            // It is held instead, and somebody is told.
            Do::Undo if self.rollout.is_redeploy() => Ok(Step::Under),
            Do::Undo => {
                self.order(tx, Command::Undo, &procedure.name, entry)
                    .map(|step| match step {
                        Step::Done => Step::Under,
                        other => other,
                    })
            }
            Do::Hold => self.order(tx, Command::Hold, &procedure.name, entry),
            Do::NotifyOwner => self.tell_owner(tx, Urgency::Low, entry),
            Do::PageOwner => self.tell_owner(tx, Urgency::High, entry),
            Do::Webhook(url) => self.post(tx, url, entry),
        }
    }

    fn tell_taken(
        &self,
        tx: &mut Tx<'_>,
        action: ActionId,
        procedure: &str,
        what: &str,
    ) -> Result<EntryId, Error> {
        let fact = Fact::ActionTaken {
            action,
            procedure: procedure.to_owned(),
            what: what.to_owned(),
            verdict: self.verdict.id,
        };
        self.append(tx, (Kind::Action, &fact), procedure, vec![self.entry])
    }

    fn append(
        &self,
        tx: &mut Tx<'_>,
        fact: (Kind, &Fact),
        procedure: &str,
        causes: Vec<EntryId>,
    ) -> Result<EntryId, Error> {
        let actor = format!("procedure {procedure}");
        let entry = self
            .context
            .entry(self.now, self.verdict.change, fact, &actor, causes);
        store::journal::append(tx, &entry)?;
        Ok(entry.id)
    }

    /// Leaves an order at the rollout, as a person would.
    fn order(
        &self,
        tx: &mut Tx<'_>,
        command: Command,
        procedure: &str,
        cause: EntryId,
    ) -> Result<Step, Error> {
        let Some(stored) = store::rollout::get(tx, self.verdict.change)? else {
            return Ok(Step::Failed("the rollout is gone".into()));
        };
        let newest = store::rollout::newest_standing(
            tx,
            &stored.rollout.service,
            &stored.rollout.environment,
        )?;
        let newest = newest.map_or(self.verdict.change, |newest| newest.rollout.change);
        let order = Order {
            command,
            by: format!("procedure {procedure}"),
            entry: cause,
            at: self.now,
        };
        let rollout = match accept_order(&stored.rollout, order.clone(), newest) {
            Ok(rollout) => rollout,
            Err(refusal) => return Ok(Step::Failed(refusal.to_string())),
        };
        if command == Command::Undo {
            let because = Because {
                order: &order,
                verdict: self.entry,
            };
            match way_back(tx, &stored.rollout)? {
                WayBack::None { why } => return self.stay(tx, stored, because, why),
                WayBack::Begins { stays } => {
                    let how = (because, &stays);
                    undo_others(tx, self.context, &stored.rollout, how, self.now)?;
                }
            }
        }
        store::rollout::save(tx, &rollout, stored.version)?;
        Ok(Step::Done)
    }

    /// Leaves everything as it is that was shipped as one, because it does not go back as one.
    fn stay(
        &self,
        tx: &mut Tx<'_>,
        stored: Versioned,
        because: Because<'_>,
        why: String,
    ) -> Result<Step, Error> {
        let Versioned {
            mut rollout,
            version,
        } = stored;
        hold_others(tx, self.context, &rollout, (because, &why), self.now)?;
        let fact = Fact::UndoRefused { why: why.clone() };
        let mut causes: Vec<EntryId> = rollout.last_entry.into_iter().collect();
        causes.push(because.order.entry);
        causes.sort_unstable();
        let told = (Kind::Outcome, &fact);
        let by = &because.order.by;
        let entry = self
            .context
            .entry(self.now, rollout.change, told, by, causes);
        store::journal::append(tx, &entry)?;
        rollout.last_entry = Some(entry.id);
        rollout.no_way_back = Some(why.clone());
        store::rollout::save(tx, &rollout, version)?;
        Ok(Step::Failed(why))
    }

    fn tell_owner(&self, tx: &mut Tx<'_>, urgency: Urgency, cause: EntryId) -> Result<Step, Error> {
        // Read again: an undo in front of this step has moved it on.
        let rollout = self.current(tx)?;
        let owner = &self.definition.owner;
        if !self.tell_of(tx, &rollout, (owner, &[]), urgency, cause)? {
            let why = "the owner has neither `mail` nor `webhook` in sleepwell.yaml";
            return Ok(Step::Failed(why.into()));
        }
        self.tell_owners_of_parts(tx, &rollout, urgency, cause)?;
        Ok(Step::Done)
    }

    /// Tells those who own another part of what was shipped together, and were not told yet, that it was
    /// undone as well. Of one that is stuck its own entry tells.
    fn tell_owners_of_parts(
        &self,
        tx: &mut Tx<'_>,
        rollout: &Rollout,
        urgency: Urgency,
        cause: EntryId,
    ) -> Result<(), Error> {
        let mut told = recipients(&self.definition.owner);
        for Versioned { rollout: part, .. } in store::rollout::others(tx, rollout)? {
            let is_undone = matches!(part.state, RolloutState::Undone { .. });
            let went_back = is_undone && part.hosts().any(|host| host.touched);
            let release = store::release::get(tx, &part.service, part.release.number)?;
            if let (true, Some(release)) = (went_back, release) {
                let owner = release.definition.owner;
                self.tell_of(tx, &part, (&owner, &told), urgency, cause)?;
                told.extend(recipients(&owner));
            }
        }
        Ok(())
    }

    /// Tells an owner of one rollout, except where `told` says that somebody knows; false when there is
    /// nobody to tell.
    fn tell_of(
        &self,
        tx: &mut Tx<'_>,
        rollout: &Rollout,
        (owner, told): (&Owner, &[Destination]),
        urgency: Urgency,
        cause: EntryId,
    ) -> Result<bool, Error> {
        let because = self.because(rollout);
        let event = self.event(rollout, &because);
        let who = (owner, told);
        let what = (&event, urgency);
        tell::owner(tx, self.context, rollout, who, what, cause, self.now)
    }

    fn post(&self, tx: &mut Tx<'_>, url: &str, cause: EntryId) -> Result<Step, Error> {
        let rollout = self.current(tx)?;
        let because = self.because(&rollout);
        let event = self.event(&rollout, &because);
        let message = tell::message(self.context, &rollout, &event, Urgency::Low, self.now);
        let to = Destination::Webhook(url.to_owned());
        tell::queue(tx, self.context, &rollout, to, message, cause, self.now)?;
        Ok(Step::Done)
    }

    fn current(&self, tx: &mut Tx<'_>) -> Result<Rollout, Error> {
        let stored = store::rollout::get(tx, self.verdict.change)?;
        Ok(stored.map_or_else(|| self.rollout.clone(), |stored| stored.rollout))
    }

    /// Words the verdict: in the past once it was answered for good.
    fn because(&self, rollout: &Rollout) -> String {
        let tense = match rollout.state {
            RolloutState::Undone { .. } => learn::sentence::Tense::Was,
            RolloutState::Planned
            | RolloutState::Ring { .. }
            | RolloutState::Held { .. }
            | RolloutState::Undoing { .. }
            | RolloutState::Stuck { .. }
            | RolloutState::Superseded { .. }
            | RolloutState::Done { .. } => learn::sentence::Tense::Is,
        };
        let because = learn::sentence::reason(self.verdict, tense);
        if rollout.change == self.verdict.change {
            return because;
        }
        let (service, version) = (&self.rollout.service, &self.rollout.release.version);
        format!("{service} {version}, shipped with it, is bad: {because}")
    }

    fn event<'e>(&'e self, rollout: &'e Rollout, because: &'e str) -> Event<'e> {
        let touched = rollout.hosts().filter(|host| host.touched).count();
        if let Some(why) = &rollout.no_way_back {
            return Event::NoWayBack { why };
        }
        match &rollout.state {
            RolloutState::Undone { at } => Event::Undone {
                hosts: touched,
                of: touched,
                after: at.since(rollout.started_at),
                because,
            },
            RolloutState::Stuck { hosts, .. } => Event::Stuck { hosts },
            RolloutState::Undoing { .. } => Event::Judged {
                verdict: self.verdict,
                because,
                answer: Answer::Undoing { hosts: touched },
            },
            RolloutState::Held { .. } => Event::Judged {
                verdict: self.verdict,
                because,
                answer: Answer::Held,
            },
            RolloutState::Planned
            | RolloutState::Ring { .. }
            | RolloutState::Superseded { .. }
            | RolloutState::Done { .. } => Event::Judged {
                verdict: self.verdict,
                because,
                answer: Answer::Nothing,
            },
        }
    }

    /// Records that a step failed and takes the procedure's way out, once.
    fn fail(
        &self,
        tx: &mut Tx<'_>,
        procedure: &Procedure,
        due: &Due,
        why: &str,
        done: &mut BTreeSet<ActionKey>,
    ) -> Result<(), Error> {
        let fact = Fact::ActionFailed {
            action: self.context.ids.action(self.now),
            procedure: procedure.name.clone(),
            what: due.what.word().to_owned(),
            why: why.to_owned(),
        };
        self.append(
            tx,
            (Kind::Outcome, &fact),
            &procedure.name,
            vec![self.entry],
        )?;
        if let Some(way_out) = otherwise(procedure, &due.key, done) {
            self.take(tx, &way_out, procedure)?;
            done.insert(way_out.key);
        }
        Ok(())
    }
}
