//! Incidents: `/api/v1/act/incidents[/{id}]`, with the pages about them.

use axum::Json;
use axum::extract::State;
use model::api::alert::IncidentView;
use model::{IncidentId, ServiceName, limit};
use serde::Deserialize;

use super::{Path, Query};
use crate::App;
use crate::error::{Result, unknown};
use crate::load;

/// Incidents of one answer; each comes with its pages.
const INCIDENTS: usize = 100;

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    #[serde(default)]
    open: bool,
    service: Option<ServiceName>,
}

/// Returns the newest incidents, newest first; with `open=true` those that are not over.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<IncidentView>>> {
    let read = move |tx: &mut store::Tx<'_>| {
        let most = INCIDENTS.min(limit::LIST_ITEMS);
        let found = store::incident::list(tx, query.open, query.service.as_ref(), most)?;
        found
            .into_iter()
            .map(|incident| load::incident(tx, incident))
            .collect::<std::result::Result<Vec<_>, store::Error>>()
    };
    Ok(Json(app.store.read(read).await?))
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<IncidentId>,
) -> Result<Json<IncidentView>> {
    let read = move |tx: &mut store::Tx<'_>| {
        let found = store::incident::get(tx, id)?;
        found
            .map(|incident| load::incident(tx, incident))
            .transpose()
    };
    let found = app.store.read(read).await?;
    found
        .map(Json)
        .ok_or_else(|| unknown("incident", id, "GET /api/v1/act/incidents lists them"))
}
