//! Pages: `/api/v1/act/pages`: who was told what, and whether it arrived.

use axum::Json;
use axum::extract::State;
use model::api::alert::PageView;
use model::{ChangeId, IncidentId, Subject, limit};
use serde::Deserialize;

use super::Query;
use crate::App;
use crate::error::Result;
use crate::load;

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    incident: Option<IncidentId>,
    change: Option<ChangeId>,
}

/// Returns the newest pages, newest first; about one incident or change, or all.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<PageView>>> {
    let incident = query.incident.map(Subject::Incident);
    let about = incident.or(query.change.map(Subject::Change));
    let read =
        move |tx: &mut store::Tx<'_>| store::outbox::list(tx, about.as_ref(), limit::LIST_ITEMS);
    let rows = app.store.read(read).await?;
    Ok(Json(rows.into_iter().map(load::page).collect()))
}
