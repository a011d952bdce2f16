//! `POST /agent/v1/enrol`: a host joins with a token that lets one host in, and may repeat the call until
//! it has reported.

use axum::extract::State;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::agent::{Enrol, Enrolled};
use model::api::token::TokenView;
use model::deliver::Host;
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
        .write(move |tx| store_host(tx, caller.id, request, hash, (&ids, now)))
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

/// Lets a new host in, or the one this join token let in once more, and returns its id. Whoever shows
/// the secret of `hash` from here on is this host.
fn store_host(
    tx: &mut store::Tx<'_>,
    join: TokenId,
    request: Enrol,
    hash: Digest,
    (ids, now): (&Ids, Timestamp),
) -> std::result::Result<HostId, Failure> {
    let (host, fact) = match asks_again(tx, join, &request)? {
        None => {
            let host = let_in_new(tx, join, new_host(request, ids.host(now), join, now))?;
            let fact = Fact::HostEnrolled {
                host: host.name.clone(),
            };
            (host, fact)
        }
        Some(host) => {
            let host = let_in_again(tx, host, request, now)?;
            let fact = Fact::HostEnrolledAgain {
                host: host.name.clone(),
            };
            (host, fact)
        }
    };
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

/// Returns the host that was let in by this very call when it came before and its answer was lost.
///
/// A machine may have been rebooted, or its agent replaced, in between; what else was said of the host
/// is said again, since rollouts may count on it already.
fn asks_again(
    tx: &mut store::Tx<'_>,
    join: TokenId,
    request: &Enrol,
) -> std::result::Result<Option<Host>, store::Error> {
    let known = store::host::by_machine(tx, &request.machine_id)?;
    Ok(known.filter(|host| {
        host.let_in_by == Some(join)
            && host.retired_at.is_none()
            && (&host.name, &host.labels) == (&request.hostname, &request.labels)
    }))
}

/// Gives the host another identity; whoever holds the first one is nobody from now on.
fn let_in_again(
    tx: &mut store::Tx<'_>,
    mut host: Host,
    request: Enrol,
    now: Timestamp,
) -> std::result::Result<Host, Failure> {
    store::token::revoke_of_host(tx, host.id, now)?;
    host.boot_id = request.boot_id;
    host.agent_version = request.agent_version;
    store::host::save(tx, &host)?;
    Ok(host)
}

fn let_in_new(
    tx: &mut store::Tx<'_>,
    join: TokenId,
    host: Host,
) -> std::result::Result<Host, Failure> {
    // What is refused below costs no token: nothing of it is kept.
    if !store::token::mark_used(tx, join, host.expected_since)? {
        return Err(
            Problem::new(401, "used_token", "this join token was used before")
                .hint(USED)
                .into(),
        );
    }
    refuse_known(tx, &host)?;
    refuse_too_many(tx)?;
    store::host::insert(tx, &host)?;
    Ok(host)
}

fn refuse_known(tx: &mut store::Tx<'_>, host: &Host) -> std::result::Result<(), Failure> {
    if let Some(other) = store::host::by_name(tx, &host.name)? {
        let is = match other.retired_at {
            Some(_) => "was retired, and its name stays in the journal",
            None => "is enrolled already",
        };
        let title = format!("a host named `{}` {is}", host.name);
        return Err(Problem::new(409, "host_exists", title)
            .at("hostname")
            .hint("join with another --name")
            .into());
    }
    let same = store::host::by_machine(tx, &host.machine_id)?;
    if let Some(other) = same.filter(|other| other.retired_at.is_none()) {
        let title = format!("this machine is enrolled already, as `{}`", other.name);
        return Err(Problem::new(409, "machine_exists", title)
            .at("machine_id")
            .hint("a copied disk keeps its machine id; give the copy a new /etc/machine-id, then join")
            .into());
    }
    Ok(())
}

fn refuse_too_many(tx: &mut store::Tx<'_>) -> std::result::Result<(), Failure> {
    let hosts = store::host::list(tx)?.into_iter();
    if hosts.filter(|host| host.retired_at.is_none()).count() < limit::HOSTS {
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
    }
}
