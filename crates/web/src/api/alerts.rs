//! Alerts: `/api/v1/judge/alerts[/{id}]`, with whether anybody was told.

use axum::Json;
use axum::extract::State;
use model::api::alert::AlertView;
use model::{AlertId, ServiceName, limit};
use serde::Deserialize;

use super::{Path, Query};
use crate::App;
use crate::error::{Result, unknown};
use crate::load;

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    #[serde(default)]
    open: bool,
    service: Option<ServiceName>,
    before: Option<AlertId>,
}

/// Returns alerts, newest first; with `open=true` those that fire, `before` asks for the next page.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<AlertView>>> {
    let filter = store::alert::Filter {
        only_open: query.open,
        service: query.service,
        before: query.before,
    };
    let read = move |tx: &mut store::Tx<'_>| {
        let alerts = store::alert::list(tx, &filter, limit::LIST_ITEMS)?;
        load::alerts(tx, alerts)
    };
    Ok(Json(app.store.read(read).await?))
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<AlertId>,
) -> Result<Json<AlertView>> {
    let read = move |tx: &mut store::Tx<'_>| {
        let alert = store::alert::get(tx, id)?;
        load::alerts(tx, alert.into_iter().collect())
    };
    let found = app.store.read(read).await?.pop();
    found
        .map(Json)
        .ok_or_else(|| unknown("alert", id, "sleepwell alerts --all lists them"))
}
