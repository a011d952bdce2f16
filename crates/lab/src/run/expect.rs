//! Whether one expectation holds now.

use std::collections::BTreeSet;
use std::fmt::Display;

use anyhow::{Context as _, Result};
use model::act::Urgency;
use model::api::Problem;
use model::api::change::{ChangeView, Why};
use model::api::deliver::{HostTrouble, HostView};
use model::api::rehearsal::{Rehearsal, RehearsedRing};
use model::deliver::{ProgramOutcome, Proof, Slot};
use model::observe::ChangeState;
use model::{Digest, HostName, ServiceName, Version};

use store::journal::Check;

use super::change_of;
use crate::script::Then;
use crate::world::{Which, World, agent_program};

/// Is what is seen instead, when it does not hold.
type Seen = Result<(), String>;

/// Looks once; an error is a broken world, not an expectation that failed.
pub(super) async fn holds(world: &mut World, then: &Then) -> Result<Seen> {
    Ok(match then {
        Then::DoneOn(service, proved, of) => done_on(world, service, *proved, *of).await?,
        Then::VersionIs(version, state) => {
            let change = change_of(world, Some(version)).await?;
            let view = world.change(change).await?;
            let seen = format!("it is {}: {}", view.change.state, view.sentence);
            check(view.change.state == *state, seen)
        }
        Then::Is(state) => {
            let view = newest(world).await?;
            let seen = format!("it is {}: {}", view.change.state, view.sentence);
            check(view.change.state == *state, seen)
        }
        // Looked at over its whole time, by the runner.
        Then::NeverIs(state, _) => {
            let view = newest(world).await?;
            check(view.change.state != *state, "it is")
        }
        Then::Says(which, text) => {
            let change = change_of(world, which.as_ref()).await?;
            says(&world.change(change).await?.sentence, text)
        }
        Then::Ring(name, state) => {
            let view = newest(world).await?;
            let ring = view.rings.iter().find(|ring| ring.name == *name);
            match ring {
                Some(ring) => check(ring.state == *state, format!("it is {:?}", ring.state)),
                None => Err(format!("no ring is called {name}")),
            }
        }
        Then::Verdict(state, reason) => {
            let view = newest(world).await?;
            match &view.verdict {
                Some(verdict) => check(
                    verdict.state == *state
                        && reason
                            .as_ref()
                            .is_none_or(|reason| verdict.reason == *reason),
                    format!("it is {} because of {}", verdict.state, verdict.reason),
                ),
                None => Err("there is no verdict".into()),
            }
        }
        Then::NoVerdict => match newest(world).await?.verdict {
            Some(verdict) => Err(format!("the verdict is {}", verdict.state)),
            None => Ok(()),
        },
        Then::Runs(host, which) => runs(world, host, Some(which))?,
        Then::RunsNothing(host) => runs(world, host, None)?,
        Then::Started(host, number) => {
            let service = world.service().name.clone();
            let started = world.host(host)?.started(&service);
            check(started == *number, format!("it started {started}"))
        }
        Then::SendsTo(host, slot) => sends_to(world, host, *slot)?,
        Then::ClockTold(host, wrong) => {
            let hosts = world.hosts().await?;
            let view = hosts.iter().find(|view| view.name == *host);
            let told = view.is_some_and(|view| {
                let troubles = &view.troubles;
                troubles
                    .iter()
                    .any(|t| matches!(t, HostTrouble::ClockOff { .. }))
            });
            let seen = if told {
                "it is told to be wrong"
            } else {
                "nothing is told"
            };
            check(told == *wrong, seen.to_owned())
        }
        Then::AgentIs(host, version) => agent_is(world, host, version).await?,
        Then::AgentStays(host, text) => agent_stays(world, host, text).await?,
        Then::Told(host, version) => {
            let service = world.service().name.clone();
            let told = world.host(host)?.told(&service).cloned();
            check(
                told.as_ref() == Some(version),
                format!("it was told {}", or_nothing(told)),
            )
        }
        Then::ToldFirst(host, version) => {
            let told = world.host(host)?.told_first().cloned();
            check(
                told.as_ref() == Some(version),
                format!("it is {}", or_nothing(told)),
            )
        }
        Then::RanOnlyOn(version, hosts) => ran_only_on(world, version, hosts),
        Then::ShippingRefused(releases, text) => refused(world.ship(releases, None).await, text),
        Then::RehearsingAsks(version, hosts) => asks(&rehearse(world, version).await?, hosts),
        Then::RehearsingRedeployAsks(service, hosts) => {
            asks(&rehearse_redeploy(world, service).await?, hosts)
        }
        Then::RehearsingRedeployStopped(service, text) => {
            says(&stopped_by(&rehearse_redeploy(world, service).await?), text)
        }
        Then::RedeployingRefused(person, service, text) => {
            refused(world.redeploy(person, service).await, text)
        }
        Then::RehearsingTakes(version, least) => {
            let rehearsal = rehearse(world, version).await?;
            let takes = rehearsal.done_at.map(|at| at.since(rehearsal.now));
            check(takes == Some(*least), format!("it takes {takes:?}"))
        }
        Then::RehearsingStopped(version, text) => {
            let said = stopped_by(&rehearse(world, version).await?);
            match text {
                Some(text) => says(&said, text),
                None => check(said.is_empty(), format!("it is: {said}")),
            }
        }
        Then::OrderRefused(person, order, version, text) => {
            let change = change_of(world, version.as_ref()).await?;
            refused(world.order(person, change, *order).await, text)
        }
        Then::SchemaRefused(person, word, text) => refused(world.schema(person, word).await, text),
        Then::FixingRefused(person, host, text) => refused(world.fix(person, host).await?, text),
        Then::ExcludingRefused(person, host, text) => {
            refused(world.exclude(person, host).await?, text)
        }
        Then::Notes(n) => count(world, Urgency::Low, *n),
        Then::Pages(n) => count(world, Urgency::High, *n),
        Then::MessageSays(text) => match world.messages().last() {
            Some(row) => {
                let said = format!("{}\n{}", row.message.title, row.message.text.join("\n"));
                says(&said, text)
            }
            None => Err("no message came".into()),
        },
        Then::NoRepeat => no_repeat(world),
        Then::JournalWhole => {
            let found = world.check_journal().await?;
            let is_whole = matches!(found, Check::Whole { unsealed: 0, .. });
            check(is_whole, format!("it is {found:?}"))
        }
        Then::WhyNames(which, text) => {
            let change = change_of(world, which.as_ref()).await?;
            names(&world.why(change).await?, text)
        }
        Then::AlertFires(name, fires) => {
            let view = world.alert(name).await?;
            check(
                view.alert.is_open() == *fires,
                format!("it is {:?}", view.alert.state),
            )
        }
        Then::WhyAlertNames(name, text) => {
            let alert = world.alert(name).await?.alert.id;
            names(&world.why_alert(alert).await?, text)
        }
    })
}

