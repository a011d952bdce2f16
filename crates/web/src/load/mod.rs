//! Reads what a page or an answer shows, on one snapshot.

mod alert;
mod fleet;

pub(crate) use alert::{alerts, incident, page, why};
pub(crate) use fleet::Fleet;

use std::collections::{BTreeMap, BTreeSet};

use learn::change::ViewInput;
use model::api::change::{ChangeView, PartView, Why};
use model::api::deliver::{HostService, HostTrouble, HostView};
use model::deliver::{
    Desired, Host, ProgramOutcome, Proof, ReleaseRef, Reported, Rollout, Speaker,
};
use model::{
    ChangeId, Digest, Entry, EntryId, HostId, HostName, ServiceName, Subject, Timestamp, limit,
};
use store::{Error, Tx};

/// Entries of one change that are read; a rollout has a few dozen.
const ENTRIES: usize = 2_000;

/// Reads one change as people see it.
pub(crate) fn change(
    tx: &mut Tx<'_>,
    fleet: &mut Fleet,
    id: ChangeId,
    now: Timestamp,
) -> Result<Option<ChangeView>, Error> {
    let entries = entries(tx, &Subject::Change(id))?;
    view(tx, fleet, id, &entries, now)
}

/// Walks the causes of one change.
pub(crate) fn why_of_change(
    tx: &mut Tx<'_>,
    fleet: &mut Fleet,
    id: ChangeId,
    now: Timestamp,
) -> Result<Option<Why>, Error> {
    let subject = Subject::Change(id);
    let entries = entries(tx, &subject)?;
    let view = view(tx, fleet, id, &entries, now)?;
    Ok(view.map(|view| learn::why::story(&subject, view.sentence, &entries)))
}

/// Reads the entries about a subject and what caused them, such as the word of a host behind a verdict.
fn entries(tx: &mut Tx<'_>, subject: &Subject) -> Result<Vec<Entry>, Error> {
    let mut entries = store::journal::about(tx, subject, ENTRIES)?;
    let known: BTreeSet<EntryId> = entries.iter().map(|entry| entry.id).collect();
    let causes: BTreeSet<EntryId> = entries
        .iter()
        .flat_map(|entry| &entry.causes)
        .filter(|cause| !known.contains(cause))
        .copied()
        .collect();
    for cause in causes {
        entries.extend(store::journal::get(tx, cause)?);
    }
    entries.sort_by_key(|entry| entry.id);
    Ok(entries)
}

fn view(
    tx: &mut Tx<'_>,
    fleet: &mut Fleet,
    id: ChangeId,
    entries: &[Entry],
    now: Timestamp,
) -> Result<Option<ChangeView>, Error> {
    let (Some(change), Some(stored)) = (store::change::get(tx, id)?, store::rollout::get(tx, id)?)
    else {
        return Ok(None);
    };
    let rollout = stored.rollout;
    let release = store::release::get(tx, &rollout.service, rollout.release.number)?;
    let signals = release
        .map(|release| release.definition.signals)
        .unwrap_or_default();
    let hosts = fleet.hosts_now(tx, &rollout, now)?;
    let verdict = store::judgement::newest(tx, id)?.map(|(verdict, _)| verdict);
    let parts = parts(tx, &rollout)?;
    Ok(Some(learn::change::view(ViewInput {
        change: &change,
        rollout: &rollout,
        hosts: &hosts,
        signals: &signals,
        verdict: verdict.as_ref(),
        parts: &parts,
        entries,
        now,
    })))
}

/// Returns where everything stands that was shipped together, in the order it goes out.
fn parts(tx: &mut Tx<'_>, rollout: &Rollout) -> Result<Vec<PartView>, Error> {
    let together = rollout.together.iter();
    let mut views = Vec::new();
    for part in together.flat_map(|together| &together.parts) {
        if let Some(change) = store::change::get(tx, part.change)? {
            views.push(PartView {
                part: part.clone(),
                state: change.state,
            });
        }
    }
    Ok(views)
}

pub(crate) fn releases(
    tx: &mut Tx<'_>,
    service: &ServiceName,
) -> Result<BTreeMap<u64, ReleaseRef>, Error> {
    let list = store::release::list(tx, service, limit::LIST_ITEMS)?;
    Ok(list
        .iter()
        .map(|release| (release.number.0, release.to_ref()))
        .collect())
}

