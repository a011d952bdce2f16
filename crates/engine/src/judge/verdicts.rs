//! Looks at every running rollout once a second and tells each flip of its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use deliver::rollout::{Arms, HostFacts, arms, seen, watched_since};
use judge::{Batch, HostCondition, Judgement, Look, Test, Watch};
use model::deliver::{JudgeIdle, Phase, Proof, Release, Rollout, RolloutState};
use model::judge::{LastLook, Reason, Verdict, VerdictState};
use model::{ChangeId, Entry, EntryId, Fact, HostId, Kind, Subject, Timestamp};
use runtime::{Loop, Turn};
use serde::{Deserialize, Serialize};
use store::rollout::Versioned;
use store::{Error, Tx};

use super::counts::{Source, Taken};
use crate::Context;
use crate::attempts::Attempts;
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
        let running = self.0.store.read(store::rollout::looked_after).await?;
        let mut attempts = Attempts::default();
        for change in running {
            // One change that cannot be judged must not stop the others.
            let judged = attempts.keep(change, self.judge(mandate, change, now).await);
            if judged == Some(true) {
                self.0.wakes.journal.nudge();
                self.0.wakes.verdicts.nudge();
                self.0.wakes.rollouts.nudge();
            }
        }
        attempts.end()?;
        Ok(Turn::Idle)
    }
}

impl Verdicts {
    /// Takes one look at one change; true when it may move the rollout. The look is taken on a snapshot,
    /// so that nobody waits while it is computed, and counts only while the rollout is as it was then.
    async fn judge(
        &self,
        mandate: Mandate,
        change: ChangeId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let context = self.0.clone();
        let looked = self
            .0
            .store
            .read(move |tx| look(tx, &context, change, now))
            .await?;
        let Some(looked) = looked else {
            return Ok(false);
        };
        let context = self.0.clone();
        self.0
            .store
            .write(move |tx| keep(tx, &context, mandate, looked, now))
            .await
    }
}

/// Is a change's test as it is kept between looks.
#[derive(Serialize, Deserialize)]
struct Kept {
    test: Test,
    /// From the first look behind the last ring on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watch: Option<Watch>,
    taken: Vec<(HostId, Timestamp)>,
}

/// Is one look and what it was taken at.
struct Looked {
    rollout: Rollout,
    version: u64,
    ring: usize,
    look: LastLook,
    kept: Kept,
    judgement: Judgement,
    /// Nothing was looked at before.
    is_first: bool,
    /// The rollout waits for a look this late, and this is the first one.
    is_awaited: bool,
}

fn look(
    tx: &mut Tx<'_>,
    context: &Context,
    change: ChangeId,
    now: Timestamp,
) -> Result<Option<Looked>, Error> {
    let Some(Versioned { rollout, version }) = store::rollout::get(tx, change)? else {
        return Ok(None);
    };
    let Some(ring) = ring_under_test(&rollout) else {
        return Ok(None);
    };
    let Some(release) = store::release::get(tx, &rollout.service, rollout.release.number)? else {
        return Ok(None);
    };
    let hosts = host_facts(tx, &rollout, now)?;
    let source = Source::new(&context.metrics, &rollout, &hosts);
    let signals = &release.definition.signals;
    let parts = store::rollout::others(tx, &rollout)?;
    let (mut test, mut taken, watch) = match store::judgement::test::<Kept>(tx, change)? {
        Some(kept) => (
            kept.test,
            kept.taken.into_iter().collect::<Taken>(),
            kept.watch,
        ),
        None => {
            let history = source.history(tx, signals, now)?;
            (
                Test::start_one_of(
                    judged(&rollout, &parts),
                    signals,
                    rollout.rings.len(),
                    &history,
                    now,
                ),
                Taken::new(),
                None,
            )
        }
    };
    let arms = arms(&rollout, &hosts, now);
    let metrics = source.look(tx, &mut test, signals, &arms, &mut taken, now)?;
    let mut inputs = inputs(&rollout, &release, &hosts, (&arms, metrics), (ring, now));
    inputs.beside = beside(tx, &parts)?;
    let since = watched_since(&rollout);
    let mut watch = since.map(|since| watch.unwrap_or_else(|| test.watch(signals, since)));
    let judgement = match &mut watch {
        Some(watch) => watch.look(&inputs),
        None => test.look(&inputs),
    };
    let look = LastLook {
        at: now,
        seen: seen(&rollout, &hosts),
    };
    let before = store::judgement::last_look(tx, change)?;
    Ok(Some(Looked {
        is_first: before.is_none(),
        is_awaited: is_awaited(&rollout, ring, before.as_ref(), &look),
        rollout,
        version,
        ring,
        look,
        kept: Kept {
            test,
            watch,
            taken: taken.into_iter().collect(),
        },
        judgement,
    }))
}

/// Returns how many of what was shipped together are judged; they share one error budget.
fn judged(rollout: &Rollout, parts: &[Versioned]) -> usize {
    let others = parts.iter().map(|part| &part.rollout);
    let all = others.chain([rollout]);
    all.filter(|one| one.judged).count()
}

