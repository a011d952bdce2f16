//! Orders about a change: `POST /api/v1/act/changes/{id}/{undo,hold,go}`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::deliver::Started;
use model::deliver::{Command, Order};
use model::{ChangeId, Entry, Fact, Kind, Subject, Timestamp};
use runtime::Ids;
use store::Tx;

use super::Path;
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, unknown};

/// Takes an order: 202, durable; the rollout follows it at its next turn, which is nudged.
pub(crate) async fn order(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, command)): Path<(ChangeId, Command)>,
) -> Result<(StatusCode, Json<Started>)> {
    let (now, ids) = (app.clock.now(), app.ids.clone());
    app.store
        .write(move |tx| give(tx, id, command, &caller.name, now, &ids))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok((StatusCode::ACCEPTED, Json(Started { change: id })))
}

fn give(
    tx: &mut Tx<'_>,
    id: ChangeId,
    command: Command,
    by: &str,
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<(), Failure> {
    let stored = store::rollout::get(tx, id)?
        .ok_or_else(|| unknown("change", id, "sleepwell changes lists them"))?;
    let newest =
        store::rollout::newest_standing(tx, &stored.rollout.service, &stored.rollout.environment)?;
    let newest = newest.map_or(id, |newest| newest.rollout.change);
    let entry = Entry {
        id: ids.entry(now),
        at: now,
        subject: Subject::Change(id),
        kind: Kind::Action,
        actor: by.to_owned(),
        causes: stored.rollout.last_entry.into_iter().collect(),
        body: Fact::Ordered {
            command,
            reason: String::new(),
        }
        .to_body(),
    };
    let order = Order {
        command,
        by: by.to_owned(),
        entry: entry.id,
        at: now,
    };
    let rollout =
        deliver::rollout::accept_order(&stored.rollout, order, newest).map_err(|refusal| {
            Problem::new(409, "cannot_be_ordered", refusal.to_string()).hint(refusal.hint())
        })?;
    store::journal::append(tx, &entry)?;
    store::rollout::save(tx, &rollout, stored.version)?;
    if let (Command::Undo, Some(order)) = (command, &rollout.order) {
        super::together::undo_others(tx, &rollout, order, (now, ids))?;
    }
    Ok(())
}
