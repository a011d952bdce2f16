//! The server without its sockets: the real router and the real loops, turned by hand.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, header};
use engine::{
    Addresses, Alerts, Context, Dispersions, Hosts, Inbox, Incidents, Notices, Outbox, Procedures,
    Redeploys, Rollouts, Sealer, Senders, Verdicts,
};
use metrics::Metrics;
use model::Timestamp;
use model::api::Problem;
use model::deliver::Owner;
use runtime::{Clock, Listener, Loop, Random, Turn, Wake, Wakes};
use store::Store;
use store::journal::Check;
use tower::ServiceExt;
use web::{App, Blobs};

use crate::failpoint::{Failpoints, Part};

const PUBLIC_URL: &str = "http://sleepwell.example.test";
/// The code of a call to a server that was stopped.
pub(crate) const NO_ANSWER: &str = "no_answer";
const COMMAND: &str = "sleepwell";
/// Who is told of alerts whose service names no owner.
pub(super) const LAST_RESORT: &str = "everybody@example.test";
/// Turns of one loop in a row; one that still wants another is broken.
const TURNS: u32 = 100;
/// Answers are read whole.
const ANSWER_BYTES: usize = 64 << 20;

/// Is one server process; dropping it ends it.
pub(super) struct Server {
    context: Context,
    router: Router,
    verdicts: Verdicts,
    /// Its loop hangs; the others go on.
    judge_is_still: bool,
    dispersions: Dispersions,
    procedures: Procedures,
    rollouts: Rollouts,
    redeploys: Redeploys,
    hosts: Hosts,
    alerts: Alerts,
    incidents: Incidents,
    notices: Notices,
    outbox: Outbox,
    sealer: Sealer,
    bells: Bells,
    asked: Bell,
    failpoints: Failpoints,
}

/// Is a nudge that can be asked about without waiting for it.
struct Bell(Listener);

/// Is every nudge that wakes a loop.
struct Bells([Bell; 5]);

impl Bell {
    fn of(wake: &Wake) -> Self {
        Self(wake.listener())
    }

    async fn rings(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.0.nudged() => true,
            () = std::future::ready(()) => false,
        }
    }
}

impl Bells {
    fn of(wakes: &Wakes) -> Self {
        let all = [
            &wakes.journal,
            &wakes.rollouts,
            &wakes.verdicts,
            &wakes.alerts,
            &wakes.outbox,
        ];
        Self(all.map(Bell::of))
    }

    async fn ring_any(&mut self) -> bool {
        let mut any = false;
        for bell in &mut self.0 {
            any |= bell.rings().await;
        }
        any
    }
}

/// Is a call of the API.
pub(super) struct Request<'a> {
    method: Method,
    path: &'a str,
    token: &'a str,
    body: Vec<u8>,
}

/// Is an answer below 400.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(super) fn get(path: &'a str, token: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            token,
            body: vec![],
        }
    }

    pub(super) fn post(path: &'a str, token: &'a str, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            path,
            token,
            body,
        }
    }

    pub(super) fn put(path: &'a str, token: &'a str, body: Vec<u8>) -> Self {
        Self {
            method: Method::PUT,
            path,
            token,
            body,
        }
    }
}

impl Server {
    /// Starts a server as the program does after the one before was killed. Returns the secret of the
    /// admin token with it: `admin`, or a new one when that is none.
    pub(super) async fn start(
        store: Store,
        (clock, random): (&Clock, &Random),
        (inbox, failpoints): (&Inbox, &Failpoints),
        folder: &Path,
        admin: &str,
    ) -> Result<(Self, String)> {
        let store = store.watched(Arc::new(failpoints.clone()));
        let taken = engine::take_over(&store, random, admin, clock.now());
        let taken = failpoints.work(Some(Part::Start), taken).await;
        let taken = taken.context("the server was stopped while it started")??;
        let context = Context {
            store,
            metrics: Metrics::memory(metrics::Limits::default()),
            clock: clock.clone(),
            random: random.clone(),
            ids: taken.ids,
            wakes: Wakes::default(),
            addresses: Addresses {
                public_url: PUBLIC_URL.into(),
                command: COMMAND.into(),
            },
            owner: taken.owner,
            mandates: engine::Mandates::default(),
        };
        let router = web::router(app(&context, Blobs::open(&folder.join("blobs"))?));
        let server = Self {
            router,
            verdicts: Verdicts::new(context.clone()),
            judge_is_still: false,
            dispersions: Dispersions::new(context.clone()),
            procedures: Procedures::new(context.clone()),
            rollouts: Rollouts::new(context.clone()),
            redeploys: Redeploys::new(context.clone()),
            hosts: Hosts::new(context.clone()),
            alerts: Alerts::new(context.clone()),
            incidents: Incidents::new(context.clone(), last_resort()),
            notices: Notices::new(context.clone()),
            outbox: Outbox::new(context.clone(), Senders::Inbox(inbox.clone())),
            sealer: Sealer::new(context.clone()),
            bells: Bells::of(&context.wakes),
            asked: Bell::of(&context.wakes.desired),
            failpoints: failpoints.clone(),
            context,
        };
        let admin = taken.new_admin.unwrap_or_else(|| admin.to_owned());
        Ok((server, admin))
    }

