//! What the agent writes down about one service, so that it can be killed between any two steps.

use model::deliver::desired::content_of;
use model::deliver::{Desired, Priority, Proof};
use model::{ServiceName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cgroup::Group;
use crate::hook::HookRun;
use crate::procfs::ProcessId;
use crate::systemd::Unit;

/// So many release folders are remembered; a release asks for fewer to be kept.
const KEPT: usize = 128;

/// Is everything durable about one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The newest wish that was taken.
    pub(crate) wish: Desired,
    pub(crate) outcome: Outcome,
    /// The last release that was proved and healthy, to which a failing one goes back.
    pub(crate) good: Option<Desired>,
    /// The process that should take traffic.
    pub(crate) serving: Option<Slot>,
    /// The new one beside it, while two overlap.
    pub(crate) coming: Option<Slot>,
    /// One that is being stopped.
    pub(crate) going: Option<Slot>,
    /// Chosen once, when the agent chooses ports itself.
    pub(crate) free_ports: Vec<u16>,
    /// Exits nobody asked for since the wish was taken.
    pub(crate) exits: u32,
    pub(crate) failed_checks: u32,
    /// Release folders, the one used last at the end.
    pub(crate) history: Vec<String>,
    /// What hooks were begun, and how they ended. Only what may still decide something is kept.
    #[serde(default)]
    pub(crate) hooks: Vec<HookRun>,
    pub(crate) proof: Proof,
    pub(crate) proof_since: Timestamp,
}

/// Is what became of the newest wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub(crate) enum Outcome {
    Trying,
    /// It runs, is healthy and was proved once.
    Settled,
    /// It failed, and the last good release was put back. Once per generation.
    Reverted {
        why: String,
    },
    /// It failed and there was nothing to go back to.
    Failed {
        why: String,
    },
}

/// Is one process, or the intent to have one: without a `process` it was not started, or the agent was
/// killed before it could write it down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) desired: Desired,
    pub(crate) port: Option<u16>,
    pub(crate) process: Option<ProcessId>,
    /// The control group it is started in, where the host has them; no other process of ours is.
    #[serde(default)]
    pub(crate) group: Option<Group>,
    /// The unit it is started as, where systemd runs it.
    #[serde(default)]
    pub(crate) unit: Option<Unit>,
    pub(crate) started_at: Option<Timestamp>,
    /// The generation under which it was decided on, which names its `post_start` hook. A release that
    /// is gone back to has an older one of its own.
    #[serde(default)]
    pub(crate) started_for: u64,
}

impl Slot {
    pub(crate) fn folder(&self) -> String {
        self.desired.release.folder()
    }

    /// Returns the control group that holds it, whoever made it.
    pub(crate) fn holder(&self) -> Option<&Group> {
        let of_unit = self.unit.as_ref().and_then(|unit| unit.group.as_ref());
        self.group.as_ref().or(of_unit)
    }
}

/// Tells whether `wish` is the one that was recorded, but for the redeploy that only it names.
pub(crate) fn adds_redeploy(recorded: &Desired, wish: &Desired) -> bool {
    recorded.generation == wish.generation
        && recorded.state == wish.state
        && recorded.release.number == wish.release.number
        && recorded.release.redeploy.is_none()
        && wish.release.redeploy.is_some()
}

impl Record {
    pub(crate) fn new(wish: Desired, now: Timestamp) -> Self {
        Self {
            wish,
            outcome: Outcome::Trying,
            good: None,
            serving: None,
            coming: None,
            going: None,
            free_ports: Vec::new(),
            exits: 0,
            failed_checks: 0,
            history: Vec::new(),
            hooks: Vec::new(),
            proof: Proof::Pending,
            proof_since: now,
        }
    }

    pub(crate) fn service(&self) -> &ServiceName {
        &self.wish.service
    }

    /// Tells whether `wish` is newer than the one that was taken. One of the same number is when only it names a
    /// redeploy: an older agent took it, and did not know the word.
    pub(crate) fn is_overtaken_by(&self, wish: &Desired) -> bool {
        wish.generation > self.wish.generation || adds_redeploy(&self.wish, wish)
    }

