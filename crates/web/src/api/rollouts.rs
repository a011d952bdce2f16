//! Rollouts: `POST /api/v1/deliver/rollouts` ships a release.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use deliver::rollout::{self, Place, Refusal, Start, Unfinished};
use model::api::Problem;
use model::api::deliver::{NewRollout, Shipped, ShippedPart};
use model::deliver::{Part, Release, Rollout, RolloutState, Together};
use model::observe::ChangeState;
use model::{ChangeId, Entry, EntryId, EnvironmentName, Fact, Kind, Subject, Timestamp, limit};
use runtime::Ids;
use store::Tx;
use store::rollout::Versioned;

use super::together::{Member, members};
use super::{Body, Path};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, unknown};

/// Starts a rollout; it goes on by itself, whoever watches.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewRollout>,
) -> Result<(StatusCode, Json<Shipped>)> {
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let shipped = app
        .store
        .write(move |tx| start(tx, &new, &caller.name, now, &ids))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok((StatusCode::CREATED, Json(shipped)))
}

fn start(
    tx: &mut Tx<'_>,
    new: &NewRollout,
    by: &str,
    now: Timestamp,
    ids: &Ids,
) -> std::result::Result<Shipped, Failure> {
    super::fleet::refuse_while_behind(tx)?;
    let (environment, members) = members(tx, new)?;
    let word = (by, now, ids);
    let all: Vec<Part> = members.iter().map(|member| member.part.clone()).collect();
    let together = (all.len() > 1).then_some(Together {
        parts: all,
        freed_at: None,
    });
    let mut parts = Vec::new();
    for member in &members {
        let place = start_one(tx, member, (new, &environment), together.clone(), word)?;
        parts.push(ShippedPart {
            part: member.part.clone(),
            superseded: place.supersedes,
            queued_behind: place.behind,
        });
    }
    let named = parts.iter().find(|one| one.part.service == new.service);
    let named = named.expect("what was named is among its parts").clone();
    Ok(Shipped {
        change: named.part.change,
        superseded: named.superseded,
        queued_behind: named.queued_behind,
        parts: if together.is_some() {
            parts
        } else {
            Vec::new()
        },
    })
}

/// Starts one rollout of what is shipped, and says what became of those before it.
fn start_one(
    tx: &mut Tx<'_>,
    Member { release, part }: &Member,
    (new, environment): (&NewRollout, &EnvironmentName),
    together: Option<Together>,
    word: Word<'_>,
) -> std::result::Result<Place, Failure> {
    let (by, now, _) = word;
    let history = store::rollout::history(tx, &release.service, environment, limit::LIST_ITEMS)?;
    let place = place(tx, release, environment, new, &history)?.map_err(refused)?;
    let hosts = store::host::expected(tx)?;
    let (mut rollout, mut facts) = rollout::start(Start {
        change: part.change,
        release,
        previous: last_good(&history).map(|one| one.release.clone()),
        brought_by: last_good(&history),
        environment: environment.clone(),
        hosts: &hosts,
        redeploy: false,
        by: by.to_owned(),
        now,
    })
    .map_err(refused)?;
    let from = taken_over(&history, &place);
    let taken: Vec<&Rollout> = from.iter().map(|one| &one.rollout).collect();
    rollout::take_over(&mut rollout, &taken).map_err(refused)?;
    // What is shipped together comes in order: a part may only fit when those in front of it are live, and is
    // held until then.
    if place.behind.is_none() && together.is_none() {
        refuse_incompatible(tx, &rollout, now)?;
    }
    if let Some(behind) = place.behind {
        facts = vec![rollout::wait(&mut rollout, behind)];
    }
    if let Some(together) = &together {
        let parts = together.parts.clone();
        facts.push((Kind::Change, Fact::ShippedTogether { parts }));
    }
    rollout.together = together;
    begin(tx, rollout, facts, (&history, &from), word)?;
    Ok(place)
}