    pub(super) async fn check_journal(&self) -> Result<Check> {
        Ok(self.context.store.read(store::journal::check).await?)
    }

    /// Tells whether a host was asked for something since this was called last: those who hold a call
    /// open hear of it.
    pub(super) async fn has_asked(&mut self) -> bool {
        self.asked.rings().await
    }

    pub(super) fn still_judge(&mut self, still: bool) {
        self.judge_is_still = still;
    }

    /// Turns the loops as the supervisor does: once a second, and when somebody nudged; in the order in
    /// which they nudge each other.
    pub(super) async fn turn(&mut self, now: Timestamp) -> Result<()> {
        let is_time = now.as_millis() % 1_000 == 0;
        let is_nudged = self.bells.ring_any().await;
        let points = &self.failpoints;
        if is_time && !self.judge_is_still {
            turn(points, Part::Verdicts, &mut self.verdicts, now).await?;
        }
        if !is_time && !is_nudged {
            return Ok(());
        }
        turn(points, Part::Dispersions, &mut self.dispersions, now).await?;
        turn(points, Part::Procedures, &mut self.procedures, now).await?;
        turn(points, Part::Hosts, &mut self.hosts, now).await?;
        turn(points, Part::Redeploys, &mut self.redeploys, now).await?;
        turn(points, Part::Rollouts, &mut self.rollouts, now).await?;
        turn(points, Part::Alerts, &mut self.alerts, now).await?;
        turn(points, Part::Incidents, &mut self.incidents, now).await?;
        turn(points, Part::Sealer, &mut self.sealer, now).await?;
        turn(points, Part::Notices, &mut self.notices, now).await?;
        turn(points, Part::Outbox, &mut self.outbox, now).await
    }

    /// Calls the API as a client does; a server that is stopped meanwhile never answers.
    pub(super) async fn call(&self, request: Request<'_>) -> Result<Answer, Problem> {
        let part = part_of(&request);
        let no_answer = Problem::new(503, NO_ANSWER, "the server does not answer");
        let answer = self.failpoints.work(part, self.answer(request)).await;
        answer.unwrap_or(Err(no_answer))
    }

    async fn answer(&self, request: Request<'_>) -> Result<Answer, Problem> {
        let broken = |why: String| Problem::new(500, "broken_call", why);
        let http = axum::http::Request::builder()
            .method(request.method)
            .uri(request.path)
            .header(header::AUTHORIZATION, format!("Bearer {}", request.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, request.body.len())
            .body(Body::from(request.body))
            .map_err(|e| broken(e.to_string()))?;
        let Ok(response) = self.router.clone().oneshot(http).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), ANSWER_BYTES).await;
        let body = body.map_err(|e| broken(e.to_string()))?;
        if status < 400 {
            let body = body.to_vec();
            return Ok(Answer { status, body });
        }
        let other = || Problem::new(status, "not_a_problem", String::from_utf8_lossy(&body));
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| other()))
    }
}

/// Returns who is told of alerts whose service names no owner.
fn last_resort() -> Owner {
    Owner {
        mail: Some(LAST_RESORT.to_owned()),
        ..Owner::default()
    }
}

fn app(context: &Context, blobs: Blobs) -> App {
    App {
        store: context.store.clone(),
        metrics: context.metrics.clone(),
        blobs,
        clock: context.clock.clone(),
        ids: context.ids.clone(),
        random: context.random.clone(),
        wakes: context.wakes.clone(),
        streams: web::streams(),
        shutdown: None,
        hooks: web::Hooks::default(),
        pin: None,
        supervisor: None,
        public_url: PUBLIC_URL.into(),
        command: COMMAND.into(),
    }
}

/// Returns which part of the server is at work for a call; none where it is not to be stopped.
fn part_of(request: &Request<'_>) -> Option<Part> {
    let path = request.path.split('?').next().unwrap_or_default();
    match path {
        _ if request.method == Method::GET => None,
        "/agent/v1/sync" => Some(Part::Sync),
        "/api/v1/deliver/releases" | "/api/v1/deliver/rollouts" => Some(Part::Ship),
        path if path.ends_with("/api/v2/alerts") => Some(Part::Post),
        path if path.starts_with("/api/v1/act/") => Some(Part::Order),
        _ => None,
    }
}

/// Turns a loop until it has nothing more to do at once, or the server is stopped.
async fn turn(
    failpoints: &Failpoints,
    part: Part,
    one: &mut impl Loop,
    now: Timestamp,
) -> Result<()> {
    for _ in 0..TURNS {
        let Some(turned) = failpoints.step(part, one.turn(now)).await else {
            return Ok(());
        };
        if turned.with_context(|| format!("the loop {}", one.name()))? != Turn::Again {
            return Ok(());
        }
    }
    anyhow::bail!("the loop {} never comes to rest", one.name())
}
