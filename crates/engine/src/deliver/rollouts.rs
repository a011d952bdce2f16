//! Moves rollouts on: load, plan, save with the entries, then wake whom it concerns.

use std::collections::BTreeMap;
use std::time::Duration;

use deliver::rollout::{Gates, JudgeFacts, Plan, change_state, plan};
use model::deliver::{HeldReason, Order, Rollout};
use model::{ChangeId, EntryId, Fact, HostId, HostName, Timestamp};
use runtime::{Loop, Turn};
use store::rollout::Versioned;
use store::{Error, Tx};

use super::ask::ask;
use super::gate::gate_facts;
use super::{host_facts, queue};
use crate::Context;
use crate::attempts::Attempts;
use crate::context::Mandate;

const NAME: &str = "deliver.rollouts";

#[derive(Debug)]
pub struct Rollouts(Context);

impl Rollouts {
    pub fn new(context: Context) -> Self {
        Self(context)
    }
}

impl Loop for Rollouts {
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
        let running = self.0.store.read(store::rollout::looked_after).await?;
        let (mut next, mut attempts) = (None, Attempts::default());
        for change in running {
            let context = self.0.clone();
            let stepped = self
                .0
                .store
                .write(move |tx| step(tx, &context, mandate, change, now))
                .await;
            // One rollout that cannot be moved must not stop the others, nor their undos.
            let Some(step) = attempts.keep(change, stepped) else {
                continue;
            };
            if step.moved {
                self.0.wakes.journal.nudge();
                self.0.wakes.verdicts.nudge();
            }
            if step.asked {
                self.0.wakes.desired.nudge();
            }
            next = [next, step.wake_at].into_iter().flatten().min();
        }
        attempts.end()?;
        Ok(next.map_or(Turn::Idle, Turn::Until))
    }
}

#[derive(Default)]
struct Step {
    /// Something flipped.
    moved: bool,
    /// A host was asked for something new.
    asked: bool,
    wake_at: Option<Timestamp>,
}

/// Moves one rollout one step, all of it in one transaction.
fn step(
    tx: &mut Tx<'_>,
    context: &Context,
    mandate: Mandate,
    change: ChangeId,
    now: Timestamp,
) -> Result<Step, Error> {
    mandate.check(tx)?;
    // What it would ask was asked otherwise since; a person says first how to go on.
    if store::fleet::is_behind(tx)? {
        return Ok(Step::default());
    }
    let Some(stored) = store::rollout::get(tx, change)? else {
        return Ok(Step::default());
    };
    if stored.rollout.queued.is_some() && stored.rollout.order.is_none() {
        return wait_or_begin(tx, context, stored, now);
    }
    let hosts = host_facts(tx, &stored.rollout, now)?;
    let verdict = store::judgement::newest(tx, change)?;
    let last_look = store::judgement::last_look(tx, change)?;
    let judge = JudgeFacts {
        verdict: verdict.as_ref().map(|(v, _)| v),
        last_look: last_look.as_ref(),
    };
    let Rollout {
        service,
        environment,
        ..
    } = &stored.rollout;
    let freezes = store::freeze::rules_for(tx, service, environment)?;
    let parts: Vec<Rollout> = store::rollout::others(tx, &stored.rollout)?
        .into_iter()
        .map(|part| part.rollout)
        .collect();
    let facts = gate_facts(tx, &stored.rollout)?;
    let gates = Gates {
        freezes: &freezes,
        parts: &parts,
        compatibility: facts.as_ref(),
    };
    let mut plan = plan(&stored.rollout, &hosts, judge, gates, now);
    let order = stored.rollout.order.clone();
    if plan.order_done {
        plan.next.order = None;
    }
    let asked = ask_hosts(tx, context, &plan, order.as_ref(), now)?;
    let schema = facts.and_then(|facts| facts.surroundings.schema);
    record(
        tx,
        context,
        &mut plan,
        Causes {
            order: order.as_ref(),
            verdict: verdict.as_ref().map(|(_, entry)| *entry),
            schema: schema.map(|schema| schema.entry),
            parts: &parts,
        },
        now,
    )?;
    let moved = plan.next != stored.rollout;
    let step = Step {
        moved,
        asked,
        // What moves one part may move the others, and those in front of it had their turn.
        wake_at: if moved && !parts.is_empty() {
            Some(now)
        } else {
            plan.wake_at
        },
    };
    if step.moved {
        save(tx, &stored.rollout, &plan.next, stored.version, now)?;
    }
    Ok(step)
}

