//! Runs hooks: the intent is written before, the end after, and what a hook started ends with it.

use std::fs::File;
use std::process::Child;

use anyhow::Context;
use model::api::agent::{EventKind, StepPhase};
use model::deliver::Desired;
use model::time;

use super::act::{HURRIED_STOP, environment, fill_all, title};
use super::{Outcome, Worker, millis};
use crate::cgroup::Group;
use crate::hook::{self, HookName, HookRun, HookState};
use crate::install::{self, step_event};
use crate::ports::next_port;
use crate::procfs::{self, ProcessId};
use crate::reconcile::Gate;
use crate::record::Slot;
use crate::supervise::{self, Launch};

/// How long what a hook left behind may withstand being killed; then it is left to people.
const LEFT_BEHIND_MS: u64 = 5_000;

/// Is what is known of a running hook only while the agent lives.
#[derive(Default)]
pub(super) struct LiveHook {
    /// Ours to collect, when we started it.
    child: Option<Child>,
    /// How it ended, and when what it left behind is given up.
    end: Option<(HookState, u64)>,
}

impl Worker {
    pub(super) fn pre_start_gate(&self) -> Gate {
        // It prepared this release when it was brought here, and the bad one is waited for by nobody.
        if matches!(self.record.outcome, Outcome::Reverted { .. }) {
            return Gate::Open;
        }
        let Some(goal) = self.record.goal() else {
            return Gate::Open;
        };
        let (generation, folder) = (self.record.wish.generation, goal.release.folder());
        self.gate(HookName::PreStart, goal, |run| {
            run.generation == generation && run.release == folder
        })
    }

    pub(super) fn post_start_gate(&self) -> Gate {
        match self.newest() {
            // Started by an agent that knew no hooks.
            None | Some(Slot { started_for: 0, .. }) => Gate::Open,
            Some(slot) => self.gate(HookName::PostStart, &slot.desired, |run| run.is_of(slot)),
        }
    }

    pub(super) fn pre_stop_gate(&self, going: &Slot) -> Gate {
        self.gate(HookName::PreStop, &going.desired, |run| run.is_of(going))
    }

    fn gate(&self, hook: HookName, desired: &Desired, is_it: impl Fn(&HookRun) -> bool) -> Gate {
        if hook.of(&desired.run.hooks).is_none() {
            return Gate::Open;
        }
        let mut runs = self.record.hooks.iter();
        match runs.find(|run| run.hook == hook && is_it(run)) {
            Some(run) => run.gate(),
            // One at a time: what is obsolete is being ended.
            None if self.running_hook().is_some() => Gate::Running,
            None => Gate::Due,
        }
    }

    /// Returns the newest process that is to stay.
    fn newest(&self) -> Option<&Slot> {
        self.record.coming.as_ref().or(self.record.serving.as_ref())
    }

    pub(super) fn running_hook(&self) -> Option<&HookRun> {
        self.record.hooks.iter().find(|run| run.is_running())
    }

    /// Says that a release waits for a person because nobody knows how its hook ended.
    pub(super) fn uncertain_hook(&self) -> Option<String> {
        let gates = [
            (HookName::PreStart, self.pre_start_gate()),
            (HookName::PostStart, self.post_start_gate()),
        ];
        let (hook, _) = gates
            .into_iter()
            .find(|(_, gate)| *gate == Gate::Uncertain)?;
        self.record.is_trial().then(|| {
            format!(
                "hook uncertain: nobody saw how {hook} ended, and it may not run twice; look at what it did, then ship again or undo"
            )
        })
    }

    pub(super) fn begin_hook(&mut self, name: HookName) -> anyhow::Result<()> {
        let slot = self.hook_slot(name)?;
        let hook = name.of(&slot.desired.run.hooks).cloned();
        let hook = hook.context("a hook that is not there")?;
        let limit = match name {
            HookName::PreStop if self.is_hurried() => hook.timeout.min(HURRIED_STOP),
            _ => hook.timeout,
        };
        let deadline_ms = self.now_ms() + millis(limit);
        let run = HookRun {
            hook: name,
            generation: match name {
                HookName::PostStart => slot.started_for,
                HookName::PreStart | HookName::PreStop => self.record.wish.generation,
            },
            release: slot.folder(),
            idempotent: hook.idempotent,
            group: self
                .shared
                .groups
                .make(&format!("{}-{name}", self.record.service())),
            state: HookState::Begun {
                process: None,
                deadline_ms,
            },
        };
        let key = self.hook_key(&run);
        let group = run.group.clone();
        self.record.hooks.push(run);
        self.hook = LiveHook::default();
        let intent = step_event(&name.to_string(), StepPhase::Intent, &key);
        if let Err(e) = self.save(&[intent]) {
            let run = self.record.hooks.pop(); // not written down means not begun
            self.spent.extend(run.and_then(|run| run.group));
            return Err(e);
        }
        match self.spawn_hook(name, &slot, &hook.run, key, group.as_ref()) {
            Ok(child) => {
                let process = ProcessId::of(child.id());
                self.hook.child = Some(child);
                self.set_hook(HookState::Begun {
                    process,
                    deadline_ms,
                });
                self.save(&[])
            }
            Err(e) => {
                let program = hook.run.first().map_or("", String::as_str);
                let why = format!("{name} hook: cannot start `{program}`: {e}");
                self.end_hook(HookState::Failed { why })
            }
        }
    }

