//! The compatibility gate: old and new side by side, before anything is asked.
//!
//! A release says what it can live with ([`model::deliver::Compatibility`]); an environment has a recorded schema and other
//! releases that run there ([`Surroundings`]). The gate compares the two, before each ring, before an undo,
//! and before a schema is changed. What somebody has said nothing about never passes for a yes where the
//! other side depends on it: it is an objection of its own.
//!
//! A release counts as running where a host proves it, proved it when it was last heard of, or is asked for
//! it, so a silent host keeps its old release in the comparison until it is back or retired.

mod back;
mod forward;
mod migration;
mod objection;

use std::collections::BTreeSet;

use model::deliver::{Candidate, Running, Surroundings};
use model::{ApiVersion, ServiceName};

pub use back::{NoWayBack, back};
pub use forward::forward;
pub use migration::{History, MigrationRefusal, Wish, begin, set};
pub use objection::Objection;

/// Finds two releases of which one calls the other and they share no version.
///
/// A pair is looked at in both directions: what `candidate` calls, and who calls it.
fn apart(candidate: &Candidate, around: &Surroundings) -> Option<Objection> {
    let calls = candidate.compatibility.api.iter();
    let mut outward = calls.flat_map(|api| &api.calls);
    outward
        .find_map(|(callee, wants)| cannot_call(candidate, (callee, wants), around))
        .or_else(|| cannot_be_called(candidate, around))
}

fn cannot_call(
    caller: &Candidate,
    (callee, wants): (&ServiceName, &BTreeSet<ApiVersion>),
    around: &Surroundings,
) -> Option<Objection> {
    let running = around.neighbours.get(callee).filter(|r| !r.is_empty());
    let Some(running) = running else {
        return Some(Objection::CalleeAbsent {
            caller: caller.service.clone(),
            version: caller.release.version.clone(),
            callee: callee.clone(),
            environment: caller.environment.clone(),
        });
    };
    let pair = |callee_runs: &Running| Pair {
        caller: (caller.service.clone(), caller.release.version.clone()),
        callee: (callee.clone(), callee_runs.release.version.clone()),
        wants: wants.clone(),
    };
    let mut running = running.iter();
    running.find_map(|one| pair(one).objection(one.compatibility.serves()))
}

fn cannot_be_called(callee: &Candidate, around: &Surroundings) -> Option<Objection> {
    let neighbours = around.neighbours.iter();
    let mut callers = neighbours.flat_map(|(name, runs)| runs.iter().map(move |one| (name, one)));
    callers.find_map(|(name, one)| {
        let pair = Pair {
            caller: (name.clone(), one.release.version.clone()),
            callee: (callee.service.clone(), callee.release.version.clone()),
            wants: one.compatibility.calls(&callee.service)?.clone(),
        };
        pair.objection(callee.compatibility.serves())
    })
}

/// Is a caller and a callee that may meet.
struct Pair {
    caller: objection::Named,
    callee: objection::Named,
    wants: BTreeSet<ApiVersion>,
}

impl Pair {
    fn objection(self, serves: Option<&BTreeSet<ApiVersion>>) -> Option<Objection> {
        let Self {
            caller,
            callee,
            wants,
        } = self;
        match serves {
            None => Some(Objection::CalleeSilent {
                caller,
                callee,
                wants,
            }),
            Some(serves) if serves.is_disjoint(&wants) => Some(Objection::Apart {
                caller,
                callee,
                wants,
                serves: serves.clone(),
            }),
            Some(_) => None,
        }
    }
}
