//! Looks after one service: observes, asks [`crate::reconcile`] for the next step, does it.
//!
//! Every step here is short; what takes long (fetching, health checks) runs in threads of its own, so
//! an undo is never behind something else.

use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use client::Client;
use model::Timestamp;
use model::api::agent::EventKind;
use model::deliver::Desired;

use crate::Config;
use crate::cgroup::{Group, Groups};
use crate::clock::Clock;
use crate::health::Checker;
use crate::hub::Hub;
use crate::install::InstallError;
use crate::link::Link;
use crate::prove::{Finding, Seen};
use crate::reconcile::{self, Action, Role};
use crate::record::{Outcome, Record, Slot};
use crate::scrape::Unsent;
use crate::sha::DigestCache;
use crate::state::State;
use crate::systemd::{Supervisor, Systemd, Unit};
use crate::update::OnTrial;

mod act;
mod hooks;
mod observe;
mod report;

/// Is what all workers of an agent share.
#[derive(Clone)]
pub(crate) struct Shared {
    /// Who this agent is to its server.
    pub(crate) agent: model::HostId,
    pub(crate) config: Arc<Config>,
    pub(crate) state: Arc<State>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) unsent: Arc<Unsent>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where [`Self::steady`] begins: the time this boot began, as it seemed at first.
    pub(crate) boot_at: Timestamp,
    pub(crate) client: Client,
    pub(crate) link: Arc<Link>,
    pub(crate) groups: Arc<Groups>,
    /// While this program is on trial as the agent.
    pub(crate) on_trial: Option<OnTrial>,
}

impl Shared {
    /// Returns the time on this host's own timeline, which never steps within a boot, whatever is done to its
    /// clock. The server is told when things were on this one.
    pub(crate) fn steady(&self) -> Timestamp {
        self.boot_at + Duration::from_millis(self.clock.monotonic_ms())
    }
}

/// Hands a worker its newest wish.
#[derive(Clone, Default)]
pub(crate) struct Mailbox(Arc<(Mutex<Mail>, Condvar)>);

#[derive(Default)]
struct Mail {
    wish: Option<Desired>,
    stop: bool,
}

impl Mailbox {
    pub(crate) fn put(&self, wish: Desired) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).wish = Some(wish);
        self.0.1.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.0.1.notify_all();
    }

    fn wait(&self, at_most: Duration) -> (Option<Desired>, bool) {
        let mail = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut mail, _) = self
            .0
            .1
            .wait_timeout_while(mail, at_most, |mail| mail.wish.is_none() && !mail.stop)
            .unwrap_or_else(PoisonError::into_inner);
        (mail.wish.take(), mail.stop)
    }
}

/// Is what is known of a slot's process only while the agent lives.
#[derive(Default)]
struct Live {
    /// Ours to collect, when we started it.
    child: Option<Child>,
    checker: Option<Checker>,
    born_ms: u64,
    dead: Option<Dead>,
    asked: bool,
    kill_at_ms: u64,
    /// Asks whether a leaving process may stop, until the time is up.
    drain: Option<(Checker, u64)>,
}

struct Dead {
    how: String,
    restart_at_ms: u64,
}

/// Is a running installation, or how the last one ended.
struct Job {
    folder: String,
    generation: u64,
    outcome: Arc<Mutex<Option<Result<(), InstallError>>>>,
    try_at_ms: u64,
    tries: u32,
    failed: Option<InstallError>,
}

pub(crate) struct Worker {
    shared: Shared,
    record: Record,
    serving: Live,
    coming: Live,
    going: Live,
    hook: hooks::LiveHook,
    /// Groups that are empty or soon will be, to be removed.
    spent: Vec<Group>,
    /// Units whose processes are gone, to be forgotten by systemd.
    spent_units: Vec<Unit>,
    job: Option<Job>,
    restarts: u32,
    cache: DigestCache,
    seen: Vec<(Seen, bool)>,
    finding: Finding,
    foreigner: Option<String>,
    /// What looked foreign at the last look.
    suspect: Option<String>,
    look_at_ms: u64,
    prove_at_ms: u64,
    /// What keeps the agent itself from working, such as a full disk under the journal.
    trouble: Option<String>,
}

