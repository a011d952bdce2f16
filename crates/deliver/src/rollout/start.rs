//! Whether a rollout may begin, and which host is in which ring.

use std::{fmt, iter};

use model::act::Do;
use model::deliver::{
    EnvironmentPlan, Host, Release, ReleaseRef, Ring, RingHost, RingSize, RingSpec, Rollout,
    RolloutState, Slot,
};
use model::judge::VerdictState;
use model::{
    ChangeId, EnvironmentName, Fact, HostName, Kind, Labels, RingName, ServiceName, Timestamp,
    Version,
};

use super::slots::{deal, is_router};
use crate::gate::Objection;

/// Is the wish to bring a release into an environment.
pub struct Start<'a> {
    pub change: ChangeId,
    pub release: &'a Release,
    /// The last proved-good release there; none for the first one.
    pub previous: Option<ReleaseRef>,
    /// The rollout that brought it, which knows the slot it is in.
    pub brought_by: Option<&'a Rollout>,
    pub environment: EnvironmentName,
    /// All enrolled hosts that are not retired, in any order.
    pub hosts: &'a [Host],
    /// Every host is set up anew, with the release that runs there.
    pub redeploy: bool,
    pub by: String,
    pub now: Timestamp,
}

/// Is why a rollout does not begin. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "unknown environment `{environment}` of `{service}`; known: {}",
        listed(known)
    )]
    UnknownEnvironment {
        service: ServiceName,
        environment: EnvironmentName,
        known: Vec<EnvironmentName>,
    },
    #[error("no enrolled host carries the labels {labels} of environment `{environment}`")]
    NoHosts {
        environment: EnvironmentName,
        labels: Labels,
    },
    #[error("environment `{environment}` expects {expected} hosts, enrolled: {enrolled}")]
    TooFewHosts {
        environment: EnvironmentName,
        expected: u32,
        enrolled: usize,
    },
    #[error("no host of environment `{environment}` carries the labels {labels} of ring `{ring}`")]
    EmptyRing {
        environment: EnvironmentName,
        ring: RingName,
        labels: Labels,
    },
    #[error(
        "`{host}` carries the labels of `{environment}` and of `{other}`; a host serves one environment of `{service}`"
    )]
    InTwoEnvironments {
        service: ServiceName,
        host: HostName,
        environment: EnvironmentName,
        other: EnvironmentName,
    },
    #[error("no ring of environment `{environment}` holds a host")]
    NoRing { environment: EnvironmentName },
    #[error(
        "no host of environment `{environment}` carries the labels {labels} of slot {slot}, to which the release goes"
    )]
    EmptySlot {
        environment: EnvironmentName,
        slot: Slot,
        labels: Labels,
    },
    #[error("no enrolled host carries the labels {labels} of the routers of `{environment}`")]
    NoRouter {
        environment: EnvironmentName,
        labels: Labels,
    },
    #[error(
        "`{host}` of environment `{environment}` is in neither slot: blue is {blue}, green is {green}"
    )]
    InNoSlot {
        environment: EnvironmentName,
        host: HostName,
        blue: Labels,
        green: Labels,
    },
    #[error("`{host}` of environment `{environment}` is in both slots")]
    InBothSlots {
        environment: EnvironmentName,
        host: HostName,
    },
    #[error("`{host}` is a router and carries the labels of slot {slot}")]
    RouterInSlot { host: HostName, slot: Slot },
    #[error(
        "no slot of environment `{environment}` is idle: {change} has brought its release to hosts of both"
    )]
    NoIdleSlot {
        environment: EnvironmentName,
        change: ChangeId,
    },
    #[error("`{service}` {version} is on its way there already: {change} is not over")]
    AlreadyUnderWay {
        service: ServiceName,
        version: Version,
        change: ChangeId,
    },
    #[error(transparent)]
    Incompatible(Box<Objection>),
    #[error("{service} {version} is not what runs there: {}", .live.as_ref().map_or("nothing does".to_owned(), |live| format!("{live} is")))]
    NotLive {
        service: ServiceName,
        version: Version,
        live: Option<Version>,
    },
    #[error("{change} is on its way there and is not over")]
    Occupied { change: ChangeId },
    #[error("{change} has brought its release to {host}, which is in no ring of this one")]
    LeavesBehind { host: HostName, change: ChangeId },
}