async fn rehearse(world: &mut World, version: &Version) -> Result<Rehearsal> {
    let answer = world.rehearse(version).await;
    answer.map_err(|problem| anyhow::anyhow!("rehearsing {version} was refused: {problem}"))
}

async fn rehearse_redeploy(world: &mut World, service: &ServiceName) -> Result<Rehearsal> {
    let rehearsed = world.rehearse_redeploy(service).await;
    rehearsed.map_err(|problem| anyhow::anyhow!("it cannot be rehearsed: {problem}"))
}

/// Checks whom a rehearsal asks, in order.
fn asks(rehearsal: &Rehearsal, hosts: &[HostName]) -> Seen {
    let asked: Vec<&str> = rehearsal.rings.iter().flat_map(asked).collect();
    check(
        asked.iter().copied().eq(hosts.iter().map(HostName::as_str)),
        format!("it asks {}", or_nothing_of(&asked)),
    )
}

/// Returns what would stop it, a line each.
fn stopped_by(rehearsal: &Rehearsal) -> String {
    let obstacles = rehearsal.obstacles.iter();
    let said = obstacles.map(|obstacle| format!("{}; {}", obstacle.text, obstacle.hint));
    said.collect::<Vec<_>>().join("\n")
}

fn asked(ring: &RehearsedRing) -> impl Iterator<Item = &str> {
    let hosts = ring.hosts.iter().filter(|host| host.step.is_some());
    hosts.map(|host| host.host.as_str())
}

async fn newest(world: &World) -> Result<ChangeView> {
    let change = change_of(world, None).await?;
    world.change(change).await
}

async fn done_on(world: &World, service: &ServiceName, proved: usize, of: usize) -> Result<Seen> {
    let view = newest(world).await?;
    let hosts = world.hosts().await?;
    let proves = |host: &&model::api::deliver::HostView| {
        host.services.iter().any(|one| {
            one.service == *service
                && one.proof == Proof::Converged
                && one.running.as_ref() == Some(&view.release)
        })
    };
    let count = hosts.iter().filter(proves).count();
    let is_done = view.change.state == ChangeState::Done && view.change.service == *service;
    let seen = format!(
        "{} is {}, proved on {count} of {} hosts: {}",
        view.change.title,
        view.change.state,
        hosts.len(),
        view.sentence
    );
    Ok(check(is_done && (count, hosts.len()) == (proved, of), seen))
}

