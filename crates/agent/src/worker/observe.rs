//! What is seen of the service's processes and of an installation, and the view made of it.

use std::sync::PoisonError;
use std::time::Duration;

use model::api::agent::EventKind;

use super::act::HURRIED_STOP;
use super::{Dead, Finding, InstallError, Live, Outcome, Role, Worker, millis};
use crate::cgroup::Group;
use crate::config::{backoff, random_share};
use crate::procfs::{self, ProcessId};
use crate::reconcile::{self, Goal, Installed, Leaving, Life, View};
use crate::record::Slot;
use crate::{install, prove, supervise};

/// Between two tries while a person must act (disk).
const BLOCKED_RETRY_MS: u64 = 2_000;

/// So long after its start a process is looked at more often.
const YOUNG: Duration = Duration::from_secs(3);

impl Worker {
    /// Finds the processes of a former life of the agent again.
    pub(super) fn adopt(&mut self) {
        for role in [Role::Serving, Role::Coming] {
            self.adopt_slot(role);
        }
        self.adopt_hook();
        if let Err(e) = self.save(&[]) {
            tracing::warn!(service.name = %self.record.service(), "{e:#}");
        }
    }

    fn adopt_slot(&mut self, role: Role) {
        let Some(slot) = self.slot(role).0.clone() else {
            return;
        };
        let found = match &slot.process {
            Some(process) if process.is_alive() => Some(process.clone()),
            Some(process) => {
                if process.boot_id == procfs::boot_id() {
                    let how = self.how_ended(role).unwrap_or_else(|| "ended".to_owned());
                    let how = format!("{how} while the agent was away");
                    self.note_exit(role, process.pid, how);
                }
                None
            }
            None => self.unrecorded(&slot),
        };
        self.adopt_unit(role);
        let (now, now_ms) = (self.shared.steady(), self.now_ms());
        let settled = self.record.outcome != Outcome::Trying && role == Role::Serving;
        let (record, live) = self.slot(role);
        if let Some(slot) = record {
            slot.process = found.clone();
            slot.started_at = slot.started_at.or(Some(now));
        }
        let Some(process) = found else {
            return;
        };
        live.born_ms = now_ms;
        tracing::info!(
            service.name = %slot.desired.service,
            process.pid = process.pid,
            "adopted the running process"
        );
        if let Err(e) = self.watch_health(role, settled) {
            tracing::warn!(service.name = %slot.desired.service, "cannot check its health: {e:#}");
        }
    }

    /// Asks for the group of a unit that was started and of which no more is written down.
    fn adopt_unit(&mut self, role: Role) {
        let Some(systemd) = self.systemd().cloned() else {
            return;
        };
        let unit = self
            .slot(role)
            .0
            .as_mut()
            .and_then(|slot| slot.unit.as_mut());
        if let Some(unit) = unit.filter(|unit| unit.group.is_none())
            && let Some((_, group)) = systemd.find_unit(&unit.name)
        {
            unit.group = group;
        }
    }

    /// Finds a process that was started just before the agent was killed and is not written down.
    fn unrecorded(&self, slot: &Slot) -> Option<ProcessId> {
        let dir = install::release_dir(self.config(), &slot.desired);
        let port = slot.port.map(|port| port.to_string());
        let strays = supervise::strays(&dir, &slot.folder(), &self.all_pids());
        let grouped = slot.holder().map(Group::pids).unwrap_or_default();
        strays
            .into_iter()
            .chain(grouped)
            .filter_map(procfs::stat)
            .filter(|stat| {
                let pid = i64::from(stat.pid);
                stat.session == pid || stat.pgrp == pid
            })
            .filter(|stat| procfs::environ(stat.pid, "PORT").is_ok_and(|found| found == port))
            .min_by_key(|stat| stat.starttime)
            .and_then(|stat| ProcessId::of(stat.pid))
    }

    pub(super) fn observe(&mut self) {
        self.reap();
        self.sweep();
        for role in [Role::Serving, Role::Coming] {
            self.observe_slot(role);
        }
        self.observe_hook();
        self.hurry_drain();
        self.observe_job();
        let steady = millis(self.config().timings.steady);
        let up = self.record.serving.is_some() && self.serving.dead.is_none();
        if up && self.now_ms().saturating_sub(self.serving.born_ms) >= steady {
            self.restarts = 0;
        }
        let busy = self.is_busy();
        for live in [&self.serving, &self.coming] {
            if let Some(checker) = &live.checker {
                checker.hurry(busy);
            }
        }
    }

    /// Collects our own children; the ends they met are read in [`Self::observe_slot`].
    pub(super) fn reap(&mut self) {
        if let Some(child) = &mut self.going.child {
            // Collected or not, `/proc` decides whether it is gone.
            let _ = child.try_wait();
        }
    }

