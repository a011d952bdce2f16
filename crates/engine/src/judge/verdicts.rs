//! Looks at every running rollout once a second and tells each flip of its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use deliver::rollout::{HostFacts, arms};
use judge::{HostCondition, Look, Test};
use model::deliver::{Phase, Proof, Release, Rollout, RolloutState};
use model::judge::{Reason, Verdict, VerdictState};
use model::observe::Signal;
use model::{ChangeId, Entry, EntryId, Fact, HostId, Kind, Subject, Timestamp};
use runtime::{Loop, Turn};
use serde::{Deserialize, Serialize};
use store::{Error, Tx};

use super::counts::{Source, Taken};
use crate::Context;
use crate::context::Mandate;
use crate::deliver::host_facts;

const NAME: &str = "judge.verdicts";
/// Failed checks in a row that are a verdict by themselves, where the release does not say.
const UNHEALTHY_AFTER: u32 = 3;
/// Newest entries about a host among which its word about a verdict is looked for; it came just now.
const WORDS: usize = 20;

#[derive(Debug)]
pub struct Verdicts(Context);

impl Verdicts {
    pub fn new(context: Context) -> Self {
        Self(context)
    }
}

impl Loop for Verdicts {
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
        let running = self.0.store.read(store::rollout::running).await?;
        let mut failed = Ok(());
        for change in running.iter().map(|stored| stored.rollout.change) {
            let context = self.0.clone();
            let judged = self
                .0
                .store
                .write(move |tx| judge(tx, &context, mandate, change, now))
                .await;
            match judged {
                Ok(true) => {
                    self.0.wakes.journal.nudge();
                    self.0.wakes.verdicts.nudge();
                    self.0.wakes.rollouts.nudge();
                }
                Ok(false) => {}
                // One change that cannot be judged must not stop the others.
                Err(error) => failed = Err(anyhow::Error::from(error).context(change.to_string())),
            }
        }
        failed?;
        Ok(Turn::Idle)
    }
}

/// Is a change's test as it is kept between looks.
#[derive(Serialize, Deserialize)]
struct Kept {
    test: Test,
    taken: Vec<(HostId, Timestamp)>,
}

/// Takes one look at one change; true when a verdict was given. The test is saved in the same
/// transaction, so that a restart goes on with the same bits.
fn judge(
    tx: &mut Tx<'_>,
    context: &Context,
    mandate: Mandate,
    change: ChangeId,
    now: Timestamp,
) -> Result<bool, Error> {
    mandate.check(tx)?;
    let Some(stored) = store::rollout::get(tx, change)? else {
        return Ok(false);
    };
    let rollout = stored.rollout;
    let Some(ring) = ring_under_test(&rollout) else {
        return Ok(false);
    };
    let Some(release) = store::release::get(tx, &rollout.service, rollout.release.number)? else {
        return Ok(false);
    };
    let hosts = host_facts(tx, &rollout, now)?;
    let names = hosts
        .values()
        .map(|host| (host.id, host.name.clone()))
        .collect();
    let source = Source {
        metrics: &context.metrics,
        rollout: &rollout,
        names,
    };
    let signals = &release.definition.signals;
    let (mut test, mut taken) = match store::judgement::test::<Kept>(tx, change)? {
        Some(kept) => (kept.test, kept.taken.into_iter().collect::<Taken>()),
        None => {
            let history = source.history(signals, now);
            (
                Test::start(signals, rollout.rings.len(), &history, now),
                Taken::new(),
            )
        }
    };
    let look = look(&source, &release, signals, &hosts, &mut taken, (ring, now));
    let judgement = test.look(&look);
    store::judgement::save_test(
        tx,
        change,
        &Kept {
            test,
            taken: taken.into_iter().collect(),
        },
    )?;
    // The last ring takes the control's last hosts: there is nothing left to compare with, which is no
    // news about the release.
    if judgement.control_emptied && judgement.reason == Reason::NoControl {
        return Ok(false);
    }
    let verdict = Verdict {
        id: context.ids.verdict(now),
        change,
        ring,
        state: judgement.state,
        reason: judgement.reason,
        at: now,
        evidence: judgement.evidence,
    };
    give(tx, context, &rollout, verdict, now)
}

/// Returns the ring whose hosts are being watched; a held ring is watched as well.
fn ring_under_test(rollout: &Rollout) -> Option<usize> {
    let ring = match &rollout.state {
        RolloutState::Ring { ring, phase, .. } => match phase {
            Phase::Releasing | Phase::Proving | Phase::Baking | Phase::Judging => *ring,
        },
        RolloutState::Held { ring, .. } => *ring,
        RolloutState::Planned
        | RolloutState::Undoing { .. }
        | RolloutState::Undone { .. }
        | RolloutState::Stuck { .. }
        | RolloutState::Superseded { .. }
        | RolloutState::Done { .. } => return None,
    };
    rollout.hosts().any(|host| host.touched).then_some(ring)
}

