//! Does one step: each is short, writes its intent before and its outcome after, and may be repeated.

use std::cell::RefCell;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use model::api::agent::{EventKind, StepPhase};
use model::deliver::{Check, Desired, DesiredState, DrainAsk};
use rustix::process::Signal;

use super::{Dead, Finding, Job, Live, Outcome, Role, Shared, Slot, Worker, millis};
use crate::Stop;
use crate::cgroup::Group;
use crate::config::backoff;
use crate::health::{Asking, Checker};
use crate::hook::HookName;
use crate::install::{self, InstallError, step_event};
use crate::ports::{fill_in, free_ports, next_port};
use crate::procfs::ProcessId;
use crate::reconcile::{Action, Gate};
use crate::supervise::{self, Launch};
use crate::systemd::{Supervisor, Unit};

/// An undo, or a release going back, gives the old process no more than this to end.
pub(super) const HURRIED_STOP: Duration = Duration::from_secs(1);
/// At the agent's own end.
const LAST_STOP: Duration = Duration::from_secs(2);
/// Between two proofs of a healthy process that do not agree.
const PROVE_RETRY_MS: u64 = 500;
/// How long a new, healthy process may contradict its release before that is a failure.
const PROVE_PATIENCE: Duration = Duration::from_secs(10);
const KILL_AGAIN_MS: u64 = 200;
/// Between two questions to a process that drains.
const DRAIN_PAUSE: Duration = Duration::from_millis(100);

impl Worker {
    pub(super) fn perform(&mut self, action: &Action) -> anyhow::Result<()> {
        match action {
            Action::Wait => Ok(()),
            Action::Install => self.begin_install(),
            Action::Hook(name) => self.begin_hook(*name),
            Action::Prepare(role) => self.prepare(*role),
            Action::Start(role) => self.start(*role),
            Action::Stop(role) => self.begin_stop(*role),
            Action::Drain => self.begin_drain(),
            Action::Ask => self.ask(),
            Action::Kill => {
                let group = self.record.going.as_ref().and_then(Slot::holder);
                supervise::kill_all(&self.going_pids(), group);
                self.going.kill_at_ms = self.now_ms() + KILL_AGAIN_MS;
                Ok(())
            }
            Action::Forget => self.forget(),
            Action::Switch => self.switch(),
            Action::Promote => self.promote(),
            Action::Settle => self.settle(),
            Action::GiveUp(why) => self.give_up(why),
        }
    }

    fn goal(&self) -> anyhow::Result<Desired> {
        self.record
            .goal()
            .cloned()
            .context("a step towards nothing")
    }

    fn begin_install(&mut self) -> anyhow::Result<()> {
        let goal = self.goal()?;
        let outcome = Arc::new(Mutex::new(None));
        let tries = match &self.job {
            Some(job) if job.generation == goal.generation => job.tries,
            _ => 0,
        };
        self.job = Some(Job {
            folder: goal.release.folder(),
            generation: goal.generation,
            outcome: Arc::clone(&outcome),
            try_at_ms: 0,
            tries,
            failed: None,
        });
        let shared = self.shared.clone();
        std::thread::Builder::new()
            .name("install".to_owned())
            .spawn(move || {
                let done = run_install(&shared, &goal, tries > 0);
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            })?;
        Ok(())
    }

    fn prepare(&mut self, role: Role) -> anyhow::Result<()> {
        let goal = self.goal()?;
        let ports = self.ports(&goal)?;
        let serving = self.record.serving.as_ref().and_then(|slot| slot.port);
        let slot = Slot {
            port: next_port(&ports, serving),
            desired: goal,
            process: None,
            group: self.new_group(),
            unit: None,
            started_at: None,
            started_for: self.record.wish.generation,
        };
        self.record.used(slot.folder());
        match role {
            Role::Serving => (self.record.serving, self.serving) = (Some(slot), Live::default()),
            Role::Coming => (self.record.coming, self.coming) = (Some(slot), Live::default()),
        }
        self.restarts = 0;
        self.save(&[step_event("start", StepPhase::Intent, "")])
    }