    fn observe_slot(&mut self, role: Role) {
        let (record, live) = self.slot(role);
        let Some(process) = record.as_ref().and_then(|slot| slot.process.clone()) else {
            return;
        };
        let ended = live.child.as_mut().and_then(|child| child.try_wait().ok()?);
        if ended.is_none() && process.is_alive() {
            return;
        }
        let how = match ended {
            Some(status) => format!("ended with {status}"),
            None => self.how_ended(role).unwrap_or_else(|| {
                "ended (how is not known: it was started by an earlier agent)".to_owned()
            }),
        };
        self.note_exit(role, process.pid, how);
    }

    /// Says how a unit's process ended; of others that are no children of ours nobody can.
    fn how_ended(&mut self, role: Role) -> Option<String> {
        let unit = self.slot(role).0.as_ref()?.unit.clone()?;
        Some(self.systemd()?.how_ended(&unit.name))
    }

    fn note_exit(&mut self, role: Role, pid: u32, how: String) {
        tracing::warn!(
            service.name = %self.record.service(),
            process.pid = pid,
            "the process {how}, and nobody asked for it"
        );
        let mut unit = None;
        let (record, live) = self.slot(role);
        if let Some(slot) = record {
            // What it left behind would be in the way of the next.
            supervise::kill_all(&slot_pids(slot), slot.holder());
            slot.process = None;
            unit = slot.unit.take();
        }
        live.child = None;
        live.checker = None;
        self.spent_units.extend(unit);
        self.mark_dead(role, format!("the process {how}"));
        self.record.exits = self.record.exits.saturating_add(1);
        self.look_at_ms = 0;
        if let Err(e) = self.save(&[EventKind::Exited { pid, how }]) {
            tracing::warn!(service.name = %self.record.service(), "{e:#}");
        }
    }

    /// An undo shortens what it waits for.
    fn hurry_drain(&mut self) {
        let (hurried, now_ms) = (self.is_hurried(), self.now_ms());
        if let Some((_, deadline_ms)) = self.going.drain.as_mut().filter(|_| hurried) {
            *deadline_ms = (*deadline_ms).min(now_ms + millis(HURRIED_STOP));
        }
    }

    fn observe_job(&mut self) {
        let now_ms = self.now_ms();
        let bounds = self.config().timings.restart;
        let Some(job) = &mut self.job else {
            return;
        };
        let outcome = job
            .outcome
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match outcome {
            None => {}
            Some(Ok(())) => self.job = None,
            Some(Err(error)) => {
                job.try_at_ms = now_ms
                    + match &error {
                        InstallError::Blocked(_) => BLOCKED_RETRY_MS,
                        InstallError::Retry(_) | InstallError::Refused(_) => {
                            millis(backoff(job.tries, bounds))
                        }
                    };
                job.tries = job.tries.saturating_add(1);
                job.failed = Some(error);
            }
        }
    }

    pub(super) fn view(&self) -> View {
        let goal = self.record.goal();
        let folder = goal.map(|goal| goal.release.folder());
        let service = self.record.service();
        View {
            now_ms: self.now_ms(),
            goal: if goal.is_some() {
                Goal::Run
            } else {
                Goal::Nothing
            },
            installed: self.installed(),
            serving: self.process(Role::Serving, folder.as_deref()),
            coming: self.process(Role::Coming, folder.as_deref()),
            going: self.leaving(),
            overlap: goal.is_some_and(|goal| goal.run.ports.len() >= 2),
            switched: folder == install::current(self.config(), service),
            trial: self.record.is_trial(),
            settled: self.record.outcome != Outcome::Trying,
            pre_start: self.pre_start_gate(),
            post_start: self.post_start_gate(),
        }
    }

    fn installed(&self) -> Installed {
        let Some(goal) = self.record.goal() else {
            return Installed::Yes;
        };
        if install::is_installed(self.config(), goal) {
            return Installed::Yes;
        }
        let folder = goal.release.folder();
        match &self.job {
            None => Installed::No { try_at_ms: 0 },
            Some(job) => match &job.failed {
                None => Installed::Working,
                Some(_) if job.folder != folder => Installed::No { try_at_ms: 0 },
                Some(InstallError::Refused(_)) => Installed::Never,
                Some(_) => Installed::No {
                    try_at_ms: job.try_at_ms,
                },
            },
        }
    }

    fn process(&self, role: Role, folder: Option<&str>) -> Option<reconcile::Process> {
        let (slot, live) = match role {
            Role::Serving => (self.record.serving.as_ref()?, &self.serving),
            Role::Coming => (self.record.coming.as_ref()?, &self.coming),
        };
        let life = match (&live.dead, &slot.process) {
            (Some(Dead { how, restart_at_ms }), _) => Life::Dead {
                how: how.clone(),
                restart_at_ms: *restart_at_ms,
            },
            (None, None) => Life::Unborn,
            (None, Some(_)) => self.alive(slot, live),
        };
        Some(reconcile::Process {
            matches: Some(slot.folder().as_str()) == folder,
            life,
        })
    }