fn look(
    source: &Source<'_>,
    release: &Release,
    signals: &BTreeMap<String, Signal>,
    hosts: &BTreeMap<HostId, HostFacts>,
    taken: &mut Taken,
    (ring, now): (usize, Timestamp),
) -> Look {
    let rollout = source.rollout;
    let arms = arms(rollout, hosts, now);
    let spec = &rollout.plan.rings[ring];
    Look {
        at: now,
        ring,
        metrics: source.look(signals, &arms, taken, now),
        control_hosts: arms.control.len(),
        canary_hosts: arms.canary.len(),
        conditions: conditions(rollout, release, hosts),
        ring_proved_at: rollout.rings[ring].proved_at,
        bake: spec.bake,
        deadline: spec.deadline,
        at_deadline: spec.at_deadline,
        first_release: rollout.previous.is_none(),
        unattributed: 0, // every series names its host and release
        excluded: vec![],
    }
}

/// Returns how the hosts that were asked for the release fare, apart from their counts.
fn conditions(
    rollout: &Rollout,
    release: &Release,
    hosts: &BTreeMap<HostId, HostFacts>,
) -> Vec<HostCondition> {
    let health = release.definition.health.as_ref();
    let unhealthy_after = health.map_or(UNHEALTHY_AFTER, |health| health.unhealthy_after);
    let touched = rollout.hosts().filter(|host| host.touched);
    let reporting = touched.filter_map(|host| {
        let facts = hosts.get(&host.id)?;
        let (desired, reported) = (facts.desired.as_ref()?, facts.reported.as_ref()?);
        // What it reported of an older wish says nothing about this release.
        let about_this = desired.release == rollout.release.number
            && reported.generation_seen == desired.generation;
        about_this.then_some((host, reported))
    });
    reporting
        .map(|(host, reported)| HostCondition {
            host: host.name.clone(),
            unexpected_exits: reported.unexpected_exits,
            failed_checks: reported.failed_checks,
            unhealthy_after,
            reverted: reported.proof == Proof::Reverted,
        })
        .collect()
}

/// Stores and tells a verdict if it differs from the one before.
fn give(
    tx: &mut Tx<'_>,
    context: &Context,
    rollout: &Rollout,
    verdict: Verdict,
    now: Timestamp,
) -> Result<bool, Error> {
    let newest = store::judgement::newest(tx, rollout.change)?;
    let same = newest.as_ref().is_some_and(|(last, _)| {
        (last.ring, last.state, last.reason.word())
            == (verdict.ring, verdict.state, verdict.reason.word())
    });
    // "Collecting" says only that the ring began, which was told already.
    let nothing_yet = verdict.state == VerdictState::Undecided
        && verdict.reason == Reason::Collecting
        && newest
            .as_ref()
            .is_none_or(|(last, _)| last.ring != verdict.ring);
    let unjudged = rollout.previous.is_none() && verdict.state != VerdictState::Fail;
    if same || nothing_yet || unjudged {
        return Ok(false);
    }
    let fact = Fact::VerdictGiven {
        verdict: Box::new(verdict.clone()),
    };
    let word = word_of_host(tx, &verdict.reason)?;
    let mut causes: Vec<EntryId> = rollout.last_entry.into_iter().chain(word).collect();
    causes.sort_unstable();
    let entry = context.entry(now, rollout.change, (Kind::Verdict, &fact), "judge", causes);
    store::journal::append(tx, &entry)?;
    store::judgement::insert(tx, &verdict, entry.id)?;
    Ok(true)
}

/// Returns the host's own entry behind a verdict that stands on one host: only there stands what the
/// agent saw, such as the answer of the health check.
fn word_of_host(tx: &mut Tx<'_>, reason: &Reason) -> Result<Option<EntryId>, Error> {
    let host = match reason {
        Reason::Crashing { host, .. } | Reason::Unhealthy { host, .. } => host.clone(),
        Reason::Harm
        | Reason::Cleared
        | Reason::NotExcluded { .. }
        | Reason::Suspicion
        | Reason::AdvisoryOnly
        | Reason::DeadlineHold
        | Reason::Collecting
        | Reason::NotEnoughTraffic
        | Reason::NoControl
        | Reason::NoData
        | Reason::ControlSick => return Ok(None),
    };
    let is_crash = matches!(reason, Reason::Crashing { .. });
    let says_so = |entry: &Entry| match Fact::from_body(&entry.body) {
        Ok(Fact::HostExit { .. }) => is_crash,
        Ok(Fact::HostUnhealthy { .. }) => !is_crash,
        Ok(Fact::HostProof { proof, .. }) => !is_crash && proof == Proof::Reverted,
        Ok(_) | Err(_) => false,
    };
    let entries = store::journal::about(tx, &Subject::Host(host), WORDS)?;
    let said = entries.iter().rev().find(|entry| says_so(entry));
    Ok(said.map(|entry| entry.id))
}
