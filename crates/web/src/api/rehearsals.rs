//! Rehearsals: `POST /api/v1/deliver/rehearsals` says how a rollout would go; nothing is written.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use deliver::rollout::{self, Gates, HostFacts, Place, Refusal, Rehearsed, Start};
use model::api::Problem;
use model::api::deliver::NewRedeploy;
use model::api::rehearsal::{Obstacle, Rehearsal, Rehearse, RehearsedHost, RehearsedRing};
use model::deliver::{
    Definition, Desired, FreezeRule, GateFacts, HeldReason, Release, ReleaseNumber, Reported,
    Rollout,
};
use model::{ChangeId, HostId, Timestamp, Version, limit};
use store::Tx;
use store::rollout::Versioned;

use super::fleet::behind_fleet;
use super::redeploys::There;
use super::releases::{bad_definition, version_used};
use super::rollouts::{find_release, last_good, place, refused, taken_over, which_environment};
use super::{Body, bad_body};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result};

/// No change: a rehearsal is none, and gets no number.
const NO_CHANGE: ChangeId = ChangeId(0);

/// Rehearses a rollout: the planner that would carry it out plays it to its end.
pub(crate) async fn rehearse(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<Rehearse>,
) -> Result<Json<Rehearsal>> {
    if !new.rollout.with.is_empty() {
        let title = "services are rehearsed one at a time";
        return Err(Problem::new(422, "one_at_a_time", title)
            .at("with")
            .hint("rehearse each alone; shipped together, each begins when those it depends on are live")
            .into());
    }
    let now = app.clock.now();
    let draft = draft(&new, &caller.name, now)?;
    let scene = app
        .store
        .read(move |tx| read(tx, &new, draft, &caller.name, now))
        .await?;
    play_apart(scene, now).await
}

/// Rehearses a redeploy.
pub(crate) async fn rehearse_redeploy(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewRedeploy>,
) -> Result<Json<Rehearsal>> {
    let now = app.clock.now();
    let scene = app
        .store
        .read(move |tx| read_redeploy(tx, &new, &caller.name, now))
        .await?;
    play_apart(scene, now).await
}

async fn play_apart(scene: Scene, now: Timestamp) -> Result<Json<Rehearsal>> {
    // A long play keeps no other call waiting.
    let played = tokio::task::spawn_blocking(move || play(&scene, now)).await;
    played
        .map_err(|e| Failure::from(Problem::new(500, "failed", e.to_string())))?
        .map(Json)
}

/// Makes the release that was sent along, as it would be stored.
fn draft(
    new: &Rehearse,
    by: &str,
    now: Timestamp,
) -> std::result::Result<Option<Release>, Failure> {
    let Some(release) = &new.release else {
        return Ok(None);
    };
    let definition = deliver::definition::parse(&release.definition).map_err(bad_definition)?;
    let asked = (&new.rollout.service, &new.rollout.version);
    if (&definition.service, &release.version) != asked {
        let why = format!(
            "`release` is {} {}, and {} {} is to be rehearsed",
            definition.service, release.version, asked.0, asked.1
        );
        return Err(bad_body(422, why));
    }
    Ok(Some(Release {
        service: definition.service.clone(),
        number: ReleaseNumber(0), // given when it is stored
        version: release.version.clone(),
        digest: release.digest,
        size_bytes: 0, // known when it is uploaded
        config_digest: deliver::definition::config_digest(&definition),
        definition,
        created_at: now,
        created_by: by.to_owned(),
    }))
}

/// Is everything a rehearsal looks at.
struct Scene {
    rollout: Rollout,
    hosts: BTreeMap<HostId, HostFacts>,
    /// The service's releases by number.
    versions: BTreeMap<ReleaseNumber, Version>,
    /// What it would do about those that are not over.
    place: std::result::Result<Place, Refusal>,
    /// While the server is behind its fleet, nothing is shipped.
    is_behind_fleet: bool,
    /// The server's that apply.
    freezes: Vec<FreezeRule>,
    compatibility: Option<GateFacts>,
}

fn read(
    tx: &mut Tx<'_>,
    new: &Rehearse,
    draft: Option<Release>,
    by: &str,
    now: Timestamp,
) -> std::result::Result<Scene, Failure> {
    let release = match draft {
        Some(draft) => known_or_next(tx, draft)?,
        None => find_release(tx, &new.rollout)?,
    };
    let environment = which_environment(&release, &new.rollout)?;
    let service = &release.service;
    let history = store::rollout::history(tx, service, &environment, limit::LIST_ITEMS)?;
    let place = place(tx, &release, &environment, &new.rollout, &history)?;
    let (rollout, _) = rollout::start(Start {
        change: NO_CHANGE,
        release: &release,
        previous: last_good(&history).map(|one| one.release.clone()),
        brought_by: last_good(&history),
        environment,
        hosts: &store::host::expected(tx)?,
        redeploy: false,
        by: by.to_owned(),
        now,
    })
    .map_err(refused)?;
    scene(tx, &release, rollout, (&history, place), now)
}

