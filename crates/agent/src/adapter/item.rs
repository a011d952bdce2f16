//! One service on one target: the wish, what was tried, what was observed; and what is reported of it.

use model::deliver::{Desired, DesiredState, Proof, Reported, Slot};
use model::{Digest, HostName, Labels, Timestamp};
use serde::{Deserialize, Serialize};

use super::contract::{Condition, Observation, Source};

/// Observations older than this many intervals say nothing any more.
const STALE: u32 = 3;

/// Is what is known of one service on one target. Times without a date are milliseconds of the clock that
/// never goes back.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) host: HostName,
    pub(super) labels: Labels,
    pub(super) wish: Desired,
    /// The newest generation the tool carried out, so far as is known; 0 for none.
    pub(super) applied: u64,
    /// The newest wish was proved once: what differs from then on has drifted.
    pub(super) proved: bool,
    pub(super) failure: Option<Failure>,
    pub(super) seen: Option<Seen>,
    /// Failed looks and unhealthy ones in a row, since the wish came.
    pub(super) unhealthy: u32,
    pub(super) proof: Proof,
    pub(super) proof_since: Timestamp,
    /// When the wanted release was first seen running.
    pub(super) started_at: Option<Timestamp>,
}

/// Is what is remembered of an item over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    /// The newest generation the tool carried out.
    pub(super) generation: u64,
    pub(super) proved: bool,
}

/// Is a try of the newest wish that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) tries: u32,
    pub(super) at_ms: u64,
    /// A person has to do something before it can succeed; it is tried again all the same.
    pub(super) blocks: bool,
}

/// Is the last look at the target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) at_ms: u64,
    pub(super) what: Result<Observation, String>,
}

impl Item {
    pub(super) fn new(
        (host, labels): (HostName, Labels),
        wish: Desired,
        done: Done,
        now: Timestamp,
    ) -> Self {
        Self {
            host,
            labels,
            applied: done.generation,
            proved: done.proved && done.generation == wish.generation,
            wish,
            failure: None,
            seen: None,
            unhealthy: 0,
            proof: Proof::Pending,
            proof_since: now,
            started_at: None,
        }
    }

    /// Takes a newer wish.
    pub(super) fn take(&mut self, wish: Desired) {
        if wish.generation == self.wish.generation {
            return;
        }
        self.wish = wish;
        self.proved = false;
        self.failure = None;
        self.unhealthy = 0;
        self.started_at = None;
    }

    /// Tells whether the tool still has to carry the wish out.
    pub(super) fn is_due(&self) -> bool {
        self.applied != self.wish.generation
    }

    pub(super) fn done(&self) -> Done {
        Done {
            generation: self.applied,
            proved: self.proved,
        }
    }

    /// Notes that the tool carried the wish out.
    pub(super) fn carried_out(&mut self) {
        self.applied = self.wish.generation;
        self.failure = None;
        // What was seen before says nothing about what runs now.
        self.seen = None;
    }

    /// Notes that a try failed.
    pub(super) fn failed(&mut self, why: String, blocks: bool, at_ms: u64) {
        let tries = self.failure.as_ref().map_or(0, |failure| failure.tries) + 1;
        self.failure = Some(Failure {
            why,
            tries,
            at_ms,
            blocks,
        });
    }

    /// Returns the digest that ran when the tool last looked.
    pub(super) fn running(&self) -> Option<Digest> {
        self.seen.as_ref()?.what.as_ref().ok()?.release_digest
    }

    /// Returns the slot everything was sent to when the tool last looked.
    fn routes(&self) -> Option<Slot> {
        self.seen.as_ref()?.what.as_ref().ok()?.slot
    }

    /// Takes what a look found.
    pub(super) fn look(&mut self, what: Result<Observation, String>, at_ms: u64, now: Timestamp) {
        let sick = match &what {
            Ok(seen) => seen.health == Some(Condition::Unhealthy),
            Err(_) => false,
        };
        let wanted = what.as_ref().is_ok_and(|seen| self.is_wanted(seen));
        if wanted && !self.is_due() {
            self.started_at.get_or_insert(now);
            self.unhealthy = if sick { self.unhealthy + 1 } else { 0 };
        }
        self.seen = Some(Seen { at_ms, what });
    }

    /// Tells whether what was seen is what is to run; a router is known by the slot alone, since what runs there
    /// its hosts prove.
    fn is_wanted(&self, seen: &Observation) -> bool {
        match self.wish.slot {
            Some(slot) => seen.slot == Some(slot),
            None => seen.release_digest == Some(self.wish.release.digest),
        }
    }

