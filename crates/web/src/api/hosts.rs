//! Hosts: `/api/v1/deliver/hosts`: what each one really runs.

use axum::Json;
use axum::extract::State;
use model::ServiceName;
use model::api::deliver::HostView;
use serde::Deserialize;

use super::Query;
use crate::App;
use crate::error::Result;
use crate::load;

#[derive(Deserialize)]
pub(crate) struct List {
    service: Option<ServiceName>,
    #[serde(default)]
    drifted: bool,
}

/// Returns all expected hosts by name; with `drifted=true` those that are not where they should be.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<HostView>>> {
    let now = app.clock.now();
    let hosts = app.store.read(move |tx| load::hosts(tx, now)).await?;
    let wanted = |host: &HostView| {
        let runs = |s: &ServiceName| host.services.iter().any(|service| service.service == *s);
        let off = || {
            host.unknown_since.is_some()
                || host
                    .services
                    .iter()
                    .any(|s| s.proof != model::deliver::Proof::Converged)
        };
        query.service.as_ref().is_none_or(runs) && (!query.drifted || off())
    };
    Ok(Json(hosts.into_iter().filter(wanted).collect()))
}