fn read_redeploy(
    tx: &mut Tx<'_>,
    new: &NewRedeploy,
    by: &str,
    now: Timestamp,
) -> std::result::Result<Scene, Failure> {
    let there = There::read(tx, new)?;
    let (rollout, _) = rollout::start(Start {
        change: NO_CHANGE,
        release: &there.release,
        previous: last_good(&there.history).map(|one| one.release.clone()),
        brought_by: last_good(&there.history),
        environment: there.environment.clone(),
        hosts: &store::host::expected(tx)?,
        redeploy: true,
        by: by.to_owned(),
        now,
    })
    .map_err(refused)?;
    let place = match there.under_way {
        Some(change) => Err(Refusal::Occupied { change }),
        None => Ok(Place::default()),
    };
    scene(tx, &there.release, rollout, (&there.history, place), now)
}

/// Reads what stands around a rollout that would begin.
fn scene(
    tx: &mut Tx<'_>,
    release: &Release,
    mut rollout: Rollout,
    (history, mut place): (&[Versioned], std::result::Result<Place, Refusal>),
    now: Timestamp,
) -> std::result::Result<Scene, Failure> {
    let service = &release.service;
    // What stands in its way is named as an obstacle, so that the rest can be told.
    if let Ok(over) = &place {
        let from = taken_over(history, over);
        let from: Vec<&Rollout> = from.iter().map(|one| &one.rollout).collect();
        if let Err(refusal) = rollout::take_over(&mut rollout, &from) {
            place = Err(refusal);
        }
    }
    let releases = store::release::list(tx, service, limit::LIST_ITEMS)?.into_iter();
    Ok(Scene {
        hosts: host_facts(tx, &rollout, now)?,
        versions: releases.map(|r| (r.number, r.version)).collect(),
        place,
        is_behind_fleet: store::fleet::is_behind(tx)?,
        freezes: store::freeze::rules_for(tx, service, &rollout.environment)?,
        compatibility: store::surroundings::gate_facts(
            tx,
            &rollout,
            Some(&release.definition.compatibility),
        )?,
        rollout,
    })
}

/// Returns the stored release when the draft is the same, else the draft as the next one.
fn known_or_next(tx: &mut Tx<'_>, mut draft: Release) -> std::result::Result<Release, Failure> {
    match store::release::by_version(tx, &draft.service, &draft.version)? {
        Some(known) if is_same(&known, draft.digest, &draft.definition) => Ok(known),
        Some(_) => Err(version_used(&draft.service, &draft.version)),
        None => {
            let newest = store::release::list(tx, &draft.service, 1)?;
            draft.number = ReleaseNumber(newest.first().map_or(1, |newest| newest.number.0 + 1));
            Ok(draft)
        }
    }
}

fn is_same(known: &Release, digest: model::Digest, definition: &Definition) -> bool {
    known.digest == digest && known.definition == *definition
}

pub(super) fn host_facts(
    tx: &mut Tx<'_>,
    rollout: &Rollout,
    now: Timestamp,
) -> std::result::Result<BTreeMap<HostId, HostFacts>, store::Error> {
    let desired: BTreeMap<HostId, Desired> =
        store::fleet::desired_for(tx, &rollout.service, &rollout.environment)?
            .into_iter()
            .collect();
    let mut reported: BTreeMap<HostId, Reported> =
        store::fleet::reported_for(tx, &rollout.service)?
            .into_iter()
            .collect();
    let members = rollout.members().map(|member| member.id).collect();
    let mut facts = BTreeMap::new();
    for (id, host) in store::host::these_each(tx, &members)? {
        let known = HostFacts::new(host?, desired.get(&id), reported.remove(&id), now);
        facts.insert(id, known);
    }
    Ok(facts)
}

fn play(scene: &Scene, now: Timestamp) -> std::result::Result<Rehearsal, Failure> {
    let rollout = &scene.rollout;
    let gates = Gates {
        freezes: &scene.freezes,
        parts: &[],
        compatibility: scene.compatibility.as_ref(),
    };
    let rehearsed = rollout::rehearse(rollout, &scene.hosts, gates, now).map_err(|too_long| {
        Problem::new(422, "rehearsal_too_long", too_long.to_string()).hint(too_long.hint())
    })?;
    Ok(Rehearsal {
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        release: rollout.release.version.clone(),
        previous: rollout.previous.as_ref().map(|p| p.version.clone()),
        max_unavailable: rollout.plan.max_unavailable,
        rings: rings(scene, &rehearsed, now),
        obstacles: obstacles(scene, &rehearsed),
        done_at: rehearsed.done_at,
        now,
    })
}