    pub(super) fn ports(&mut self, goal: &Desired) -> anyhow::Result<Vec<u16>> {
        let wanted = goal.run.ports.len();
        if !self.config().free_ports || wanted == 0 {
            return Ok(goal.run.ports.clone());
        }
        if self.record.free_ports.is_empty() {
            self.record.free_ports = free_ports(2).context("no free port")?;
        }
        Ok(self
            .record
            .free_ports
            .iter()
            .copied()
            .take(wanted)
            .collect())
    }

    fn start(&mut self, role: Role) -> anyhow::Result<()> {
        self.clear_group(role)?;
        let slot = self.slot(role).0.clone().context("nothing to start")?;
        let (process, child, group) = match self.spawn(&slot) {
            Ok(started) => started,
            Err(e) => return self.failed_to_start(role, &slot, &e),
        };
        let (now, now_ms) = (self.shared.steady(), self.now_ms());
        let detail = format!("pid {}", process.pid);
        let (record, live) = self.slot(role);
        if let Some(slot) = record {
            slot.process = Some(process);
            slot.started_at = Some(now);
            if let Some(unit) = &mut slot.unit {
                unit.group = group;
            }
        }
        *live = Live {
            child,
            born_ms: now_ms,
            ..Live::default()
        };
        self.watch_health(role, false)?;
        self.save(&[step_event("start", StepPhase::Done, &detail)])
    }

    /// Ends what an earlier life of a process left in its group, and names the unit the next is started as;
    /// makes another group where it is gone, as it is after a restart of the host.
    fn clear_group(&mut self, role: Role) -> anyhow::Result<()> {
        let is_unit = self.systemd().is_some();
        let Some(slot) = self.slot(role).0 else {
            return Ok(());
        };
        if let Some(group) = slot.holder() {
            group.kill();
        }
        if !is_unit && slot.group.as_ref().is_some_and(Group::exists) {
            return Ok(());
        }
        let (group, unit) = (slot.group.take(), slot.unit.take());
        let next = is_unit.then(|| Unit::of(slot));
        let (made, had) = (self.new_group(), group.is_some() || unit.is_some());
        self.spent.extend(group);
        self.spent_units.extend(unit);
        if made.is_none() && next.is_none() && !had {
            return Ok(());
        }
        if let Some(slot) = self.slot(role).0 {
            (slot.group, slot.unit) = (made, next);
        }
        self.save(&[])
    }

    /// Makes a group for a process of the service; systemd makes them for its units.
    fn new_group(&self) -> Option<Group> {
        match &self.config().supervisor {
            Supervisor::BuiltIn => self.shared.groups.make(self.record.service().as_str()),
            Supervisor::Systemd(_) => None,
        }
    }

    /// A command that cannot be started is like one that ends at once.
    fn failed_to_start(
        &mut self,
        role: Role,
        slot: &Slot,
        error: &std::io::Error,
    ) -> anyhow::Result<()> {
        let program = slot.desired.run.exec.first().map_or("", String::as_str);
        let how = format!("cannot start `{program}`: {error}");
        self.mark_dead(role, how.clone());
        self.save(&[step_event("start", StepPhase::Failed, &how)])
    }

    pub(super) fn mark_dead(&mut self, role: Role, how: String) {
        let wait = backoff(self.restarts, self.config().timings.restart);
        self.restarts = self.restarts.saturating_add(1);
        let restart_at_ms = self.now_ms() + millis(wait);
        self.slot(role).1.dead = Some(Dead { how, restart_at_ms });
    }

