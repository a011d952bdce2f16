//! The table of routes: method, path, access, handler. The router is made from it and nothing else.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::MethodRouter;
use model::api::Problem;
use model::deliver::GitHost;
use model::{Role, limit};

use crate::access::{Access, guard};
use crate::describe::{Describe, Described, delete, get, head, post, put};
use crate::dialect;
pub use crate::dialect::Dialect;
use crate::unread::{self, Reads};
use crate::{App, agent, api, error, health, ingest, openapi, page, patience};

/// Is one row of the table.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    /// The largest body it reads, in bytes.
    pub body_limit: usize,
    /// Whose words its errors are told in.
    pub dialect: Dialect,
    pub(crate) describe: Describe,
    handler: MethodRouter<App>,
}

fn route(method: Method, path: &'static str, access: Access, described: Described) -> Route {
    Route {
        method,
        path,
        access,
        body_limit: limit::BODY_BYTES,
        dialect: Dialect::of(path),
        describe: described.describe,
        handler: described.handler,
    }
}

/// Returns the route for a git host, which shows a signature instead of a token.
fn hook(host: GitHost, path: &'static str) -> Route {
    let handler = post(api::hooks::receive);
    let route = route(Method::POST, path, Access::Hook(host), handler);
    Route {
        body_limit: limit::HOOK_BYTES,
        ..route
    }
}

/// Returns a door for alerts, as Alertmanager has it.
fn alerts(path: &'static str) -> Route {
    let handler = post(ingest::alerts::receive);
    let route = route(Method::POST, path, Access::Role(Role::Ingest), handler);
    Route {
        body_limit: limit::ALERTS_BYTES,
        ..route
    }
}

/// Returns every route there is.
pub fn all() -> Vec<Route> {
    let viewer = Access::Role(Role::Viewer);
    let operator = Access::Role(Role::Operator);
    let admin = Access::Role(Role::Admin);
    let agent = Access::Role(Role::Agent);
    let ingest = Access::Role(Role::Ingest);
    let join = Access::Role(Role::Join);
    let large = |mut route: Route, body_limit: usize| {
        route.body_limit = body_limit;
        route
    };
    let (get_, post_, put_) = (Method::GET, Method::POST, Method::PUT);
    vec![
        // Deliver.
        route(
            get_.clone(),
            "/api/v1/deliver/services",
            viewer,
            get(api::releases::services),
        ),
        route(
            get_.clone(),
            "/api/v1/deliver/releases",
            viewer,
            get(api::releases::list),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/releases",
            operator,
            post(api::releases::create),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/rollouts",
            operator,
            post(api::rollouts::create),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/rehearsals",
            viewer,
            post(api::rehearsals::rehearse),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/redeploys",
            operator,
            post(api::redeploys::create),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/redeploys/rehearsals",
            viewer,
            post(api::rehearsals::rehearse_redeploy),
        ),
        route(
            get_.clone(),
            "/api/v1/deliver/freezes",
            viewer,
            get(api::freezes::list),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/freezes",
            operator,
            post(api::freezes::set),
        ),
        route(
            Method::DELETE,
            "/api/v1/deliver/freezes/{name}",
            admin,
            delete(api::freezes::lift),
        ),
        route(
            get_.clone(),
            "/api/v1/deliver/schemas",
            viewer,
            get(api::schemas::list),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/schemas",
            operator,
            post(api::schemas::say),
        ),
        route(
            get_.clone(),
            "/api/v1/act/changes/{id}/way-back",
            viewer,
            get(api::orders::way_back),
        ),
        route(
            post_.clone(),
            "/api/v1/act/changes/{id}/override",
            operator,
            post(api::freezes::override_for),
        ),
        route(
            get_.clone(),
            "/api/v1/deliver/rollouts/{id}",
            viewer,
            get(api::rollouts::get),
        ),
        route(
            get_.clone(),
            "/api/v1/deliver/hosts",
            viewer,
            get(api::hosts::list),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/hosts/{id}/exclude",
            operator,
            post(api::hosts::exclude),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/hosts/{id}/fix",
            operator,
            post(api::fix::fix),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/hosts/{id}/retire",
            admin,
            post(api::hosts::retire),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/hosts/{id}/agent",
            admin,
            post(api::program::update),
        ),
        route(
            get_.clone(),
            "/api/v1/deliver/inventory",
            viewer,
            get(api::inventory::show),
        ),
        route(
            get_.clone(),
            "/api/v1/deliver/fleet",
            viewer,
            get(api::fleet::get),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/fleet/adopt",
            admin,
            post(api::fleet::adopt),
        ),
        route(
            post_.clone(),
            "/api/v1/deliver/join-tokens",
            admin,
            post(api::join_tokens::create),
        ),
        route(
            get_.clone(),
            "/api/v1/deliver/schema/sleepwell.json",
            Access::Open,
            get(api::releases::schema),
        ),
        route(
            Method::HEAD,
            "/api/v1/deliver/artifacts/{digest}",
            operator,
            head(api::artifacts::head),
        ),
        large(
            route(
                put_,
                "/api/v1/deliver/artifacts/{digest}",
                operator,
                put(api::artifacts::put),
            ),
            usize::MAX, // streamed, and counted against its own limit on the way
        ),
        route(
            get_.clone(),
            "/artifacts/{digest}",
            Access::Either(Role::Agent, Role::Viewer),
            get(api::artifacts::get),
        ),
        large(
            route(
                post_.clone(),
                "/api/v1/deliver/cdevents",
                ingest,
                post(api::cdevents::receive),
            ),
            limit::CDEVENTS_BYTES,
        ),
        alerts("/api/v2/alerts"),
        alerts("/api/v2/alerts/"),
        alerts("/alertmanager/api/v2/alerts"),
        alerts("/alertmanager/api/v2/alerts/"),
        hook(GitHost::Github, "/api/v1/deliver/hooks/github"),
        hook(GitHost::Gitlab, "/api/v1/deliver/hooks/gitlab"),
        hook(GitHost::Gitea, "/api/v1/deliver/hooks/gitea"),
        hook(GitHost::Forgejo, "/api/v1/deliver/hooks/forgejo"),
        // Observe, judge, act, learn.
        route(
            get_.clone(),
            "/api/v1/judge/alerts",
            viewer,
            get(api::alerts::list),
        ),
        route(
            get_.clone(),
            "/api/v1/judge/alerts/{id}",
            viewer,
            get(api::alerts::get),
        ),
        route(
            get_.clone(),
            "/api/v1/act/incidents",
            viewer,
            get(api::incidents::list),
        ),
        route(
            get_.clone(),
            "/api/v1/act/incidents/{id}",
            viewer,
            get(api::incidents::get),
        ),
        route(
            get_.clone(),
            "/api/v1/act/pages",
            viewer,
            get(api::pages::list),
        ),
        route(
            get_.clone(),
            "/api/v1/observe/changes",
            viewer,
            get(api::changes::list),
        ),
        route(
            get_.clone(),
            "/api/v1/observe/changes/{id}",
            viewer,
            get(api::changes::get),
        ),
        route(
            get_.clone(),
            "/api/v1/judge/verdicts",
            viewer,
            get(api::verdicts::list),
        ),
        route(
            get_.clone(),
            "/api/v1/judge/verdicts/{id}",
            viewer,
            get(api::verdicts::get),
        ),
        route(
            post_.clone(),
            "/api/v1/act/changes/{id}/{command}",
            operator,
            post(api::orders::order),
        ),
        route(
            get_.clone(),
            "/api/v1/learn/why/{id}",
            viewer,
            get(api::changes::why),
        ),
        route(
            get_.clone(),
            "/api/v1/learn/journal",
            viewer,
            get(api::journal::list),
        ),
        route(
            get_.clone(),
            "/api/v1/learn/journal/check",
            admin,
            get(api::journal::check),
        ),
        route(
            get_.clone(),
            "/api/v1/events",
            viewer,
            get(api::events::events),
        ),
        // People and tokens.
        route(
            get_.clone(),
            "/api/v1/openapi.json",
            viewer,
            get(openapi::show),
        ),
        route(get_.clone(), "/api/v1/me", viewer, get(api::tokens::me)),
        route(
            get_.clone(),
            "/api/v1/tokens",
            admin,
            get(api::tokens::list),
        ),
        route(
            post_.clone(),
            "/api/v1/tokens",
            admin,
            post(api::tokens::create),
        ),
        route(
            Method::DELETE,
            "/api/v1/tokens/{id}",
            admin,
            delete(api::tokens::revoke),
        ),
        // Agents.
        route(
            post_.clone(),
            "/agent/v1/enrol",
            join,
            post(agent::enrol::enrol),
        ),
        route(
            post_.clone(),
            "/agent/v1/sync",
            agent,
            post(agent::sync::sync),
        ),
        route(
            post_.clone(),
            "/agent/v1/events",
            agent,
            post(agent::events::events),
        ),
        large(
            route(
                post_,
                "/agent/v1/samples",
                agent,
                post(agent::samples::samples),
            ),
            limit::SAMPLES_BYTES,
        ),
        // Pages and health.
        route(get_.clone(), "/", Access::ViewerOrLocal, get(page::home)),
        route(
            get_.clone(),
            "/c/{id}",
            Access::ViewerOrLocal,
            get(page::change),
        ),
        route(
            get_.clone(),
            "/_app/plain.css",
            Access::Open,
            get(page::style),
        ),
        route(
            get_.clone(),
            "/-/healthy",
            Access::Open,
            get(health::healthy),
        ),
        route(get_, "/-/ready", Access::Open, get(health::ready)),
    ]
}