impl Refusal {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            Refusal::UnknownEnvironment { environment, .. } => format!(
                "name a known environment, or add `{environment}` under `environments` in sleepwell.yaml and ship again"
            ),
            Refusal::NoHosts { labels, .. } => format!(
                "enrol a host with the labels {labels}, or correct `hosts` of the environment"
            ),
            Refusal::TooFewHosts { .. } => {
                "enrol the missing hosts, or lower `expected` of the environment if they are gone for good".into()
            }
            Refusal::EmptyRing { labels, .. } => format!(
                "label a host {labels}, or correct `hosts` of the ring; a ring that matches nothing would be skipped unseen"
            ),
            Refusal::InTwoEnvironments { environment, other, .. } => format!(
                "tell `{environment}` and `{other}` apart by a label in `hosts` of each, and give each host the one of its own"
            ),
            Refusal::NoRing { .. } => {
                "give one ring a number of hosts above 0, or `rest`".into()
            }
            Refusal::EmptySlot { slot, labels, .. } => format!(
                "enrol hosts with the labels {labels}, or correct `slots.{slot}` of the environment"
            ),
            Refusal::NoRouter { labels, .. } => format!(
                "let an adapter join with a target that carries {labels}, or correct `router` of the environment"
            ),
            Refusal::InNoSlot { .. } | Refusal::InBothSlots { .. } => {
                "give each host the labels of one slot, or correct `slots` of the environment".into()
            }
            Refusal::RouterInSlot { .. } => {
                "a router runs nothing itself: give it labels of its own".into()
            }
            Refusal::NoIdleSlot { .. } => {
                "give the labels of one slot to hosts that do not serve yet, and those of the other to all that do".into()
            }
            Refusal::AlreadyUnderWay { change, .. } => {
                format!("follow it: `sleepwell watch {change}`; or take it back: `sleepwell undo {change}`")
            }
            Refusal::Incompatible(objection) => objection.hint(),
            Refusal::NotLive { service, .. } => {
                format!("a redeploy brings what runs there once more; something else is shipped: `sleepwell ship {service}`")
            }
            Refusal::Occupied { change } => {
                format!("redeploy when it has ended; follow it: `sleepwell watch {change}`")
            }
            Refusal::LeavesBehind { change, .. } => {
                format!("take it back first: `sleepwell undo {change}`; or wait for its end with `--queue`")
            }
        }
    }
}

fn listed<T: fmt::Display>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

/// Decides whether a rollout may begin and which host is in which ring.
///
/// # Errors
/// A [`Refusal`] that names what is missing; its hint says what would help.
pub fn start(new: Start<'_>) -> Result<(Rollout, Vec<(Kind, Fact)>), Refusal> {
    let mut plan = environment_plan(&new)?.clone();
    let hosts = hosts_of(&plan, &new)?;
    let (rings, swap);
    match &plan.blue_green {
        Some(slots) => {
            let dealt = deal(&plan, slots, &hosts, &new)?;
            (plan.rings, rings, swap) = (dealt.specs, dealt.rings, Some(dealt.swap));
        }
        None => {
            (plan.rings, rings) = assign(&plan.rings, &hosts, &new.environment)?;
            swap = None;
        }
    }

    let definition = &new.release.definition;
    let auto_undo = definition.procedures.iter().any(|procedure| {
        procedure.when.verdict == VerdictState::Fail && procedure.actions.contains(&Do::Undo)
    });
    let release = brought(&new);
    let rollout = Rollout {
        change: new.change,
        service: new.release.service.clone(),
        environment: new.environment,
        release,
        // A redeploy leads back to the same release: whether that would help, a person decides.
        auto_undo: auto_undo && !new.redeploy,
        previous: new.previous,
        plan,
        rings,
        state: RolloutState::Planned,
        started_at: new.now,
        started_by: new.by,
        order: None,
        judged: !definition.signals.is_empty(),
        failed: None,
        no_way_back: None,
        overruled: None,
        freeze_override: None,
        last_entry: None,
        queued: None,
        watch: None,
        together: None,
        swap,
    };
    let facts = iter::once(planned(&rollout)).chain(slot_chosen(&rollout));
    let facts = facts.map(|fact| (Kind::Change, fact)).collect();
    Ok((rollout, facts))
}

/// Names what the rollout brings. The release that runs there already is nothing to do: it stays the one that
/// was unpacked last.
fn brought(new: &Start<'_>) -> ReleaseRef {
    let release = new.release.to_ref();
    let live = new.previous.as_ref();
    let live = live.filter(|live| live.number == release.number);
    let redeploy = match (new.redeploy, live) {
        (true, _) => Some(new.change),
        (false, Some(live)) => live.redeploy,
        (false, None) => None,
    };
    ReleaseRef {
        redeploy,
        ..release
    }
}

fn slot_chosen(rollout: &Rollout) -> Option<Fact> {
    let swap = rollout.swap.as_ref()?;
    let (idle, live) = (swap.to, swap.from);
    Some(Fact::SlotChosen { idle, live })
}

fn planned(rollout: &Rollout) -> Fact {
    Fact::RolloutPlanned {
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        release: rollout.release.clone(),
        previous: rollout.previous.clone(),
        rings: rollout
            .rings
            .iter()
            .map(|ring| (ring.name.clone(), ring.hosts.len()))
            .collect(),
    }
}