/// Returns the release a router proves to send everything to; it runs nothing itself.
pub(crate) fn routed(
    wish: &Desired,
    reported: &Reported,
    releases: &BTreeMap<u64, ReleaseRef>,
) -> Option<ReleaseRef> {
    let is_proved = wish.slot.is_some()
        && wish.slot == reported.slot
        && wish.generation == reported.generation_applied;
    let release = releases.get(&wish.release.number.0);
    release.filter(|_| is_proved).cloned()
}

/// Returns which release the host's running processes are, by the digest of what they execute; nothing
/// when nothing runs, when they differ, or when it is none of ours.
pub(crate) fn running(
    reported: &Reported,
    releases: &BTreeMap<u64, ReleaseRef>,
) -> Option<ReleaseRef> {
    if let Some(observed) = reported.observed {
        return newest_where(releases, |digest| digest == observed);
    }
    let first = reported.processes.first()?;
    let folder = first
        .release_from_exe
        .as_ref()
        .or(first.release_from_cwd.as_ref())?;
    let same = reported.processes.iter().all(|process| {
        process
            .release_from_exe
            .as_ref()
            .or(process.release_from_cwd.as_ref())
            == Some(folder)
    });
    let short = folder.split('-').next()?;
    let newest = newest_where(releases, |digest| digest.short() == short)?;
    same.then_some(newest)
}

/// Returns the newest release whose digest is meant. Two releases may share their bytes; then the one the
/// host was asked for last is meant.
fn newest_where(
    releases: &BTreeMap<u64, ReleaseRef>,
    is_meant: impl Fn(Digest) -> bool,
) -> Option<ReleaseRef> {
    let mut newest_first = releases.values().rev();
    newest_first
        .find(|release| is_meant(release.digest))
        .cloned()
}

/// Is which of the expected hosts are asked for.
#[derive(Debug)]
pub(crate) struct HostsWanted<F> {
    /// That one alone.
    pub(crate) name: Option<HostName>,
    /// Those behind it, in the order of names.
    pub(crate) after: Option<HostName>,
    pub(crate) limit: usize,
    pub(crate) fits: F,
}

/// Reads expected hosts with everything they run, by name. However many there are, those of one page are in
/// memory at a time.
pub(crate) fn hosts(
    tx: &mut Tx<'_>,
    wanted: &HostsWanted<impl Fn(&HostView) -> bool>,
    now: Timestamp,
) -> Result<Vec<HostView>, Error> {
    let (mut after, mut found) = (wanted.after.clone(), Vec::new());
    let mut known = Known {
        releases: BTreeMap::new(),
        locked_out: store::token::locked_out(tx)?.into_iter().collect(),
    };
    while found.len() < wanted.limit {
        let page = match &wanted.name {
            Some(name) => store::host::by_name(tx, name)?.into_iter().collect(),
            None => store::host::page(tx, after.as_ref(), limit::LIST_ITEMS)?,
        };
        let is_last = page.len() < limit::LIST_ITEMS;
        after = page.last().map(|host: &Host| host.name.clone());
        let views = hosts_of_page(tx, page, &mut known, now)?;
        found.extend(views.into_iter().filter(&wanted.fits));
        if is_last {
            break;
        }
    }
    found.truncate(wanted.limit);
    Ok(found)
}

/// Is what is read once for all pages.
struct Known {
    releases: Releases,
    /// Hosts with no token left, since when.
    locked_out: BTreeMap<HostId, Timestamp>,
}

/// Is what is known of releases by their numbers, for each service that was looked at.
type Releases = BTreeMap<ServiceName, BTreeMap<u64, ReleaseRef>>;

