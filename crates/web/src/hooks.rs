//! Git hosts at the door: who may come in is said by a secret, not by a token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::api::Problem;
use model::deliver::GitHost;
use model::{Secret, limit};
use tokio::sync::Semaphore;

use crate::App;
use crate::api::bad_body;
use crate::error::{Failure, Result};

/// Holds the secret of each git host that may call, and counts the calls that did not know it.
#[derive(Clone, Debug)]
pub struct Hooks(Arc<Doors>);

#[derive(Debug)]
struct Doors {
    open: BTreeMap<GitHost, Door>,
    /// How many more bodies may be in memory before their sender is known.
    room: Semaphore,
}

#[derive(Debug)]
struct Door {
    secret: Secret,
    refused: AtomicU64,
}

impl Hooks {
    /// Opens a door for each host whose secret is not empty.
    pub fn new(secrets: impl IntoIterator<Item = (GitHost, Secret)>) -> Self {
        let door = |secret| Door {
            secret,
            refused: AtomicU64::new(0),
        };
        let named = secrets.into_iter();
        let open = named
            .filter(|(_, secret)| !secret.reveal().is_empty())
            .map(|(host, secret)| (host, door(secret)))
            .collect();
        let room = Semaphore::new(limit::HOOKS_AT_ONCE);
        Self(Arc::new(Doors { open, room }))
    }

    /// Returns how many calls were refused because of their signature since the start.
    pub fn refused(&self, host: GitHost) -> u64 {
        let door = self.0.open.get(&host);
        door.map_or(0, |door| door.refused.load(Ordering::Relaxed))
    }
}

impl Default for Hooks {
    /// Opens no door.
    fn default() -> Self {
        Self::new([])
    }
}

/// Says which host signed the request; in its extensions where a signature was needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedBy(pub(crate) GitHost);

/// Lets a request through whose body the host has signed, or answers 404 without a secret, 413, or 401.
/// The whole body is read here, because the signature is over all of it; the handler gets it unchanged.
pub(crate) async fn admit(app: &App, host: GitHost, request: Request) -> Result<Request> {
    let doors = &app.hooks.0;
    let Some(door) = doors.open.get(&host) else {
        return Err(closed(host));
    };
    let _room = doors.room.acquire().await.map_err(|_| closed(host))?;
    let (parts, body) = request.into_parts();
    let bytes = read(body).await?;
    let header = |name: &str| parts.headers.get(name)?.to_str().ok();
    if !wire::git::is_genuine(host, door.secret.reveal().as_bytes(), &header, &bytes) {
        return Err(not_genuine(host, door));
    }
    let mut request = Request::from_parts(parts, Body::from(bytes));
    request.extensions_mut().insert(SignedBy(host));
    Ok(request)
}

async fn read(body: Body) -> Result<Bytes> {
    let read = Limited::new(body, limit::HOOK_BYTES).collect().await;
    read.map(http_body_util::Collected::to_bytes)
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                let most = limit::HOOK_BYTES >> 20;
                bad_body(413, format!("the body has more than {most} MiB"))
            } else {
                bad_body(400, format!("the body broke off: {error}"))
            }
        })
}

fn closed(host: GitHost) -> Failure {
    let title = format!("no secret is set for the webhooks of {host}");
    Problem::new(404, "no_secret", title)
        .hint(format!("set `hooks.{host}.secret` in server.yaml"))
        .into()
}

/// Never says which part was wrong. Logged at 1, 2, 4, 8, …, so that nobody can fill the log from outside.
fn not_genuine(host: GitHost, door: &Door) -> Failure {
    let count = door.refused.fetch_add(1, Ordering::Relaxed) + 1;
    if count.is_power_of_two() {
        tracing::warn!(
            hook.host = %host, hook.refused = count,
            "a webhook was not signed with the secret of {host}; {count} since the start"
        );
    }
    let title = format!("this is not signed with the secret of {host}");
    Problem::new(401, "not_genuine", title)
        .hint(format!(
            "set the same secret at {host} and as `hooks.{host}.secret` in server.yaml"
        ))
        .into()
}