/// Returns the evidence of each other part as of its last look; one that has not begun has none.
fn beside(tx: &mut Tx<'_>, parts: &[Versioned]) -> Result<Vec<f64>, Error> {
    let mut logs = Vec::new();
    for part in parts {
        let kept = store::judgement::test::<Kept>(tx, part.rollout.change)?;
        logs.extend(kept.and_then(|kept| kept.test.log_evidence()));
    }
    Ok(logs)
}

/// Tells whether a ring that may have nothing else to wait for is baked, and this look is the first one
/// behind its bake or at these reports.
fn is_awaited(rollout: &Rollout, ring: usize, before: Option<&LastLook>, look: &LastLook) -> bool {
    let proved_at = rollout.rings[ring].proved_at;
    proved_at.is_some_and(|at| {
        let bake_ends = at + rollout.plan.rings[ring].bake;
        let looked = before.is_some_and(|last| last.at >= bake_ends && last.seen == look.seen);
        look.at >= bake_ends && !looked
    })
}

/// Saves a look, and the verdict if it is news, in one transaction, so that a restart goes on with the
/// same bits.
fn keep(
    tx: &mut Tx<'_>,
    context: &Context,
    mandate: Mandate,
    looked: Looked,
    now: Timestamp,
) -> Result<bool, Error> {
    mandate.check(tx)?;
    let rollout = looked.rollout;
    let change = rollout.change;
    let is_same = store::rollout::get(tx, change)?.is_some_and(|s| s.version == looked.version);
    if !is_same {
        // What moved it nudged this loop as well: the next look is at what is true by then.
        return Ok(false);
    }
    store::judgement::save_test(tx, change, &looked.look, &looked.kept)?;
    if looked.is_first {
        let place = (&rollout.service, &rollout.environment);
        // Nothing begins before all it comes after is over, whatever that was shipped with.
        store::judgement::forget_tests_before(tx, place, change)?;
    }
    let judgement = looked.judgement;
    // Behind the last ring only harm is news.
    if looked.kept.watch.is_some() && judgement.state != VerdictState::Fail {
        return Ok(false);
    }
    // The last ring takes the control's last hosts: there is nothing left to compare with, which is no
    // news about the release.
    if judgement.control_emptied && judgement.reason == Reason::NoControl {
        return Ok(looked.is_awaited);
    }
    let verdict = Verdict {
        id: context.ids.verdict(now),
        change,
        ring: looked.ring,
        state: judgement.state,
        reason: judgement.reason,
        at: now,
        evidence: judgement.evidence,
    };
    Ok(give(tx, context, &rollout, verdict, now)? || looked.is_awaited)
}

/// Returns the ring whose hosts are looked at; a held ring is looked at as well, and the last one while a
/// rollout that is done stays watched.
fn ring_under_test(rollout: &Rollout) -> Option<usize> {
    let ring = match &rollout.state {
        RolloutState::Ring { ring, phase, .. } => match phase {
            Phase::Releasing | Phase::Proving | Phase::Baking | Phase::Judging => *ring,
        },
        RolloutState::Held { ring, .. } => *ring,
        RolloutState::Done { .. } if rollout.watched_until().is_some() => {
            rollout.rings.len().checked_sub(1)?
        }
        RolloutState::Planned
        | RolloutState::Undoing { .. }
        | RolloutState::Undone { .. }
        | RolloutState::Stuck { .. }
        | RolloutState::Superseded { .. }
        | RolloutState::Done { .. } => return None,
    };
    rollout.hosts().any(|host| host.touched).then_some(ring)
}

fn inputs(
    rollout: &Rollout,
    release: &Release,
    hosts: &BTreeMap<HostId, HostFacts>,
    (arms, metrics): (&Arms, BTreeMap<String, Batch>),
    (ring, now): (usize, Timestamp),
) -> Look {
    let spec = &rollout.plan.rings[ring];
    Look {
        at: now,
        ring,
        metrics,
        control_hosts: arms.control.len(),
        canary_hosts: arms.canary.len(),
        conditions: conditions(rollout, release, hosts),
        ring_proved_at: rollout.rings[ring].proved_at,
        bake: spec.bake,
        deadline: spec.deadline,
        at_deadline: spec.at_deadline,
        first_release: rollout.previous.is_none(),
        unattributed: 0, // every series names its host and release
        beside: Vec::new(),
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
            && desired.redeploy == rollout.release.redeploy
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
    // What reaches an idle slot that passes on its proof is nobody's concern, unless it does harm; and no
    // verdict is awaited where routers turn.
    let slots = rollout.plan.blue_green.as_ref();
    let by_proof = slots.is_some_and(|slots| slots.judge == JudgeIdle::Proof);
    let is_passed_unjudged =
        rollout.previous.is_none() || by_proof || rollout.is_swap_ring(verdict.ring);
    let unjudged = is_passed_unjudged && verdict.state != VerdictState::Fail;
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
        | Reason::BucketMismatch
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