    /// Takes a newer wish. What was learned about the older one is kept only as the last good release.
    pub(crate) fn take(&mut self, wish: Desired) {
        self.wish = wish;
        self.outcome = Outcome::Trying;
        self.exits = 0;
        self.failed_checks = 0;
        let mut hooks = std::mem::take(&mut self.hooks);
        hooks.retain(|hook| hook.is_running() || self.slots().any(|slot| hook.is_of(slot)));
        self.hooks = hooks;
    }

    /// Returns what should run: the wish, or after a failure the last good release, or nothing. A router runs
    /// nothing itself, and only an adapter can turn it.
    pub(crate) fn goal(&self) -> Option<&Desired> {
        use model::deliver::DesiredState::{Running, Stopped};
        match (&self.outcome, self.wish.state) {
            _ if self.wish.slot.is_some() => None,
            (Outcome::Reverted { .. }, _) => self.good.as_ref(),
            (Outcome::Failed { .. }, _) | (_, Stopped) => None,
            (Outcome::Trying | Outcome::Settled, Running) => Some(&self.wish),
        }
    }

    /// Tells whether a failure of the goal ends it: a release that was never proved good. An undo is
    /// never given up for the release it undoes, and what was good once is restarted instead.
    pub(crate) fn is_trial(&self) -> bool {
        let proved = |good: &Desired| good.release.folder() == self.wish.release.folder();
        self.outcome == Outcome::Trying
            && !(self.wish.priority == Priority::Rollback && self.good.is_some())
            && !self.good.as_ref().is_some_and(proved)
    }

    /// Returns the good release a failing one goes back to.
    pub(crate) fn way_back(&self) -> Option<&Desired> {
        let wanted = self.wish.release.folder();
        self.good
            .as_ref()
            .filter(|good| good.release.folder() != wanted)
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        [&self.serving, &self.coming, &self.going]
            .into_iter()
            .flatten()
    }

