//! Releases: `/api/v1/deliver/releases`, `/api/v1/deliver/services` and the schema of `sleepwell.yaml`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::deliver::{NewRelease, ReleaseView};
use model::deliver::{Definition, Release};
use model::{Entry, Fact, Kind, ServiceName, Subject, Timestamp, Version, limit};
use runtime::Ids;
use serde::Deserialize;

use super::{Body, Query};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, unknown};

/// Makes a release: 201, or 200 with the first one when the same was made before.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewRelease>,
) -> Result<(StatusCode, Json<ReleaseView>)> {
    let definition = deliver::definition::parse(&new.definition).map_err(bad_definition)?;
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let made = app
        .store
        .write(move |tx| store_release(tx, new, definition, &caller.name, now, &ids))
        .await?;
    app.wakes.journal.nudge();
    let status = if made.1 {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(view(&made.0))))
}

pub(super) fn bad_definition(faults: Vec<deliver::definition::Fault>) -> Failure {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Problem::new(422, "bad_definition", lines.join("; "))
        .at("definition")
        .hint("sleepwell check shows the same on your machine")
        .into()
}

fn store_release(
    tx: &mut store::Tx<'_>,
    new: NewRelease,
    definition: Definition,
    by: &str,
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<(Release, bool), Failure> {
    let service = definition.service.clone();
    let config_digest = deliver::definition::config_digest(&definition);
    if let Some(known) = store::release::by_version(tx, &service, &new.version)? {
        if known.digest == new.digest && known.definition == definition {
            return Ok((known, false));
        }
        return Err(version_used(&service, &new.version));
    }
    let artifact = store::release::artifact(tx, new.digest)?
        .ok_or_else(|| unknown("artifact", new.digest, "upload it first"))?;
    let release = Release {
        number: store::release::next_number(tx, &service)?,
        service: service.clone(),
        version: new.version,
        digest: new.digest,
        size_bytes: artifact.size_bytes,
        config_digest,
        definition,
        created_at: now,
        created_by: by.to_owned(),
    };
    store::release::insert(tx, &release)?;
    store::journal::append(
        tx,
        &Entry {
            id: ids.entry(now),
            at: now,
            subject: Subject::Service(service.clone()),
            kind: Kind::Change,
            actor: by.to_owned(),
            causes: vec![],
            body: Fact::ReleaseCreated {
                service,
                release: release.to_ref(),
            }
            .to_body(),
        },
    )?;
    Ok((release, true))
}

pub(super) fn version_used(service: &ServiceName, version: &Version) -> Failure {
    let title = format!("{service} {version} exists with other content");
    Problem::new(409, "version_used", title)
        .at("version")
        .hint("give the new content a new version")
        .into()
}

fn view(release: &Release) -> ReleaseView {
    ReleaseView {
        service: release.service.clone(),
        number: release.number,
        version: release.version.clone(),
        digest: release.digest,
        size_bytes: release.size_bytes,
        created_at: release.created_at,
        created_by: release.created_by.clone(),
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    service: ServiceName,
}

/// Returns the newest releases of a service, newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<ReleaseView>>> {
    let read =
        move |tx: &mut store::Tx<'_>| store::release::list(tx, &query.service, limit::LIST_ITEMS);
    Ok(Json(app.store.read(read).await?.iter().map(view).collect()))
}

/// Returns the names of all services that were ever released.
pub(crate) async fn services(State(app): State<App>) -> Result<Json<Vec<ServiceName>>> {
    Ok(Json(app.store.read(store::release::services).await?))
}

/// Returns the JSON Schema of `sleepwell.yaml`, for editors.
pub(crate) async fn schema() -> Json<serde_json::Value> {
    Json(deliver::definition::schema())
}