/// Lets a rollout that waits begin when its turn has come.
fn wait_or_begin(
    tx: &mut Tx<'_>,
    context: &Context,
    stored: Versioned,
    now: Timestamp,
) -> Result<Step, Error> {
    let (mut next, facts) = queue::next(tx, &stored.rollout, now)?;
    for (kind, fact) in facts {
        let causes = next.last_entry.into_iter().collect();
        let entry = context.entry(now, next.change, (kind, &fact), "sleepwell", causes);
        store::journal::append(tx, &entry)?;
        next.last_entry = Some(entry.id);
    }
    let moved = next != stored.rollout;
    let begun = next.queued.is_none();
    if begun {
        queue::end_watches(tx, context, &next, now)?;
    }
    if moved {
        save(tx, &stored.rollout, &next, stored.version, now)?;
    }
    // What follows from its beginning is the next turn's, which is due at once.
    Ok(Step {
        moved,
        asked: false,
        wake_at: begun.then_some(now),
    })
}

/// Asks the hosts of the plan; an order is the cause, else what happened last.
fn ask_hosts(
    tx: &mut Tx<'_>,
    context: &Context,
    plan: &Plan,
    order: Option<&Order>,
    now: Timestamp,
) -> Result<bool, Error> {
    let rollout = &plan.next;
    let cause = order.map(|order| order.entry).or(rollout.last_entry);
    let names: BTreeMap<HostId, &HostName> = match plan.ask.as_slice() {
        [] => return Ok(false),
        _ => rollout
            .members()
            .map(|host| (host.id, &host.name))
            .collect(),
    };
    for one in &plan.ask {
        if let Some(name) = names.get(&one.host) {
            ask(tx, context, rollout, (one, name), cause, now)?;
        }
    }
    Ok(true)
}

/// Is what a plan's facts may follow from, beside what happened last.
struct Causes<'a> {
    order: Option<&'a Order>,
    verdict: Option<EntryId>,
    schema: Option<EntryId>,
    parts: &'a [Rollout],
}

impl Causes<'_> {
    fn of(&self, fact: &Fact) -> Vec<EntryId> {
        let order = self.order.map(|order| order.entry);
        match fact {
            Fact::UndoStarted { .. } | Fact::RolloutResumed { .. } => order.into_iter().collect(),
            Fact::UndoRefused { .. } => order.or(self.schema).into_iter().collect(),
            Fact::RolloutHeld {
                reason: HeldReason::Incompatible { .. } | HeldReason::NoWayBack { .. },
            } => self.schema.into_iter().collect(),
            Fact::RingPassed { .. } | Fact::RolloutHeld { .. } => {
                order.or(self.verdict).into_iter().collect()
            }
            Fact::PartBegun { needs } => {
                let needed = self.parts.iter().filter(|p| needs.contains(&p.change));
                needed.filter_map(|part| part.last_entry).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Writes an entry for each fact, each the cause of the next.
fn record(
    tx: &mut Tx<'_>,
    context: &Context,
    plan: &mut Plan,
    because: Causes<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    for (kind, fact) in std::mem::take(&mut plan.facts) {
        let last = plan.next.last_entry.into_iter();
        let mut causes: Vec<EntryId> = last.chain(because.of(&fact)).collect();
        causes.sort_unstable();
        causes.dedup();
        let change = plan.next.change;
        let entry = context.entry(now, change, (kind, &fact), "sleepwell", causes);
        store::journal::append(tx, &entry)?;
        plan.next.last_entry = Some(entry.id);
    }
    Ok(())
}

fn save(
    tx: &mut Tx<'_>,
    before: &Rollout,
    next: &Rollout,
    version: u64,
    now: Timestamp,
) -> Result<(), Error> {
    store::rollout::save(tx, next, version)?;
    let state = change_state(&next.state);
    if state != change_state(&before.state)
        && let Some(mut change) = store::change::get(tx, next.change)?
    {
        change.state = state;
        change.updated_at = now;
        store::change::put(tx, &change)?;
    }
    Ok(())
}