    /// Returns the control groups the agent made that are in use.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        let hooks = self.hooks.iter().filter_map(|run| run.group.as_ref());
        self.slots()
            .filter_map(|slot| slot.group.as_ref())
            .chain(hooks)
    }

    /// Returns the folders that must stay: in use, good, wished for, and the last `keep` beside them.
    pub(crate) fn kept_folders(&self) -> Vec<String> {
        let mut keep: Vec<String> = self.slots().map(Slot::folder).collect();
        keep.push(self.wish.release.folder());
        keep.extend(self.good.as_ref().map(|good| good.release.folder()));
        let wanted = usize::try_from(self.wish.keep).unwrap_or(usize::MAX);
        let mut others: Vec<String> = Vec::new();
        for name in self.history.iter().rev().filter(|one| !keep.contains(one)) {
            // What was used just before is the way back, of a redeploy too. Of what is older, one folder of
            // each release is enough.
            let is_there = |kept: &String| content_of(kept) == content_of(name);
            let is_new = others.is_empty() || !keep.iter().chain(&others).any(is_there);
            if is_new && others.len() < wanted {
                others.push(name.clone());
            }
        }
        keep.extend(others);
        keep
    }

    /// Notes that a release was put to use.
    pub(crate) fn used(&mut self, folder: String) {
        self.history.retain(|name| *name != folder);
        self.history.push(folder);
        let too_many = self.history.len().saturating_sub(KEPT);
        self.history.drain(..too_many);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use model::Digest;
    use model::deliver::desired::DesiredRelease;
    use model::deliver::{ArtifactFormat, DesiredState, ReleaseNumber, Run};

    use super::*;

    pub(crate) fn desired(generation: u64, version: &str) -> Desired {
        Desired {
            service: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
            ring: "staff".parse().unwrap(),
            generation,
            priority: Priority::Rollout,
            state: DesiredState::Running,
            release: DesiredRelease {
                number: ReleaseNumber(generation),
                version: version.parse().unwrap(),
                digest: Digest::of(version.as_bytes()),
                size_bytes: 1,
                format: ArtifactFormat::File,
                file_name: "shop".to_owned(),
                config_digest: Digest::of(b"config"),
                redeploy: None,
            },
            run: Run {
                exec: vec!["./shop".to_owned()],
                env: Default::default(),
                ports: vec![1, 2],
                stop_timeout: Duration::from_secs(1),
                hooks: Default::default(),
                drain: None,
            },
            health: None,
            metrics: None,
            keep: 1,
            slot: None,
        }
    }

    fn record(good: &str, wish: Desired) -> Record {
        let mut record = Record::new(wish, Timestamp::UNIX_EPOCH);
        record.good = Some(desired(1, good));
        record
    }

    #[test]
    fn a_router_runs_nothing_under_an_agent() {
        let mut record = Record::new(desired(1, "1.0"), Timestamp::UNIX_EPOCH);
        assert!(record.goal().is_some());
        record.wish.slot = Some(model::deliver::Slot::Green);
        assert_eq!(record.goal(), None);
    }

    #[test]
    fn only_a_release_that_was_never_good_is_on_trial_and_an_undo_is_not() {
        assert!(record("1.0", desired(2, "2.0")).is_trial());
        assert!(!record("1.0", desired(2, "1.0")).is_trial());
        let mut undo = desired(3, "0.9");
        undo.priority = Priority::Rollback;
        assert!(!record("2.0", undo).is_trial());
        assert!(Record::new(desired(1, "1.0"), Timestamp::UNIX_EPOCH).is_trial());
    }

    #[test]
    fn a_failure_leads_to_the_good_release_or_to_nothing() {
        let why = String::new;
        let mut reverted = record("1.0", desired(2, "2.0"));
        reverted.outcome = Outcome::Reverted { why: why() };
        assert_eq!(reverted.goal().map(|goal| goal.generation), Some(1));
        let mut failed = Record::new(desired(1, "1.0"), Timestamp::UNIX_EPOCH);
        failed.outcome = Outcome::Failed { why: why() };
        assert_eq!(failed.goal(), None);
        failed.take(desired(2, "2.0"));
        assert_eq!(failed.goal().map(|goal| goal.generation), Some(2));
    }

    #[test]
    fn garbage_spares_the_good_the_wished_and_the_last_used() {
        let mut record = record("1.0", desired(5, "5.0"));
        let folder = |version: &str| desired(1, version).release.folder();
        for version in ["1.0", "2.0", "3.0", "4.0", "5.0"] {
            record.used(folder(version));
        }
        let kept = record.kept_folders();
        for version in ["1.0", "4.0", "5.0"] {
            assert!(kept.contains(&folder(version)), "{version}");
        }
        assert_eq!(kept.len(), 3);
    }

    #[test]
    fn garbage_of_redeploys_is_all_but_what_runs_and_the_way_back() {
        let again = |redeploy: Option<u64>| {
            let mut again = desired(5, "5.0");
            again.release.redeploy = redeploy.map(model::ChangeId);
            again
        };
        let mut record = record("5.0", again(Some(9)));
        record.wish.keep = 2;
        record.good = Some(again(Some(9)));
        let older = desired(1, "4.0").release.folder();
        let folder = |redeploy| again(redeploy).release.folder();
        for used in [
            older.clone(),
            folder(None),
            folder(Some(7)),
            folder(Some(8)),
            folder(Some(9)),
        ] {
            record.used(used);
        }
        let mut kept = record.kept_folders();
        kept.dedup();
        assert_eq!(kept, [folder(Some(9)), folder(Some(8)), older]);
    }

    #[test]
    fn a_redeploy_is_on_trial_and_its_way_back_is_the_folder_before() {
        let mut wish = desired(2, "1.0");
        wish.release.redeploy = Some(model::ChangeId(9));
        let record = record("1.0", wish.clone());
        assert!(record.is_trial());
        assert_eq!(record.way_back().map(|good| good.generation), Some(1));
    }

    #[test]
    fn a_wish_an_older_agent_took_without_its_redeploy_is_taken_again() {
        let before = desired(2, "1.0");
        let mut wish = before.clone();
        wish.release.redeploy = Some(model::ChangeId(9));
        assert!(Record::new(before.clone(), Timestamp::UNIX_EPOCH).is_overtaken_by(&wish));
        let mut record = Record::new(wish.clone(), Timestamp::UNIX_EPOCH);
        assert!(!record.is_overtaken_by(&wish));
        assert!(!record.is_overtaken_by(&before));
        record.wish.release.number = ReleaseNumber(7);
        record.wish.release.redeploy = None;
        assert!(!record.is_overtaken_by(&wish), "a number given twice");
    }
}