/// Writes a rollout that begins: what is said of it, what becomes of those before it, and its change.
pub(super) fn begin(
    tx: &mut Tx<'_>,
    mut rollout: Rollout,
    facts: Vec<(Kind, Fact)>,
    before: (&[Versioned], &[&Versioned]),
    word: Word<'_>,
) -> std::result::Result<(), Failure> {
    for (kind, fact) in facts {
        tell(tx, &mut rollout, (kind, &fact), None, word)?;
    }
    end_those_before(tx, before, &rollout, word)?;
    store::rollout::insert(tx, &rollout)?;
    store::change::put(tx, &rollout::change_of(&rollout))?;
    Ok(())
}

/// Refuses a release that does not fit what it would meet; one that waits is looked at when it begins.
pub(super) fn refuse_incompatible(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    now: Timestamp,
) -> std::result::Result<(), Failure> {
    let Some(facts) = store::surroundings::gate_facts(tx, rollout, None)? else {
        return Ok(());
    };
    let hosts = super::rehearsals::host_facts(tx, rollout, now)?;
    rollout::refuse_incompatible(rollout, &hosts, &facts).map_err(refused)
}

/// Returns the rollouts another one takes over from.
pub(super) fn taken_over<'a>(history: &'a [Versioned], place: &Place) -> Vec<&'a Versioned> {
    let is_taken = |one: &&Versioned| place.supersedes.contains(&one.rollout.change);
    history.iter().filter(is_taken).collect()
}

/// Is who says something, when, and what makes the entry's id.
pub(super) type Word<'a> = (&'a str, Timestamp, &'a Ids);

/// Decides what becomes of the rollouts there that are not over.
///
/// Within: the refusal of a release that is on its way there already.
pub(super) fn place(
    tx: &mut Tx<'_>,
    release: &Release,
    environment: &EnvironmentName,
    new: &NewRollout,
    history: &[Versioned],
) -> std::result::Result<std::result::Result<Place, Refusal>, Failure> {
    let declared = release.definition.environments.get(environment);
    let declared = declared.map(|plan| plan.if_running).unwrap_or_default();
    let mut unfinished = Vec::new();
    for one in store::rollout::under_way(tx, history)?.into_iter().rev() {
        let verdict = store::judgement::newest(tx, one.rollout.change)?;
        unfinished.push((&one.rollout, verdict.map(|(verdict, _)| verdict)));
    }
    if unfinished.len() > limit::QUEUED_ROLLOUTS {
        let title = format!("{} rollouts wait there already", unfinished.len() - 1);
        let hint = "wait for their end, or take over with `--supersede`";
        return Err(Problem::new(429, "too_many_waiting", title)
            .hint(hint)
            .into());
    }
    let unfinished: Vec<Unfinished<'_>> = unfinished
        .iter()
        .map(|(rollout, verdict)| Unfinished {
            rollout,
            verdict: verdict.as_ref(),
        })
        .collect();
    let wish = new.if_running.unwrap_or(declared);
    Ok(rollout::place(&release.to_ref(), &unfinished, wish))
}

/// Appends what is said of a rollout, as what follows from its last entry and from `cause`.
fn tell(
    tx: &mut Tx<'_>,
    rollout: &mut Rollout,
    (kind, fact): (Kind, &Fact),
    cause: Option<EntryId>,
    (by, now, ids): Word<'_>,
) -> std::result::Result<(), Failure> {
    let entry = Entry {
        id: ids.entry(now),
        at: now,
        subject: Subject::Change(rollout.change),
        kind,
        actor: by.to_owned(),
        causes: rollout.last_entry.into_iter().chain(cause).collect(),
        body: fact.to_body(),
    };
    store::journal::append(tx, &entry)?;
    rollout.last_entry = Some(entry.id);
    Ok(())
}

