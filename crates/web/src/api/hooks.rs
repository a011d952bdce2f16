//! `POST /api/v1/deliver/hooks/{github,gitlab,gitea,forgejo}`: a git host tells what happened.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use model::api::Problem;
use model::api::delivery::Receipt;
use model::deliver::{DeliveryOutcome, GitHost, Origin};
use model::{Fact, Kind, Subject, limit};
use wire::git::{self, DeliveryKey};

use super::Raw;
use super::deliveries::{self, Incoming};
use crate::App;
use crate::error::{Failure, Result};
use crate::hooks::SignedBy;

/// Keeps the delivery with its journal entry; nothing follows from it here.
pub(crate) async fn receive(
    State(app): State<App>,
    Extension(SignedBy(host)): Extension<SignedBy>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<(StatusCode, Json<Receipt>)> {
    let incoming = read(host, &headers, &body)?;
    let (now, ids) = (app.clock.now(), app.ids.clone());
    let receipt = app
        .store
        .write(move |tx| deliveries::keep(tx, incoming, now, &ids))
        .await?;
    app.wakes.journal.nudge();
    Ok((deliveries::status(!receipt.repeat), Json(receipt)))
}

fn read(host: GitHost, headers: &HeaderMap, bytes: &[u8]) -> Result<Incoming> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let Some(name) = git::event_name(host, &header) else {
        return Err(unnamed(host));
    };
    let body = git::read_body(bytes).map_err(|error| {
        let problem = Problem::new(400, "not_json", error.to_string()).at("body");
        Failure::from(problem.hint("let the host send JSON"))
    })?;
    let event = git::read(host, name, &body);
    let outcome = if git::is_understood(&event) {
        DeliveryOutcome::Recorded
    } else {
        DeliveryOutcome::NotUnderstood
    };
    let (key, memory) = match git::delivery_key(host, &header, bytes) {
        DeliveryKey::Numbered(id) => (id, limit::HOOK_MEMORY),
        DeliveryKey::Digest(digest) => (digest.to_string(), limit::UNNUMBERED_HOOK_MEMORY),
    };
    Ok(Incoming {
        origin: Origin::Hook(host),
        sender: String::new(),
        key: key.clone(),
        memory,
        outcome,
        body,
        subject: match &event.repo {
            Some(repo) => Subject::Repository(repo.clone()),
            None => Subject::Tool(host.to_string()),
        },
        kind: Kind::Signal,
        actor: format!("hook {host}"),
        fact: Fact::HookReceived {
            host,
            delivery: key,
            event: Box::new(event),
            outcome,
        },
    })
}

fn unnamed(host: GitHost) -> Failure {
    let title = format!("{host} names the event in a header, and it is not there");
    Problem::new(400, "unnamed_event", title)
        .at("headers")
        .hint(
            "name this address in the settings of the repository; the host sets its headers itself",
        )
        .into()
}