fn hosts_of_page(
    tx: &mut Tx<'_>,
    page: Vec<Host>,
    known: &mut Known,
    now: Timestamp,
) -> Result<Vec<HostView>, Error> {
    let Known {
        releases: releases_of,
        locked_out,
    } = known;
    let (Some(first), Some(last)) = (page.first(), page.last()) else {
        return Ok(vec![]);
    };
    let range = (&first.name.clone(), &last.name.clone());
    let mut wanted = store::fleet::wanted_of_page(tx, range)?;
    let mut reported = store::fleet::reported_of_page(tx, range)?;
    for one in wanted.values().flatten() {
        let service = &one.desired.service;
        if !releases_of.contains_key(service) {
            let known = releases(tx, service)?;
            releases_of.insert(service.clone(), known);
        }
    }
    let expected = page.into_iter().filter(|host| host.retired_at.is_none());
    Ok(expected
        .map(|host| {
            let troubles = troubles(&host, locked_out.get(&host.id).copied());
            let services = wanted.remove(&host.id).unwrap_or_default();
            let services = services.into_iter().map(|one| {
                let key = (host.id, one.desired.service.clone());
                let reported = reported.remove(&key);
                let service = host_service(&host, one.desired, reported, releases_of, now);
                if one.held { kept(service) } else { service }
            });
            HostView {
                id: host.id,
                services: services.collect(),
                last_seen: host.last_seen,
                unknown_since: host.unknown_since(now),
                troubles,
                name: host.name,
                labels: host.labels,
                agent_version: host.agent_version,
                program: host.program,
            }
        })
        .collect())
}

/// Returns what is wrong with the host itself, the worst first.
fn troubles(host: &Host, locked_out: Option<Timestamp>) -> Vec<HostTrouble> {
    let speakers = &host.speakers;
    let boot = |one: &Speaker| one.boot_id.clone();
    let doubled = speakers.doubled_since.map(|since| HostTrouble::Doubled {
        since,
        heard_boot: speakers.heard.as_ref().map(boot).unwrap_or_default(),
        other_boots: speakers.others.iter().map(boot).collect(),
    });
    let clock_off = host.clock_off.map(|off| HostTrouble::ClockOff {
        since: off.since,
        ahead_ms: off.ahead_ms,
    });
    let locked_out = locked_out.map(|since| HostTrouble::LockedOut { since });
    [locked_out, doubled, update_failed(host), clock_off]
        .into_iter()
        .flatten()
        .collect()
}

fn update_failed(host: &Host) -> Option<HostTrouble> {
    let order = host.program.order.as_ref()?;
    let ProgramOutcome::Failed { at, why } = &order.outcome else {
        return None;
    };
    Some(HostTrouble::UpdateFailed {
        since: *at,
        digest: order.wish.digest,
        version: order.wish.version.clone(),
        why: why.clone(),
    })
}

/// Shows that a host keeps something else than this server would ask it for.
fn kept(mut service: HostService) -> HostService {
    if service.proof == Proof::Converged {
        service.proof = Proof::Drifted;
        service.why =
            "it keeps what it ran when the fleet was adopted; ship to replace it".to_owned();
    }
    service
}

fn host_service(
    host: &Host,
    wanted: Desired,
    reported: Option<Reported>,
    releases: &Releases,
    now: Timestamp,
) -> HostService {
    let silent = host.unknown_since(now);
    let running = reported
        .as_ref()
        .zip(releases.get(&wanted.service))
        .and_then(|(reported, releases)| {
            routed(&wanted, reported, releases).or_else(|| running(reported, releases))
        });
    let behind = reported
        .as_ref()
        .is_none_or(|r| r.generation_applied != wanted.generation);
    let (proof, why) = match (&reported, silent) {
        (_, Some(since)) => (Proof::Unknown, format!("silent since {since}")),
        (None, None) => (Proof::Pending, "has not reported on it yet".to_owned()),
        // Proof of an older wish is no proof of this one.
        (Some(r), None) if r.proof == Proof::Converged && behind => (Proof::Pending, r.why.clone()),
        (Some(r), None) => (r.proof, r.why.clone()),
    };
    HostService {
        service: wanted.service,
        environment: wanted.environment,
        ring: wanted.ring,
        wanted: wanted.release.version,
        wanted_release: wanted.release.number,
        wanted_state: wanted.state,
        running: running.as_ref().map(|r| r.version.clone()),
        running_digest: running.map(|r| r.digest),
        proof,
        why,
        since: silent
            .or(reported.as_ref().map(|r| r.since))
            .unwrap_or(host.expected_since),
        reported,
    }
}