impl Worker {
    pub(crate) fn new(shared: Shared, wish: Desired, record: Option<Record>) -> Self {
        let now = shared.steady();
        let record = match record {
            Some(mut record) => {
                if record.is_overtaken_by(&wish) {
                    record.take(wish);
                }
                record
            }
            None => Record::new(wish, now),
        };
        let mut worker = Self {
            shared,
            record,
            serving: Live::default(),
            coming: Live::default(),
            going: Live::default(),
            hook: hooks::LiveHook::default(),
            spent: Vec::new(),
            spent_units: Vec::new(),
            job: None,
            restarts: 0,
            cache: DigestCache::default(),
            seen: Vec::new(),
            finding: Finding::Disagrees(String::new()),
            foreigner: None,
            suspect: None,
            look_at_ms: 0,
            prove_at_ms: 0,
            trouble: None,
        };
        worker.adopt();
        worker
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self, mailbox: &Mailbox) {
        loop {
            let action = self.turn();
            let wait = match action {
                Action::Wait => self.pause(),
                _ if self.trouble.is_some() => self.shared.config.timings.restart.0,
                _ => Duration::ZERO,
            };
            let (wish, stop) = mailbox.wait(wait);
            if let Some(wish) = wish {
                self.take(wish);
            }
            if stop {
                break;
            }
        }
        let ends = self.shared.config.stop_services_on_exit;
        if ends && !self.shared.hub.board().keeps_services {
            self.end_all();
        }
    }

    /// Observes, does one step and reports; returns the step.
    fn turn(&mut self) -> Action {
        self.observe();
        let mut action = reconcile::next(&self.view());
        if action == Action::Settle && self.now_ms() < self.prove_at_ms {
            action = Action::Wait;
        }
        match self.perform(&action) {
            Ok(()) => self.trouble = None,
            Err(e) => {
                let why = trouble(&e);
                if self.trouble.as_ref() != Some(&why) {
                    tracing::warn!(service.name = %self.record.service(), "cannot go on: {why}");
                }
                self.trouble = Some(why);
            }
        }
        if action != Action::Wait || self.now_ms() >= self.look_at_ms {
            self.look();
        }
        self.publish();
        action
    }

    fn pause(&self) -> Duration {
        let timings = &self.shared.config.timings;
        if self.is_busy() {
            timings.busy
        } else {
            timings.quiet
        }
    }

    /// Tells whether a release or an undo is under way.
    fn is_busy(&self) -> bool {
        let record = &self.record;
        let quiet =
            record.coming.is_none() && record.going.is_none() && self.running_hook().is_none();
        let waiting = self.job.as_ref().is_some_and(|job| job.failed.is_some());
        !(quiet && (record.outcome != Outcome::Trying || waiting))
    }

    fn take(&mut self, wish: Desired) {
        if !self.record.is_overtaken_by(&wish) {
            return;
        }
        self.record.take(wish);
        self.job = self.job.take().filter(|job| job.failed.is_none());
        self.restarts = 0;
        self.prove_at_ms = 0;
        for live in [&mut self.serving, &mut self.coming] {
            if let Some(dead) = &mut live.dead {
                dead.restart_at_ms = 0;
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.shared.clock.monotonic_ms()
    }

    fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Writes the record and what happened, before or after a step.
    fn save(&self, events: &[EventKind]) -> anyhow::Result<()> {
        let now = self.shared.clock.now();
        self.shared
            .state
            .save(&self.record, events, now)
            .context("cannot write state.db")
    }

    /// Returns the way to systemd, where services are its units.
    fn systemd(&self) -> Option<&Systemd> {
        match &self.shared.config.supervisor {
            Supervisor::BuiltIn => None,
            Supervisor::Systemd(systemd) => Some(systemd),
        }
    }

    /// Clears up after processes that are gone: their groups and units.
    fn sweep(&mut self) {
        self.spent.retain(|group| !group.remove_with_home());
        let mut units = std::mem::take(&mut self.spent_units);
        units.retain(|unit| {
            self.systemd()
                .is_some_and(|systemd| !systemd.forget(&unit.name))
        });
        self.spent_units = units;
    }

    fn slot(&mut self, role: Role) -> (&mut Option<Slot>, &mut Live) {
        match role {
            Role::Serving => (&mut self.record.serving, &mut self.serving),
            Role::Coming => (&mut self.record.coming, &mut self.coming),
        }
    }
}

/// Says what keeps the agent from working.
fn trouble(error: &anyhow::Error) -> String {
    let mut causes = error.chain();
    let full = causes.any(|e| {
        e.downcast_ref::<rusqlite::Error>()
            .is_some_and(crate::state::is_full)
    });
    if full {
        return "disk: full, and the agent's journal cannot be written".to_owned();
    }
    format!("{error:#}")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
