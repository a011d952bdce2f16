//! Plays a story and says where it went another way.

mod expect;
mod report;

pub(crate) use report::timeline;

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use model::ChangeId;

use crate::script::{Does, Given, Step, Story, Then, Wait, When};
use crate::world::{OpenStore, Pace, Which, World};

/// Is a story that went as it was told.
#[derive(Debug)]
pub struct Played {
    pub steps: usize,
    /// Of the world's own time.
    pub took: Duration,
}

/// Is a story that did not.
#[derive(Debug)]
pub struct Failed {
    pub file: String,
    pub line: usize,
    pub step: String,
    /// What was there instead.
    pub seen: String,
    /// What had happened until then, a line each.
    pub timeline: Vec<String>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: {}", self.file, self.line, self.step)?;
        write!(f, "  but {}", self.seen)?;
        for line in &self.timeline {
            write!(f, "\n  | {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failed {}

/// Plays a story in a new world.
///
/// # Errors
/// The first step that could not be taken or did not hold, with everything that happened before it.
pub async fn play(story: &Story, seed: u64, open: &OpenStore) -> Result<Played, Box<Failed>> {
    let failed = |step: &Step, why: &anyhow::Error, told| {
        Box::new(Failed {
            file: story.name.clone(),
            line: step.line,
            step: step.text.clone(),
            seen: format!("{why:#}"),
            timeline: told,
        })
    };
    let mut world = match World::new(seed, open).await {
        Ok(world) => world,
        Err(why) => return Err(failed(&story.steps[0], &why, vec![])),
    };
    for step in &story.steps {
        let done = match &step.does {
            Does::Given(given) => prepare(&mut world, given).await,
            Does::When(when) => happen(&mut world, when, open).await,
            Does::Then(then, wait) => expect_within(&mut world, then, *wait).await,
        };
        if let Err(why) = done {
            return Err(failed(step, &why, timeline(&world).await));
        }
    }
    Ok(Played {
        steps: story.steps.len(),
        took: world.age(),
    })
}

async fn prepare(world: &mut World, given: &Given) -> Result<()> {
    match given {
        Given::Hosts(names, labels) => {
            for name in names {
                world.join(name.clone(), labels.clone()).await?;
            }
            let mut service = world.service().clone();
            if service.hosts.is_empty() {
                service.hosts = labels.clone();
            }
            world.set_service(service);
        }
        Given::Service(spec) => {
            let mut spec = (**spec).clone();
            if spec.hosts.is_empty() {
                spec.hosts = world.service().hosts.clone();
            }
            world.set_service(spec);
        }
        Given::Traffic(traffic) => world.fleet_mut().set_traffic(*traffic),
        Given::Mirrored(share) => world.fleet_mut().set_mirrored(*share),
        Given::Fails(version, share) => world.behaviour_mut(version).failing = Some(*share),
        Given::FailsLater(version, share, after) => {
            let behaviour = world.behaviour_mut(version);
            (behaviour.failing, behaviour.good_for) = (Some(*share), Some(*after));
        }
        Given::Slower(version, times) => world.behaviour_mut(version).slower = Some(*times),
        Given::Earns(version, times) => world.behaviour_mut(version).earning = Some(*times),
        Given::OtherBuckets(version, times) => {
            world.behaviour_mut(version).bounds_times = Some(*times);
        }
        Given::Exits(version, after) => world.behaviour_mut(version).exits_after = Some(*after),
        Given::NeverHealthy(version) => world.behaviour_mut(version).never_healthy = true,
        Given::Says(version, line) => world.add_to_file(version, line),
        Given::NoMetrics(version) => world.behaviour_mut(version).shows_no_metrics = true,
    }
    Ok(())
}

async fn happen(world: &mut World, when: &When, open: &OpenStore) -> Result<()> {
    let now = world.now();
    match when {
        When::Shipped(releases, if_running) => {
            let shipped = world.ship(releases, *if_running).await;
            shipped.context("it was refused")?;
        }
        When::Redeployed(person, service) => {
            let redeployed = world.redeploy(person, service).await;
            redeployed.context("it was refused")?;
        }
        When::MendedByHand(name) => world.host(name)?.mend_by_hand(),
        When::Says(person, order, version) => {
            let change = change_of(world, version.as_ref()).await?;
            let ordered = world.order(person, change, *order).await;
            ordered.context("it was refused")?;
        }
        When::Excludes(person, name) => {
            let excluded = world.exclude(person, name).await?;
            excluded.context("it was refused")?;
        }
        When::Schema(person, word) => {
            let said = world.schema(person, word).await;
            said.context("it was refused")?;
        }
        When::Fixes(person, name) => {
            let fixed = world.fix(person, name).await?;
            fixed.context("it was refused")?;
        }
        When::Freezes(person, rule) => {
            let set = world.freeze(person, rule.clone()).await;
            set.context("it was refused")?;
        }
        When::OverridesFreeze(person, reason) => {
            let change = change_of(world, None).await?;
            let taken = world.override_freeze(person, change, reason).await;
            taken.context("it was refused")?;
        }
        When::Retired(name) => world.retire(name).await?,
        When::UpdatesAgent(name, version) => {
            let asked = world.update_agent(name, version).await?;
            asked.context("it was refused")?;
        }
        When::ProgramFails(name, fails) => world.host(name)?.trouble_mut().program_fails = *fails,
        When::SawMore(name, orders) => {
            let service = world.service().name.clone();
            world.host(name)?.saw_more(&service, *orders)?;
        }
        When::Adopted(how) => world.adopt(*how).await?,
        When::Unreachable(name) => world.host(name)?.trouble_mut().is_unreachable = true,
        When::BackAs(name, None) => world.host(name)?.come_back(),
        When::BackAs(name, Some(version)) => world.host(name)?.come_back_with(version, now)?,
        When::DiskFull(name, full) => world.host(name)?.trouble_mut().has_full_disk = *full,
        When::Late(name, by) => world.host(name)?.trouble_mut().is_late_by = *by,
        When::HookCutShort(name) => world.host(name)?.trouble_mut().cuts_a_hook_short = true,
        When::Reverts(name) => world.host(name)?.trouble_mut().reverts = true,
        When::Drifts(name, drifts) => {
            world.host(name)?.trouble_mut().runs_something_else = *drifts;
        }
        When::ClockAhead(name, by_ms) => world.host(name)?.trouble_mut().clock_ahead_ms = *by_ms,
        When::Alert(alert) => world.post_alert(alert).await?,
        When::Restart => world.restart(open).await?,
        When::ClocksBack(by) => world.set_clocks_back(*by),
        When::MailDown(down) => world.inbox().set_unreachable(*down),
        When::JudgeStill(still) => world.still_judge(*still),
        When::Pass(span) => world.pass(*span).await?,
    }
    Ok(())
}

/// Returns the newest change, or the newest one of a release.
async fn change_of(world: &World, which: Option<&Which>) -> Result<ChangeId> {
    let changes = world.changes().await?;
    let title = which.map(|which| format!("{} {}", world.spec(which).name, which.version));
    let found = changes
        .iter()
        .find(|change| title.as_ref().is_none_or(|title| change.title == *title));
    let found = found.ok_or_else(|| anyhow!("nothing of that kind was shipped yet"))?;
    Ok(found.id)
}

/// Lets time pass until the expectation holds, at most as long as the story allows.
async fn expect_within(world: &mut World, then: &Then, Wait(span): Wait) -> Result<()> {
    if let Then::NeverIs(state, span) = then {
        return never(world, *state, *span).await;
    }
    let pace = Pace::over(span, world.now());
    loop {
        let Err(seen) = expect::holds(world, then).await? else {
            return Ok(());
        };
        if world.now() >= pace.end {
            bail!(seen);
        }
        world.step(pace).await?;
    }
}

async fn never(
    world: &mut World,
    state: model::observe::ChangeState,
    span: Duration,
) -> Result<()> {
    let pace = Pace::over(span, world.now());
    let change = change_of(world, None).await?;
    while world.now() < pace.end {
        world.step(pace).await?;
        let view = world.change(change).await?;
        if view.change.state == state {
            bail!(
                "it was, at {}: {}",
                world.now().time_of_day(),
                view.sentence
            );
        }
    }
    Ok(())
}