/// Ends the rollouts the new one takes over from, and the watch of the one whose release it replaces.
fn end_those_before(
    tx: &mut Tx<'_>,
    (history, from): (&[Versioned], &[&Versioned]),
    new: &Rollout,
    word: Word<'_>,
) -> std::result::Result<(), Failure> {
    let (_, now, _) = word;
    for Versioned { rollout, version } in from {
        let (mut next, fact) = rollout::superseded(rollout, new.change, now);
        tell(tx, &mut next, (Kind::Outcome, &fact), new.last_entry, word)?;
        store::rollout::save(tx, &next, *version)?;
        if let Some(mut change) = store::change::get(tx, next.change)? {
            change.state = ChangeState::Superseded;
            change.updated_at = now;
            store::change::put(tx, &change)?;
        }
    }
    for Versioned { rollout, version } in history {
        if let Some((mut next, facts)) = rollout::replaced(rollout, new.change) {
            for fact in facts {
                tell(tx, &mut next, (Kind::Outcome, &fact), new.last_entry, word)?;
            }
            store::rollout::save(tx, &next, *version)?;
        }
    }
    Ok(())
}

/// Returns the rollout whose release went live last and was not undone: what the hosts run now. Undone rollouts left
/// what was there before them, and superseded ones never finished.
pub(super) fn last_good(history: &[Versioned]) -> Option<&Rollout> {
    let live = |rollout: &&Rollout| matches!(rollout.state, RolloutState::Done { .. });
    history.iter().map(|one| &one.rollout).find(live)
}

pub(super) fn find_release(
    tx: &mut Tx<'_>,
    new: &NewRollout,
) -> std::result::Result<Release, Failure> {
    if let Some(release) = store::release::by_version(tx, &new.service, &new.version)? {
        return Ok(release);
    }
    let services = store::release::services(tx)?;
    if !services.contains(&new.service) {
        let known: Vec<String> = services.iter().map(|s| format!("`{s}`")).collect();
        let hint = if known.is_empty() {
            "nothing was released yet".to_owned()
        } else {
            format!("known: {}", known.join(", "))
        };
        return Err(unknown("service", &new.service, hint));
    }
    let releases = store::release::list(tx, &new.service, 5)?;
    let known: Vec<String> = releases
        .iter()
        .map(|r| format!("`{}`", r.version))
        .collect();
    Err(unknown(
        "version",
        &new.version,
        format!("newest of {}: {}", new.service, known.join(", ")),
    ))
}

pub(super) fn which_environment(
    release: &Release,
    new: &NewRollout,
) -> std::result::Result<EnvironmentName, Failure> {
    let environments = &release.definition.environments;
    if let Some(environment) = &new.environment {
        return Ok(environment.clone());
    }
    let mut names = environments.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => {
            let known: Vec<String> = environments.keys().map(|e| format!("`{e}`")).collect();
            Err(Problem::new(
                422,
                "which_environment",
                "the service has several environments",
            )
            .at("environment")
            .hint(format!("name one: {}", known.join(", ")))
            .into())
        }
    }
}

pub(super) fn refused(refusal: Refusal) -> Failure {
    let (status, code) = match &refusal {
        Refusal::UnknownEnvironment { .. } => (404, "unknown_environment"),
        Refusal::AlreadyUnderWay { .. } => (409, "already_under_way"),
        Refusal::LeavesBehind { .. } => (409, "leaves_hosts_behind"),
        Refusal::Occupied { .. } => (409, "under_way"),
        Refusal::NotLive { .. } => (409, "not_live"),
        Refusal::Incompatible(_) => (409, "incompatible"),
        _ => (422, "cannot_start"),
    };
    Problem::new(status, code, refusal.to_string())
        .hint(refusal.hint())
        .into()
}

/// Returns one rollout as it is stored.
pub(crate) async fn get(State(app): State<App>, Path(id): Path<ChangeId>) -> Result<Json<Rollout>> {
    let read = app
        .store
        .read(move |tx| store::rollout::get(tx, id))
        .await?;
    read.map(|r| Json(r.rollout))
        .ok_or_else(|| unknown("rollout", id, "sleepwell changes lists them"))
}
