//! Two slots: which one a release goes to, and which host has which part in that.
//!
//! Which slot serves is read from the record alone: the last rollout that is done has had its routers
//! proved. Before the first one none serves, and it goes to blue.

use model::deliver::{
    BlueGreen, EnvironmentPlan, Host, Ring, RingHost, RingSize, RingSpec, Slot, Swap,
};

use super::start::{Refusal, Start, refuse_shared, ring};

/// Is a rollout that is begun in one slot while the other one serves.
pub(super) struct Dealt {
    /// The idle slot, then the routers.
    pub(super) specs: Vec<RingSpec>,
    pub(super) rings: Vec<Ring>,
    pub(super) swap: Swap,
}

/// Deals the hosts of the environment out to the slot a release goes to, its routers, and the slot that
/// serves meanwhile. `hosts` are sorted by name.
///
/// # Errors
/// A host whose part is not clear, a slot or routers of which there are none.
pub(super) fn deal(
    plan: &EnvironmentPlan,
    slots: &BlueGreen,
    hosts: &[&Host],
    new: &Start<'_>,
) -> Result<Dealt, Refusal> {
    let routers = routers(plan, slots, new)?;
    for host in hosts {
        refuse_unclear(slots, host, new)?;
    }
    let of = |slot: Slot| -> Vec<&Host> {
        let hosts = hosts.iter().copied();
        hosts.filter(|host| is_in(slots, slot, host)).collect()
    };
    let (to, from) = which(slots, hosts, new)?;
    let idle = of(to);
    if idle.is_empty() {
        return Err(Refusal::EmptySlot {
            environment: new.environment.clone(),
            slot: to,
            labels: slots.labels(to).clone(),
        });
    }
    let specs = specs(plan, slots, to);
    let rings = specs.iter().zip([&idle, &routers]);
    Ok(Dealt {
        rings: rings.map(|(spec, hosts)| ring(spec, hosts)).collect(),
        swap: Swap {
            to,
            from,
            live: from.map_or_else(Vec::new, |from| members(&of(from))),
            warm: None,
            is_back: false,
        },
        specs,
    })
}

/// Names the ring of the slot after it.
fn specs(plan: &EnvironmentPlan, slots: &BlueGreen, to: Slot) -> Vec<RingSpec> {
    let mut specs = plan.rings.clone();
    if let Some(idle) = specs.first_mut() {
        idle.name = to.word().parse().expect("a slot's name is a ring's");
        idle.hosts = RingSize::Match(slots.labels(to).clone());
    }
    specs
}

fn members(hosts: &[&Host]) -> Vec<RingHost> {
    let hosts = hosts.iter();
    hosts.map(|host| RingHost::new(host)).collect()
}

pub(super) fn is_router(slots: &BlueGreen, host: &Host) -> bool {
    host.labels.contains_all(&slots.router)
}

pub(super) fn is_in(slots: &BlueGreen, slot: Slot, host: &Host) -> bool {
    host.labels.contains_all(slots.labels(slot))
}

/// Returns the slot a release goes to, and the one that serves meanwhile.
fn which(
    slots: &BlueGreen,
    hosts: &[&Host],
    new: &Start<'_>,
) -> Result<(Slot, Option<Slot>), Refusal> {
    let Some(last) = new.brought_by else {
        return Ok((Slot::Blue, None));
    };
    if let Some(swap) = &last.swap {
        return Ok((swap.to.other(), Some(swap.to)));
    }
    // It came another way: what it reached serves, and no slot may be all of that.
    let has_it = |host: &Host| last.hosts().any(|member| member.id == host.id);
    let serves = |slot| {
        let mut hosts = hosts.iter();
        hosts.any(|host| is_in(slots, slot, host) && has_it(host))
    };
    match (serves(Slot::Blue), serves(Slot::Green)) {
        (false, false) => Ok((Slot::Blue, None)),
        (false, true) => Ok((Slot::Blue, Some(Slot::Green))),
        (true, false) => Ok((Slot::Green, Some(Slot::Blue))),
        (true, true) => Err(Refusal::NoIdleSlot {
            environment: new.environment.clone(),
            change: last.change,
        }),
    }
}

/// Returns the routers, sorted by name; they need not carry the labels of the environment.
fn routers<'a>(
    plan: &EnvironmentPlan,
    slots: &BlueGreen,
    new: &Start<'a>,
) -> Result<Vec<&'a Host>, Refusal> {
    let is_ours = |host: &&Host| host.retired_at.is_none() && is_router(slots, host);
    let mut routers: Vec<&Host> = new.hosts.iter().filter(is_ours).collect();
    routers.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    if routers.is_empty() {
        return Err(Refusal::NoRouter {
            environment: new.environment.clone(),
            labels: slots.router.clone(),
        });
    }
    refuse_shared(&routers, new)?;
    for router in &routers {
        let is_one = |slot| router.labels.contains_all(&plan.hosts) && is_in(slots, slot, router);
        if let Some(slot) = [Slot::Blue, Slot::Green].into_iter().find(|s| is_one(*s)) {
            return Err(Refusal::RouterInSlot {
                host: router.name.clone(),
                slot,
            });
        }
    }
    Ok(routers)
}

fn refuse_unclear(slots: &BlueGreen, host: &Host, new: &Start<'_>) -> Result<(), Refusal> {
    let of = [Slot::Blue, Slot::Green].map(|slot| is_in(slots, slot, host));
    match of {
        [true, false] | [false, true] => Ok(()),
        [false, false] if is_router(slots, host) => Ok(()),
        [false, false] => Err(Refusal::InNoSlot {
            environment: new.environment.clone(),
            host: host.name.clone(),
            blue: slots.blue.clone(),
            green: slots.green.clone(),
        }),
        [true, true] => Err(Refusal::InBothSlots {
            environment: new.environment.clone(),
            host: host.name.clone(),
        }),
    }
}