    /// Says how the wish stands, and keeps since when.
    pub(super) fn report(&mut self, every_ms: u64, now_ms: u64, now: Timestamp) -> Reported {
        let (proof, why) = self.proof(every_ms, now_ms);
        if proof != self.proof {
            (self.proof, self.proof_since) = (proof, now);
        }
        self.proved |= matches!(proof, Proof::Converged | Proof::Stopped);
        let health = self
            .seen
            .as_ref()
            .and_then(|seen| seen.what.as_ref().ok()?.health);
        Reported {
            service: self.wish.service.clone(),
            generation_seen: self.wish.generation,
            generation_applied: if self.is_due() { 0 } else { self.applied },
            symlink_release: None,
            processes: vec![],
            observed: self.running(),
            redeploy: self.wish.release.redeploy.filter(|_| !self.is_due()),
            slot: self.routes(),
            port: None,
            healthy: match health {
                Some(Condition::Healthy) => Some(true),
                Some(Condition::Unhealthy) => Some(false),
                Some(Condition::Unknown) | None => None,
            },
            proof,
            why,
            since: self.proof_since,
            started_at: self.started_at,
            unexpected_exits: 0,
            failed_checks: self.unhealthy,
        }
    }

    fn proof(&self, every_ms: u64, now_ms: u64) -> (Proof, String) {
        if let Some(failure) = &self.failure {
            let proof = if failure.blocks {
                Proof::Blocked
            } else {
                Proof::Pending
            };
            return (proof, failure.why.clone());
        }
        let version = &self.wish.release.version;
        if self.is_due() {
            return (Proof::Pending, format!("{version} is handed to the tool"));
        }
        let Some(seen) = &self.seen else {
            return (Proof::Pending, "not looked at yet".to_owned());
        };
        if now_ms.saturating_sub(seen.at_ms) > every_ms * u64::from(STALE) {
            return (
                Proof::Unknown,
                "the tool has not looked for too long".to_owned(),
            );
        }
        match &seen.what {
            Err(why) => (Proof::Unknown, format!("the tool could not look: {why}")),
            Ok(observation) => self.compared(observation),
        }
    }

    /// Compares where a router sends everything with where it is to.
    fn compared_slot(&self, wanted: Slot, seen: &Observation) -> (Proof, String) {
        let why = match seen.slot {
            Some(found) if found == wanted => {
                if seen.health == Some(Condition::Unhealthy) && !self.proved {
                    let why = format!(
                        "everything goes to {wanted}, and it is not healthy: {}",
                        seen.why
                    );
                    return (Proof::Pending, why);
                }
                return (Proof::Converged, String::new());
            }
            Some(found) => format!("everything goes to {found}, wanted is {wanted}"),
            None if seen.why.is_empty() => format!("nothing goes to any slot, wanted is {wanted}"),
            None => format!("nothing goes to any slot: {}", seen.why),
        };
        (self.off(), why)
    }

    /// Returns what it is called that something else is seen than wanted.
    fn off(&self) -> Proof {
        if self.proved {
            Proof::Drifted
        } else {
            Proof::Pending
        }
    }

