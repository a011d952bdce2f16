//! `POST /agent/v1/sync`: the host reports and is told the whole wish, at once when something differs,
//! else after a while.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use deliver::clock;
use model::api::agent::{Sync, Wish};
use model::deliver::{Host, Proof, Refused, Reported};
use model::{Entry, Fact, HostId, HostName, Kind, Subject, Timestamp, limit};
use runtime::Ids;
use tokio::time::Instant;

use super::presence::{another_agent, compare_clocks, hear};
use super::{check_count, check_id, program};
use crate::App;
use crate::access::Caller;
use crate::api::Body;
use crate::error::{Failure, Result, cut, unknown};

/// A nudge of another server may be lost; it is only a hint.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

pub(crate) async fn sync(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(mut request): Body<Sync>,
) -> Result<Response> {
    check(&mut request)?;
    let id = caller
        .host
        .ok_or_else(|| unknown("host", &caller.name, "enrol again"))?;
    let mut desired = app.wakes.desired.listener();
    let (epoch_seen, revision_seen) = (request.epoch_seen, request.revision_seen);
    let wait = Duration::from_millis(request.wait_ms).min(limit::SYNC_WAIT);
    let until = Instant::now() + wait;
    report(&app, id, request).await?;
    loop {
        // Outside the time limit, so that a call that does not wait at all still gets its wish.
        let wish = wish(&app, id).await?;
        if (wish.epoch, wish.revision) != (epoch_seen, revision_seen) {
            return Ok(Json(wish).into_response());
        }
        let again = until.min(Instant::now() + LOOK_AGAIN);
        let is_over = tokio::select! {
            () = desired.nudged() => false,
            () = tokio::time::sleep_until(again) => Instant::now() >= until,
            () = app.closing() => true,
        };
        if is_over {
            return Ok(StatusCode::NOT_MODIFIED.into_response());
        }
    }
}

/// Refuses what no agent sends and cuts what is too long to be kept.
fn check(request: &mut Sync) -> Result<()> {
    check_count("reported", request.reported.len(), limit::HOST_SERVICES)?;
    check_count("refused", request.refused.len(), limit::HOST_SERVICES)?;
    check_id("boot_id", &request.boot_id)?;
    check_id("run_id", &request.run_id)?;
    check_id("agent_version", &request.agent_version)?;
    for refused in &request.refused {
        check_id("kind", &refused.kind)?;
    }
    for reported in &mut request.reported {
        cut(&mut reported.why);
    }
    program::check(request)
}

async fn wish(app: &App, id: HostId) -> Result<Wish> {
    let read = move |tx: &mut store::Tx<'_>| -> std::result::Result<_, store::Error> {
        Ok((
            store::fleet::epoch(tx)?,
            store::host::revision(tx, id)?,
            store::fleet::desired_of(tx, id)?,
            store::host::get(tx, id)?,
        ))
    };
    let (epoch, revision, desired, host) = app.store.read(read).await?;
    Ok(Wish {
        epoch,
        revision,
        server_time: app.clock.now(),
        desired,
        lease_ttl_ms: u64::try_from(limit::HOST_LEASE.as_millis()).unwrap_or(u64::MAX),
        program: host.and_then(|host| host.program.pending().cloned()),
    })
}

/// Stores what the host said; each flip of it is a journal entry in the same transaction.
async fn report(app: &App, id: HostId, request: Sync) -> Result<()> {
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let stored = app
        .store
        .write(move |tx| store_report(tx, id, request, now, &ids))
        .await?;
    if let Stored::Changed = stored {
        app.wakes.journal.nudge();
        app.wakes.rollouts.nudge();
    }
    match stored {
        Stored::TurnedAway(host) => Err(another_agent(&host)),
        Stored::Changed | Stored::Same => Ok(()),
    }
}

/// Is what became of a report.
enum Stored {
    Changed,
    Same,
    /// Another agent speaks as this host; that it called is all that was noted.
    TurnedAway(HostName),
}

