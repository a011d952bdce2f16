//! Orders about a change: `POST /api/v1/act/changes/{id}/{undo,hold,go}`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use deliver::gate::NoWayBack;
use deliver::rollout::no_way_back as no_way_back_for;
use model::api::Problem;
use model::api::deliver::Started;
use model::api::schema::WayBack;
use model::deliver::{Command, Order, Rollout, RolloutState};
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
    if command == Command::Undo {
        refuse_without_way_back(tx, &stored.rollout)?;
    }
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

/// Refuses an undo that would lead to a release which does not fit any more, before it starts. One that is
/// under way is not asked again.
fn refuse_without_way_back(tx: &mut Tx<'_>, rollout: &Rollout) -> std::result::Result<(), Failure> {
    let goes_back = match rollout.state {
        RolloutState::Undoing { .. }
        | RolloutState::Undone { .. }
        | RolloutState::Superseded { .. } => false,
        RolloutState::Planned
        | RolloutState::Ring { .. }
        | RolloutState::Held { .. }
        | RolloutState::Stuck { .. }
        | RolloutState::Done { .. } => rollout.queued.is_none(),
    };
    if !goes_back {
        return Ok(());
    }
    match no_way_back(tx, rollout)? {
        Some(refusal) => Err(Problem::new(409, "no_way_back", refusal.to_string())
            .hint(refusal.hint())
            .into()),
        None => Ok(()),
    }
}

/// Returns why the rollout, or one that was shipped together with it and goes back as well, cannot.
fn no_way_back(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
) -> std::result::Result<Option<NoWayBack>, Failure> {
    let others = store::rollout::others(tx, rollout)?.into_iter();
    let others: Vec<Rollout> = others.map(|part| part.rollout).collect();
    for one in [rollout].into_iter().chain(&others) {
        if let Some(refusal) = no_way_back_of(tx, one)? {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}

fn no_way_back_of(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
) -> std::result::Result<Option<NoWayBack>, Failure> {
    let Some(mut facts) = store::surroundings::gate_facts(tx, rollout, None)? else {
        return Ok(None);
    };
    if no_way_back_for(rollout, Some(&facts)).is_some() {
        facts.live = store::surroundings::live(tx, &rollout.service, &rollout.environment)?;
    }
    Ok(no_way_back_for(rollout, Some(&facts)))
}

/// Says where an undo would go and whether it may; nothing is written.
pub(crate) async fn way_back(
    State(app): State<App>,
    Path(id): Path<ChangeId>,
) -> Result<Json<WayBack>> {
    let read = move |tx: &mut Tx<'_>| -> std::result::Result<WayBack, Failure> {
        let stored = store::rollout::get(tx, id)?
            .ok_or_else(|| unknown("change", id, "sleepwell changes lists them"))?;
        let refusal = no_way_back(tx, &stored.rollout)?;
        Ok(WayBack {
            to: stored.rollout.previous.map(|previous| previous.version),
            refused: refusal.as_ref().map(ToString::to_string),
            hint: refusal.as_ref().map(NoWayBack::hint),
        })
    };
    Ok(Json(app.store.read(read).await?))
}