    /// Compares what was seen with what is wanted.
    fn compared(&self, seen: &Observation) -> (Proof, String) {
        let (wanted, version) = (self.wish.release.digest, &self.wish.release.version);
        if let (DesiredState::Running, Some(slot), true) = (
            self.wish.state,
            self.wish.slot,
            seen.source != Source::Declared,
        ) {
            return self.compared_slot(slot, seen);
        }
        match (self.wish.state, seen.release_digest) {
            _ if seen.source == Source::Declared => {
                let why = "declared by the tool, proved by nothing: its `observe` has to read the digest from the process or the image";
                (Proof::Unknown, why.to_owned())
            }
            (DesiredState::Stopped, None) => match seen.slot {
                None => (Proof::Stopped, String::new()),
                Some(slot) => (Proof::Pending, format!("everything still goes to {slot}")),
            },
            (DesiredState::Running, Some(found)) if found == wanted => {
                if seen.health == Some(Condition::Unhealthy) && !self.proved {
                    let why = format!("{version} runs and is not healthy: {}", seen.why);
                    return (Proof::Pending, why);
                }
                (Proof::Converged, String::new())
            }
            (DesiredState::Running, Some(found)) => {
                let why = format!(
                    "{} runs, wanted is {version} ({})",
                    found.short(),
                    wanted.short()
                );
                (self.off(), why)
            }
            (DesiredState::Running, None) => {
                let why = match seen.why.as_str() {
                    "" => "nothing of the service runs there".to_owned(),
                    why => format!("nothing of the service runs there: {why}"),
                };
                (self.off(), why)
            }
            (DesiredState::Stopped, Some(found)) => (
                Proof::Pending,
                format!("{} still runs there", found.short()),
            ),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::tests::desired;

    const EVERY_MS: u64 = 10_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    pub(in crate::adapter) fn item(host: &str, generation: u64, version: &str) -> Item {
        let target = (host.parse().unwrap(), Labels::default());
        Item::new(target, desired(generation, version), Done::default(), at(0))
    }

    fn observation(version: Option<&str>, source: Source, health: Condition) -> Observation {
        Observation {
            host: "web-1".parse().unwrap(),
            release_digest: version.map(|version| Digest::of(version.as_bytes())),
            slot: None,
            source,
            health: Some(health),
            at: None,
            why: "503".into(),
            error: None,
        }
    }

    /// Returns the proof of a wish for 2.0 that was carried out, after one look.
    fn proof_after(seen: Observation) -> (Proof, String) {
        let mut item = item("web-1", 2, "2.0");
        item.applied = 2;
        item.look(Ok(seen), 100, at(100));
        let reported = item.report(EVERY_MS, 200, at(200));
        (reported.proof, reported.why)
    }

    #[test]
    fn only_what_was_seen_in_process_or_image_is_a_proof() {
        for source in [Source::Process, Source::Image] {
            let seen = observation(Some("2.0"), source, Condition::Healthy);
            assert_eq!(proof_after(seen), (Proof::Converged, String::new()));
        }
        let declared = observation(Some("2.0"), Source::Declared, Condition::Healthy);
        let (proof, why) = proof_after(declared);
        assert_eq!(proof, Proof::Unknown);
        assert!(why.starts_with("declared by the tool"), "{why}");
    }

    #[test]
    fn another_release_nothing_and_a_sick_one_are_under_way() {
        let cases = [
            observation(Some("1.0"), Source::Process, Condition::Healthy),
            observation(None, Source::Process, Condition::Unknown),
            observation(Some("2.0"), Source::Process, Condition::Unhealthy),
        ];
        for seen in cases {
            let (proof, why) = proof_after(seen);
            assert_eq!(proof, Proof::Pending, "{why}");
            assert!(!why.is_empty());
        }
    }

    #[test]
    fn a_try_that_failed_blocks_or_is_under_way_until_one_succeeds() {
        let mut item = item("web-1", 2, "2.0");
        item.failed("no such folder".into(), true, 0);
        let reported = item.report(EVERY_MS, 0, at(0));
        let said = (reported.proof, reported.why.as_str());
        assert_eq!(said, (Proof::Blocked, "no such folder"));
        item.failed("busy".into(), false, 0);
        assert_eq!(item.failure.as_ref().map(|failure| failure.tries), Some(2));
        assert_eq!(item.report(EVERY_MS, 0, at(0)).proof, Proof::Pending);
        item.carried_out();
        assert_eq!((item.failure, item.applied), (None, 2));
    }

    #[test]
    fn a_look_before_the_wish_was_carried_out_proves_nothing() {
        let mut item = item("web-1", 2, "2.0");
        item.look(
            Ok(observation(
                Some("2.0"),
                Source::Process,
                Condition::Healthy,
            )),
            100,
            at(100),
        );
        let reported = item.report(EVERY_MS, 200, at(200));
        assert_eq!(
            (reported.proof, reported.generation_applied),
            (Proof::Pending, 0)
        );
    }

    #[test]
    fn another_release_after_the_proof_is_drift_and_since_then() {
        let mut item = item("web-1", 2, "2.0");
        item.applied = 2;
        item.look(
            Ok(observation(
                Some("2.0"),
                Source::Process,
                Condition::Healthy,
            )),
            100,
            at(100),
        );
        assert_eq!(item.report(EVERY_MS, 200, at(200)).since, at(200));
        assert_eq!(item.report(EVERY_MS, 300, at(300)).since, at(200));
        item.look(
            Ok(observation(
                Some("1.0"),
                Source::Process,
                Condition::Healthy,
            )),
            400,
            at(400),
        );
        let drifted = item.report(EVERY_MS, 400, at(400));
        assert_eq!((drifted.proof, drifted.since), (Proof::Drifted, at(400)));
    }

    #[test]
    fn drift_is_seen_over_a_restart() {
        let target = ("web-1".parse().unwrap(), Labels::default());
        let done = Done {
            generation: 2,
            proved: true,
        };
        let mut item = Item::new(target, desired(2, "2.0"), done, at(0));
        item.look(
            Ok(observation(
                Some("1.0"),
                Source::Process,
                Condition::Healthy,
            )),
            0,
            at(0),
        );
        assert_eq!(item.report(EVERY_MS, 0, at(0)).proof, Proof::Drifted);
    }

    #[test]
    fn what_was_seen_too_long_ago_is_not_known() {
        let mut item = item("web-1", 2, "2.0");
        item.applied = 2;
        item.look(
            Ok(observation(
                Some("2.0"),
                Source::Process,
                Condition::Healthy,
            )),
            0,
            at(0),
        );
        assert_eq!(item.report(EVERY_MS, 30_000, at(0)).proof, Proof::Converged);
        assert_eq!(item.report(EVERY_MS, 30_001, at(0)).proof, Proof::Unknown);
    }

    #[test]
    fn sick_looks_are_counted_in_a_row_once_the_release_runs() {
        let mut item = item("web-1", 2, "2.0");
        let sick = || {
            Ok(observation(
                Some("2.0"),
                Source::Process,
                Condition::Unhealthy,
            ))
        };
        item.look(sick(), 0, at(0));
        assert_eq!(item.unhealthy, 0, "it is not carried out yet");
        item.applied = 2;
        item.look(sick(), 0, at(0));
        item.look(sick(), 0, at(0));
        assert_eq!(item.report(EVERY_MS, 0, at(0)).failed_checks, 2);
        item.look(
            Ok(observation(
                Some("2.0"),
                Source::Process,
                Condition::Healthy,
            )),
            0,
            at(0),
        );
        assert_eq!(item.report(EVERY_MS, 0, at(0)).failed_checks, 0);
    }

    /// Returns the proof of a router that is to send everything to green, after one look.
    fn routes_to(found: Option<Slot>, source: Source) -> (Proof, String) {
        let mut item = item("lb-1", 2, "2.0");
        (item.wish.slot, item.applied) = (Some(Slot::Green), 2);
        let seen = Observation {
            slot: found,
            why: String::new(),
            ..observation(None, source, Condition::Healthy)
        };
        item.look(Ok(seen), 100, at(100));
        let reported = item.report(EVERY_MS, 200, at(200));
        assert_eq!(reported.slot, found);
        (reported.proof, reported.why)
    }

    #[test]
    fn a_router_is_proved_by_the_slot_it_was_seen_to_use() {
        let green = routes_to(Some(Slot::Green), Source::Process);
        assert_eq!(green, (Proof::Converged, String::new()));
        let blue = routes_to(Some(Slot::Blue), Source::Process);
        let why = "everything goes to blue, wanted is green".to_owned();
        assert_eq!(blue, (Proof::Pending, why));
        let none = routes_to(None, Source::Process);
        assert_eq!(none.0, Proof::Pending);
        let declared = routes_to(Some(Slot::Green), Source::Declared);
        assert_eq!(declared.0, Proof::Unknown);
    }

    #[test]
    fn a_router_that_turned_by_itself_has_drifted() {
        let mut item = item("lb-1", 2, "2.0");
        (item.wish.slot, item.applied) = (Some(Slot::Green), 2);
        for (slot, proof) in [
            (Slot::Green, Proof::Converged),
            (Slot::Blue, Proof::Drifted),
        ] {
            let seen = Observation {
                slot: Some(slot),
                ..observation(None, Source::Process, Condition::Healthy)
            };
            item.look(Ok(seen), 100, at(100));
            assert_eq!(item.report(EVERY_MS, 200, at(200)).proof, proof);
        }
    }

    #[test]
    fn a_router_of_nothing_is_proved_by_no_slot() {
        let mut item = item("lb-1", 2, "2.0");
        (item.wish.state, item.applied) = (DesiredState::Stopped, 2);
        for (slot, proof) in [(Some(Slot::Blue), Proof::Pending), (None, Proof::Stopped)] {
            let seen = Observation {
                slot,
                ..observation(None, Source::Process, Condition::Unknown)
            };
            item.look(Ok(seen), 100, at(100));
            assert_eq!(item.report(EVERY_MS, 200, at(200)).proof, proof);
        }
    }

    #[test]
    fn an_undo_of_a_first_release_is_proved_by_nothing_running() {
        let mut item = item("web-1", 2, "2.0");
        item.wish.state = DesiredState::Stopped;
        item.applied = 2;
        item.look(
            Ok(observation(None, Source::Process, Condition::Unknown)),
            0,
            at(0),
        );
        assert_eq!(item.report(EVERY_MS, 0, at(0)).proof, Proof::Stopped);
        item.look(
            Ok(observation(
                Some("2.0"),
                Source::Process,
                Condition::Unknown,
            )),
            0,
            at(0),
        );
        assert_eq!(item.report(EVERY_MS, 0, at(0)).proof, Proof::Pending);
    }
}
