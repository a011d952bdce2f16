//! One service on one host: its processes, and what the agent would say about them.

use std::collections::BTreeSet;
use std::time::Duration;

use model::deliver::{Desired, DesiredState, Process, Proof, Reported};
use model::observe::{Sample, Series};
use model::{Digest, Labels, Timestamp, Version};
use runtime::Random;

use super::customers::{BOUNDS_S, Counters, Served};
use super::{Behaviour, Traffic, Trouble};

/// From the start of a process to the third good answer.
const HEALTHY_AFTER: Duration = Duration::from_secs(1);
/// Before the first process was started.
const FIRST_PID: u32 = 1_000;
/// From an exit to the next start.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The share of requests that fail where something is missing that was put there by hand.
const UNMENDED: f64 = 0.05;
/// Where a release says nothing.
const DEADLINE: Duration = Duration::from_secs(10);

/// Is a service as its agent keeps it.
pub(super) struct Service {
    wish: Desired,
    stage: Stage,
    serving: Option<Slot>,
    coming: Option<Slot>,
    /// Of a router, which runs nothing: where it sends everything.
    routes: Option<model::deliver::Slot>,
    /// What was fetched, by folder.
    disk: BTreeSet<String>,
    /// What was proved here once; going back to it is never given up.
    good: BTreeSet<String>,
    exits: u32,
    failed_checks: u32,
    pids: u32,
    is_silent: bool,
    told: (Proof, String, Timestamp),
}

/// Is how far the newest order is.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Fetching,
    Starting,
    Settled,
    /// Its hook did not end, and it waits for another order.
    Uncertain,
    /// It went back to what ran before.
    Reverted {
        why: String,
    },
}

/// Is one process.
struct Slot {
    desired: Desired,
    pid: u32,
    started_at: Timestamp,
    counters: Counters,
    counted_until: Timestamp,
    /// What the bounds of its histogram are multiplied by.
    bounds_times: f64,
    /// After an exit: when it is started again.
    dead_until: Option<Timestamp>,
}

impl Service {
    pub(super) fn new(wish: Desired, now: Timestamp) -> Self {
        Self {
            wish,
            stage: Stage::Fetching,
            serving: None,
            coming: None,
            routes: None,
            disk: BTreeSet::new(),
            good: BTreeSet::new(),
            exits: 0,
            failed_checks: 0,
            pids: FIRST_PID,
            is_silent: false,
            told: (Proof::Pending, String::new(), now),
        }
    }

    /// Returns a service as it is after a boot from a disk that knew `wish` as its newest order.
    pub(super) fn rebooted(wish: Desired, now: Timestamp) -> Self {
        let mut service = Self::new(wish.clone(), now);
        service.disk.insert(wish.release.folder());
        service.good.insert(wish.release.folder());
        service.serving = Some(service.slot(wish, now));
        service.pids += 1;
        service.stage = Stage::Settled;
        service
    }

    pub(super) fn wish(&self) -> &Desired {
        &self.wish
    }

    pub(super) fn routes(&self) -> Option<model::deliver::Slot> {
        self.routes
    }

    pub(super) fn running(&self) -> Option<&Version> {
        self.alive().map(|slot| &slot.desired.release.version)
    }

    /// Returns how many processes were started.
    pub(super) fn started(&self) -> usize {
        usize::try_from(self.pids - FIRST_PID).unwrap_or(0)
    }

    /// Returns the folder of what runs.
    pub(super) fn folder(&self) -> Option<String> {
        self.alive().map(|slot| slot.desired.release.folder())
    }

    pub(super) fn order(&mut self, wish: Desired) {
        self.wish = wish;
        self.coming = None;
        (self.exits, self.failed_checks) = (0, 0);
        self.stage = Stage::Fetching;
    }

    /// Has recorded that many orders more, of the same release.
    pub(super) fn saw_more(&mut self, orders: u64) {
        self.wish.generation += orders;
        if let Some(slot) = &mut self.serving {
            slot.desired.generation = self.wish.generation;
        }
    }

    pub(super) fn fetches(&self, trouble: &Trouble) -> Option<Digest> {
        let missing = self.stage == Stage::Fetching
            && self.wish.slot.is_none()
            && self.wish.state == DesiredState::Running
            && !trouble.has_full_disk
            && !self.is_on_disk();
        missing.then_some(self.wish.release.digest)
    }

    pub(super) fn fetched(&mut self) {
        self.disk.insert(self.wish.release.folder());
    }