    /// Returns the process a hook belongs to; before the start, the one that will be.
    fn hook_slot(&mut self, name: HookName) -> anyhow::Result<Slot> {
        let slot = match name {
            HookName::PreStart => {
                let goal = self.record.goal().cloned();
                let goal = goal.context("a hook of nothing")?;
                let serving = self.record.serving.as_ref().and_then(|slot| slot.port);
                return Ok(Slot {
                    port: next_port(&self.ports(&goal)?, serving),
                    desired: goal,
                    process: None,
                    group: None,
                    unit: None,
                    started_at: None,
                    started_for: self.record.wish.generation,
                });
            }
            HookName::PostStart => self.newest().cloned(),
            HookName::PreStop => self.record.going.clone(),
        };
        slot.context("a hook without its process")
    }

    fn spawn_hook(
        &self,
        name: HookName,
        slot: &Slot,
        command: &[String],
        key: String,
        group: Option<&Group>,
    ) -> std::io::Result<Child> {
        let folder = slot.folder();
        let log = self.hook_log();
        File::create(&log)?; // each run's output by itself
        let mut env = environment(slot);
        env.extend([
            (supervise::HOOK_KEY.to_owned(), key),
            ("SLEEPWELL_HOOK".to_owned(), name.to_string()),
        ]);
        if let Some(process) = &slot.process {
            env.push(("SLEEPWELL_PID".to_owned(), process.pid.to_string()));
        }
        supervise::spawn(&Launch {
            title: format!("{name} of {}", title(slot)),
            exec: fill_all(command, slot.port, &folder),
            env,
            dir: &install::release_dir(self.config(), &slot.desired),
            log: &log,
            helper: &self.config().exec_helper,
            group,
        })
    }

    fn hook_log(&self) -> std::path::PathBuf {
        let service = self.record.service();
        self.config().service_dir(service).join("hook.log")
    }

    /// Names one run of a hook for good: a repeat after a crash has the same key.
    pub(super) fn hook_key(&self, run: &HookRun) -> String {
        let service = self.record.service();
        let (agent, generation, release) = (self.shared.agent, run.generation, &run.release);
        format!("{agent}/{service}/{generation}/{release}/{}", run.hook)
    }

    /// Returns the processes of the running hook.
    pub(super) fn hook_pids(&self) -> Vec<u32> {
        let Some(run) = self.running_hook() else {
            return Vec::new();
        };
        supervise::of_hook(&self.hook_key(run), run.process(), run.group.as_ref())
    }

    pub(super) fn kill_hook(&self) {
        let group = self.running_hook().and_then(|run| run.group.as_ref());
        supervise::kill_all(&self.hook_pids(), group);
    }

    /// Finds a hook of a former life of the agent again, or what became of it.
    pub(super) fn adopt_hook(&mut self) {
        let Some(run) = self.running_hook() else {
            return;
        };
        let process = run.process();
        let rebooted = process.is_some_and(|process| process.boot_id != procfs::boot_id());
        if !rebooted && !self.hook_pids().is_empty() {
            return;
        }
        self.lose_hook();
    }

    /// It ended and nobody saw how: it is run again where that does no harm.
    fn lose_hook(&mut self) {
        let Some(run) = self.running_hook() else {
            return;
        };
        let name = run.hook;
        let ended = if run.idempotent {
            self.spend_hook_group();
            self.record.hooks.retain(|run| !run.is_running());
            self.save(&[EventKind::Log {
                text: format!("{name} hook: nobody saw how it ended; it is run again"),
            }])
        } else {
            self.end_hook(HookState::Uncertain)
        };
        if let Err(e) = ended {
            tracing::warn!(service.name = %self.record.service(), "{e:#}");
        }
    }

    /// Looks at the running hook; ends it when its time is up or nobody wants it any more.
    pub(super) fn observe_hook(&mut self) {
        let Some(run) = self.running_hook().cloned() else {
            return;
        };
        let now_ms = self.now_ms();
        if let Some((end, given_up_ms)) = self.hook.end.clone() {
            self.kill_hook();
            if self.hook_pids().is_empty() || now_ms >= given_up_ms {
                self.finish_hook(end);
            }
            return;
        }
        if let Err(e) = supervise::rotate(&self.hook_log()) {
            tracing::debug!(service.name = %self.record.service(), "hook.log: {e}");
        }
        let end = match self.collect_hook() {
            Some(status) if status.success() => Some(HookState::Done),
            Some(status) => Some(self.failed_hook(run.hook, &format!("ended with {status}"))),
            None if self.hook.child.is_none() && self.hook_pids().is_empty() => {
                return self.lose_hook();
            }
            None if !self.is_wanted(&run) => {
                Some(self.failed_hook(run.hook, "was ended: it is wanted no longer"))
            }
            None => self.late_hook(&run, now_ms),
        };
        if let Some(end) = end {
            self.kill_hook();
            self.hook.end = Some((end, now_ms + LEFT_BEHIND_MS));
        }
    }

