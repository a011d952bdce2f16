//! The world: one server, its fleet, the people who ship, and the time they all live in.

mod alerts;
mod definition;
mod schemas;
mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use engine::Inbox;
use model::act::OutboxRow;
use model::api::Problem;
use model::api::change::{ChangeView, Why};
use model::api::deliver::{
    Adopt, AgentAsked, Fix, HostExcluded, HostFixed, HostOrder, HostView, JoinToken, NewJoinToken,
    NewRedeploy, NewRelease, NewRollout, ShipWith, Shipped, Started, UpdateAgent,
};
use model::api::freeze::{FreezeView, NewFreeze};
use model::api::rehearsal::{Rehearsal, Rehearse};
use model::api::token::{NewToken, TokenCreated};
use model::deliver::{Adoption, Command, FreezeOverride, FreezeRule, IfRunning, Rollout};
use model::judge::Verdict;
use model::observe::Change;
use model::{ChangeId, Digest, HostId, HostName, Labels, Role, ServiceName, Timestamp, Version};
use runtime::{Clock, Random};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::journal::Check;
use store::{Durability, Store};
use tempfile::TempDir;

pub use alerts::PostedAlert;
pub use definition::{RingWish, ServiceSpec, StrategyWish, Which};
pub use schemas::SchemaWord;
pub(crate) use server::NO_ANSWER;
use server::{Answer, Request, Server};

use crate::failpoint::{At, Failpoints};
use crate::fleet::{Behaviour, Fleet, Host};

/// Opens the world's store in its folder: the first time a new one, after a restart the same one again.
pub type OpenStore = dyn Fn(&Path) -> Result<Store>;

/// Opens a SQLite store; what is committed outlives the server, not the machine.
///
/// # Errors
/// When the file cannot be opened.
pub fn sqlite(folder: &Path) -> Result<Store> {
    Ok(Store::open_sqlite(
        &folder.join("sleepwell.db"),
        Durability::Process,
    )?)
}

/// When every world begins: a Tuesday morning, on a whole second.
const BEGIN: Timestamp = Timestamp::from_millis(1_767_690_000_000);
/// What passes between two looks of everybody at everything.
pub(crate) const TICK: Duration = Duration::from_millis(500);
/// Longer spans are jumped over in this many parts, each followed by [`AFTER_JUMP`] ticks.
const JUMPS: u32 = 40;
const AFTER_JUMP: u32 = 10;
/// Spans up to this are lived through tick by tick.
const QUIET: Duration = Duration::from_secs(1_800);
/// Keeps the customers' randomness apart from the server's, so that a change of one leaves the other.
const CUSTOMERS: u64 = 0x6375_7374_6f6d_6572;
/// Whose word ships a release when a story names nobody.
const SHIPPER: &str = "jonas";

/// How long an agent that was stopped is away.
const AGENT_RESTARTS: Duration = Duration::from_secs(3);

/// Is how a span is walked through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) end: Timestamp,
    step: Duration,
}

impl Pace {
    pub(crate) fn over(span: Duration, now: Timestamp) -> Self {
        // Jumps are whole seconds, so that scrapes stay on theirs.
        let jump = Duration::from_secs((span / JUMPS).as_secs());
        Self {
            end: now + span,
            step: if span > QUIET { jump } else { TICK },
        }
    }
}

/// Is everything there is; it stands still until [`World::pass`] is called.
pub struct World {
    /// The world's own time, which only goes on.
    clock: Clock,
    /// What the clocks of its machines show: the same, unless they were set.
    wall: Clock,
    random: Random,
    // Dropped after the server, which keeps its store there.
    server: Server,
    folder: TempDir,
    inbox: Inbox,
    fleet: Fleet,
    /// The one described last.
    service: ServiceSpec,
    services: BTreeMap<ServiceName, ServiceSpec>,
    /// Lines of a version's own file, beside what the service says.
    said: BTreeMap<Version, String>,
    admin: String,
    people: BTreeMap<String, String>,
    failpoints: Failpoints,
    /// Agents that were stopped, by their place in the fleet, and when they are started again.
    stopped: BTreeMap<usize, Timestamp>,
}

