//! Hosts: `/api/v1/deliver/hosts`: what each one really runs, and what a person says of one that is gone.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use deliver::rollout::ExcludeRefusal;
use model::api::Problem;
use model::api::deliver::{HostExcluded, HostOrder, HostView};
use model::deliver::{Excluded, Host, Proof};
use model::{
    ChangeId, Entry, EntryId, Fact, HostId, HostName, Kind, ServiceName, Subject, Timestamp, limit,
};
use runtime::Ids;
use serde::Deserialize;
use store::Tx;
use store::rollout::Versioned;

use super::{Body, Path, Query};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, cut, unknown};
use crate::load;

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    service: Option<ServiceName>,
    #[serde(default)]
    drifted: bool,
    name: Option<HostName>,
    after: Option<HostName>,
    limit: Option<usize>,
}

/// Returns expected hosts by name, at most [`limit::LIST_ITEMS`]; `after` asks for the next page. With
/// `drifted=true` those that are not where they should be, with `name` that one alone.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<HostView>>> {
    let now = app.clock.now();
    let (service, drifted) = (query.service, query.drifted);
    let wanted = load::HostsWanted {
        name: query.name,
        after: query.after,
        limit: query.limit.unwrap_or(usize::MAX).min(limit::LIST_ITEMS),
        fits: move |host: &HostView| {
            let runs = |s: &ServiceName| host.services.iter().any(|one| one.service == *s);
            service.as_ref().is_none_or(runs) && (!drifted || is_off(host))
        },
    };
    let read = move |tx: &mut Tx<'_>| load::hosts(tx, &wanted, now);
    Ok(Json(app.store.read(read).await?))
}

fn is_off(host: &HostView) -> bool {
    let mut services = host.services.iter();
    host.unknown_since.is_some() || services.any(|one| one.proof != Proof::Converged)
}

/// Lets every rollout under way go on without a host: 202, durable; they follow it at their next turn.
pub(crate) async fn exclude(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<HostId>,
    Body(order): Body<HostOrder>,
) -> Result<(StatusCode, Json<HostExcluded>)> {
    let word = Word::new(&app, &caller, order.reason);
    let changes = app
        .store
        .write(move |tx| exclude_everywhere(tx, id, &word))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok((StatusCode::ACCEPTED, Json(HostExcluded { changes })))
}

/// Retires a host: it counts nowhere from now on, and whoever holds its token is nobody.
pub(crate) async fn retire(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<HostId>,
    Body(order): Body<HostOrder>,
) -> Result<StatusCode> {
    let word = Word::new(&app, &caller, order.reason);
    app.store.write(move |tx| retire_now(tx, id, &word)).await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok(StatusCode::NO_CONTENT)
}

/// Is what a person says of a host, and when.
pub(super) struct Word {
    by: String,
    pub(super) reason: String,
    now: Timestamp,
    ids: Ids,
}

impl Word {
    pub(super) fn new(app: &App, caller: &Caller, mut reason: String) -> Self {
        cut(&mut reason);
        Self {
            by: caller.name.clone(),
            reason,
            now: app.clock.now(),
            ids: app.ids.clone(),
        }
    }

    pub(super) fn entry(&self, subject: Subject, causes: Vec<EntryId>, fact: &Fact) -> Entry {
        Entry {
            id: self.ids.entry(self.now),
            at: self.now,
            subject,
            kind: Kind::Action,
            actor: self.by.clone(),
            causes,
            body: fact.to_body(),
        }
    }

    /// Makes the entry of what follows from an entry of this word.
    pub(super) fn outcome(&self, of: &Entry, fact: &Fact) -> Entry {
        Entry {
            actor: "sleepwell".into(),
            ..self.entry(of.subject.clone(), vec![of.id], fact)
        }
    }
}

/// Reads a host that is still expected.
pub(super) fn expected(tx: &mut Tx<'_>, id: HostId) -> std::result::Result<Host, Failure> {
    let host = store::host::get(tx, id)?.filter(|host| host.retired_at.is_none());
    host.ok_or_else(|| unknown("host", id, "GET /api/v1/deliver/hosts lists them"))
}

fn exclude_everywhere(
    tx: &mut Tx<'_>,
    id: HostId,
    word: &Word,
) -> std::result::Result<Vec<ChangeId>, Failure> {
    let host = expected(tx, id)?;
    let rollouts = under_way_with(tx, id)?;
    if rollouts.is_empty() {
        let title = format!("no rollout under way waits for `{}`", host.name);
        let hint = format!(
            "if it is gone for good: `sleepwell hosts retire {}`",
            host.name
        );
        return Err(Problem::new(409, "nothing_waits", title).hint(hint).into());
    }
    let mut changes = Vec::new();
    for stored in rollouts {
        exclude_from(tx, &stored, &host, word)?;
        changes.push(stored.rollout.change);
    }
    Ok(changes)
}

/// Excludes the host from one rollout; its entry is the cause of what follows.
fn exclude_from(
    tx: &mut Tx<'_>,
    stored: &Versioned,
    host: &Host,
    word: &Word,
) -> std::result::Result<(), Failure> {
    let said = Excluded {
        by: word.by.clone(),
        at: word.now,
    };
    let excluded = deliver::rollout::exclude(&stored.rollout, host.id, said);
    let mut rollout = excluded.map_err(|refusal: ExcludeRefusal| {
        Problem::new(409, "cannot_be_excluded", refusal.to_string()).hint(refusal.hint())
    })?;
    if rollout == stored.rollout {
        // It was excluded before.
        return Ok(());
    }
    let fact = Fact::HostExcluded {
        host: host.name.clone(),
        reason: word.reason.clone(),
    };
    let causes = rollout.last_entry.into_iter().collect();
    let entry = word.entry(Subject::Change(rollout.change), causes, &fact);
    rollout.last_entry = Some(entry.id);
    store::journal::append(tx, &entry)?;
    store::rollout::save(tx, &rollout, stored.version)?;
    Ok(())
}

fn retire_now(tx: &mut Tx<'_>, id: HostId, word: &Word) -> std::result::Result<(), Failure> {
    let mut host = expected(tx, id)?;
    host.retired_at = Some(word.now);
    store::host::save(tx, &host)?;
    store::token::revoke_of_host(tx, id, word.now)?;
    store::fleet::set_ahead(tx, id, &[])?;
    let rollouts = under_way_with(tx, id)?;
    let fact = Fact::HostRetired {
        host: host.name.clone(),
        reason: word.reason.clone(),
    };
    let causes = rollouts.iter().filter_map(|r| r.rollout.last_entry);
    let entry = word.entry(Subject::Host(host.name), causes.collect(), &fact);
    store::journal::append(tx, &entry)?;
    // What a rollout does next, it does because of this.
    for Versioned {
        mut rollout,
        version,
    } in rollouts
    {
        rollout.last_entry = Some(entry.id);
        store::rollout::save(tx, &rollout, version)?;
    }
    Ok(())
}

/// Returns the rollouts under way that have the host in a ring, oldest first.
pub(super) fn under_way_with(
    tx: &mut Tx<'_>,
    id: HostId,
) -> std::result::Result<Vec<Versioned>, store::Error> {
    let mut found = Vec::new();
    for change in store::rollout::running_changes(tx)? {
        let stored = store::rollout::get(tx, change)?;
        let has_it = |stored: &Versioned| {
            stored.rollout.queued.is_none() && stored.rollout.hosts().any(|host| host.id == id)
        };
        found.extend(stored.filter(has_it));
    }
    Ok(found)
}
