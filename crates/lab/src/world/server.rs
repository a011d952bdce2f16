//! The server without its sockets: the real router and the real loops, turned by hand.

use std::path::Path;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, header};
use engine::{
    Addresses, Alerts, Context, Hosts, Inbox, Incidents, Notices, Outbox, Procedures, Rollouts,
    Sealer, Senders, Verdicts,
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

const PUBLIC_URL: &str = "http://sleepwell.example.test";
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
    procedures: Procedures,
    rollouts: Rollouts,
    hosts: Hosts,
    alerts: Alerts,
    incidents: Incidents,
    notices: Notices,
    outbox: Outbox,
    sealer: Sealer,
    bells: Bells,
    asked: Bell,
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
        inbox: &Inbox,
        folder: &Path,
        admin: &str,
    ) -> Result<(Self, String)> {
        let taken = engine::take_over(&store, random, admin, clock.now()).await?;
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
            procedures: Procedures::new(context.clone()),
            rollouts: Rollouts::new(context.clone()),
            hosts: Hosts::new(context.clone()),
            alerts: Alerts::new(context.clone()),
            incidents: Incidents::new(context.clone(), last_resort()),
            notices: Notices::new(context.clone()),
            outbox: Outbox::new(context.clone(), Senders::Inbox(inbox.clone())),
            sealer: Sealer::new(context.clone()),
            bells: Bells::of(&context.wakes),
            asked: Bell::of(&context.wakes.desired),
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
        if is_time && !self.judge_is_still {
            turn(&mut self.verdicts, now).await?;
        }
        if !is_time && !is_nudged {
            return Ok(());
        }
        turn(&mut self.procedures, now).await?;
        turn(&mut self.hosts, now).await?;
        turn(&mut self.rollouts, now).await?;
        turn(&mut self.alerts, now).await?;
        turn(&mut self.incidents, now).await?;
        turn(&mut self.sealer, now).await?;
        turn(&mut self.notices, now).await?;
        turn(&mut self.outbox, now).await
    }

    /// Calls the API as a client does.
    pub(super) async fn call(&self, request: Request<'_>) -> Result<Answer, Problem> {
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
        supervisor: None,
        public_url: PUBLIC_URL.into(),
        command: COMMAND.into(),
    }
}

/// Turns a loop until it has nothing more to do at once.
async fn turn(one: &mut impl Loop, now: Timestamp) -> Result<()> {
    for _ in 0..TURNS {
        let turned = one.turn(now).await;
        if turned.with_context(|| format!("the loop {}", one.name()))? != Turn::Again {
            return Ok(());
        }
    }
    anyhow::bail!("the loop {} never comes to rest", one.name())
}
