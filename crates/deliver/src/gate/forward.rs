//! Whether a release may come to more hosts.

use std::collections::BTreeSet;

use model::HostId;
use model::deliver::{Candidate, Clients, Running, SchemaNeeds, Surroundings};

use super::apart;
use super::objection::{Objection, first_outside};

/// Returns what speaks against bringing `new` to more hosts, the first thing found.
///
/// `reached` are the hosts the rollout itself brings to `new`: a release there that does not fit the schema
/// is no objection, because the rollout is what mends it. A release on any other host is.
pub fn forward(
    new: &Candidate,
    around: &Surroundings,
    reached: &BTreeSet<HostId>,
) -> Option<Objection> {
    schema(new, around)
        .or_else(|| left_behind(new, around, reached))
        .or_else(|| apart(new, around))
        .or_else(|| clients(new, around))
}

fn schema(new: &Candidate, around: &Surroundings) -> Option<Objection> {
    let version = new.release.version.clone();
    match (&around.schema, &new.compatibility.schema) {
        (None, None) => None,
        (None, Some(SchemaNeeds { needs, .. })) => Some(Objection::SchemaUnknown {
            service: new.service.clone(),
            environment: new.environment.clone(),
            version,
            needs: needs.clone(),
        }),
        (Some(schema), None) => Some(Objection::SchemaUnsaid {
            service: new.service.clone(),
            environment: new.environment.clone(),
            version,
            schema: schema.version,
        }),
        (Some(schema), Some(SchemaNeeds { needs, .. })) => {
            let found = first_outside(schema, needs)?;
            Some(Objection::Schema {
                service: new.service.clone(),
                environment: new.environment.clone(),
                version,
                needs: needs.clone(),
                found,
            })
        }
    }
}

/// Finds a release that still runs where the rollout does not reach, and does not fit the schema.
fn left_behind(
    new: &Candidate,
    around: &Surroundings,
    reached: &BTreeSet<HostId>,
) -> Option<Objection> {
    let schema = around.schema.as_ref()?;
    others(new, around).find_map(|running| {
        let needs = &running.compatibility.schema.as_ref()?.needs;
        let hosts = running.hosts.iter();
        let left: Vec<_> = hosts.filter(|(id, _)| !reached.contains(id)).collect();
        let found = first_outside(schema, needs).filter(|_| !left.is_empty())?;
        Some(Objection::StillRuns {
            version: running.release.version.clone(),
            needs: needs.clone(),
            found,
            hosts: left.into_iter().map(|(_, name)| name.clone()).collect(),
        })
    })
}

/// Finds clients that are served now, and would not be, and are not dropped by name.
fn clients(new: &Candidate, around: &Surroundings) -> Option<Objection> {
    let said = &new.compatibility;
    let of = |list: &[Clients], one: &Clients| {
        let same = list.iter().find(|other| other.name == one.name);
        same.map(|other| other.versions.clone())
    };
    let mut served = others(new, around).flat_map(|running| {
        let clients = running.compatibility.clients.iter();
        clients.map(|one| (one, &running.release.version))
    });
    served.find_map(|(one, by)| {
        let left = match of(&said.drops_clients, one) {
            Some(dropped) => one.versions.without(&dropped)?,
            None => one.versions.clone(),
        };
        let is_served = of(&said.clients, one).is_some_and(|serves| serves.covers(&left));
        (!is_served).then(|| Objection::ClientsLost {
            version: new.release.version.clone(),
            clients: Clients {
                name: one.name.clone(),
                versions: left,
            },
            served_by: by.clone(),
        })
    })
}

/// Returns the other releases of the service that run there.
fn others<'a>(new: &'a Candidate, around: &'a Surroundings) -> impl Iterator<Item = &'a Running> {
    let is_other = |one: &&Running| one.release.number != new.release.number;
    around.runs.iter().filter(is_other)
}
