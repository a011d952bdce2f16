//! Tokens: `/api/v1/tokens`, and who one is: `/api/v1/me`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::api::Problem;
use model::api::token::{NewToken, TokenCreated, TokenView};
use model::{Entry, Fact, HostName, Kind, Role, Subject, TokenId, limit};
use serde::Deserialize;
use store::Tx;

use super::{Body, Path, Query};
use crate::App;
use crate::access::Caller;
use crate::error::{Failure, Result, unknown};

/// Makes a token for a person or a program and shows its secret, once.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<TokenCreated>)> {
    if matches!(new.role, Role::Agent | Role::Join) {
        let title = format!("a token with the role {} is not made here", new.role);
        return Err(Problem::new(422, "bad_role", title)
            .at("role")
            .hint("hosts get theirs by joining: POST /api/v1/deliver/join-tokens")
            .into());
    }
    check_name(&new.name)?;
    if let Some(at) = new.expires_at.filter(|at| *at <= app.clock.now()) {
        return Err(Problem::new(422, "bad_expiry", format!("{at} is over"))
            .at("expires_at")
            .hint("name a time to come, or leave it out")
            .into());
    }
    let created = store_token(&app, (new, None), &caller.name).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Refuses a name under which the journal would mistake a token for the machinery; see [`Entry::actor`].
fn check_name(name: &str) -> Result<()> {
    let machinery = matches!(name, "judge" | "sleepwell")
        || ["host ", "hook ", "procedure "]
            .iter()
            .any(|p| name.starts_with(p));
    let (title, hint) = if machinery {
        (
            format!("`{name}` is what the journal calls a part of the server"),
            "name the person or program that will hold it",
        )
    } else if name.trim().is_empty() || name.len() > limit::NAME_BYTES {
        (
            format!("a token's name has 1 to {} bytes", limit::NAME_BYTES),
            "name the person or program that will hold it",
        )
    } else if name.contains(char::is_control) {
        (
            format!("`{}` holds control characters", name.escape_debug()),
            "leave them out",
        )
    } else {
        return Ok(());
    };
    Err(Problem::new(422, "bad_name", title)
        .at("name")
        .hint(hint)
        .into())
}

/// Stores a new token with its journal entry and returns its secret.
pub(crate) async fn store_token(
    app: &App,
    (new, for_host): (NewToken, Option<HostName>),
    by: &str,
) -> Result<TokenCreated> {
    let now = app.clock.now();
    let secret = app.random.secret("swt_");
    let token = TokenView {
        id: app.ids.token(now),
        name: new.name,
        role: new.role,
        host: None,
        created_at: now,
        expires_at: new.expires_at,
        used_at: None,
        revoked_at: None,
        for_host,
    };
    let fact = Fact::TokenCreated {
        name: token.name.clone(),
        role: token.role,
        expires_at: token.expires_at,
    };
    let entry = entry(app, &token.name, by, &fact);
    let (stored, hash) = (token.clone(), store::token::hash(&secret));
    app.store
        .write(move |tx| {
            store::token::insert(tx, &stored, hash)?;
            store::journal::append(tx, &entry)
        })
        .await
        .map_err(Failure::from)?;
    app.wakes.journal.nudge();
    Ok(TokenCreated { token, secret })
}

fn entry(app: &App, name: &str, by: &str, fact: &Fact) -> Entry {
    let now = app.clock.now();
    Entry {
        id: app.ids.entry(now),
        at: now,
        subject: Subject::Token(name.to_owned()),
        kind: Kind::Action,
        actor: by.to_owned(),
        causes: vec![],
        body: fact.to_body(),
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
pub(crate) struct List {
    after: Option<TokenId>,
}

/// Returns tokens without their secrets, oldest first, at most [`limit::LIST_ITEMS`]; `after` asks for the next
/// page.
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<List>,
) -> Result<Json<Vec<TokenView>>> {
    let read = move |tx: &mut Tx<'_>| store::token::list(tx, query.after, limit::LIST_ITEMS);
    Ok(Json(app.store.read(read).await?))
}

/// Revokes a token; the next call with it is refused.
pub(crate) async fn revoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TokenId>,
) -> Result<StatusCode> {
    let now = app.clock.now();
    let token = app.store.read(move |tx| store::token::get(tx, id)).await?;
    let Some(token) = token else {
        return Err(unknown("token", id, "GET /api/v1/tokens lists them"));
    };
    let entry = entry(
        &app,
        &token.name,
        &caller.name,
        &Fact::TokenRevoked {
            name: token.name.clone(),
        },
    );
    app.store
        .write(move |tx| {
            if store::token::revoke(tx, id, now)? {
                store::journal::append(tx, &entry)?;
            }
            Ok::<_, store::Error>(())
        })
        .await?;
    app.wakes.journal.nudge();
    Ok(StatusCode::NO_CONTENT)
}

/// Says who the caller is.
pub(crate) async fn me(Extension(caller): Extension<Caller>) -> Json<TokenView> {
    Json(caller.0)
}
