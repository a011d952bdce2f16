//! Join tokens: `POST /api/v1/deliver/join-tokens`; each lets one host in, within the hour, and names the server's
//! key where no signer vouches for it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use model::api::deliver::{JoinToken, NewJoinToken};
use model::api::token::NewToken;
use model::{Role, limit};

use super::Body;
use crate::App;
use crate::access::Caller;
use crate::error::Result;

pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(NewJoinToken { host }): Body<NewJoinToken>,
) -> Result<(StatusCode, Json<JoinToken>)> {
    let expires_at = app.clock.now() + limit::JOIN_TOKEN_TTL;
    let name = match &host {
        Some(host) => format!("join {host}"),
        None => "join".to_owned(),
    };
    let new = NewToken {
        name,
        role: Role::Join,
        expires_at: Some(expires_at),
    };
    let created = super::tokens::store_token(&app, (new, host), &caller.name).await?;
    let token = match app.pin {
        Some(pin) => pin.behind(&created.secret),
        None => created.secret,
    };
    Ok((StatusCode::CREATED, Json(JoinToken { token, expires_at })))
}