/// Builds the router from the table.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in all() {
        let limit = match route.body_limit {
            usize::MAX => DefaultBodyLimit::disable(),
            bytes => DefaultBodyLimit::max(bytes),
        };
        let reads = Reads::of(&route);
        let guarded = route
            .handler
            .layer(limit)
            .layer(middleware::from_fn_with_state(reads, unread::refuse))
            .layer(middleware::from_fn_with_state(
                (app.clone(), route.access),
                guard,
            ))
            .layer(middleware::map_response_with_state(
                route.dialect,
                dialect::translated,
            ));
        router = router.route(route.path, guarded);
    }
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_request(patience::limited))
        .layer(middleware::from_fn(harden))
        .with_state(app)
}

async fn nowhere(request: Request) -> Response {
    let title = format!(
        "nothing answers at `{}`",
        request.uri().path().escape_debug()
    );
    let hint = "our API stands under /api/v1/, the page for people at /";
    let dialect = Dialect::of(request.uri().path());
    let problem = error::problem(Problem::new(404, "not_found", title).hint(hint));
    dialect::translated(State(dialect), problem).await
}

async fn wrong_method(request: Request) -> Response {
    let title = format!(
        "`{}` does not take {}",
        request.uri().path().escape_debug(),
        request.method()
    );
    let hint = "the header Allow names the methods it takes";
    let dialect = Dialect::of(request.uri().path());
    let problem = error::problem(Problem::new(405, "method_not_allowed", title).hint(hint));
    dialect::translated(State(dialect), problem).await
}

/// Sets the headers that keep a browser from doing more than show the page.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        if let (Ok(name), Ok(value)) = (name.parse::<axum::http::HeaderName>(), value.parse()) {
            headers.entry(name).or_insert(value);
        }
    }
    response
}
