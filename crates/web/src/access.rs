//! Who may call what: decided per route, from the table, before a handler runs.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use model::api::Problem;
use model::api::token::TokenView;
use model::deliver::GitHost;
use model::{Role, Timestamp};

use crate::App;
use crate::error::{self, Failure};
use crate::hooks;

/// Is what a route demands of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// A token whose role allows this one.
    Role(Role),
    /// Either of two roles.
    Either(Role, Role),
    /// A viewer, or anybody on the server's own machine.
    ViewerOrLocal,
    /// The git host, by its signature over the body; no token opens it.
    Hook(GitHost),
}

/// Is who calls, by the token shown; in the request's extensions wherever a token was needed.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) TokenView);

impl std::ops::Deref for Caller {
    type Target = TokenView;
    fn deref(&self) -> &TokenView {
        &self.0
    }
}

/// Lets the request through or answers 401 or 403.
pub(crate) async fn guard(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Access::Hook(host) = access {
        return match hooks::admit(&app, host, request).await {
            Ok(request) => next.run(request).await,
            Err(failure) => axum::response::IntoResponse::into_response(failure),
        };
    }
    // The body is not looked at here, and it cannot be shared with a future that waits.
    let (headers, local) = (request.headers().clone(), is_local(&request));
    match admit(&app, access, &headers, local).await {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(None) => next.run(request).await,
        Err(failure) => axum::response::IntoResponse::into_response(failure),
    }
}

async fn admit(
    app: &App,
    access: Access,
    headers: &HeaderMap,
    local: bool,
) -> error::Result<Option<Caller>> {
    match access {
        // A hook was let in or refused before, by its body.
        Access::Open | Access::Hook(_) => Ok(None),
        Access::ViewerOrLocal if local => Ok(None),
        Access::ViewerOrLocal => with_role(app, headers, &[Role::Viewer]).await.map(Some),
        Access::Role(role) => with_role(app, headers, &[role]).await.map(Some),
        Access::Either(a, b) => with_role(app, headers, &[a, b]).await.map(Some),
    }
}

async fn with_role(app: &App, headers: &HeaderMap, needed: &[Role]) -> error::Result<Caller> {
    let caller = authenticate(app, headers, app.clock.now()).await?;
    if needed.iter().any(|role| caller.role.allows(*role)) {
        return Ok(caller);
    }
    let needed: Vec<String> = needed.iter().map(Role::to_string).collect();
    let title = format!(
        "the role {} may not do this; it needs {}",
        caller.role,
        needed.join(" or ")
    );
    Err(Problem::new(403, "not_allowed", title)
        .hint("ask an admin for a token with that role: POST /api/v1/tokens")
        .into())
}

async fn authenticate(app: &App, headers: &HeaderMap, now: Timestamp) -> error::Result<Caller> {
    let Some(secret) = secret(headers) else {
        return Err(Problem::new(401, "not_signed_in", "this needs a token")
            .at("header Authorization")
            .hint("send `Authorization: Bearer <token>`; the first admin token is in the file `admin-token` of the server's data folder")
            .into());
    };
    let hash = store::token::hash(&secret);
    let token = app
        .store
        .read(move |tx| store::token::by_hash(tx, hash))
        .await?;
    let bad = |code, title: &str| -> Failure {
        Problem::new(401, code, title)
            .at("header Authorization")
            .hint("ask an admin for a new one")
            .into()
    };
    let token = token.ok_or_else(|| bad("unknown_token", "this token is not known here"))?;
    if token.revoked_at.is_some() {
        return Err(bad("revoked_token", "this token was revoked"));
    }
    if token.expires_at.is_some_and(|at| at <= now) {
        return Err(bad("expired_token", "this token has expired"));
    }
    Ok(Caller(token))
}

/// Returns the secret shown: a bearer's, or the password of senders that know nothing but Basic (RFC 7617).
fn secret(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, shown) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(shown.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(base64(shown.trim())?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some(password.to_owned())
}

/// Reads Base64 with its padding (RFC 4648, 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len()), 0u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// Tells whether the caller sits on this machine: the connection comes from loopback, no proxy says it
/// speaks for somebody else, and the name asked for is a local one (so that a page in somebody's browser
/// cannot reach us through a name that resolves to loopback).
fn is_local(request: &Request) -> bool {
    let from_loopback = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .is_some_and(|ConnectInfo(address)| address.ip().to_canonical().is_loopback());
    let mut names = request.headers().keys().map(HeaderName::as_str);
    from_loopback && !names.any(is_forwarding) && asks_for_local_name(request)
}

/// Tells whether only proxies send this header.
fn is_forwarding(header: &str) -> bool {
    matches!(
        header,
        "forwarded" | "via" | "x-real-ip" | "true-client-ip" | "cf-connecting-ip"
    ) || header.starts_with("x-forwarded-")
}

/// A request line may hold a name too, and then it is the one that counts.
fn asks_for_local_name(request: &Request) -> bool {
    let in_line = request.uri().authority().map(Authority::as_str);
    let in_headers = request.headers().get_all(header::HOST);
    let mut asked = in_headers
        .iter()
        .map(|host| host.to_str().unwrap_or_default())
        .chain(in_line)
        .peekable();
    asked.peek().is_some() && asked.all(is_local_name)
}

fn is_local_name(host: &str) -> bool {
    let port = |rest: &str| rest.is_empty() || rest.starts_with(':');
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|name| host.strip_prefix(name).is_some_and(port))
}
