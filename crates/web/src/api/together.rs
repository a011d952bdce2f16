//! Several services shipped as one: which, where to, in which order, and how they go back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use deliver::rollout::{Circle, Ordered, order, undo_with, undone_together};
use model::api::Problem;
use model::api::deliver::NewRollout;
use model::deliver::{Order, Part, Release, Rollout};
use model::{ChangeId, Entry, EnvironmentName, Kind, ServiceName, Subject, Timestamp, limit};
use runtime::Ids;
use store::Tx;
use store::rollout::{Left, leave_at_others};

use super::rollouts::{find_release, which_environment};
use crate::error::Failure;

type Result<T> = std::result::Result<T, Failure>;

/// Is one of what is to be shipped.
pub(super) struct Member {
    pub(super) release: Release,
    pub(super) part: Part,
}

/// Finds what is to be shipped, in the order it goes out, each with the change it will be.
pub(super) fn members(tx: &mut Tx<'_>, new: &NewRollout) -> Result<(EnvironmentName, Vec<Member>)> {
    let (environment, mut releases) = releases(tx, new)?;
    let shipped: Vec<ServiceName> = releases.iter().map(|r| r.service.clone()).collect();
    let depends_on = depends_on(tx, &releases, &environment)?;
    let ordered = order(&shipped, &depends_on).map_err(in_a_circle)?;
    let mut changes: BTreeMap<ServiceName, ChangeId> = BTreeMap::new();
    let mut members: Vec<Member> = Vec::new();
    for Ordered { service, needs } in ordered {
        let at = releases.iter().position(|r| r.service == service);
        let release = releases.remove(at.expect("what is ordered are these releases"));
        let change = store::change::next_id(tx)?;
        let part = Part {
            change,
            service: service.clone(),
            version: release.version.clone(),
            needs: needs.iter().map(|need| changes[need]).collect(),
        };
        changes.insert(service, change);
        members.push(Member { release, part });
    }
    Ok((environment, members))
}

/// Returns the releases in the order they were named, and the one environment all go to.
fn releases(tx: &mut Tx<'_>, new: &NewRollout) -> Result<(EnvironmentName, Vec<Release>)> {
    if new.with.len() >= limit::PARTS {
        let title = format!(
            "{} services are too many to ship as one",
            new.with.len() + 1
        );
        let hint = format!("ship at most {} together", limit::PARTS);
        return Err(Problem::new(422, "too_many_parts", title)
            .at("with")
            .hint(hint)
            .into());
    }
    let release = find_release(tx, new)?;
    let environment = which_environment(&release, new)?;
    let mut releases = vec![release];
    for (i, with) in new.with.iter().enumerate() {
        if releases
            .iter()
            .any(|release| release.service == with.service)
        {
            let title = format!("`{}` is named twice", with.service);
            let hint = "name each service once, with one version";
            return Err(Problem::new(422, "named_twice", title)
                .at(format!("with[{i}]"))
                .hint(hint)
                .into());
        }
        let one = NewRollout {
            service: with.service.clone(),
            version: with.version.clone(),
            with: Vec::new(),
            ..new.clone()
        };
        let release = find_release(tx, &one)?;
        let its_own = which_environment(&release, &one)?;
        if its_own != environment {
            let title = format!(
                "`{}` goes to `{environment}` and `{}` to `{its_own}`",
                new.service, with.service
            );
            let hint = "what is shipped together goes to one environment: name it";
            return Err(Problem::new(422, "which_environment", title)
                .at("environment")
                .hint(hint)
                .into());
        }
        releases.push(release);
    }
    Ok((environment, releases))
}

/// Returns what each service depends on that can be reached from those that are shipped: as their new
/// releases say, and as the releases say that others have in the environment now.
fn depends_on(
    tx: &mut Tx<'_>,
    releases: &[Release],
    environment: &EnvironmentName,
) -> Result<BTreeMap<ServiceName, Vec<ServiceName>>> {
    let mut known: BTreeMap<ServiceName, Vec<ServiceName>> = BTreeMap::new();
    // One alone has nothing to be ordered with.
    if releases.len() < 2 {
        return Ok(known);
    }
    for release in releases {
        known.insert(
            release.service.clone(),
            release.definition.depends_on.clone(),
        );
    }
    let mut next: VecDeque<ServiceName> = known.values().flatten().cloned().collect();
    let mut seen: BTreeSet<ServiceName> = known.keys().cloned().collect();
    while let Some(service) = next.pop_front() {
        if !seen.insert(service.clone()) {
            continue;
        }
        let names = live_depends_on(tx, &service, environment)?;
        next.extend(names.iter().cloned());
        known.insert(service, names);
    }
    Ok(known)
}

fn live_depends_on(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> Result<Vec<ServiceName>> {
    let Some(live) = store::rollout::newest_standing(tx, service, environment)? else {
        return Ok(Vec::new());
    };
    let release = store::release::get(tx, service, live.rollout.release.number)?;
    Ok(release.map(|r| r.definition.depends_on).unwrap_or_default())
}

fn in_a_circle(circle: Circle) -> Failure {
    Problem::new(422, "depends_in_a_circle", circle.to_string())
        .at("with")
        .hint("take one out of `depends_on`, or ship them one after the other")
        .into()
}

/// Leaves an undo at everything `rollout` was shipped together with, as at itself by `order`.
///
/// A person's word is taken for all of them or for none.
pub(super) fn undo_others(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    order: &Order,
    (now, ids): (Timestamp, &Ids),
) -> Result<()> {
    leave_at_others(tx, rollout, |part, newest| {
        let with_it = undo_with(part, order.clone(), newest).map_err(|refusal| {
            let title = format!(
                "{} goes back with {}, and {refusal}",
                part.change, rollout.change
            );
            Problem::new(409, "cannot_be_ordered", title).hint(refusal.hint())
        })?;
        Ok::<_, Failure>(with_it.map(|mut next| {
            let mut causes: Vec<_> = part.last_entry.into_iter().chain([order.entry]).collect();
            causes.sort_unstable();
            let entry = Entry {
                id: ids.entry(now),
                at: now,
                subject: Subject::Change(part.change),
                kind: Kind::Action,
                actor: order.by.clone(),
                causes,
                body: undone_together(rollout).to_body(),
            };
            if let Some(order) = &mut next.order {
                order.entry = entry.id;
            }
            let next = Some(next);
            Left { next, entry }
        }))
    })
}