    /// Starts a slot's process, itself or by systemd; of a unit the group is known from then on.
    fn spawn(&self, slot: &Slot) -> std::io::Result<(ProcessId, Option<Child>, Option<Group>)> {
        let folder = slot.folder();
        let dir = install::release_dir(self.config(), &slot.desired);
        let log = self.config().service_dir(&slot.desired.service).join("log");
        let launch = Launch {
            title: title(slot),
            exec: fill_all(&slot.desired.run.exec, slot.port, &folder),
            env: environment(slot),
            dir: &dir,
            log: &log,
            helper: &self.config().exec_helper,
            group: slot.group.as_ref(),
        };
        if let (Some(unit), Some(systemd)) = (&slot.unit, self.systemd()) {
            let patience = slot.desired.run.stop_timeout;
            let (process, group) = systemd.start(&unit.name, &launch, patience)?;
            return Ok((process, None, group));
        }
        let child = supervise::spawn(&launch)?;
        let process = ProcessId::of(child.id());
        let process = process.ok_or_else(|| std::io::Error::other("it is gone already"))?;
        Ok((process, Some(child), None))
    }

    /// Begins to check; `healthy` when it is known to be from an earlier life of the agent.
    pub(super) fn watch_health(&mut self, role: Role, healthy: bool) -> anyhow::Result<()> {
        let Some(slot) = self.slot(role).0.clone() else {
            return Ok(());
        };
        let Some(health) = &slot.desired.health else {
            return Ok(());
        };
        use model::deliver::Check::{Exec, Http, Tcp};
        let folder = slot.folder();
        let check = match &health.check {
            Http(path) => Http(fill_in(path, slot.port, &folder)),
            Tcp => Tcp,
            Exec(command) => Exec(fill_all(command, slot.port, &folder)),
        };
        let asking = Asking {
            check,
            port: slot.port,
            timeout: health.timeout,
            interval: health.interval,
            ok_after: health.ok_after,
            dir: install::release_dir(self.config(), &slot.desired),
            env: environment(&slot),
        };
        let checker = Checker::start(asking, healthy, Arc::clone(&self.shared.clock))?;
        self.slot(role).1.checker = Some(checker);
        Ok(())
    }

    fn begin_stop(&mut self, role: Role) -> anyhow::Result<()> {
        let (slot, live) = self.slot(role);
        let (slot, mut live) = (slot.take(), std::mem::take(live));
        live.checker = None;
        self.leave(slot);
        self.going = live;
        self.save(&[step_event("stop", StepPhase::Intent, "")])
    }

    /// Sends a process on its way out; its hook is due anew.
    fn leave(&mut self, slot: Option<Slot>) {
        self.record.going = slot;
        let hooks = &mut self.record.hooks;
        hooks.retain(|run| run.hook != HookName::PreStop || run.is_running());
    }

    /// Begins to ask a leaving process whether it may stop. Asking again does no harm, so nothing is written
    /// down but that it began and how it ended.
    fn begin_drain(&mut self) -> anyhow::Result<()> {
        let slot = self.record.going.clone().context("nothing leaves")?;
        let drain = slot.desired.run.drain.clone();
        let drain = drain.context("a drain that is not there")?;
        let folder = slot.folder();
        let check = match &drain.ask {
            DrainAsk::Http(path) => Check::Http(fill_in(path, slot.port, &folder)),
            DrainAsk::Exec(command) => Check::Exec(fill_all(command, slot.port, &folder)),
        };
        let limit = if self.is_hurried() {
            drain.timeout.min(HURRIED_STOP)
        } else {
            drain.timeout
        };
        let asking = Asking {
            check,
            port: slot.port,
            timeout: limit,
            interval: DRAIN_PAUSE,
            ok_after: 1,
            dir: install::release_dir(self.config(), &slot.desired),
            env: environment(&slot),
        };
        self.save(&[step_event("drain", StepPhase::Intent, "")])?;
        let checker = Checker::start(asking, false, Arc::clone(&self.shared.clock))?;
        self.going.drain = Some((checker, self.now_ms() + millis(limit)));
        Ok(())
    }