    /// Lets customers come to the serving process; `mended` is the one folder from which it works here.
    pub(super) fn serve(
        &mut self,
        of: &impl Fn(&Version) -> Behaviour,
        (traffic, mended): (&Traffic, Option<&str>),
        random: &Random,
        now: Timestamp,
    ) {
        let Some(slot) = self
            .serving
            .as_mut()
            .filter(|slot| slot.dead_until.is_none())
        else {
            return;
        };
        let behaviour = of(&slot.desired.release.version);
        let span = now.since(slot.counted_until);
        slot.counted_until = now;
        self.is_silent = behaviour.shows_no_metrics;
        slot.bounds_times = behaviour.bounds_times.unwrap_or(1.0);
        let is_broken = mended.is_some_and(|folder| folder != slot.desired.release.folder());
        let served = Served {
            failing: match behaviour.good_for {
                _ if is_broken => UNMENDED,
                Some(good_for) if now < slot.started_at + good_for => traffic.failing,
                Some(_) | None => behaviour.failing.unwrap_or(traffic.failing),
            },
            slower: behaviour.slower.unwrap_or(1.0),
            earning: behaviour.earning.unwrap_or(1.0),
        };
        slot.counters
            .serve(traffic.per_second, served, span, random);
    }

    /// Takes what steps are possible now.
    pub(super) fn act(
        &mut self,
        of: &impl Fn(&Version) -> Behaviour,
        trouble: &Trouble,
        now: Timestamp,
    ) {
        self.crash(of, now);
        match self.stage {
            Stage::Fetching => self.fetch(trouble, now),
            Stage::Starting => self.start(of, trouble, now),
            Stage::Settled | Stage::Uncertain | Stage::Reverted { .. } => {}
        }
        let (proof, why) = self.proof(trouble);
        if (proof, why.as_str()) != (self.told.0, self.told.1.as_str()) {
            let since = if proof == self.told.0 {
                self.told.2
            } else {
                now
            };
            self.told = (proof, why, since);
        }
    }

    /// Tells whether it waits for a person.
    pub(super) fn is_uncertain(&self) -> bool {
        self.stage == Stage::Uncertain
    }

    fn fetch(&mut self, trouble: &Trouble, now: Timestamp) {
        if self.wish.state == DesiredState::Stopped || self.wish.slot.is_some() {
            self.serving = None;
            self.routes = self.wish.slot;
            self.stage = Stage::Settled;
        } else if self.serves_wish() {
            let wish = self.wish.clone();
            if let Some(slot) = &mut self.serving {
                slot.desired = wish;
            }
            self.stage = Stage::Settled;
        } else if self.is_on_disk() && trouble.cuts_a_hook_short {
            self.stage = Stage::Uncertain;
        } else if self.is_on_disk() {
            self.coming = Some(self.slot(self.wish.clone(), now));
            self.pids += 1;
            self.stage = Stage::Starting;
        }
    }

    fn start(&mut self, of: &impl Fn(&Version) -> Behaviour, trouble: &Trouble, now: Timestamp) {
        let Some(started_at) = self.coming.as_ref().map(|slot| slot.started_at) else {
            return;
        };
        let is_trial = !self.good.contains(&self.wish.release.folder());
        let hangs = is_trial && (of(&self.wish.release.version).never_healthy || trouble.reverts);
        let deadline = self.wish.health.as_ref().map_or(DEADLINE, |h| h.deadline);
        if hangs && now >= started_at + deadline {
            self.coming = None;
            let limit = model::time::short(deadline);
            let why = format!("healthz never answered within {limit} (connection refused)");
            self.stage = Stage::Reverted { why };
        } else if !hangs && now >= started_at + HEALTHY_AFTER + trouble.is_late_by {
            self.serving = self.coming.take().map(|mut slot| {
                slot.counted_until = now;
                slot
            });
            self.good.insert(self.wish.release.folder());
            self.stage = Stage::Settled;
        }
    }

    /// Ends a process whose release exits, and starts it again after the back-off.
    fn crash(&mut self, of: &impl Fn(&Version) -> Behaviour, now: Timestamp) {
        let Some(slot) = &mut self.serving else {
            return;
        };
        if slot.dead_until.is_some_and(|until| now >= until) {
            self.pids += 1;
            *slot = Slot::new(slot.desired.clone(), self.pids, now);
        }
        let exits_after = of(&slot.desired.release.version).exits_after;
        let ends = exits_after.is_some_and(|after| now >= slot.started_at + after);
        if ends && slot.dead_until.is_none() {
            slot.dead_until = Some(now + BACK_OFF);
            self.exits += u32::from(slot.desired.generation == self.wish.generation);
        }
    }

    pub(super) fn reported(&self, trouble: &Trouble) -> Reported {
        let alive = self.alive();
        let stopped = self.wish.state == DesiredState::Stopped && self.stage == Stage::Settled;
        let (proof, why, since) = self.told.clone();
        Reported {
            service: self.wish.service.clone(),
            generation_seen: self.wish.generation,
            generation_applied: match alive {
                Some(slot) => slot.desired.generation,
                None if stopped || self.is_routed() => self.wish.generation,
                None => 0,
            },
            symlink_release: alive.map(|slot| slot.desired.release.number),
            processes: self.processes(trouble),
            observed: None,
            redeploy: alive.and_then(|slot| slot.desired.release.redeploy),
            slot: self.routes,
            port: alive.map(|_| 8101),
            healthy: alive.map(|_| true),
            proof,
            why,
            since,
            started_at: alive.map(|slot| slot.started_at),
            unexpected_exits: self.exits,
            failed_checks: self.failed_checks,
        }
    }

