//! Redeploys: `POST /api/v1/deliver/redeploys` has every host set up anew with what runs there.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use deliver::redeploy::{self, Redeploy};
use deliver::rollout::Refusal;
use model::api::Problem;
use model::api::deliver::{NewRedeploy, Started};
use model::deliver::{Release, Rollout};
use model::{ChangeId, EnvironmentName, limit};
use store::Tx;
use store::rollout::Versioned;

use super::Body;
use super::rollouts::{Word, begin, last_good, refuse_incompatible, refused};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, unknown};

/// Starts a redeploy; it goes on by itself, whoever watches.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewRedeploy>,
) -> Result<(StatusCode, Json<Started>)> {
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let started = app
        .store
        .write(move |tx| start(tx, &new, (&caller.name, now, &ids)))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok((StatusCode::CREATED, Json(started)))
}

fn start(
    tx: &mut Tx<'_>,
    new: &NewRedeploy,
    word: Word<'_>,
) -> std::result::Result<Started, Failure> {
    let (by, now, _) = word;
    super::fleet::refuse_while_behind(tx)?;
    let there = There::read(tx, new)?;
    let change = store::change::next_id(tx)?;
    let history: Vec<&Rollout> = there.history.iter().map(|one| &one.rollout).collect();
    let (rollout, facts) = redeploy::begin(Redeploy {
        change,
        release: &there.release,
        history: &history,
        under_way: there.under_way,
        hosts: &store::host::expected(tx)?,
        overdue: None,
        by: by.to_owned(),
        now,
    })
    .map_err(refused)?;
    refuse_incompatible(tx, &rollout, now)?;
    begin(tx, rollout, facts, (&there.history, &[]), word)?;
    Ok(Started { change })
}

/// Is what a redeploy finds in an environment.
pub(super) struct There {
    pub(super) environment: EnvironmentName,
    /// What runs there.
    pub(super) release: Release,
    /// Newest first.
    pub(super) history: Vec<Versioned>,
    /// The newest rollout that is not over.
    pub(super) under_way: Option<ChangeId>,
}

impl There {
    pub(super) fn read(tx: &mut Tx<'_>, new: &NewRedeploy) -> std::result::Result<Self, Failure> {
        let environment = environment(tx, new)?;
        let history = store::rollout::history(tx, &new.service, &environment, limit::LIST_ITEMS)?;
        let under_way = store::rollout::under_way(tx, &history)?;
        let under_way = under_way.first().map(|one| one.rollout.change);
        let Some(live) = last_good(&history) else {
            return Err(match under_way {
                Some(change) => refused(Refusal::Occupied { change }),
                None => nothing_runs(new, &environment),
            });
        };
        let release = store::release::get(tx, &new.service, live.release.number)?;
        let release =
            release.ok_or_else(|| unknown("release", live.release.number, "ship it anew"))?;
        Ok(Self {
            environment,
            release,
            history,
            under_way,
        })
    }
}

/// Returns the environment that is meant: the one that is named, or the only one it was shipped to.
fn environment(
    tx: &mut Tx<'_>,
    new: &NewRedeploy,
) -> std::result::Result<EnvironmentName, Failure> {
    let places = store::rollout::places(tx)?.into_iter();
    let known: Vec<EnvironmentName> = places
        .filter(|(service, _)| *service == new.service)
        .map(|(_, environment)| environment)
        .collect();
    let listed = known.iter().map(|name| format!("`{name}`"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    match (&new.environment, known.as_slice()) {
        (_, []) => Err(unknown(
            "service",
            &new.service,
            "nothing of it was shipped yet: `sleepwell ship`".to_owned(),
        )),
        (Some(named), _) if known.contains(named) => Ok(named.clone()),
        (Some(named), _) => Err(unknown("environment", named, format!("known: {listed}"))),
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            let title = "the service runs in several environments";
            Err(Problem::new(422, "which_environment", title)
                .at("environment")
                .hint(format!("name one: {listed}"))
                .into())
        }
    }
}

fn nothing_runs(new: &NewRedeploy, environment: &EnvironmentName) -> Failure {
    let title = format!("nothing of `{}` is live in `{environment}`", new.service);
    Problem::new(409, "not_live", title)
        .hint(format!("ship it first: `sleepwell ship {}`", new.service))
        .into()
}
