//! Schemas of services' data: `/api/v1/deliver/schemas`.

use axum::extract::State;
use axum::{Extension, Json};
use deliver::gate::{History, MigrationRefusal, Wish, begin, set};
use model::api::Problem;
use model::api::schema::{NewSchema, SchemaRun, SchemaStep, SchemaView};
use model::deliver::{MigrationKind, RolloutState, Running, Schema, Surroundings};
use model::{Entry, EnvironmentName, Fact, Kind, ServiceName, Subject, Timestamp, limit};
use runtime::Ids;
use store::Tx;

use super::Body;
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, cut, unknown};

/// Returns every schema that is known, by service and environment.
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Vec<SchemaView>>> {
    let read = |tx: &mut Tx<'_>| -> std::result::Result<Vec<SchemaView>, store::Error> {
        let known = store::schema::list(tx)?;
        known.into_iter().map(|schema| view(tx, schema)).collect()
    };
    Ok(Json(app.store.read(read).await?))
}

fn view(tx: &mut Tx<'_>, schema: Schema) -> std::result::Result<SchemaView, store::Error> {
    let runs = surroundings(tx, &schema.service, &schema.environment)?.runs;
    Ok(SchemaView {
        runs: runs.into_iter().map(|one| run(one, &schema)).collect(),
        schema,
    })
}

fn run(running: Running, schema: &Schema) -> SchemaRun {
    let needs = running.compatibility.schema.map(|said| said.needs);
    SchemaRun {
        version: running.release.version,
        fits: needs
            .as_ref()
            .map(|needs| schema.versions().all(|version| needs.contains(&version))),
        needs,
        hosts: running.hosts.into_iter().map(|(_, name)| name).collect(),
    }
}

/// Lets a migration begin, or takes the word on what the schema is: durable when it is answered, heeded from
/// the next look at each rollout.
pub(crate) async fn say(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(mut new): Body<NewSchema>,
) -> Result<Json<SchemaView>> {
    cut(&mut new.reason);
    refuse_without_reason(&new)?;
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let said = app
        .store
        .write(move |tx| write(tx, &new, &caller.name, now, &ids))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok(Json(said))
}

fn refuse_without_reason(new: &NewSchema) -> Result<()> {
    let (at, title, hint) = match (new.step, new.anyway) {
        (SchemaStep::Begin, true) => (
            "anyway",
            "a migration that something does not work with is not let begin",
            "when it has happened all the same, say so with `set`",
        ),
        (SchemaStep::Set, true) if new.reason.trim().is_empty() => (
            "reason",
            "to take a schema as it is needs a reason",
            "say how it came to be so; the reason stands in the journal",
        ),
        (SchemaStep::Begin | SchemaStep::Set, _) => return Ok(()),
    };
    Err(Problem::new(422, "bad_schema", title)
        .at(at)
        .hint(hint)
        .into())
}

fn write(
    tx: &mut Tx<'_>,
    new: &NewSchema,
    by: &str,
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<SchemaView, Failure> {
    refuse_unknown_place(tx, &new.service, &new.environment)?;
    let (service, environment) = (&new.service, &new.environment);
    let current = store::schema::get(tx, service, environment)?;
    let wish = Wish {
        service: service.clone(),
        environment: environment.clone(),
        to: new.version,
        kind: new.kind,
        by: by.to_owned(),
        now,
        entry: ids.entry(now),
    };
    let around = surroundings(tx, service, environment)?;
    let history = history(tx, service, environment)?;
    let (next, kind) = match new.step {
        SchemaStep::Begin => {
            let next = begin(current.as_ref(), &wish, &around, &history).map_err(refused)?;
            (next, new.kind)
        }
        SchemaStep::Set => {
            set(current.as_ref(), &wish, new.anyway, &around, &history).map_err(refused)?
        }
    };
    if current.as_ref() != Some(&next) {
        store::journal::append(tx, &entry(new, current.as_ref(), &next, kind))?;
        store::schema::put(tx, &next)?;
    }
    Ok(view(tx, next)?)
}

fn entry(
    new: &NewSchema,
    before: Option<&Schema>,
    next: &Schema,
    kind: Option<MigrationKind>,
) -> Entry {
    let (service, environment) = (next.service.clone(), next.environment.clone());
    let from = before.map(|before| before.version);
    let fact = match (&next.becoming, from) {
        (Some(step), _) => Fact::SchemaBegun {
            service,
            environment,
            from: step.from,
            to: step.to,
            kind: step.kind,
            reason: new.reason.clone(),
        },
        (None, from) => Fact::SchemaSet {
            service,
            environment,
            from,
            to: next.version,
            kind,
            reason: new.reason.clone(),
        },
    };
    Entry {
        id: next.entry,
        at: next.at,
        subject: Subject::Service(next.service.clone()),
        kind: Kind::Change,
        actor: next.by.clone(),
        causes: before.map(|before| before.entry).into_iter().collect(),
        body: fact.to_body(),
    }
}

/// A slip of the pen would be a schema nothing is ever compared with.
fn refuse_unknown_place(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> std::result::Result<(), Failure> {
    let Some(newest) = store::release::list(tx, service, 1)?.pop() else {
        let hint = "ship it first; its release is kept even when the rollout is refused because the schema is not known";
        return Err(unknown("service", service, hint));
    };
    if newest.definition.environments.contains_key(environment)
        || store::schema::get(tx, service, environment)?.is_some()
    {
        return Ok(());
    }
    let known = newest.definition.environments.keys();
    let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
    let hint = format!("{} {} knows: {}", service, newest.version, known.join(", "));
    Err(unknown("environment", environment, hint))
}

fn surroundings(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> std::result::Result<Surroundings, store::Error> {
    store::surroundings::read(tx, service, environment, &std::collections::BTreeSet::new())
}

fn history(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> std::result::Result<History, store::Error> {
    let releases = store::release::list(tx, service, limit::LIST_ITEMS)?;
    let rollouts = store::rollout::history(tx, service, environment, limit::LIST_ITEMS)?;
    let mut found = History {
        releases: releases
            .into_iter()
            .rev()
            .map(|one| (one.to_ref(), one.definition.compatibility))
            .collect(),
        ..History::default()
    };
    for stored in rollouts {
        let rollout = stored.rollout;
        match rollout.state {
            RolloutState::Done { at } => found.done.push((rollout.release, at)),
            RolloutState::Planned if rollout.queued.is_some() => {}
            RolloutState::Planned | RolloutState::Ring { .. } | RolloutState::Held { .. } => {
                found.under_way = Some((rollout.change, rollout.release));
            }
            RolloutState::Undoing { .. }
            | RolloutState::Stuck { .. }
            | RolloutState::Undone { .. }
            | RolloutState::Superseded { .. } => {}
        }
    }
    Ok(found)
}

fn refused(refusal: MigrationRefusal) -> Failure {
    Problem::new(409, "schema_refused", refusal.to_string())
        .hint(refusal.hint())
        .into()
}
