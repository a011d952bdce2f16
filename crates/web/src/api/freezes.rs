//! Freezes: `/api/v1/deliver/freezes`, and going past them: `POST /api/v1/act/changes/{id}/override`.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use deliver::freeze::current_or_next;
use model::api::Problem;
use model::api::freeze::{FreezeSource, FreezeView, NewFreeze, NewOverride};
use model::deliver::{Freeze, FreezeOverride, FreezeRule};
use model::{ChangeId, Entry, Fact, FreezeName, Kind, Subject, Timestamp, limit};
use runtime::Ids;
use serde::Deserialize;
use store::Tx;

use super::{Body, Path, Query};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, cut, unknown};

/// Returns every freeze: the server's by name, then those of the files, by service and environment.
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Vec<FreezeView>>> {
    let now = app.clock.now();
    Ok(Json(app.store.read(move |tx| read(tx, now)).await?))
}

fn read(tx: &mut Tx<'_>, now: Timestamp) -> std::result::Result<Vec<FreezeView>, store::Error> {
    let server = store::freeze::list(tx)?.into_iter();
    let mut views: Vec<FreezeView> = server
        .map(|freeze| FreezeView {
            environment: freeze.environment,
            service: freeze.service,
            source: FreezeSource::Server,
            reason: freeze.reason,
            by: freeze.by,
            ..of_rule(freeze.rule, now)
        })
        .collect();
    for (service, environment) in store::rollout::places(tx)? {
        let newest = store::rollout::newest_standing(tx, &service, &environment)?;
        let Some(rollout) = newest.map(|newest| newest.rollout) else {
            continue;
        };
        views.extend(rollout.plan.freeze.into_iter().map(|rule| FreezeView {
            environment: Some(environment.clone()),
            service: Some(service.clone()),
            source: FreezeSource::File,
            by: rollout.started_by.clone(),
            ..of_rule(rule, now)
        }));
    }
    Ok(views)
}

fn of_rule(rule: FreezeRule, now: Timestamp) -> FreezeView {
    let span = current_or_next(&rule, now);
    FreezeView {
        rule,
        environment: None,
        service: None,
        source: FreezeSource::Server,
        reason: String::new(),
        by: String::new(),
        is_in_force: span.is_some_and(|span| span.from <= now),
        begins_at: span.map(|span| span.from),
        ends_at: span.map(|span| span.until),
    }
}

/// Sets a freeze of the server: durable when it is answered, heeded from the next look at each rollout.
pub(crate) async fn set(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(mut new): Body<NewFreeze>,
) -> Result<(StatusCode, Json<FreezeView>)> {
    cut(&mut new.reason);
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let freeze = Freeze {
        rule: new.rule,
        environment: new.environment,
        service: new.service,
        reason: new.reason,
        by: caller.name.clone(),
        at: now,
    };
    let view = of_rule(freeze.rule.clone(), now);
    if view.ends_at.is_none() {
        let title = format!("`{}` is over: {}", freeze.rule.name, freeze.rule.window);
        let over = Problem::new(422, "bad_freeze", title).at("to");
        return Err(over.hint("name a time to come").into());
    }
    let stored = freeze.clone();
    app.store
        .write(move |tx| put(tx, &stored, now, &ids))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    let view = FreezeView {
        environment: freeze.environment,
        service: freeze.service,
        reason: freeze.reason,
        by: freeze.by,
        ..view
    };
    Ok((StatusCode::CREATED, Json(view)))
}

fn put(
    tx: &mut Tx<'_>,
    freeze: &Freeze,
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<(), Failure> {
    let others = store::freeze::list(tx)?.into_iter();
    let others = others.filter(|other| other.rule.name != freeze.rule.name);
    if others.count() >= limit::FREEZES {
        let title = format!("there are {} freezes already", limit::FREEZES);
        let full = Problem::new(422, "too_many_freezes", title);
        return Err(full.hint("lift one that is over").into());
    }
    store::freeze::put(tx, freeze)?;
    let fact = Fact::FreezeSet {
        freeze: freeze.rule.name.clone(),
        environment: freeze.environment.clone(),
        service: freeze.service.clone(),
        when: format!("{}, {}", freeze.rule.window, freeze.rule.zone),
        reason: freeze.reason.clone(),
    };
    note(tx, &freeze.by, &fact, now, ids)
}

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct Lift {
    #[serde(default)]
    reason: String,
}

/// Lifts a freeze of the server for good.
pub(crate) async fn lift(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<FreezeName>,
    Query(mut why): Query<Lift>,
) -> Result<StatusCode> {
    cut(&mut why.reason);
    let (now, ids) = (app.clock.now(), app.ids.clone());
    app.store
        .write(move |tx| -> Result<()> {
            if !store::freeze::remove(tx, &name)? {
                return Err(unknown("freeze", &name, "sleepwell freeze lists them"));
            }
            let fact = Fact::FreezeLifted {
                freeze: name,
                reason: why.reason,
            };
            note(tx, &caller.name, &fact, now, &ids)
        })
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok(StatusCode::NO_CONTENT)
}

fn note(
    tx: &mut Tx<'_>,
    by: &str,
    fact: &Fact,
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<(), Failure> {
    let entry = Entry {
        id: ids.entry(now),
        at: now,
        subject: Subject::Server,
        kind: Kind::Action,
        actor: by.to_owned(),
        causes: vec![],
        body: fact.to_body(),
    };
    Ok(store::journal::append(tx, &entry)?)
}

/// Lets one rollout go on in spite of freezes, for a while: 202, durable.
pub(crate) async fn override_for(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<ChangeId>,
    Body(mut new): Body<NewOverride>,
) -> Result<(StatusCode, Json<FreezeOverride>)> {
    cut(&mut new.reason);
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let word = FreezeOverride {
        by: caller.name.clone(),
        reason: new.reason,
        at: now,
        until: now + Duration::from_millis(new.for_ms),
    };
    let given = word.clone();
    app.store
        .write(move |tx| go_past(tx, id, &given, &ids))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok((StatusCode::ACCEPTED, Json(word)))
}

fn go_past(
    tx: &mut Tx<'_>,
    id: ChangeId,
    word: &FreezeOverride,
    ids: &Ids,
) -> std::result::Result<(), Failure> {
    let stored = store::rollout::get(tx, id)?
        .ok_or_else(|| unknown("change", id, "sleepwell changes lists them"))?;
    let mut rollout =
        deliver::rollout::override_freeze(&stored.rollout, word.clone()).map_err(|refusal| {
            let problem = Problem::new(409, "cannot_be_overridden", refusal.to_string());
            problem.hint(refusal.hint())
        })?;
    let fact = Fact::FreezeOverridden {
        reason: word.reason.clone(),
        until: word.until,
    };
    let entry = Entry {
        id: ids.entry(word.at),
        at: word.at,
        subject: Subject::Change(id),
        kind: Kind::Action,
        actor: word.by.clone(),
        causes: rollout.last_entry.into_iter().collect(),
        body: fact.to_body(),
    };
    // What the rollout does next, it does because of this.
    rollout.last_entry = Some(entry.id);
    store::journal::append(tx, &entry)?;
    store::rollout::save(tx, &rollout, stored.version)?;
    Ok(())
}
