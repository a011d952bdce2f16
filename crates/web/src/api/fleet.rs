//! The fleet as a whole: `/api/v1/deliver/fleet`: whether hosts have seen newer orders than this server
//! knows of, and how a person goes on from there.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::deliver::{Adopt, FleetView, HostAhead};
use model::deliver::{Adoption, Ahead, Desired, DesiredState, Priority, ReleaseRef, Reported};
use model::{Entry, EntryId, Fact, HostId, HostName, Kind, ServiceName, Subject, Timestamp};
use runtime::Ids;
use store::Tx;

use super::Body;
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, cut};
use crate::load;

/// Shows each host that is ahead with what it runs and what it would be asked for.
pub(crate) async fn get(State(app): State<App>) -> Result<Json<FleetView>> {
    Ok(Json(app.store.read(view).await?))
}

/// Takes the fleet over as it is: lifts the server's numbers above what hosts have seen.
pub(crate) async fn adopt(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(mut order): Body<Adopt>,
) -> Result<StatusCode> {
    cut(&mut order.reason);
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let word = Word {
        by: caller.name.clone(),
        now,
        ids,
    };
    app.store
        .write(move |tx| adopt_now(tx, order, &word))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.desired.nudge();
    app.wakes.rollouts.nudge();
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses what would ask hosts for something while the server is behind its fleet.
pub(crate) fn refuse_while_behind(tx: &mut Tx<'_>) -> std::result::Result<(), Failure> {
    if !store::fleet::is_behind(tx)? {
        return Ok(());
    }
    Err(behind_fleet().into())
}

pub(super) fn behind_fleet() -> Problem {
    let title = "the server is behind its fleet: hosts have seen newer orders than it knows of";
    Problem::new(409, "behind_fleet", title)
        .hint("it was restored from an old backup; `sleepwell hosts adopt` shows what differs and how to go on")
}

fn view(tx: &mut Tx<'_>) -> std::result::Result<FleetView, store::Error> {
    let known = Known::read(tx)?;
    let ahead = store::fleet::ahead(tx)?;
    let ahead = ahead.into_iter().map(|(host, one)| known.show(host, one));
    Ok(FleetView {
        epoch: store::fleet::epoch(tx)?,
        ahead: ahead.collect(),
    })
}

/// Is what this server knows of hosts that may be ahead.
struct Known {
    names: BTreeMap<HostId, HostName>,
    desired: BTreeMap<(HostId, ServiceName), Desired>,
    reported: BTreeMap<(HostId, ServiceName), Reported>,
    releases: BTreeMap<ServiceName, BTreeMap<u64, ReleaseRef>>,
}

impl Known {
    fn read(tx: &mut Tx<'_>) -> std::result::Result<Self, store::Error> {
        let hosts = store::host::list(tx)?.into_iter();
        let desired = store::fleet::desired_all(tx)?.into_iter();
        let reported = store::fleet::reported_all(tx)?.into_iter();
        let mut releases = BTreeMap::new();
        for (_, one) in store::fleet::ahead(tx)? {
            if let Some(service) = one.service {
                let known = load::releases(tx, &service)?;
                releases.insert(service, known);
            }
        }
        Ok(Self {
            releases,
            names: hosts.map(|host| (host.id, host.name)).collect(),
            desired: desired
                .map(|(host, one)| ((host, one.service.clone()), one))
                .collect(),
            reported: reported
                .map(|(host, one)| ((host, one.service.clone()), one))
                .collect(),
        })
    }

    fn show(&self, host: HostId, ahead: Ahead) -> HostAhead {
        let key = ahead.service.clone().map(|service| (host, service));
        let desired = key.as_ref().and_then(|key| self.desired.get(key));
        let reported = key.as_ref().and_then(|key| self.reported.get(key));
        let wanted = desired.filter(|one| one.state == DesiredState::Running);
        let releases = ahead.service.as_ref().map(|name| &self.releases[name]);
        let running = reported
            .zip(releases)
            .and_then(|(reported, releases)| load::running(reported, releases));
        HostAhead {
            host: self.names[&host].clone(),
            service: ahead.service,
            seen: ahead.seen,
            ours: ahead.ours,
            running: running.map(|release| release.version),
            running_release: reported.and_then(running_release),
            wanted: wanted.map(|one| one.release.version.clone()),
            wanted_release: wanted.map(|one| one.release.folder()),
        }
    }
}

fn running_release(reported: &Reported) -> Option<String> {
    let process = reported.processes.first()?;
    let named = process.release_from_env.as_ref();
    named.or(process.release_from_cwd.as_ref()).cloned()
}

/// Is who says it, and when.
struct Word {
    by: String,
    now: Timestamp,
    ids: Ids,
}

impl Word {
    fn entry(&self, subject: Subject, causes: Vec<EntryId>, fact: &Fact) -> Entry {
        Entry {
            id: self.ids.entry(self.now),
            at: self.now,
            subject,
            kind: Kind::Action,
            actor: self.by.clone(),
            causes,
            body: fact.to_body(),
        }
    }
}

fn adopt_now(tx: &mut Tx<'_>, order: Adopt, word: &Word) -> std::result::Result<(), Failure> {
    let ahead = store::fleet::ahead(tx)?;
    if ahead.is_empty() {
        let title = "no host has seen newer orders than this server knows of";
        return Err(Problem::new(409, "not_behind", title)
            .hint("there is nothing to adopt; sleepwell hosts shows what each host runs")
            .into());
    }
    let fact = Fact::FleetAdopted {
        how: order.how,
        orders: ahead
            .iter()
            .filter(|(_, one)| one.service.is_some())
            .count(),
        reason: order.reason,
    };
    let entry = word.entry(Subject::Server, vec![], &fact);
    store::journal::append(tx, &entry)?;
    let mut known = Known::read(tx)?;
    for (host, one) in ahead {
        store::fleet::set_ahead(tx, host, &[])?;
        let Some(service) = one.service else {
            store::fleet::lift_epoch(tx, one.seen)?;
            continue;
        };
        let Some(desired) = known.desired.remove(&(host, service)) else {
            continue;
        };
        store::fleet::hold(tx, host, desired.clone(), one.seen)?;
        if order.how == Adoption::Follow {
            let name = known.names[&host].clone();
            ask_again(tx, (host, name), desired, entry.id, word)?;
        }
    }
    Ok(())
}

/// Asks a host anew for what it was asked for before, as far as this server knows.
fn ask_again(
    tx: &mut Tx<'_>,
    (host, name): (HostId, HostName),
    mut desired: Desired,
    cause: EntryId,
    word: &Word,
) -> std::result::Result<(), Failure> {
    desired.priority = Priority::Rollout;
    let (service, version) = (desired.service.clone(), desired.release.version.clone());
    let state = desired.state;
    let fact = Fact::HostAsked {
        host: name.clone(),
        service,
        version,
        generation: store::fleet::ask(tx, host, desired)?,
        priority: Priority::Rollout,
        state,
    };
    let entry = word.entry(Subject::Host(name), vec![cause], &fact);
    Ok(store::journal::append(tx, &entry)?)
}
