//! What a release meets in an environment: the schema, and the releases that run there.

use std::collections::{BTreeMap, BTreeSet};

use model::deliver::{
    Candidate, Compatibility, Desired, DesiredState, GateFacts, Proof, Release, ReleaseNumber,
    ReleaseRef, Reported, Rollout, RolloutState, Running, Surroundings,
};
use model::{EnvironmentName, HostId, HostName, ServiceName, Version, limit};

use crate::{Error, Tx};

const COMPATIBLE: &str = "deliver_compatible";
const CALL: &str = "deliver_call";

/// Notes that a release says what it can live with, and whom it calls.
pub(crate) fn note(tx: &mut Tx<'_>, release: &Release) -> Result<(), Error> {
    let said = &release.definition.compatibility;
    if said.is_empty() {
        return Ok(());
    }
    let sql =
        "INSERT INTO deliver_compatible (service) VALUES ($1) ON CONFLICT (service) DO NOTHING";
    tx.execute(sql, &[(&release.service).into()])?;
    for callee in said.api.iter().flat_map(|api| api.calls.keys()) {
        let sql = "INSERT INTO deliver_call (callee, caller) VALUES ($1, $2)
                   ON CONFLICT (callee, caller) DO NOTHING";
        tx.execute(sql, &[callee.into(), (&release.service).into()])?;
    }
    Ok(())
}

/// Reads what a rollout's release and its way back are compared with.
///
/// None where neither the service nor anything that calls it says what it can live with. `draft` is what a
/// release says that is not stored. `live` is left empty, see [`live`].
pub fn gate_facts(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    draft: Option<&Compatibility>,
) -> Result<Option<GateFacts>, Error> {
    let callers = callers(tx, &rollout.service)?;
    let is_concerned = draft.is_some_and(|said| !said.is_empty())
        || !callers.is_empty()
        || says_anything(tx, &rollout.service)?;
    if !is_concerned {
        return Ok(None);
    }
    let new = match draft {
        Some(draft) => candidate(rollout, &rollout.release, draft.clone()),
        None => stored_candidate(tx, rollout, &rollout.release)?,
    };
    let previous = rollout.previous.as_ref();
    let previous = previous
        .map(|release| stored_candidate(tx, rollout, release))
        .transpose()?;
    let mut neighbours = callers;
    for one in [Some(&new), previous.as_ref()].into_iter().flatten() {
        let calls = one.compatibility.api.iter();
        neighbours.extend(calls.flat_map(|api| api.calls.keys().cloned()));
    }
    let (service, environment) = (&rollout.service, &rollout.environment);
    Ok(Some(GateFacts {
        surroundings: read(tx, service, environment, &neighbours)?,
        new,
        previous,
        parts: parts(rollout),
        live: Vec::new(),
    }))
}

/// Reads what stands in an environment.
pub fn read(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
    neighbours: &BTreeSet<ServiceName>,
) -> Result<Surroundings, Error> {
    let names = expected_hosts(tx)?;
    let mut found = Surroundings {
        schema: crate::schema::get(tx, service, environment)?,
        runs: runs(tx, service, environment, &names)?,
        neighbours: BTreeMap::new(),
    };
    for neighbour in neighbours {
        let running = runs(tx, neighbour, environment, &names)?;
        found.neighbours.insert(neighbour.clone(), running);
    }
    Ok(found)
}

