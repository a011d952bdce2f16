//! What is told to the server about the service, in its words.

use model::deliver::{DesiredState, Health, Proof, Reported};
use model::time;

use super::{Finding, InstallError, Outcome, Worker};
use crate::hub::Target;
use crate::ports::fill_in;
use crate::{health, install};

impl Worker {
    /// Reports, and says what is to be scraped.
    pub(super) fn publish(&mut self) {
        let (proof, why) = self.proof();
        if proof != self.record.proof {
            self.record.proof = proof;
            self.record.proof_since = self.shared.steady();
            if let Err(e) = self.save(&[]) {
                tracing::warn!(service.name = %self.record.service(), "{e:#}");
            }
        }
        self.count_failed_checks();
        let reported = self.reported(proof, why);
        let target = self.target(reported.healthy);
        self.shared.hub.report(reported, target);
    }

    fn reported(&self, proof: Proof, why: String) -> Reported {
        let record = &self.record;
        let serving = record.serving.as_ref();
        let alive = serving.filter(|slot| slot.process.is_some());
        let stopped = record.wish.state == DesiredState::Stopped;
        let applied = match alive {
            None if stopped && record.outcome == Outcome::Settled => record.wish.generation,
            None => 0,
            Some(slot) => slot.desired.generation,
        };
        Reported {
            service: record.service().clone(),
            generation_seen: record.wish.generation,
            generation_applied: applied,
            symlink_release: self.symlink_release(),
            processes: self
                .seen
                .iter()
                .map(|(seen, _)| seen.process.clone())
                .collect(),
            observed: None,
            redeploy: alive.and_then(|slot| slot.desired.release.redeploy),
            slot: None,
            port: alive.and_then(|slot| slot.port),
            healthy: alive.map(|_| self.is_healthy()),
            proof,
            why,
            since: record.proof_since,
            started_at: alive.and_then(|slot| slot.started_at),
            unexpected_exits: record.exits,
            failed_checks: record.failed_checks,
        }
    }

    fn symlink_release(&self) -> Option<model::deliver::ReleaseNumber> {
        let folder = install::current(self.config(), self.record.service())?;
        let record = &self.record;
        let slots = record.slots().map(|slot| &slot.desired);
        slots
            .chain([&record.wish])
            .chain(&record.good)
            .find(|desired| desired.release.folder() == folder)
            .map(|desired| desired.release.number)
    }

    fn is_healthy(&self) -> bool {
        let Some(slot) = &self.record.serving else {
            return false;
        };
        match (&slot.desired.health, &self.serving.checker) {
            (Some(health), Some(checker)) => {
                let seen = checker.health();
                seen.became_healthy && seen.failed_in_row < health.unhealthy_after.max(1)
            }
            _ => self.serving.dead.is_none(),
        }
    }

    fn count_failed_checks(&mut self) {
        let wanted = self.record.wish.release.folder();
        let ours = self.record.serving.as_ref();
        let ours = ours.is_some_and(|slot| slot.folder() == wanted);
        if let (true, Some(checker)) = (ours, &self.serving.checker) {
            let longest = checker.health().longest_failed;
            self.record.failed_checks = self.record.failed_checks.max(longest);
        }
    }

    fn target(&self, healthy: Option<bool>) -> Option<Target> {
        let slot = self.record.serving.as_ref()?;
        let scrape = slot
            .desired
            .metrics
            .as_ref()
            .filter(|_| healthy == Some(true))?;
        Some(Target {
            environment: slot.desired.environment.clone(),
            ring: slot.desired.ring.clone(),
            version: slot.desired.release.version.clone(),
            url: fill_in(&scrape.url, slot.port, &slot.folder()),
            interval: scrape.interval,
        })
    }

