//! The journal: `/api/v1/learn/journal?since=N`, sealed entries in order, and whether they are whole.

use axum::Json;
use axum::extract::State;
use model::api::journal::{Broken, JournalCheck};
use model::limit;
use serde::Deserialize;
use store::journal::Check;

use super::Query;
use crate::App;
use crate::error::Result;

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    #[serde(default)]
    since: u64,
}

/// Returns up to [`limit::LIST_ITEMS`] entries after number `since`, each with its number.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<serde_json::Value>>> {
    let read =
        move |tx: &mut store::Tx<'_>| store::journal::since(tx, query.since, limit::LIST_ITEMS);
    let entries = app.store.read(read).await?;
    let with_number = |(seq, entry): (u64, model::Entry)| serde_json::json!({ "seq": seq, "entry": entry, "text": learn::sentence::of(&entry).text });
    Ok(Json(entries.into_iter().map(with_number).collect()))
}

/// Walks the chain of hashes from its start; a long journal takes a while.
pub(crate) async fn check(State(app): State<App>) -> Result<Json<JournalCheck>> {
    let check = match app.store.read(store::journal::check).await? {
        Check::Whole { sealed, unsealed } => JournalCheck {
            sealed,
            unsealed,
            broken: None,
        },
        Check::Broken { seq, why } => JournalCheck {
            sealed: seq.saturating_sub(1),
            unsealed: 0,
            broken: Some(Broken { seq, why }),
        },
    };
    Ok(Json(check))
}