    pub(super) fn samples(&self, now: Timestamp) -> Vec<Series> {
        let Some(slot) = self.alive() else {
            return vec![];
        };
        let Counters { ok, failed, .. } = slot.counters;
        let up = if self.is_silent { 0.0 } else { 1.0 };
        let mut all = vec![("up", None, up)];
        // A scrape that is not answered shows only that.
        if !self.is_silent {
            all.push(("pay_total", Some(("result", "ok".to_owned())), ok));
            all.push(("pay_total", Some(("result", "failed".to_owned())), failed));
            all.push(("pay_amount_sum", None, slot.counters.worth));
            all.push(("pay_amount_count", None, slot.counters.paid));
            let bounds = BOUNDS_S.iter().map(|s| (s * slot.bounds_times).to_string());
            let bounds = bounds.chain(["+Inf".to_owned()]);
            all.extend(
                bounds
                    .zip(slot.counters.buckets())
                    .map(|(le, n)| ("pay_duration_seconds_bucket", Some(("le", le)), n)),
            );
        }
        all.into_iter()
            .filter_map(|(name, label, value)| slot.series(name, label, value, now))
            .collect()
    }

    fn processes(&self, trouble: &Trouble) -> Vec<Process> {
        let foreign = trouble.runs_something_else.then(|| Process {
            pid: 4_711,
            starttime: 4_711,
            exe_sha256: Some(Digest::of(b"something else")),
            exe_deleted: false,
            release_from_exe: None,
            release_from_cwd: None,
            release_from_env: None,
        });
        self.alive()
            .map(Slot::process)
            .into_iter()
            .chain(foreign)
            .collect()
    }

    /// Returns the agent's word, and what stands in the way.
    fn proof(&self, trouble: &Trouble) -> (Proof, String) {
        if trouble.runs_something_else {
            return (Proof::Drifted, "pid 4711 runs none of our releases".into());
        }
        let version = &self.wish.release.version;
        match &self.stage {
            Stage::Reverted { why } => (Proof::Reverted, why.clone()),
            Stage::Uncertain => (Proof::Blocked, "hook uncertain: pre_start".into()),
            Stage::Fetching if trouble.has_full_disk && !self.is_on_disk() => (
                Proof::Blocked,
                "the disk is full: 12 MB free, 310 MB needed".into(),
            ),
            Stage::Fetching => (Proof::Pending, format!("fetching {version}")),
            Stage::Starting => (
                Proof::Pending,
                format!("waiting for {version} to be healthy: connection refused"),
            ),
            Stage::Settled if self.wish.state == DesiredState::Stopped => {
                (Proof::Stopped, String::new())
            }
            Stage::Settled if self.is_routed() => (Proof::Converged, String::new()),
            Stage::Settled if self.alive().is_none() => (
                Proof::Pending,
                "exited with status 1; it is started again".into(),
            ),
            Stage::Settled => (Proof::Converged, String::new()),
        }
    }

    /// Tells whether it is a router that does as it was asked.
    fn is_routed(&self) -> bool {
        self.routes.is_some() && self.routes == self.wish.slot
    }

    fn alive(&self) -> Option<&Slot> {
        self.serving
            .as_ref()
            .filter(|slot| slot.dead_until.is_none())
    }

    fn serves_wish(&self) -> bool {
        let folder = self.wish.release.folder();
        self.serving
            .as_ref()
            .is_some_and(|slot| slot.desired.release.folder() == folder)
    }

    fn is_on_disk(&self) -> bool {
        self.serves_wish() || self.disk.contains(&self.wish.release.folder())
    }

    fn slot(&self, desired: Desired, now: Timestamp) -> Slot {
        Slot::new(desired, self.pids + 1, now)
    }
}

impl Slot {
    fn new(desired: Desired, pid: u32, now: Timestamp) -> Self {
        Self {
            desired,
            pid,
            started_at: now,
            counters: Counters::default(),
            counted_until: now,
            bounds_times: 1.0,
            dead_until: None,
        }
    }

    fn process(&self) -> Process {
        let folder = self.desired.release.folder();
        Process {
            pid: self.pid,
            starttime: u64::from(self.pid),
            exe_sha256: Some(self.desired.release.digest),
            exe_deleted: false,
            release_from_exe: Some(folder.clone()),
            release_from_cwd: Some(folder.clone()),
            release_from_env: Some(folder),
        }
    }

    /// Makes one series of one sample, labelled as the agent labels it.
    fn series(
        &self,
        name: &str,
        label: Option<(&str, String)>,
        value: f64,
        at: Timestamp,
    ) -> Option<Series> {
        let desired = &self.desired;
        let mut labels = Labels::new([
            ("__name__", name),
            ("service", desired.service.as_str()),
            ("environment", desired.environment.as_str()),
            ("release", desired.release.version.as_str()),
            ("ring", desired.ring.as_str()),
        ])
        .ok()?;
        if let Some((label, of)) = label {
            labels.insert(label, of.as_str()).ok()?;
        }
        let samples = vec![Sample { at, value }];
        Some(Series { labels, samples })
    }
}