    /// Tells whether a leaving process may be asked to stop.
    pub(super) fn drain_gate(&self, going: &Slot) -> Gate {
        match &self.going.drain {
            _ if going.desired.run.drain.is_none() => Gate::Open,
            None => Gate::Due,
            Some((checker, _)) if checker.health().became_healthy => Gate::Open,
            Some((checker, deadline_ms)) if self.now_ms() >= *deadline_ms => {
                Gate::Failed(checker.health().why)
            }
            Some(_) => Gate::Running,
        }
    }

    /// Writes how a drain ended; none was begun for a process that ended by itself.
    fn end_drain(&mut self) -> anyhow::Result<()> {
        // Nobody asks any more from here on.
        let Some((checker, _)) = self.going.drain.take() else {
            return Ok(());
        };
        let seen = checker.health();
        let event = if seen.became_healthy {
            step_event("drain", StepPhase::Done, "")
        } else {
            step_event("drain", StepPhase::Failed, &seen.why)
        };
        self.save(&[event])
    }

    fn ask(&mut self) -> anyhow::Result<()> {
        self.end_drain()?;
        for pid in self.going_pids() {
            supervise::signal(pid, Signal::TERM);
        }
        let patience = self.patience();
        self.going.asked = true;
        self.going.kill_at_ms = self.now_ms() + millis(patience);
        Ok(())
    }

    /// Returns how long the going process may take.
    fn patience(&self) -> Duration {
        let own = self
            .record
            .going
            .as_ref()
            .map_or(HURRIED_STOP, |slot| slot.desired.run.stop_timeout);
        if self.is_hurried() {
            own.min(HURRIED_STOP)
        } else {
            own
        }
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        if let Some(gone) = self.record.going.take() {
            self.spend(gone);
        }
        self.going = Live::default();
        self.save(&[step_event("stop", StepPhase::Done, "")])
    }

    /// Leaves the group and the unit of a slot whose processes are gone to be cleared away.
    fn spend(&mut self, slot: Slot) {
        self.spent.extend(slot.group);
        self.spent_units.extend(slot.unit);
    }

    fn switch(&mut self) -> anyhow::Result<()> {
        let goal = self.goal()?;
        self.save(&[step_event("switch", StepPhase::Intent, "")])?;
        install::switch(self.config(), &goal).context("cannot switch `current`")?;
        self.save(&[step_event(
            "switch",
            StepPhase::Done,
            &goal.release.folder(),
        )])
    }

    fn promote(&mut self) -> anyhow::Result<()> {
        self.switch()?;
        let mut old = std::mem::take(&mut self.serving);
        old.checker = None;
        self.going = old;
        let serving = self.record.serving.take();
        self.leave(serving);
        self.serving = std::mem::take(&mut self.coming);
        self.record.serving = self.record.coming.take();
        self.save(&[])
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        let wish = self.record.wish.clone();
        if wish.state == DesiredState::Stopped {
            self.record.outcome = Outcome::Settled;
            return self.save(&[step_event("prove", StepPhase::Done, "nothing runs")]);
        }
        self.look();
        match self.finding.clone() {
            Finding::Agrees => {}
            Finding::Disagrees(why) if self.contradicts_for_long() => {
                return self.give_up(&format!("prove: {why}"));
            }
            Finding::Disagrees(_) | Finding::CannotTell(_) => {
                self.prove_at_ms = self.now_ms() + PROVE_RETRY_MS;
                return Ok(());
            }
        }
        if let Some(slot) = &mut self.record.serving {
            slot.desired = wish.clone();
        }
        self.record.outcome = Outcome::Settled;
        self.record.good = Some(wish);
        self.save(&[step_event("prove", StepPhase::Done, "")])?;
        self.collect_garbage();
        crate::ballast::keep(self.config());
        Ok(())
    }

    /// Tells whether a new release is up for long and still is not what was asked for.
    fn contradicts_for_long(&self) -> bool {
        let up = self.now_ms().saturating_sub(self.serving.born_ms);
        self.record.is_trial() && up >= millis(PROVE_PATIENCE)
    }

