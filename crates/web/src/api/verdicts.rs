//! Verdicts: `/api/v1/judge/verdicts[/{id}]`, with the evidence they stand on.

use axum::Json;
use axum::extract::State;
use model::judge::Verdict;
use model::{ChangeId, VerdictId, limit};
use serde::Deserialize;

use super::{Path, Query};
use crate::App;
use crate::error::{Result, unknown};

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    change: Option<ChangeId>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<Verdict>>> {
    let read =
        move |tx: &mut store::Tx<'_>| store::judgement::list(tx, query.change, limit::LIST_ITEMS);
    Ok(Json(app.store.read(read).await?))
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<VerdictId>,
) -> Result<Json<Verdict>> {
    let read = app
        .store
        .read(move |tx| store::judgement::get(tx, id))
        .await?;
    read.map(Json)
        .ok_or_else(|| unknown("verdict", id, "GET /api/v1/judge/verdicts lists them"))
}