fn store_report(
    tx: &mut store::Tx<'_>,
    id: HostId,
    mut request: Sync,
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<Stored, Failure> {
    let Some(mut host) = store::host::get(tx, id)? else {
        return Err(unknown("host", id, "it was removed; enrol again"));
    };
    let (is_heard, speaks) = hear(&mut host, &request, now);
    if !is_heard {
        store::host::save(tx, &host)?;
        return Ok(Stored::TurnedAway(host.name));
    }
    let before = store::fleet::reported_of(tx, id)?;
    let mut facts = back(&host);
    facts.extend(speaks);
    facts.extend(compare_clocks(&mut host, request.now, now));
    facts.extend(refusals(tx, &host, &request.refused)?);
    facts.extend(program::take(&mut host, &request, now));
    let mut changed = !facts.is_empty();
    let steady = request.steady.unwrap_or(request.now);
    for reported in &mut request.reported {
        let last = before.iter().find(|r| r.service == reported.service);
        clock::on_ours(reported, last, steady, now);
        if last != Some(&*reported) {
            changed = true;
            store::fleet::report(tx, id, reported)?;
            facts.extend(flips(tx, id, &host, last, reported)?);
        }
    }
    let behind = behind(tx, &host, &request, changed)?;
    changed |= behind.is_some();
    facts.extend(behind);
    host.last_seen = now;
    host.silent_noted = false;
    host.let_in_by = None;
    host.boot_id = request.boot_id;
    host.agent_version = request.agent_version;
    store::host::save(tx, &host)?;
    for (kind, fact) in facts {
        store::journal::append(
            tx,
            &Entry {
                id: ids.entry(now),
                at: now,
                subject: match fact {
                    Fact::BehindFleet { .. } => Subject::Server,
                    _ => Subject::Host(host.name.clone()),
                },
                kind,
                actor: format!("host {}", host.name),
                causes: program::cause(&host, &fact).into_iter().collect(),
                body: fact.to_body(),
            },
        )?;
    }
    Ok(if changed {
        Stored::Changed
    } else {
        Stored::Same
    })
}

/// Keeps the signs that this host has seen newer orders than the server knows of; the first sign of any
/// host is told.
fn behind(
    tx: &mut store::Tx<'_>,
    host: &Host,
    request: &Sync,
    changed: bool,
) -> std::result::Result<Option<(Kind, Fact)>, store::Error> {
    let known = store::fleet::ahead_of(tx, host.id)?;
    if !changed && request.refused.is_empty() && known.is_empty() {
        return Ok(None);
    }
    let (epoch, desired) = (
        store::fleet::epoch(tx)?,
        store::fleet::desired_of(tx, host.id)?,
    );
    let ahead = deliver::fleet::ahead(epoch, &desired, &request.reported, &request.refused);
    if ahead == known {
        return Ok(None);
    }
    let is_news = !store::fleet::is_behind(tx)?;
    store::fleet::set_ahead(tx, host.id, &ahead)?;
    let first = ahead.into_iter().next().filter(|_| is_news);
    Ok(first.map(|one| {
        let fact = Fact::BehindFleet {
            host: host.name.clone(),
            service: one.service,
            seen: one.seen,
            ours: one.ours,
        };
        (Kind::Signal, fact)
    }))
}

/// A silence that was told is told to be over; one nobody noticed is not.
fn back(host: &Host) -> Vec<(Kind, Fact)> {
    if !host.silent_noted {
        return vec![];
    }
    vec![(
        Kind::Signal,
        Fact::HostBack {
            host: host.name.clone(),
            silent_since: host.last_seen,
        },
    )]
}

/// Returns the refusals that were not told yet. An agent repeats one in every call until it is offered
/// something it can take.
fn refusals(
    tx: &mut store::Tx<'_>,
    host: &Host,
    refused: &[Refused],
) -> std::result::Result<Vec<(Kind, Fact)>, store::Error> {
    if refused.is_empty() {
        return Ok(vec![]);
    }
    let mut told = store::journal::about(tx, &Subject::Host(host.name.clone()), limit::LIST_ITEMS)?;
    // Another machine may have had the name before.
    told.retain(|entry| entry.at >= host.expected_since);
    let mut facts = Vec::new();
    for refused in refused {
        let fact = Fact::HostRefused {
            host: host.name.clone(),
            kind: refused.kind.clone(),
            seen: refused.seen,
            offered: refused.offered,
        };
        let body = fact.to_body();
        let new = (Kind::Signal, fact);
        if !facts.contains(&new) && !told.iter().any(|entry| entry.body == body) {
            facts.push(new);
        }
    }
    Ok(facts)
}

/// Returns what is worth an entry between two reports of one service.
fn flips(
    tx: &mut store::Tx<'_>,
    id: HostId,
    host: &Host,
    last: Option<&Reported>,
    reported: &Reported,
) -> std::result::Result<Vec<(Kind, Fact)>, store::Error> {
    let mut facts = Vec::new();
    let service = reported.service.clone();
    let flipped = last.is_none_or(|l| {
        l.proof != reported.proof
            || (reported.proof == Proof::Converged
                && l.generation_applied != reported.generation_applied)
    });
    // "Under way" is no news: the order itself was told.
    if flipped && reported.proof != Proof::Pending {
        let desired = store::fleet::desired_of(tx, id)?;
        let wanted = desired
            .into_iter()
            .find(|d| d.service == service && d.generation == reported.generation_applied);
        facts.push((
            Kind::Outcome,
            Fact::HostProof {
                host: host.name.clone(),
                service: service.clone(),
                proof: reported.proof,
                version: wanted.map(|d| d.release.version),
                why: reported.why.clone(),
            },
        ));
    }
    let (exits, failed) = last
        .filter(|l| l.generation_seen == reported.generation_seen)
        .map_or((0, 0), |l| (l.unexpected_exits, l.failed_checks));
    if reported.unexpected_exits > exits {
        facts.push((
            Kind::Signal,
            Fact::HostExit {
                host: host.name.clone(),
                service: service.clone(),
                exits: reported.unexpected_exits,
                why: reported.why.clone(),
            },
        ));
    }
    if reported.failed_checks >= 3 && failed < 3 {
        facts.push((
            Kind::Signal,
            Fact::HostUnhealthy {
                host: host.name.clone(),
                service,
                failed_checks: reported.failed_checks,
            },
        ));
    }
    Ok(facts)
}
