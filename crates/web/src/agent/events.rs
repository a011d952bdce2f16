//! `POST /agent/v1/events`: what happened on the host, each event once.

use axum::extract::State;
use axum::{Extension, Json};
use model::api::agent::{Events, EventsStored};
use model::limit;

use super::{check_count, check_id};
use crate::App;
use crate::access::Caller;
use crate::api::Body;
use crate::error::{Result, unknown};

pub(crate) async fn events(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<Events>,
) -> Result<Json<EventsStored>> {
    let host = caller
        .host
        .ok_or_else(|| unknown("host", &caller.name, "enrol again"))?;
    check_count("events", request.events.len(), limit::AGENT_EVENTS)?;
    check_id("boot_id", &request.boot_id)?;
    let since = app.clock.now() - limit::AGENT_EVENT_MEMORY;
    let write = move |tx: &mut store::Tx<'_>| -> std::result::Result<u64, store::Error> {
        let boot = &request.boot_id;
        store::event::store(tx, host, boot, &request.events)?;
        store::event::forget(tx, (host, boot), since, limit::FORGOTTEN_AT_ONCE)?;
        store::event::highest(tx, host, boot)
    };
    Ok(Json(EventsStored {
        seq: app.store.write(write).await?,
    }))
}
