//! Changes: `/api/v1/observe/changes[/{id}]`, and why: `/api/v1/learn/why/{id}`.

use axum::Json;
use axum::extract::State;
use model::api::alert::Asked;
use model::api::change::{ChangeView, Why};
use model::observe::{Change, ChangeState};
use model::{ChangeId, Timestamp, limit};
use serde::Deserialize;
use store::Tx;

use super::{Path, Query};
use crate::App;
use crate::error::{Result, unknown};
use crate::load::{self, Fleet};

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    state: Option<ChangeState>,
    since: Option<Timestamp>,
    before: Option<ChangeId>,
    limit: Option<usize>,
}

/// Returns changes, newest first; `before` asks for the next page.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<Change>>> {
    let filter = store::change::Filter {
        state: query.state,
        since: query.since,
        before: query.before,
    };
    let items = query
        .limit
        .unwrap_or(limit::LIST_ITEMS)
        .min(limit::LIST_ITEMS);
    Ok(Json(
        app.store
            .read(move |tx| store::change::list(tx, &filter, items))
            .await?,
    ))
}

/// Returns a change with its rings, hosts, evidence and story.
pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<ChangeId>,
) -> Result<Json<ChangeView>> {
    let now = app.clock.now();
    let read = move |tx: &mut Tx<'_>| load::change(tx, &mut Fleet::default(), id, now);
    let view = app.store.read(read).await?;
    view.map(Json)
        .ok_or_else(|| unknown("change", id, "sleepwell changes lists them"))
}

/// Walks the chain of causes of a change, an alert, an incident or a page.
pub(crate) async fn why(State(app): State<App>, Path(id): Path<Asked>) -> Result<Json<Why>> {
    let now = app.clock.now();
    let story = app.store.read(move |tx| load::why(tx, id, now)).await?;
    story.map(Json).ok_or_else(|| {
        unknown(
            what(id),
            id,
            "sleepwell changes and sleepwell alerts list them",
        )
    })
}

fn what(asked: Asked) -> &'static str {
    match asked {
        Asked::Change(_) => "change",
        Asked::Alert(_) => "alert",
        Asked::Incident(_) => "incident",
        Asked::Page(_) => "page",
    }
}