    fn collect_hook(&mut self) -> Option<std::process::ExitStatus> {
        self.hook.child.as_mut()?.try_wait().ok()?
    }

    /// Tells whether a running hook still serves what is wanted.
    fn is_wanted(&self, run: &HookRun) -> bool {
        let goal = self.record.goal().map(|goal| goal.release.folder());
        match run.hook {
            HookName::PreStart => {
                run.generation == self.record.wish.generation && goal.as_ref() == Some(&run.release)
            }
            HookName::PostStart => self.newest().is_some_and(|slot| {
                run.is_of(slot) && slot.process.is_some() && goal.as_ref() == Some(&run.release)
            }),
            HookName::PreStop => self
                .record
                .going
                .as_ref()
                .is_some_and(|slot| run.is_of(slot)),
        }
    }

    /// Returns how a hook ends whose time is up. An undo shortens the time of what it waits for.
    fn late_hook(&mut self, run: &HookRun, now_ms: u64) -> Option<HookState> {
        let HookState::Begun {
            process,
            deadline_ms,
        } = &run.state
        else {
            return None;
        };
        let mut deadline_ms = *deadline_ms;
        if run.hook == HookName::PreStop && self.is_hurried() {
            deadline_ms = deadline_ms.min(now_ms + millis(HURRIED_STOP));
            self.set_hook(HookState::Begun {
                process: process.clone(),
                deadline_ms,
            });
        }
        (now_ms >= deadline_ms)
            .then(|| self.failed_hook(run.hook, &format!("was killed: {}", self.limit_of(run))))
    }

    fn limit_of(&self, run: &HookRun) -> String {
        let desired = self.record.slots().map(|slot| &slot.desired);
        let mut all = desired.chain([&self.record.wish]).chain(&self.record.good);
        let hook = all
            .find(|desired| desired.release.folder() == run.release)
            .and_then(|desired| run.hook.of(&desired.run.hooks));
        match hook.map(|hook| hook.timeout) {
            Some(timeout) if run.hook != HookName::PreStop || !self.is_hurried() => {
                format!("it did not end within {}", time::short(timeout))
            }
            _ => "its time was up".to_owned(),
        }
    }

    fn failed_hook(&self, name: HookName, how: &str) -> HookState {
        let said = hook::tail(&self.hook_log()).unwrap_or_default();
        let why = match said.as_str() {
            "" => format!("{name} hook {how}"),
            said => format!("{name} hook {how}: {said}"),
        };
        HookState::Failed { why }
    }

    fn finish_hook(&mut self, mut end: HookState) {
        let left = self.hook_pids();
        if let (HookState::Done, [pid, ..]) = (&end, left.as_slice()) {
            let why = format!("pid {pid}, which it started, cannot be ended");
            tracing::warn!(service.name = %self.record.service(), "a hook is done, and {why}");
        }
        if let (HookState::Failed { why }, [pid, ..]) = (&mut end, left.as_slice()) {
            *why = format!("{why}; pid {pid}, which it started, cannot be ended");
        }
        if let Err(e) = self.end_hook(end) {
            tracing::warn!(service.name = %self.record.service(), "{e:#}");
        }
    }

    /// Writes how the running hook ended.
    fn end_hook(&mut self, end: HookState) -> anyhow::Result<()> {
        let Some(run) = self.running_hook() else {
            return Ok(());
        };
        let name = run.hook.to_string();
        let event = match &end {
            HookState::Done => step_event(&name, StepPhase::Done, ""),
            HookState::Failed { why } => step_event(&name, StepPhase::Failed, why),
            HookState::Begun { .. } | HookState::Uncertain => {
                step_event(&name, StepPhase::Failed, "nobody saw how it ended")
            }
        };
        self.spend_hook_group();
        self.set_hook(end);
        self.hook = LiveHook::default();
        self.save(&[event])
    }

    fn spend_hook_group(&mut self) {
        let mut runs = self.record.hooks.iter_mut();
        let run = runs.find(|run| run.is_running());
        self.spent.extend(run.and_then(|run| run.group.take()));
    }

    fn set_hook(&mut self, state: HookState) {
        let mut runs = self.record.hooks.iter_mut();
        if let Some(run) = runs.find(|run| run.is_running()) {
            run.state = state;
        }
    }

    /// Tells whether what has to go is waited for only briefly.
    pub(super) fn is_hurried(&self) -> bool {
        self.record.wish.priority == model::deliver::Priority::Rollback
            || matches!(
                self.record.outcome,
                Outcome::Reverted { .. } | Outcome::Failed { .. }
            )
    }
}