    /// Returns the agent's word about the service, and what stands in the way.
    fn proof(&self) -> (Proof, String) {
        if let Some(foreigner) = &self.foreigner {
            return (Proof::Drifted, foreigner.clone());
        }
        if let Some(slot) = self.record.wish.slot {
            let why = format!(
                "a router is to send everything to {slot}, which an agent cannot do: let an adapter join in its place"
            );
            return (Proof::Blocked, why);
        }
        match &self.record.outcome {
            Outcome::Reverted { why } => (Proof::Reverted, why.clone()),
            Outcome::Failed { why } => (Proof::Blocked, why.clone()),
            Outcome::Settled => self.settled_proof(),
            Outcome::Trying => self.pending_proof(),
        }
    }

    fn settled_proof(&self) -> (Proof, String) {
        if self.record.wish.state == DesiredState::Stopped {
            return (Proof::Stopped, String::new());
        }
        if let Some(dead) = &self.serving.dead {
            return (Proof::Pending, format!("{}; it is started again", dead.how));
        }
        let unborn = |slot: &crate::record::Slot| slot.process.is_none();
        if self.record.serving.as_ref().is_none_or(unborn) {
            return (Proof::Pending, "the process is being started".to_owned());
        }
        match &self.finding {
            Finding::Agrees => (Proof::Converged, String::new()),
            Finding::Disagrees(why) => (Proof::Drifted, why.clone()),
            Finding::CannotTell(why) => (Proof::Unknown, why.clone()),
        }
    }

    fn pending_proof(&self) -> (Proof, String) {
        if let Some(trouble) = &self.trouble {
            if trouble.starts_with("disk: ") {
                return (Proof::Blocked, trouble.clone());
            }
            return (Proof::Pending, trouble.clone());
        }
        if let Some(failed) = self.job.as_ref().and_then(|job| job.failed.as_ref()) {
            return match failed {
                InstallError::Blocked(why) | InstallError::Refused(why) => {
                    (Proof::Blocked, why.clone())
                }
                InstallError::Retry(why) => (Proof::Pending, why.clone()),
            };
        }
        if let Some(why) = self.uncertain_hook() {
            return (Proof::Blocked, why);
        }
        match &self.finding {
            Finding::CannotTell(why) => (Proof::Unknown, why.clone()),
            Finding::Agrees | Finding::Disagrees(_) => (Proof::Pending, self.doing()),
        }
    }

    /// Says what is under way.
    fn doing(&self) -> String {
        let record = &self.record;
        if let Some(run) = self.running_hook() {
            return format!("running the {} hook", run.hook);
        }
        if let Some(going) = &record.going {
            let doing = match &self.going.drain {
                Some(_) if !self.going.asked => "draining",
                _ => "stopping",
            };
            return format!("{doing} {}", going.desired.release.version);
        }
        if self.job.is_some() {
            return format!("fetching {}", record.wish.release.version);
        }
        let newest = match &record.coming {
            Some(slot) => Some((slot, &self.coming)),
            None => record.serving.as_ref().map(|slot| (slot, &self.serving)),
        };
        let Some((slot, live)) = newest else {
            return String::new();
        };
        let version = &slot.desired.release.version;
        match (&live.dead, &live.checker) {
            (Some(dead), _) => dead.how.clone(),
            (None, Some(checker)) => {
                let seen = checker.health();
                match (seen.ok_in_row, &self.finding) {
                    (0, _) => format!("waiting for {version} to be healthy: {}", seen.why),
                    (_, Finding::Disagrees(why)) => format!("proving {version}: {why}"),
                    _ => format!("proving {version}"),
                }
            }
            (None, None) => format!("starting {version}"),
        }
    }
}

/// Says why a new release was given up at its deadline.
pub(super) fn never_healthy(health: &Health, seen: &health::Health) -> String {
    use model::deliver::Check::{Exec, Http, Tcp};
    let what = match &health.check {
        Http(path) => path.trim_start_matches('/').to_owned(),
        Tcp => "the port".to_owned(),
        Exec(command) => format!("`{}`", command.join(" ")),
    };
    let deadline = time::short(health.deadline);
    let why = &seen.why;
    if seen.ok_in_row == 0 && !seen.became_healthy {
        return format!("{what} never answered within {deadline} ({why})");
    }
    format!("{what} was not steadily healthy within {deadline} ({why})")
}
