//! `POST /agent/v1/enrol`: a host joins with a token that works once.

use axum::extract::State;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::agent::{Enrol, Enrolled};
use model::api::token::TokenView;
use model::deliver::Host;
use model::{Entry, Fact, HostId, Kind, Role, Subject, Timestamp, TokenId, limit};

use super::check_id;
use crate::App;
use crate::access::{Caller, hash_token};
use crate::api::Body;
use crate::error::{Failure, Result};

pub(crate) async fn enrol(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<Enrol>,
) -> Result<Json<Enrolled>> {
    check(&request)?;
    let now = app.clock.now();
    let secret = app.random.secret("swa_");
    let host = new_host(request, app.ids.host(now), now);
    let token = agent_token(&host, app.ids.token(now), now);
    let entry = Entry {
        id: app.ids.entry(now),
        at: now,
        subject: Subject::Host(host.name.clone()),
        kind: Kind::Change,
        actor: format!("host {}", host.name),
        causes: vec![],
        body: Fact::HostEnrolled {
            host: host.name.clone(),
        }
        .to_body(),
    };
    let (agent_id, hash) = (host.id, hash_token(&secret));
    app.store
        .write(move |tx| store_host(tx, &caller, &host, &token, hash, &entry))
        .await?;
    app.wakes.journal.nudge();
    app.wakes.rollouts.nudge();
    Ok(Json(Enrolled {
        agent_id,
        token: secret,
    }))
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

fn store_host(
    tx: &mut store::Tx<'_>,
    caller: &Caller,
    host: &Host,
    token: &TokenView,
    hash: model::Digest,
    entry: &Entry,
) -> std::result::Result<(), Failure> {
    refuse_known(tx, host)?;
    refuse_too_many(tx)?;
    // The join token works once: a second use finds it revoked.
    if !store::token::revoke(tx, caller.id, host.expected_since)? {
        return Err(
            Problem::new(401, "used_token", "this join token was used before")
                .hint("make a new one: sleepwell agent token")
                .into(),
        );
    }
    store::host::insert(tx, host)?;
    store::token::insert(tx, token, hash)?;
    store::journal::append(tx, entry)?;
    Ok(())
}

fn refuse_known(tx: &mut store::Tx<'_>, host: &Host) -> std::result::Result<(), Failure> {
    if store::host::by_name(tx, &host.name)?.is_some() {
        let title = format!("a host named `{}` is enrolled already", host.name);
        return Err(Problem::new(409, "host_exists", title)
            .at("hostname")
            .hint("join with another --name")
            .into());
    }
    if let Some(other) = store::host::by_machine(tx, &host.machine_id)? {
        let title = format!("this machine is enrolled already, as `{}`", other.name);
        return Err(Problem::new(409, "machine_exists", title)
            .at("machine_id")
            .hint("a copied disk keeps its machine id; give the copy a new /etc/machine-id, then join")
            .into());
    }
    Ok(())
}

fn refuse_too_many(tx: &mut store::Tx<'_>) -> std::result::Result<(), Failure> {
    if store::host::list(tx)?.len() < limit::HOSTS {
        return Ok(());
    }
    let title = format!("there are {} hosts, and no more can enrol", limit::HOSTS);
    Err(Problem::new(409, "too_many_hosts", title)
        .hint("set up a second installation")
        .into())
}

fn new_host(request: Enrol, id: HostId, now: Timestamp) -> Host {
    Host {
        id,
        name: request.hostname,
        labels: request.labels,
        machine_id: request.machine_id,
        boot_id: request.boot_id,
        agent_version: request.agent_version,
        expected_since: now,
        retired_at: None,
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
        revoked_at: None,
    }
}