    fn alive(&self, slot: &Slot, live: &Live) -> Life {
        let (Some(health), Some(checker)) = (&slot.desired.health, &live.checker) else {
            let up = self.now_ms().saturating_sub(live.born_ms);
            return Life::Alive {
                healthy: up >= millis(self.config().timings.settle),
                deadline_ms: u64::MAX,
                why: String::new(),
            };
        };
        let seen = checker.health();
        Life::Alive {
            healthy: seen.became_healthy && seen.failed_in_row == 0,
            deadline_ms: live.born_ms + millis(health.deadline),
            why: super::report::never_healthy(health, &seen),
        }
    }

    fn leaving(&self) -> Option<Leaving> {
        let going = self.record.going.as_ref()?;
        Some(Leaving {
            gone: self.going_pids().is_empty(),
            pre_stop: self.pre_stop_gate(going),
            drain: self.drain_gate(going),
            asked: self.going.asked,
            kill_at_ms: self.going.kill_at_ms,
        })
    }

    /// Returns what is left of the process that is being stopped, and of what it started.
    pub(super) fn going_pids(&self) -> Vec<u32> {
        let Some(slot) = &self.record.going else {
            return Vec::new();
        };
        let others = [&self.record.serving, &self.record.coming];
        let mut known: Vec<u32> = others.into_iter().flatten().flat_map(slot_pids).collect();
        let own = slot_pids(slot);
        known.extend(&own);
        let dir = install::release_dir(self.config(), &slot.desired);
        let strays = supervise::strays(&dir, &slot.folder(), &known);
        own.into_iter().chain(strays).collect()
    }

    /// Returns all processes of ours.
    pub(super) fn all_pids(&self) -> Vec<u32> {
        self.record.slots().flat_map(slot_pids).collect()
    }

    /// Looks at all processes; decides when to look again.
    pub(super) fn look(&mut self) {
        self.look_at_ms = self.now_ms() + millis(self.next_look());
        let releases = self.config().releases_dir(self.record.service());
        self.seen = Vec::new();
        let serving = self.record.serving.clone();
        let leader = serving.as_ref().and_then(|slot| slot.process.as_ref());
        for pid in serving.as_ref().map(slot_pids).unwrap_or_default() {
            if let Some(seen) = prove::see(pid, &releases, &mut self.cache) {
                let leads = leader.is_some_and(|leader| leader.pid == pid);
                self.seen.push((seen, leads));
            }
        }
        self.finding = self.compare();
        let wanted = serving.as_ref().map(Slot::folder);
        let mut known = self.all_pids();
        known.extend(self.going_pids());
        let hook = self.running_hook();
        let of_hook = hook.map(|run| (self.hook_key(run), run.group.as_ref()));
        let is_hooks = |pid| {
            let of_hook = of_hook.as_ref();
            of_hook.is_some_and(|(key, group)| supervise::is_of_hook(pid, key, *group))
        };
        let found = prove::foreigner(&releases, wanted.as_deref(), &known, is_hooks);
        // A process on its way to become the hook, or on its way out, does not show its key: while a hook
        // runs, only one that is there at two looks is foreign.
        let is_foreign = hook.is_none() || found == self.suspect;
        self.foreigner = found.clone().filter(|_| is_foreign);
        self.suspect = found;
        let log = self.config().service_dir(self.record.service()).join("log");
        if let Err(e) = supervise::rotate(&log) {
            tracing::warn!(service.name = %self.record.service(), "cannot cut its log: {e}");
        }
    }

    /// Returns how long what was seen may stand. A process that was just started may still be the
    /// helper that becomes it.
    fn next_look(&self) -> Duration {
        let timings = &self.config().timings;
        let up_ms = self.now_ms().saturating_sub(self.serving.born_ms);
        if self.record.serving.is_some() && up_ms < millis(YOUNG) {
            return timings.quiet;
        }
        timings.watch.mul_f64(0.8 + 0.4 * random_share())
    }

    fn compare(&self) -> Finding {
        let Some(goal) = self.record.goal() else {
            return Finding::Agrees;
        };
        if !self.seen.iter().any(|(_, leader)| *leader) {
            return Finding::Disagrees("no process of the release runs".to_owned());
        }
        self.seen
            .iter()
            .map(|(seen, leader)| prove::compare(seen, goal, *leader))
            .find(|finding| *finding != Finding::Agrees)
            .unwrap_or(Finding::Agrees)
    }
}

fn slot_pids(slot: &Slot) -> Vec<u32> {
    supervise::all_of(slot.process.as_ref(), slot.holder())
}
