//! `POST /api/v1/deliver/hosts/{id}/fix`: a person has a host try again what it could not do.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::deliver::{Fix, HostFixed, TriedAgain};
use model::deliver::{Desired, Host, Reported, Rollout};
use model::{Entry, Fact, HostId, ServiceName, Subject};
use store::Tx;
use store::rollout::Versioned;

use super::fleet::refuse_while_behind;
use super::hosts::{Word, expected, under_way_with};
use super::{Body, Path};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result};

/// Asks a host once more for what it is asked for, under a new number: 202, durable. Whatever it had settled on
/// (a hook nobody knows the end of, a release it went back from) it forgets with the number before.
pub(crate) async fn fix(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<HostId>,
    Body(fix): Body<Fix>,
) -> Result<(StatusCode, Json<HostFixed>)> {
    let word = Word::new(&app, &caller, fix.reason);
    let service = fix.service;
    let tries = app
        .store
        .write(move |tx| try_again(tx, id, service.as_ref(), &word))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.desired.nudge();
    app.wakes.rollouts.nudge();
    Ok((StatusCode::ACCEPTED, Json(HostFixed { tries })))
}

fn try_again(
    tx: &mut Tx<'_>,
    id: HostId,
    only: Option<&ServiceName>,
    word: &Word,
) -> std::result::Result<Vec<TriedAgain>, Failure> {
    refuse_while_behind(tx)?;
    let host = expected(tx, id)?;
    let desired = store::fleet::desired_of(tx, id)?;
    let reported = store::fleet::reported_of(tx, id)?;
    let found = deliver::fix::to_fix(&desired, &reported, only).map_err(|refusal| {
        let title = format!("`{}` has nothing to try again: {refusal}", host.name);
        Problem::new(409, "nothing_to_fix", title).hint(refusal.hint())
    })?;
    let mut tries = Vec::new();
    for (desired, told) in found {
        ask_again(tx, &host, (desired, told), word)?;
        tries.push(TriedAgain {
            service: desired.service.clone(),
            version: desired.release.version.clone(),
            proof: told.proof,
            why: told.why.clone(),
        });
    }
    Ok(tries)
}

/// Writes the wish under its next number, with the entries about it.
fn ask_again(
    tx: &mut Tx<'_>,
    host: &Host,
    (desired, told): (&Desired, &Reported),
    word: &Word,
) -> std::result::Result<(), Failure> {
    let under_way = under_way(tx, host.id, desired)?;
    let about = match &under_way {
        Some(stored) => Some(stored.rollout.clone()),
        None => standing(tx, host.id, desired)?,
    };
    let said = said(host, (desired, told), about.as_ref(), word);
    store::journal::append(tx, &said)?;
    let generation = store::fleet::ask(tx, host.id, desired.clone())?;
    let asked = Fact::HostAsked {
        host: host.name.clone(),
        service: desired.service.clone(),
        version: desired.release.version.clone(),
        generation,
        priority: desired.priority,
        state: desired.state,
    };
    store::journal::append(tx, &word.outcome(&said, &asked))?;
    // What a rollout does next, it does because of this.
    if let Some(Versioned {
        mut rollout,
        version,
    }) = under_way
    {
        rollout.last_entry = Some(said.id);
        store::rollout::save(tx, &rollout, version)?;
    }
    Ok(())
}

fn said(
    host: &Host,
    (desired, told): (&Desired, &Reported),
    about: Option<&Rollout>,
    word: &Word,
) -> Entry {
    let fact = Fact::HostTriesAgain {
        host: host.name.clone(),
        service: desired.service.clone(),
        proof: told.proof,
        why: told.why.clone(),
        reason: word.reason.clone(),
    };
    let subject = match about {
        Some(rollout) => Subject::Change(rollout.change),
        None => Subject::Host(host.name.clone()),
    };
    let causes = about.and_then(|rollout| rollout.last_entry);
    word.entry(subject, causes.into_iter().collect(), &fact)
}

/// Returns the newest rollout under way by which the host is asked for this.
fn under_way(
    tx: &mut Tx<'_>,
    host: HostId,
    desired: &Desired,
) -> std::result::Result<Option<Versioned>, store::Error> {
    let rollouts = under_way_with(tx, host)?.into_iter().rev();
    let place = (&desired.service, &desired.environment);
    let is_its =
        |stored: &Versioned| (&stored.rollout.service, &stored.rollout.environment) == place;
    Ok(rollouts.into_iter().find(is_its))
}

/// Returns the rollout that brought the host to this, when it is over.
fn standing(
    tx: &mut Tx<'_>,
    host: HostId,
    desired: &Desired,
) -> std::result::Result<Option<Rollout>, store::Error> {
    let newest = store::rollout::newest_standing(tx, &desired.service, &desired.environment)?;
    let newest = newest.map(|stored| stored.rollout);
    Ok(newest.filter(|rollout| rollout.hosts().any(|member| member.id == host)))
}