    fn collect_garbage(&self) {
        let service = self.record.service();
        let mut keep = self.record.kept_folders();
        keep.extend(install::current(self.config(), service));
        let collected = install::collect_garbage(self.config(), service, &keep)
            .and_then(|removed| install::collect_blobs(self.config(), &removed, &keep));
        if let Err(e) = collected {
            tracing::warn!(service.name = %service, "cannot remove old releases: {e}");
        }
    }

    fn give_up(&mut self, why: &str) -> anyhow::Result<()> {
        let why = why.to_owned();
        let text = match self.record.way_back() {
            Some(good) => format!("back to {}: {why}", good.release.version),
            None => format!("stopped, nothing to go back to: {why}"),
        };
        self.record.outcome = match self.record.way_back() {
            Some(_) => Outcome::Reverted { why },
            None => Outcome::Failed { why },
        };
        self.restarts = 0;
        let step = step_event("health", StepPhase::Failed, &text);
        self.save(&[step, EventKind::Log { text }])
    }

    /// Ends everything of the service: the agent ends and takes it along.
    pub(super) fn end_all(&mut self) {
        self.kill_hook();
        let known = self.all_pids();
        for pid in &known {
            supervise::signal(*pid, Signal::TERM);
        }
        let deadline = self.now_ms() + millis(LAST_STOP);
        let pause = Stop::default();
        while !self.all_pids().is_empty() {
            self.reap();
            if self.now_ms() >= deadline {
                let groups = self.record.slots().filter_map(Slot::holder);
                groups.for_each(Group::kill);
                supervise::kill_all(&self.all_pids(), None);
            }
            pause.wait(Duration::from_millis(20));
        }
        self.reap();
        // They were stopped on purpose: at the next start they are begun anew, and nothing is counted.
        if let Some(gone) = self.record.going.take() {
            self.spend(gone);
        }
        let slots = [&mut self.record.serving, &mut self.record.coming];
        for slot in slots.into_iter().flatten() {
            slot.process = None;
            self.spent.extend(slot.group.take());
            self.spent_units.extend(slot.unit.take());
        }
        self.sweep();
        if let Err(e) = self.save(&[]) {
            tracing::warn!(service.name = %self.record.service(), "{e:#}");
        }
    }
}

/// Installs, noting each step. Of further tries only the one that works is noted: a full disk for a
/// week is one story, not 300,000.
fn run_install(shared: &Shared, goal: &Desired, is_repeat: bool) -> Result<(), InstallError> {
    let kept = RefCell::new(Vec::new());
    let write = |kind: &EventKind| {
        let now = shared.clock.now();
        let noted = shared.state.note(&goal.service, goal.generation, kind, now);
        if let Err(e) = noted {
            tracing::warn!(service.name = %goal.service, "cannot note a step: {e}");
        }
    };
    let note = |kind: EventKind| {
        if is_repeat {
            kept.borrow_mut().push(kind);
        } else {
            write(&kind);
        }
    };
    let done = install::install(&shared.config, &shared.client, goal, &note);
    if done.is_ok() {
        kept.borrow().iter().for_each(write);
    }
    done
}

pub(super) fn title(slot: &Slot) -> String {
    let desired = &slot.desired;
    format!("{} {}", desired.service, desired.release.version)
}

pub(super) fn environment(slot: &Slot) -> Vec<(String, String)> {
    let folder = slot.folder();
    let own = slot.desired.run.env.iter();
    let own = own.map(|(name, value)| (name.clone(), fill_in(value, slot.port, &folder)));
    let version = slot.desired.release.version.to_string();
    let port = slot.port.map(|port| ("PORT".to_owned(), port.to_string()));
    supervise::inherited_env()
        .into_iter()
        .chain(own)
        .chain(port)
        .chain([
            ("SLEEPWELL_VERSION".to_owned(), version),
            ("SLEEPWELL_RELEASE".to_owned(), folder.clone()),
        ])
        .collect()
}

pub(super) fn fill_all(words: &[String], port: Option<u16>, folder: &str) -> Vec<String> {
    words
        .iter()
        .map(|word| fill_in(word, port, folder))
        .collect()
}