/// Returns the releases of a service that were live in an environment and were not undone, by number.
pub fn live(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> Result<Vec<(ReleaseRef, Compatibility)>, Error> {
    let history = crate::rollout::history(tx, service, environment, limit::LIST_ITEMS)?;
    let done = history.into_iter().map(|one| one.rollout);
    let done = done.filter(|one| matches!(one.state, RolloutState::Done { .. }));
    let releases: BTreeMap<ReleaseNumber, ReleaseRef> =
        done.map(|one| (one.release.number, one.release)).collect();
    let mut live = Vec::new();
    for (number, release) in releases {
        live.push((release, said(tx, service, number)?));
    }
    Ok(live)
}

fn parts(rollout: &Rollout) -> Vec<(ServiceName, Version)> {
    let together = rollout.together.iter();
    let others = together.flat_map(|together| together.others(rollout.change));
    others
        .map(|part| (part.service.clone(), part.version.clone()))
        .collect()
}

fn candidate(rollout: &Rollout, release: &ReleaseRef, compatibility: Compatibility) -> Candidate {
    Candidate {
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        release: release.clone(),
        compatibility,
    }
}

fn stored_candidate(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    release: &ReleaseRef,
) -> Result<Candidate, Error> {
    let compatibility = said(tx, &rollout.service, release.number)?;
    Ok(candidate(rollout, release, compatibility))
}

/// Reads what a release says. One that is missing is an error: nothing can be compared with it.
fn said(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    number: ReleaseNumber,
) -> Result<Compatibility, Error> {
    release(tx, service, number).map(|release| release.definition.compatibility)
}

fn release(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    number: ReleaseNumber,
) -> Result<Release, Error> {
    crate::release::get(tx, service, number)?.ok_or_else(|| Error::Unreadable {
        table: "deliver_release",
        why: format!("{service} {number} is missing"),
    })
}

fn callers(tx: &mut Tx<'_>, callee: &ServiceName) -> Result<BTreeSet<ServiceName>, Error> {
    let sql = "SELECT caller FROM deliver_call WHERE callee = $1";
    let rows = tx.query(CALL, sql, &[callee.into()])?;
    rows.iter().map(|row| row.parsed(0)).collect()
}

fn says_anything(tx: &mut Tx<'_>, service: &ServiceName) -> Result<bool, Error> {
    let sql = "SELECT service FROM deliver_compatible WHERE service = $1";
    Ok(tx.query_one(COMPATIBLE, sql, &[service.into()])?.is_some())
}

/// Returns the hosts that are expected. One whose row cannot be read is told of elsewhere; what it runs is
/// not known.
fn expected_hosts(tx: &mut Tx<'_>) -> Result<BTreeMap<HostId, HostName>, Error> {
    let hosts = crate::host::expected_each(tx)?.into_iter();
    let hosts = hosts.filter_map(|(_, host)| host.ok());
    Ok(hosts.map(|host| (host.id, host.name)).collect())
}

/// Returns which releases of a service run in an environment: those that hosts are asked for, and those that
/// their processes proved to be when they were last heard of.
fn runs(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
    names: &BTreeMap<HostId, HostName>,
) -> Result<Vec<Running>, Error> {
    let mut found: BTreeMap<ReleaseNumber, Vec<(HostId, HostName)>> = BTreeMap::new();
    let reported = crate::fleet::reported_for(tx, service)?.into_iter();
    let reported: BTreeMap<HostId, Reported> = reported.collect();
    let mut known = None;
    for (id, desired, is_held) in crate::fleet::kept_for(tx, service, environment)? {
        let Some(name) = names.get(&id) else {
            continue;
        };
        let mut numbers = BTreeSet::new();
        if !is_held && desired.state == DesiredState::Running {
            numbers.insert(desired.release.number);
        }
        let reported = reported.get(&id);
        let reported = reported.filter(|said| is_held || !proves(&desired, said));
        if let Some(reported) = reported {
            numbers.extend(seen(tx, service, reported, &mut known)?);
        }
        for number in numbers {
            found.entry(number).or_default().push((id, name.clone()));
        }
    }
    let found = found.into_iter();
    found
        .map(|(number, hosts)| running(tx, service, number, hosts))
        .collect()
}

fn running(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    number: ReleaseNumber,
    mut hosts: Vec<(HostId, HostName)>,
) -> Result<Running, Error> {
    hosts.sort_by(|a, b| a.1.cmp(&b.1));
    let release = release(tx, service, number)?;
    Ok(Running {
        release: release.to_ref(),
        compatibility: release.definition.compatibility,
        hosts,
    })
}

/// Returns the releases a host's processes are of; `known` keeps those of the service once they were read,
/// which almost never is needed.
fn seen(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    reported: &Reported,
    known: &mut Option<Vec<Release>>,
) -> Result<Vec<ReleaseNumber>, Error> {
    let known = match known {
        Some(known) => known,
        None => known.insert(crate::release::list(tx, service, limit::LIST_ITEMS)?),
    };
    let seen = known.iter().filter(|release| is_seen(release, reported));
    Ok(seen.map(|release| release.number).collect())
}

/// Tells whether all that runs on the host is what it is asked for.
fn proves(desired: &Desired, reported: &Reported) -> bool {
    reported.proof == Proof::Converged && reported.generation_applied == desired.generation
}

/// Tells whether a process of the host was seen to be of the release, by its bytes or its folder.
fn is_seen(release: &Release, reported: &Reported) -> bool {
    let folder = format!(
        "{}-{}",
        release.digest.short(),
        release.config_digest.short()
    );
    let is_folder = |text: &Option<String>| text.as_ref() == Some(&folder);
    let of_process = reported.processes.iter().any(|process| {
        process.exe_sha256 == Some(release.digest)
            || is_folder(&process.release_from_exe)
            || is_folder(&process.release_from_cwd)
            || is_folder(&process.release_from_env)
    });
    of_process || reported.observed == Some(release.digest)
}