fn environment_plan<'a>(new: &Start<'a>) -> Result<&'a EnvironmentPlan, Refusal> {
    let environments = &new.release.definition.environments;
    environments
        .get(&new.environment)
        .ok_or_else(|| Refusal::UnknownEnvironment {
            service: new.release.service.clone(),
            environment: new.environment.clone(),
            known: environments.keys().cloned().collect(),
        })
}

/// Returns the environment's hosts, sorted by name.
fn hosts_of<'a>(plan: &EnvironmentPlan, new: &Start<'a>) -> Result<Vec<&'a Host>, Refusal> {
    let takes_part =
        |host: &&Host| host.retired_at.is_none() && host.labels.contains_all(&plan.hosts);
    let mut hosts: Vec<&Host> = new.hosts.iter().filter(takes_part).collect();
    hosts.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    refuse_shared(&hosts, new)?;

    let environment = new.environment.clone();
    match plan.expected {
        Some(expected) if hosts.len() < expected as usize => Err(Refusal::TooFewHosts {
            environment,
            expected,
            enrolled: hosts.len(),
        }),
        _ if hosts.is_empty() => Err(Refusal::NoHosts {
            environment,
            labels: plan.hosts.clone(),
        }),
        _ => Ok(hosts),
    }
}

/// A host that two environments lay claim to would run what was shipped last, to either.
pub(super) fn refuse_shared(hosts: &[&Host], new: &Start<'_>) -> Result<(), Refusal> {
    let others = new.release.definition.environments.iter();
    for (other, plan) in others.filter(|(name, _)| **name != new.environment) {
        if let Some(host) = hosts.iter().find(|host| is_claimed(plan, host)) {
            return Err(Refusal::InTwoEnvironments {
                service: new.release.service.clone(),
                host: host.name.clone(),
                environment: new.environment.clone(),
                other: other.clone(),
            });
        }
    }
    Ok(())
}

fn is_claimed(plan: &EnvironmentPlan, host: &Host) -> bool {
    let slots = plan.blue_green.as_ref();
    host.labels.contains_all(&plan.hosts) || slots.is_some_and(|slots| is_router(slots, host))
}

/// Deals the hosts out to the rings; each is in the first that takes it. Rings that get none because
/// the environment is small are left out, together with their specification.
fn assign(
    specs: &[RingSpec],
    hosts: &[&Host],
    environment: &EnvironmentName,
) -> Result<(Vec<RingSpec>, Vec<Ring>), Refusal> {
    let mut free = hosts.to_vec();
    let mut kept = (Vec::new(), Vec::new());
    for spec in specs {
        refuse_unmatched(spec, hosts, environment)?;
        let taken = take(&spec.hosts, &mut free, hosts.len());
        if !taken.is_empty() {
            kept.0.push(spec.clone());
            kept.1.push(ring(spec, &taken));
        }
    }
    if kept.1.is_empty() {
        return Err(Refusal::NoRing {
            environment: environment.clone(),
        });
    }
    Ok(kept)
}

/// A label match that fits no host at all is a slip of the pen: left out, the ring that was to catch a
/// bad release would be missing without a word.
fn refuse_unmatched(
    spec: &RingSpec,
    hosts: &[&Host],
    environment: &EnvironmentName,
) -> Result<(), Refusal> {
    match &spec.hosts {
        RingSize::Match(labels) if !hosts.iter().any(|h| h.labels.contains_all(labels)) => {
            Err(Refusal::EmptyRing {
                environment: environment.clone(),
                ring: spec.name.clone(),
                labels: labels.clone(),
            })
        }
        RingSize::Match(_) | RingSize::Count(_) | RingSize::Percent(_) | RingSize::Rest => Ok(()),
    }
}

fn take<'a>(size: &RingSize, free: &mut Vec<&'a Host>, all: usize) -> Vec<&'a Host> {
    let first = |free: &mut Vec<&'a Host>, n: usize| free.drain(..n.min(free.len())).collect();
    match size {
        RingSize::Count(n) => first(free, *n as usize),
        RingSize::Percent(percent) => first(free, (all * usize::from(*percent)).div_ceil(100)),
        RingSize::Match(labels) => {
            let (taken, left) = free.iter().partition(|h| h.labels.contains_all(labels));
            *free = left;
            taken
        }
        RingSize::Rest => std::mem::take(free),
    }
}

pub(super) fn ring(spec: &RingSpec, hosts: &[&Host]) -> Ring {
    Ring {
        name: spec.name.clone(),
        hosts: hosts.iter().map(|host| RingHost::new(host)).collect(),
        proved_at: None,
        passed_at: None,
        passed_how: None,
    }
}
