//! `POST /agent/v1/enrol`: a host joins with a token that lets one host in, and may repeat the call until
//! it has reported.
//!
//! A machine id or name that is known is refused, unless the token was made for the host of that name: then a
//! person said so.

use axum::extract::State;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::agent::{Enrol, Enrolled};
use model::api::token::TokenView;
use model::deliver::{Host, Program, Speakers};
use model::{Digest, Entry, Fact, HostId, Kind, Role, Subject, Timestamp, TokenId, limit};
use runtime::Ids;

use super::check_id;
use crate::App;
use crate::access::Caller;
use crate::api::Body;
use crate::error::{Failure, Result};

/// Says what helps whoever shows a token that let another host in.
const USED: &str = "make a new one: sleepwell agent token; only the host it let in may join with it again, with the same name and labels, until it has reported";

pub(crate) async fn enrol(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<Enrol>,
) -> Result<Json<Enrolled>> {
    check(&request)?;
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let token = app.random.secret("swa_");
    let hash = store::token::hash(&token);
    let agent_id = app
        .store
        .write(move |tx| store_host(tx, &caller, request, hash, (&ids, now)))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok(Json(Enrolled { agent_id, token }))
}

fn check(request: &Enrol) -> Result<()> {
    check_id("machine_id", &request.machine_id)?;
    check_id("boot_id", &request.boot_id)?;
    check_id("agent_version", &request.agent_version)?;
    if request.machine_id.is_empty() {
        return Err(Problem::new(422, "bad_id", "`machine_id` is empty")
            .at("machine_id")
            .hint("it tells this machine from a copy of its disk; systemd keeps one in /etc/machine-id")
            .into());
    }
    Ok(())
}

/// Lets a host in and returns its id. Whoever shows the secret of `hash` from here on is this host.
fn store_host(
    tx: &mut store::Tx<'_>,
    join: &TokenView,
    request: Enrol,
    hash: Digest,
    (ids, now): (&Ids, Timestamp),
) -> std::result::Result<HostId, Failure> {
    let (host, fact) = let_in(tx, join, request, (ids, now))?;
    store::token::insert(tx, &agent_token(&host, ids.token(now), now), hash)?;
    let entry = Entry {
        id: ids.entry(now),
        at: now,
        subject: Subject::Host(host.name.clone()),
        kind: Kind::Change,
        actor: format!("host {}", host.name),
        causes: vec![],
        body: fact.to_body(),
    };
    store::journal::append(tx, &entry)?;
    Ok(host.id)
}

/// Decides which host this is: the one this very call let in before, the one the token was made for, or a
/// new one.
fn let_in(
    tx: &mut store::Tx<'_>,
    join: &TokenView,
    request: Enrol,
    (ids, now): (&Ids, Timestamp),
) -> std::result::Result<(Host, Fact), Failure> {
    refuse_another(join, &request)?;
    let known = store::host::by_name(tx, &request.hostname)?;
    match known {
        Some(host) if asks_again(&host, join, &request) => {
            let name = host.name.clone();
            let host = give_anew(tx, host, request, now)?;
            Ok((host, Fact::HostEnrolledAgain { host: name }))
        }
        Some(mut host) if join.for_host.is_some() => {
            use_up(tx, join, now)?;
            host.let_in_by = Some(join.id);
            let name = host.name.clone();
            let host = give_anew(tx, host, request, now)?;
            Ok((host, Fact::HostLetBackIn { host: name }))
        }
        _ => let_in_new(tx, join, new_host(request, ids.host(now), join.id, now)),
    }
}

/// A token made for one host lets in no other.
fn refuse_another(join: &TokenView, request: &Enrol) -> std::result::Result<(), Failure> {
    match &join.for_host {
        Some(name) if *name != request.hostname => {
            let title = format!(
                "this token lets in `{name}` alone, not `{}`",
                request.hostname
            );
            Err(Problem::new(409, "token_of_another", title)
                .at("hostname")
                .hint(format!("join with --name {name}, or make a token for any new host: sleepwell agent token"))
                .into())
        }
        _ => Ok(()),
    }
}

/// Tells whether the host was let in by this very call, which came before and whose answer was lost.
///
/// A machine may have been rebooted, or its agent replaced, in between; what else was said of the host
/// is said again, since rollouts may count on it already.
fn asks_again(host: &Host, join: &TokenView, request: &Enrol) -> bool {
    let (machine_id, labels) = (&request.machine_id, &request.labels);
    let same_labels = host.labels == *labels || (join.for_host.is_some() && labels.is_empty());
    host.let_in_by == Some(join.id) && host.machine_id == *machine_id && same_labels
}