impl World {
    /// Begins a world with an empty store and no hosts.
    ///
    /// # Errors
    /// When the store or a folder cannot be made.
    pub async fn new(seed: u64, open: &OpenStore) -> Result<Self> {
        let folder = tempfile::tempdir().context("the world needs a temporary folder")?;
        let (clock, wall) = (Clock::manual(BEGIN), Clock::manual(BEGIN));
        let random = Random::seeded(seed);
        let inbox = Inbox::default();
        let store = open(folder.path())?;
        let parts = (&wall, &random);
        let failpoints = Failpoints::default();
        inbox.watch(Arc::new(failpoints.clone()));
        let around = (&inbox, &failpoints);
        let (server, admin) = Server::start(store, parts, around, folder.path(), "").await?;
        Ok(Self {
            clock,
            wall,
            random,
            server,
            folder,
            inbox,
            fleet: Fleet::new(Random::seeded(seed ^ CUSTOMERS)),
            service: ServiceSpec::default(),
            services: BTreeMap::new(),
            said: BTreeMap::new(),
            admin,
            people: BTreeMap::new(),
            failpoints,
            stopped: BTreeMap::new(),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns how long the world has existed.
    pub fn age(&self) -> Duration {
        self.now().since(BEGIN)
    }

    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    pub fn fleet_mut(&mut self) -> &mut Fleet {
        &mut self.fleet
    }

    /// Finds a host.
    ///
    /// # Errors
    /// An unknown name, with those that are known.
    pub fn host(&mut self, name: &HostName) -> Result<&mut Host> {
        self.fleet.find(name)
    }

    pub fn service(&self) -> &ServiceSpec {
        &self.service
    }

    /// Says how the service is delivered from the next release on.
    pub fn set_service(&mut self, service: ServiceSpec) {
        self.services.insert(service.name.clone(), service.clone());
        self.service = service;
    }

    /// Returns what is special about a release, to be changed.
    pub fn behaviour_mut(&mut self, version: &Version) -> &mut Behaviour {
        self.fleet.behaviour_mut(version)
    }

    /// Lets the judge's loop hang, or go on; a restart of the server helps as well.
    pub fn still_judge(&mut self, still: bool) {
        self.server.still_judge(still);
    }

    /// Returns every message that arrived, oldest first.
    pub fn messages(&self) -> Vec<OutboxRow> {
        self.inbox.received()
    }

    /// Returns where parts of the world may be stopped.
    pub fn failpoints(&self) -> &Failpoints {
        &self.failpoints
    }

    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Enrols a host with a join token of its own.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn join(&mut self, name: HostName, labels: Labels) -> Result<()> {
        let admin = self.admin.clone();
        let path = "/api/v1/deliver/join-tokens";
        let token: JoinToken = self
            .post(path, &admin, &NewJoinToken::default())
            .await
            .map_err(told)?;
        let enrol = Fleet::enrolment(&name, labels);
        let enrolled: model::api::agent::Enrolled = self
            .post("/agent/v1/enrol", &token.token, &enrol)
            .await
            .map_err(told)?;
        self.fleet.add(enrol, enrolled.token);
        Ok(())
    }

    /// Uploads, releases and ships what is named, several as one, as `sleepwell ship` does.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn ship(
        &mut self,
        releases: &[Which],
        if_running: Option<IfRunning>,
    ) -> Result<Shipped, Problem> {
        let token = self.token_of(SHIPPER).await?;
        for which in releases {
            self.release(which, &token).await?;
        }
        let mut parts = releases.iter().map(|which| ShipWith {
            service: self.spec(which).name.clone(),
            version: which.version.clone(),
        });
        let first = parts.next().expect("a story ships something");
        let rollout = NewRollout {
            service: first.service,
            version: first.version,
            environment: None,
            if_running,
            with: parts.collect(),
        };
        let path = "/api/v1/deliver/rollouts";
        self.post(path, &token, &rollout).await
    }

    /// Has every host of a service set up anew.
    pub async fn redeploy(&mut self, person: &str, service: &ServiceName) -> Result<(), Problem> {
        let token = self.token_of(person).await?;
        let new = NewRedeploy {
            service: service.clone(),
            environment: None,
        };
        let path = "/api/v1/deliver/redeploys";
        let started: Result<Started, Problem> = self.post(path, &token, &new).await;
        started.map(drop)
    }

    pub async fn rehearse_redeploy(&mut self, service: &ServiceName) -> Result<Rehearsal, Problem> {
        let token = self.token_of(SHIPPER).await?;
        let new = NewRedeploy {
            service: service.clone(),
            environment: None,
        };
        let path = "/api/v1/deliver/redeploys/rehearsals";
        self.post(path, &token, &new).await
    }

    async fn release(&mut self, which: &Which, token: &str) -> Result<(), Problem> {
        let (spec, version) = (self.spec(which).clone(), &which.version);
        let bytes = spec.artifact(version);
        let digest = Digest::of(&bytes);
        let path = format!("/api/v1/deliver/artifacts/{digest}?service={}", spec.name);
        self.call(Request::put(&path, token, bytes)).await?;
        let release = NewRelease {
            version: version.clone(),
            digest,
            definition: self.file(&spec, &which.version),
        };
        let path = "/api/v1/deliver/releases";
        let made: Result<serde_json::Value, Problem> = self.post(path, token, &release).await;
        made.map(drop)
    }

    /// Returns the service of a release; one that was never described is the one described last.
    pub fn spec(&self, which: &Which) -> &ServiceSpec {
        let named = which
            .service
            .as_ref()
            .and_then(|name| self.services.get(name));
        named.unwrap_or(&self.service)
    }

    /// Asks how a version would go, as `sleepwell ship --rehearse` does; nothing of it is uploaded.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn rehearse(&mut self, version: &Version) -> Result<Rehearsal, Problem> {
        let token = self.token_of(SHIPPER).await?;
        let rehearse = Rehearse {
            rollout: NewRollout {
                service: self.service.name.clone(),
                version: version.clone(),
                environment: None,
                if_running: None,
                with: vec![],
            },
            release: Some(NewRelease {
                version: version.clone(),
                digest: Digest::of(&self.service.artifact(version)),
                definition: self.file(&self.service, version),
            }),
        };
        self.post("/api/v1/deliver/rehearsals", &token, &rehearse)
            .await
    }

    /// Adds a line to the `sleepwell.yaml` of one version.
    pub fn add_to_file(&mut self, version: &Version, line: &str) {
        let lines = self.said.entry(version.clone()).or_default();
        lines.push_str(line);
        lines.push('\n');
    }

    fn file(&self, spec: &ServiceSpec, version: &Version) -> String {
        let said = self.said.get(version).map_or("", String::as_str);
        format!("{}{said}", spec.yaml())
    }

    /// Sets a freeze of the server for a person.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn freeze(&mut self, person: &str, rule: FreezeRule) -> Result<(), Problem> {
        let token = self.token_of(person).await?;
        let new = NewFreeze {
            rule,
            environment: None,
            service: None,
            reason: String::new(),
        };
        let set: Result<FreezeView, Problem> =
            self.post("/api/v1/deliver/freezes", &token, &new).await;
        set.map(drop)
    }