async fn agent_of(world: &World, host: &HostName) -> Result<HostView> {
    let found = world.hosts().await?.into_iter();
    let found = found.into_iter().find(|view| view.name == *host);
    found.with_context(|| format!("{host} is not expected"))
}

async fn agent_is(world: &World, host: &HostName, version: &Version) -> Result<Seen> {
    let program = agent_of(world, host).await?.program;
    let wanted = Digest::of(&agent_program(version));
    let is_it = program.reported.and_then(|said| said.digest) == Some(wanted);
    let outcome = program.order.map(|order| order.outcome);
    let is_done = matches!(outcome, Some(ProgramOutcome::Done { .. }));
    Ok(check(is_it && is_done, format!("it is {outcome:?}")))
}

async fn agent_stays(world: &World, host: &HostName, text: &str) -> Result<Seen> {
    let troubles = agent_of(world, host).await?.troubles;
    let why = troubles.iter().find_map(|trouble| match trouble {
        HostTrouble::UpdateFailed { why, .. } => Some(why.clone()),
        HostTrouble::LockedOut { .. }
        | HostTrouble::Doubled { .. }
        | HostTrouble::ClockOff { .. } => None,
    });
    Ok(match why {
        Some(why) => says(&why, text),
        None => Err("nothing is told of it".into()),
    })
}

fn runs(world: &mut World, host: &HostName, which: Option<&Which>) -> Result<Seen> {
    let spec = which.map_or(world.service(), |which| world.spec(which));
    let (service, version) = (spec.name.clone(), which.map(|which| &which.version));
    let running = world.host(host)?.running(&service).cloned();
    Ok(check(
        running.as_ref() == version,
        format!("it runs {}", or_nothing(running)),
    ))
}

fn sends_to(world: &mut World, host: &HostName, slot: Option<Slot>) -> Result<Seen> {
    let service = world.service().name.clone();
    let mut routes = world.host(host)?.routes();
    let found = routes.find(|(name, _)| **name == service);
    let found = found.map(|(_, slot)| slot);
    Ok(check(
        found == slot,
        format!("it sends everything to {}", or_nothing(found)),
    ))
}

fn ran_only_on(world: &World, version: &Version, hosts: &[HostName]) -> Seen {
    let ran: BTreeSet<&HostName> = world
        .fleet()
        .hosts()
        .filter(|host| host.ran().contains(version))
        .map(crate::fleet::Host::name)
        .collect();
    let seen: Vec<&str> = ran.iter().map(|name| name.as_str()).collect();
    check(
        ran == hosts.iter().collect(),
        format!("it ran on {}", or_nothing_of(&seen)),
    )
}

fn refused<T>(answer: Result<T, Problem>, text: &str) -> Seen {
    match answer {
        Ok(_) => Err("it was accepted".into()),
        Err(problem) => {
            let hint = problem.hint.clone().unwrap_or_default();
            says(&format!("{problem}; {hint}"), text)
        }
    }
}

fn count(world: &World, urgency: Urgency, wanted: usize) -> Seen {
    let messages = world.messages();
    let of_it = messages.iter().filter(|row| row.message.urgency == urgency);
    let titles: Vec<&str> = of_it.map(|row| row.message.title.as_str()).collect();
    let seen = format!("{} came: {}", titles.len(), or_nothing_of(&titles));
    check(titles.len() == wanted, seen)
}

/// A message is the same when it says the same of the same change to the same person.
fn no_repeat(world: &World) -> Seen {
    let (mut ids, mut said) = (BTreeSet::new(), BTreeSet::new());
    for row in world.messages() {
        let key = (
            row.destination.to_string(),
            row.message.change,
            row.message.title.clone(),
            row.message.text.clone(),
        );
        if !ids.insert(row.id) || !said.insert(key) {
            return Err(format!("`{}` came twice", row.message.title));
        }
    }
    Ok(())
}

fn names(why: &Why, text: &str) -> Seen {
    let lines = why.chain.iter().flat_map(|item| {
        std::iter::once(item.text.as_str()).chain(item.detail.iter().map(String::as_str))
    });
    let lines: Vec<&str> = std::iter::once(why.sentence.as_str())
        .chain(lines)
        .collect();
    says(&lines.join("\n"), text)
}

fn says(said: &str, text: &str) -> Seen {
    check(said.contains(text), format!("it says: {said}"))
}

fn check(holds: bool, seen: impl Into<String>) -> Seen {
    if holds { Ok(()) } else { Err(seen.into()) }
}

fn or_nothing(what: Option<impl Display>) -> String {
    what.map_or_else(|| "nothing".to_owned(), |what| what.to_string())
}

fn or_nothing_of(what: &[&str]) -> String {
    if what.is_empty() {
        "nothing".into()
    } else {
        what.join(", ")
    }
}