/// Gives the host another identity; whoever holds the one before is nobody from now on. It may be another
/// machine. Labels that are not said again stay: rollouts count on them.
fn give_anew(
    tx: &mut store::Tx<'_>,
    mut host: Host,
    request: Enrol,
    now: Timestamp,
) -> std::result::Result<Host, Failure> {
    store::token::revoke_of_host(tx, host.id, now)?;
    if !request.labels.is_empty() {
        host.labels = request.labels;
    }
    host.machine_id = request.machine_id;
    host.boot_id = request.boot_id;
    host.agent_version = request.agent_version;
    host.speakers = Speakers::default();
    host.program = Program::default();
    store::host::save(tx, &host)?;
    Ok(host)
}

fn let_in_new(
    tx: &mut store::Tx<'_>,
    join: &TokenView,
    host: Host,
) -> std::result::Result<(Host, Fact), Failure> {
    use_up(tx, join, host.expected_since)?;
    refuse_known_name(tx, &host)?;
    let twin = store::host::by_machine(tx, &host.machine_id)?;
    if let Some(other) = twin.as_ref().filter(|_| join.for_host.is_none()) {
        return Err(known_machine(&host, other));
    }
    refuse_too_many(tx)?;
    store::host::insert(tx, &host)?;
    let name = host.name.clone();
    let fact = match twin {
        Some(other) => Fact::HostSharesMachine {
            host: name,
            with: other.name,
        },
        None => Fact::HostEnrolled { host: name },
    };
    Ok((host, fact))
}

/// What is refused behind this costs no token: nothing of it is kept.
fn use_up(
    tx: &mut store::Tx<'_>,
    join: &TokenView,
    now: Timestamp,
) -> std::result::Result<(), Failure> {
    if store::token::mark_used(tx, join.id, now)? {
        return Ok(());
    }
    Err(
        Problem::new(401, "used_token", "this join token was used before")
            .hint(USED)
            .into(),
    )
}

fn refuse_known_name(tx: &mut store::Tx<'_>, host: &Host) -> std::result::Result<(), Failure> {
    let Some(other) = store::host::by_name(tx, &host.name)? else {
        return Ok(());
    };
    let title = format!("a host named `{}` is enrolled already", other.name);
    let hint = format!(
        "join with another --name; if this is {0} itself, which has lost who it is: sleepwell agent token --host {0}",
        other.name
    );
    Err(Problem::new(409, "host_exists", title)
        .at("hostname")
        .hint(hint)
        .into())
}

fn known_machine(host: &Host, other: &Host) -> Failure {
    let title = format!("this machine is enrolled already, as `{}`", other.name);
    let hint = format!(
        "a copied disk keeps its machine id: give the copy a new /etc/machine-id, then join; if two hosts are meant to share one: sleepwell agent token --host {}",
        host.name
    );
    Problem::new(409, "machine_exists", title)
        .at("machine_id")
        .hint(hint)
        .into()
}

fn refuse_too_many(tx: &mut store::Tx<'_>) -> std::result::Result<(), Failure> {
    if store::host::count_expected(tx)? < limit::HOSTS {
        return Ok(());
    }
    let title = format!("there are {} hosts, and no more can enrol", limit::HOSTS);
    Err(Problem::new(409, "too_many_hosts", title)
        .hint("set up a second installation")
        .into())
}

fn new_host(request: Enrol, id: HostId, join: TokenId, now: Timestamp) -> Host {
    Host {
        id,
        name: request.hostname,
        labels: request.labels,
        machine_id: request.machine_id,
        boot_id: request.boot_id,
        agent_version: request.agent_version,
        expected_since: now,
        retired_at: None,
        let_in_by: Some(join),
        last_seen: now,
        silent_noted: false,
        speakers: Speakers::default(),
        clock_off: None,
        program: Program::default(),
    }
}

fn agent_token(host: &Host, id: TokenId, now: Timestamp) -> TokenView {
    TokenView {
        id,
        name: format!("host {}", host.name),
        role: Role::Agent,
        host: Some(host.id),
        created_at: now,
        expires_at: None,
        used_at: None,
        revoked_at: None,
        for_host: None,
    }
}
