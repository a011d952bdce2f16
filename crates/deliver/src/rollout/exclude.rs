//! A person says that a rollout is not to wait for a host.

use model::deliver::{Excluded, RingHost, Rollout};
use model::{ChangeId, HostId, HostName, RingName};

/// Is why a host is not excluded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExcludeRefusal {
    #[error("{change} is over; it waits for no host")]
    Over { change: ChangeId },
    #[error("{host} is in no ring of {change}")]
    NoMember { change: ChangeId, host: HostId },
    #[error(
        "{host} is the last host of ring `{ring}` of {change}; without it the ring would show nothing"
    )]
    LastOfRing {
        change: ChangeId,
        host: HostName,
        ring: RingName,
    },
}

impl ExcludeRefusal {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            ExcludeRefusal::Over { change } | ExcludeRefusal::NoMember { change, .. } => {
                format!("see where it stands: `sleepwell watch {change}`")
            }
            ExcludeRefusal::LastOfRing { change, host, .. } => format!(
                "if it is gone for good: `sleepwell undo {change}`, `sleepwell hosts retire {host}`, and ship again, so that another host takes its place"
            ),
        }
    }
}

/// Excludes a host from what the rollout waits for; one that is excluded already stays so.
///
/// # Errors
/// A rollout that waits for nobody, or a ring that would be passed without having been looked at.
pub fn exclude(rollout: &Rollout, host: HostId, word: Excluded) -> Result<Rollout, ExcludeRefusal> {
    let change = rollout.change;
    if rollout.state.is_over() {
        return Err(ExcludeRefusal::Over { change });
    }
    if rollout.queued.is_some() {
        return Err(ExcludeRefusal::NoMember { change, host });
    }
    let mut next = rollout.clone();
    let (is_only_ring, has_routers) = (next.rings.len() == 1, next.swap.is_some());
    let last = next.rings.len().saturating_sub(1);
    for (index, ring) in next.rings.iter_mut().enumerate() {
        let Some(position) = ring.hosts.iter().position(|member| member.id == host) else {
            continue;
        };
        let stays = |member: &RingHost| member.id != host && member.excluded.is_none();
        // The last ring shows nothing to another, so it may be empty unless it is all there is.
        // Not so the routers, without whom nothing is swapped.
        let may_be_empty =
            ring.passed_at.is_some() || (index == last && !is_only_ring && !has_routers);
        if !may_be_empty && !ring.hosts.iter().any(stays) {
            return Err(ExcludeRefusal::LastOfRing {
                change,
                host: ring.hosts[position].name.clone(),
                ring: ring.name.clone(),
            });
        }
        ring.hosts[position].excluded.get_or_insert(word);
        return Ok(next);
    }
    Err(ExcludeRefusal::NoMember { change, host })
}