fn rings(scene: &Scene, rehearsed: &Rehearsed, now: Timestamp) -> Vec<RehearsedRing> {
    let rollout = &scene.rollout;
    let after = |at: Option<Timestamp>| at.map(|at| millis(at.since(now)));
    let rings = rollout.rings.iter().zip(&rollout.plan.rings);
    rings
        .zip(&rehearsed.rings)
        .map(|((ring, spec), times)| {
            let mut hosts: Vec<RehearsedHost> = ring
                .hosts
                .iter()
                .map(|member| host(scene, rehearsed, member.id, &member.name))
                .collect();
            hosts.sort_by_key(|host| host.step.unwrap_or(0));
            RehearsedRing {
                name: ring.name.clone(),
                hosts,
                bake_ms: millis(spec.bake),
                deadline_ms: millis(spec.deadline),
                at_deadline: spec.at_deadline,
                begins_after_ms: after(times.begins_at),
                passes_after_ms: after(times.passes_at),
            }
        })
        .collect()
}

fn host(scene: &Scene, rehearsed: &Rehearsed, id: HostId, name: &model::HostName) -> RehearsedHost {
    let facts = scene.hosts.get(&id);
    let ask = rehearsed.asks.iter().find(|ask| ask.host == id);
    let proves = facts.and_then(HostFacts::proves);
    RehearsedHost {
        host: name.clone(),
        step: ask.map(|ask| ask.step),
        from: proves.and_then(|number| scene.versions.get(&number).cloned()),
        to: scene.rollout.release.version.clone(),
        unknown_since: facts.and_then(|facts| facts.unknown_since),
    }
}

fn obstacles(scene: &Scene, rehearsed: &Rehearsed) -> Vec<Obstacle> {
    let behind = scene.is_behind_fleet.then(|| {
        let problem = behind_fleet();
        Obstacle {
            code: problem.code,
            text: problem.title,
            hint: problem.hint.unwrap_or_default(),
        }
    });
    behind
        .into_iter()
        .chain(before(&scene.place))
        .chain(incompatible(scene).or_else(|| rehearsed.held.as_ref().map(would_hold)))
        .collect()
}

/// Names what a rollout would be refused for; the play was held by it before anything else.
fn incompatible(scene: &Scene) -> Option<Obstacle> {
    let facts = scene.compatibility.as_ref()?;
    let refused = rollout::refuse_incompatible(&scene.rollout, &scene.hosts, facts);
    refused.err().map(|refusal| Obstacle {
        code: "incompatible".to_owned(),
        text: format!("it would be refused: {refusal}"),
        hint: refusal.hint(),
    })
}

/// Names what the rollouts that are not over mean for it.
fn before(place: &std::result::Result<Place, Refusal>) -> Vec<Obstacle> {
    let obstacle = |code: &str, text: String, hint: String| Obstacle {
        code: code.to_owned(),
        text,
        hint,
    };
    match place {
        Err(refusal) => vec![obstacle("refused", refusal.to_string(), refusal.hint())],
        Ok(Place {
            behind: Some(behind),
            ..
        }) => vec![obstacle(
            "waits",
            format!("{behind} is not over, and this one would wait for its end"),
            format!("see where it stands: `sleepwell watch {behind}`"),
        )],
        // To take over stops nothing; the hosts that are left on the way are in the play.
        Ok(Place { behind: None, .. }) => Vec::new(),
    }
}

fn would_hold(reason: &HeldReason) -> Obstacle {
    let (code, hint) = match reason {
        HeldReason::Person { .. } => ("person", ""),
        HeldReason::WaitingFor { .. } => (
            "waiting_for",
            "see `sleepwell hosts`; a host that is gone for good: `sleepwell hosts retire HOST`",
        ),
        HeldReason::Blocked { .. } => ("blocked", "mend that on the host"),
        HeldReason::Verdict { .. } => ("verdict", ""),
        HeldReason::Incompatible { .. } => ("incompatible", ""),
        HeldReason::NoWayBack { .. } => ("no_way_back", ""),
        HeldReason::Frozen { .. } => (
            "frozen",
            "it goes on by itself then; if it cannot wait: `sleepwell freeze override CHANGE --reason TEXT`",
        ),
    };
    Obstacle {
        code: code.to_owned(),
        text: format!("it would be held: {}", learn::sentence::held(reason)),
        hint: hint.to_owned(),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
