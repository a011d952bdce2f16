//! Rollouts: `POST /api/v1/deliver/rollouts` ships a release.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use deliver::rollout::{self, Refusal, Start};
use model::api::Problem;
use model::api::deliver::{NewRollout, Started};
use model::deliver::{Host, Release, ReleaseRef, Rollout, RolloutState};
use model::observe::{Change, ChangeKind, ChangeState};
use model::{ChangeId, Entry, EnvironmentName, Kind, Subject, Timestamp, limit};
use runtime::Ids;
use store::Tx;
use store::rollout::Versioned;

use super::{Body, Path};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, unknown};

/// Starts a rollout; it goes on by itself, whoever watches.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewRollout>,
) -> Result<(StatusCode, Json<Started>)> {
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let change = app
        .store
        .write(move |tx| start(tx, &new, &caller.name, now, &ids))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok((StatusCode::CREATED, Json(Started { change })))
}

fn start(
    tx: &mut Tx<'_>,
    new: &NewRollout,
    by: &str,
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<ChangeId, Failure> {
    super::fleet::refuse_while_behind(tx)?;
    let release = find_release(tx, new)?;
    let environment = which_environment(&release, new)?;
    let history = store::rollout::history(tx, &new.service, &environment, limit::LIST_ITEMS)?;
    let running = running(&history);
    let hosts = expected_hosts(tx)?;
    let change = store::change::next_id(tx)?;
    let (mut rollout, facts) = rollout::start(Start {
        change,
        release: &release,
        previous: last_good(&history),
        environment: environment.clone(),
        hosts: &hosts,
        running,
        by: by.to_owned(),
        now,
    })
    .map_err(refused)?;
    for (kind, fact) in facts {
        let id = ids.entry(now);
        let causes = rollout.last_entry.into_iter().collect();
        let subject = Subject::Change(change);
        let body = fact.to_body();
        store::journal::append(
            tx,
            &Entry {
                id,
                at: now,
                subject,
                kind,
                actor: by.to_owned(),
                causes,
                body,
            },
        )?;
        rollout.last_entry = Some(id);
    }
    end_watch(tx, &history, (&rollout, by), now, ids)?;
    store::rollout::insert(tx, &rollout)?;
    store::change::put(tx, &planned(&rollout, now))?;
    Ok(change)
}

/// Returns the rollout that is under way. A finished one with an order (an undo) still has that to do.
pub(super) fn running(history: &[store::rollout::Versioned]) -> Option<ChangeId> {
    let under_way = history
        .iter()
        .find(|r| !r.rollout.state.is_over() || r.rollout.order.is_some());
    under_way.map(|r| r.rollout.change)
}

pub(super) fn expected_hosts(tx: &mut Tx<'_>) -> std::result::Result<Vec<Host>, store::Error> {
    let hosts = store::host::list(tx)?.into_iter();
    Ok(hosts.filter(|host| host.retired_at.is_none()).collect())
}

fn planned(rollout: &Rollout, now: Timestamp) -> Change {
    Change {
        id: rollout.change,
        kind: ChangeKind::Deploy,
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        title: format!("{} {}", rollout.service, rollout.release.version),
        by: rollout.started_by.clone(),
        state: ChangeState::Planned,
        started_at: now,
        updated_at: now,
    }
}

/// Ends the watch of the rollout whose release the new one replaces.
fn end_watch(
    tx: &mut Tx<'_>,
    history: &[Versioned],
    (new, by): (&Rollout, &str),
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<(), Failure> {
    for Versioned { rollout, version } in history {
        let Some((mut next, fact)) = rollout::replaced(rollout, new.change) else {
            continue;
        };
        let entry = Entry {
            id: ids.entry(now),
            at: now,
            subject: Subject::Change(next.change),
            kind: Kind::Outcome,
            actor: by.to_owned(),
            causes: next.last_entry.into_iter().chain(new.last_entry).collect(),
            body: fact.to_body(),
        };
        store::journal::append(tx, &entry)?;
        next.last_entry = Some(entry.id);
        store::rollout::save(tx, &next, *version)?;
    }
    Ok(())
}

/// Returns the release that went live last and was not undone: what the hosts run now. Undone rollouts left
/// what was there before them, and superseded ones never finished.
pub(super) fn last_good(history: &[Versioned]) -> Option<ReleaseRef> {
    let live = |r: &&Versioned| matches!(r.rollout.state, RolloutState::Done { .. });
    history.iter().find(live).map(|r| r.rollout.release.clone())
}

pub(super) fn find_release(
    tx: &mut Tx<'_>,
    new: &NewRollout,
) -> std::result::Result<Release, Failure> {
    if let Some(release) = store::release::by_version(tx, &new.service, &new.version)? {
        return Ok(release);
    }
    let services = store::release::services(tx)?;
    if !services.contains(&new.service) {
        let known: Vec<String> = services.iter().map(|s| format!("`{s}`")).collect();
        let hint = if known.is_empty() {
            "nothing was released yet".to_owned()
        } else {
            format!("known: {}", known.join(", "))
        };
        return Err(unknown("service", &new.service, hint));
    }
    let releases = store::release::list(tx, &new.service, 5)?;
    let known: Vec<String> = releases
        .iter()
        .map(|r| format!("`{}`", r.version))
        .collect();
    Err(unknown(
        "version",
        &new.version,
        format!("newest of {}: {}", new.service, known.join(", ")),
    ))
}

pub(super) fn which_environment(
    release: &Release,
    new: &NewRollout,
) -> std::result::Result<EnvironmentName, Failure> {
    let environments = &release.definition.environments;
    if let Some(environment) = &new.environment {
        return Ok(environment.clone());
    }
    let mut names = environments.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => {
            let known: Vec<String> = environments.keys().map(|e| format!("`{e}`")).collect();
            Err(Problem::new(
                422,
                "which_environment",
                "the service has several environments",
            )
            .at("environment")
            .hint(format!("name one: {}", known.join(", ")))
            .into())
        }
    }
}

pub(super) fn refused(refusal: Refusal) -> Failure {
    let (status, code) = match &refusal {
        Refusal::UnknownEnvironment { .. } => (404, "unknown_environment"),
        Refusal::RolloutRunning { .. } => (409, "rollout_running"),
        _ => (422, "cannot_start"),
    };
    Problem::new(status, code, refusal.to_string())
        .hint(refusal.hint())
        .into()
}

/// Returns one rollout as it is stored.
pub(crate) async fn get(State(app): State<App>, Path(id): Path<ChangeId>) -> Result<Json<Rollout>> {
    let read = app
        .store
        .read(move |tx| store::rollout::get(tx, id))
        .await?;
    read.map(|r| Json(r.rollout))
        .ok_or_else(|| unknown("rollout", id, "sleepwell changes lists them"))
}