    /// Says for a person that a rollout goes on for an hour in spite of freezes.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn override_freeze(
        &mut self,
        person: &str,
        change: ChangeId,
        reason: &str,
    ) -> Result<(), Problem> {
        let token = self.token_of(person).await?;
        let path = format!("/api/v1/act/changes/{}/override", change.0);
        let body = serde_json::json!({ "reason": reason });
        let taken: Result<FreezeOverride, Problem> = self.post(&path, &token, &body).await;
        taken.map(drop)
    }

    /// Gives a person's order about a change.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn order(
        &mut self,
        person: &str,
        change: ChangeId,
        order: Command,
    ) -> Result<(), Problem> {
        let token = self.token_of(person).await?;
        let path = format!("/api/v1/act/changes/{}/{}", change.0, order.word());
        self.call(Request::post(&path, &token, vec![])).await?;
        Ok(())
    }

    /// Says for a person that the rollouts under way are not to wait for a host.
    ///
    /// # Errors
    /// A host that is not expected; within, the server's refusal.
    pub async fn exclude(&mut self, person: &str, host: &HostName) -> Result<Result<(), Problem>> {
        let id = self.expected(host).await?;
        let token = self.token_of(person).await.map_err(told)?;
        let path = format!("/api/v1/deliver/hosts/{id}/exclude");
        let order = HostOrder::default();
        let answer: Result<HostExcluded, Problem> = self.post(&path, &token, &order).await;
        Ok(answer.map(drop))
    }

    /// Has a host try again what it could not do.
    ///
    /// # Errors
    /// A host that is not expected; within, the server's refusal.
    pub async fn fix(&mut self, person: &str, host: &HostName) -> Result<Result<(), Problem>> {
        let id = self.expected(host).await?;
        let token = self.token_of(person).await.map_err(told)?;
        let path = format!("/api/v1/deliver/hosts/{id}/fix");
        let answer: Result<HostFixed, Problem> = self.post(&path, &token, &Fix::default()).await;
        Ok(answer.map(drop))
    }

    /// Says that a host is gone for good.
    ///
    /// # Errors
    /// A host that is not expected, or the server's refusal.
    pub async fn retire(&mut self, host: &HostName) -> Result<()> {
        let path = format!(
            "/api/v1/deliver/hosts/{}/retire",
            self.expected(host).await?
        );
        let body = serde_json::to_vec(&HostOrder::default())?;
        let request = Request::post(&path, &self.admin, body);
        self.call(request).await.map_err(told)?;
        Ok(())
    }

    /// Wants the agent of a host to become a program, which is uploaded before.
    ///
    /// # Errors
    /// A host that is not expected; within, the server's refusal.
    pub async fn update_agent(
        &mut self,
        host: &HostName,
        version: &Version,
    ) -> Result<Result<(), Problem>> {
        let (id, admin) = (self.expected(host).await?, self.admin.clone());
        let bytes = agent_program(version);
        let digest = Digest::of(&bytes);
        let path = format!("/api/v1/deliver/artifacts/{digest}?service=sleepwell-agent");
        self.call(Request::put(&path, &admin, bytes))
            .await
            .map_err(told)?;
        let order = UpdateAgent {
            digest,
            version: version.to_string(),
            reason: String::new(),
        };
        let path = format!("/api/v1/deliver/hosts/{id}/agent");
        let answer: Result<AgentAsked, Problem> = self.post(&path, &admin, &order).await;
        Ok(answer.map(drop))
    }

    /// Takes the fleet over as it is.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn adopt(&mut self, how: Adoption) -> Result<()> {
        let order = Adopt {
            how,
            reason: String::new(),
        };
        let body = serde_json::to_vec(&order)?;
        let request = Request::post("/api/v1/deliver/fleet/adopt", &self.admin, body);
        self.call(request).await.map_err(told)?;
        Ok(())
    }

    async fn expected(&self, host: &HostName) -> Result<HostId> {
        let hosts = self.hosts().await?.into_iter();
        let found = hosts
            .map(|one| (one.name, one.id))
            .find(|(name, _)| name == host);
        let (_, id) = found.with_context(|| format!("no host called `{host}` is expected"))?;
        Ok(id)
    }

    /// Returns all changes, newest first.
    ///
    /// # Errors
    /// When the API does not answer as it should, as for everything that is read here.
    pub async fn changes(&self) -> Result<Vec<Change>> {
        self.read("/api/v1/observe/changes").await
    }

    pub async fn change(&self, change: ChangeId) -> Result<ChangeView> {
        self.read(&format!("/api/v1/observe/changes/{}", change.0))
            .await
    }

    pub async fn rollout(&self, change: ChangeId) -> Result<Rollout> {
        self.read(&format!("/api/v1/deliver/rollouts/{}", change.0))
            .await
    }

    pub async fn verdicts(&self, change: ChangeId) -> Result<Vec<Verdict>> {
        self.read(&format!("/api/v1/judge/verdicts?change={}", change.0))
            .await
    }

    pub async fn why(&self, change: ChangeId) -> Result<Why> {
        self.read(&format!("/api/v1/learn/why/{}", change.0)).await
    }

    pub async fn hosts(&self) -> Result<Vec<HostView>> {
        self.read("/api/v1/deliver/hosts").await
    }

    /// Ends the server between two steps and starts another one on the same store: all memory is gone,
    /// samples too.
    ///
    /// # Errors
    /// When the store cannot be opened again.
    pub async fn restart(&mut self, open: &OpenStore) -> Result<()> {
        self.failpoints.revive();
        let store = open(self.folder.path())?;
        (self.server, self.admin) = Server::start(
            store,
            (&self.wall, &self.random),
            (&self.inbox, &self.failpoints),
            self.folder.path(),
            &self.admin,
        )
        .await?;
        self.fleet.reconnect();
        Ok(())
    }

    /// Sets the clocks of all machines back. Durations pass as before: agents and processes do not look
    /// at the time of day for them.
    pub fn set_clocks_back(&self, by: Duration) {
        self.wall.set_back(by);
    }

    /// Walks the chain of the journal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn check_journal(&self) -> Result<Check> {
        self.server.check_journal().await
    }

    /// Lets time pass: tick by tick, or over a long quiet time in jumps.
    ///
    /// # Errors
    /// When a loop fails or a host is answered with something no agent understands.
    pub async fn pass(&mut self, span: Duration) -> Result<()> {
        let pace = Pace::over(span, self.now());
        while self.now() < pace.end {
            self.step(pace).await?;
        }
        Ok(())
    }

    /// Lets time pass in longer ticks: hosts and loops look as often, and at fewer moments between.
    ///
    /// # Errors
    /// As [`World::pass`].
    pub async fn pass_by(&mut self, span: Duration, tick: Duration) -> Result<()> {
        let end = self.now() + span;
        while self.now() < end {
            self.tick(tick.min(end.since(self.now()))).await?;
        }
        Ok(())
    }

    /// Takes one step at a pace, never beyond its end.
    pub(crate) async fn step(&mut self, pace: Pace) -> Result<()> {
        let left = pace.end.since(self.now());
        self.tick(pace.step.min(left)).await?;
        if pace.step > TICK {
            // What was begun in the jump is gone through as it would have been within it.
            for _ in 0..AFTER_JUMP {
                self.tick(TICK).await?;
            }
        }
        Ok(())
    }

    async fn tick(&mut self, by: Duration) -> Result<()> {
        self.clock.advance(by);
        self.wall.advance(by);
        let now = self.now();
        self.fleet.live(now);
        self.hosts_speak(now).await?;
        if self.failpoints.is_dead() {
            return Ok(());
        }
        self.server.turn(self.wall.now()).await
    }

    /// Lets every host that can be heard send its samples, say what it runs, and fetch what it needs.
    async fn hosts_speak(&mut self, now: Timestamp) -> Result<()> {
        if self.failpoints.is_dead() {
            return Ok(());
        }
        let is_asked = self.server.has_asked().await;
        for index in 0..self.fleet.len() {
            if self.is_stopped(index, now) || self.fleet.host_mut(index).is_unreachable() {
                continue;
            }
            match self.host_speaks(index, is_asked, now).await {
                Ok(()) => {}
                // The server was stopped; the agent asks the next one.
                Err(_) if self.failpoints.is_dead() => return Ok(()),
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    /// Tells whether an agent is stopped; one whose time has come is started again.
    fn is_stopped(&mut self, index: usize, now: Timestamp) -> bool {
        match self.stopped.get(&index) {
            Some(until) if now < *until => true,
            Some(_) => {
                self.stopped.remove(&index);
                self.fleet.host_mut(index).reconnect();
                false
            }
            None => false,
        }
    }

    /// Tells whether an agent lives on behind this place of its work.
    fn agent_lives(&mut self, index: usize, at: At, now: Timestamp) -> bool {
        let lives = self.failpoints.agent_lives(at);
        if !lives {
            self.stopped.insert(index, now + AGENT_RESTARTS);
        }
        lives
    }

    async fn host_speaks(&mut self, index: usize, is_asked: bool, now: Timestamp) -> Result<()> {
        let host = self.fleet.host_mut(index);
        let token = host.token().to_owned();
        if let Some(digest) = host.fetches() {
            let path = format!("/artifacts/{digest}");
            let answer = self.call(Request::get(&path, &token)).await.map_err(told)?;
            if Digest::of(&answer.body) != digest {
                bail!("the server sent other bytes for {digest}");
            }
            self.fleet.host_mut(index).fetched();
        }
        if let Some(samples) = self.fleet.host_mut(index).samples(self.wall.now()) {
            let body = wire::remote_write::encode(&samples);
            let sent_at = self.fleet.host_mut(index).by_its_clock(self.wall.now());
            let path = format!("/agent/v1/samples?sent_at={sent_at}");
            let request = Request::post(&path, &token, body);
            self.call(request).await.map_err(told)?;
        }
        if !self.agent_lives(index, At::BeforeStep, now) {
            return Ok(());
        }
        let Some(sync) = self
            .fleet
            .host_mut(index)
            .report(is_asked, (now, self.wall.now()))
        else {
            return Ok(());
        };
        if !self.agent_lives(index, At::BeforeSend, now) {
            return Ok(());
        }
        let body = serde_json::to_vec(&sync)?;
        let request = Request::post("/agent/v1/sync", &token, body);
        let answer = self.call(request).await.map_err(told)?;
        if !self.agent_lives(index, At::AfterSend, now) {
            return Ok(());
        }
        if answer.status == 200 {
            let wish = serde_json::from_slice(&answer.body)?;
            self.fleet.host_mut(index).hear(wish, now);
        }
        self.agent_lives(index, At::AfterStep, now);
        Ok(())
    }

    /// Returns a person's token; the admin makes one when the person is new.
    async fn token_of(&mut self, person: &str) -> Result<String, Problem> {
        if let Some(token) = self.people.get(person) {
            return Ok(token.clone());
        }
        let new = NewToken {
            name: person.to_owned(),
            role: Role::Operator,
            expires_at: None,
        };
        let admin = self.admin.clone();
        let created: TokenCreated = self.post("/api/v1/tokens", &admin, &new).await?;
        self.people
            .insert(person.to_owned(), created.secret.clone());
        Ok(created.secret)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self
            .call(Request::get(path, &self.admin))
            .await
            .map_err(told)?;
        serde_json::from_slice(&answer.body)
            .with_context(|| format!("reading the answer of {path}"))
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        token: &str,
        body: &impl Serialize,
    ) -> Result<T, Problem> {
        let broken = |e: serde_json::Error| Problem::new(500, "broken_answer", e.to_string());
        let body = serde_json::to_vec(body).map_err(broken)?;
        let answer = self.call(Request::post(path, token, body)).await?;
        serde_json::from_slice(&answer.body).map_err(broken)
    }

    async fn call(&self, request: Request<'_>) -> Result<Answer, Problem> {
        self.server.call(request).await
    }
}

/// Turns a refusal nobody expected into an error with its hint.
fn told(problem: Problem) -> anyhow::Error {
    match &problem.hint {
        Some(hint) => anyhow::anyhow!("{} {}: {problem}; {hint}", problem.status, problem.code),
        None => anyhow::anyhow!("{} {}: {problem}", problem.status, problem.code),
    }
}

/// Returns the bytes of an agent's program.
pub(crate) fn agent_program(version: &Version) -> Vec<u8> {
    format!("the agent, version {version}").into_bytes()
}
