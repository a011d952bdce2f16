//! From samples to the counts of one look, and to the history a test starts from.

use std::collections::BTreeMap;
use std::time::Duration;

use deliver::rollout::Arms as ArmHosts;
use judge::{Arms, History};
use metrics::{Metrics, Selector};
use model::deliver::Rollout;
use model::judge::Counts;
use model::observe::{Signal, SignalKind};
use model::{HostId, HostName, Timestamp, Version};

/// How much history a test's dispersion is estimated from; what the samples in memory allow.
const HISTORY: Duration = Duration::from_secs(3_600);

/// Is up to which scrape each host's counts were taken, by arm: a late sample goes into the next look.
pub(super) type Taken = BTreeMap<HostId, Timestamp>;

/// Is whose samples are read.
pub(super) struct Source<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) rollout: &'a Rollout,
    pub(super) names: BTreeMap<HostId, HostName>,
}

/// Is one host's part of an arm: counts from this instant on belong to it.
struct Member<'a> {
    id: HostId,
    version: &'a Version,
    from: Timestamp,
    is_canary: bool,
}

impl Source<'_> {
    /// Returns the counts of both arms since they were last taken, per signal, and moves `taken` on.
    pub(super) fn look(
        &self,
        signals: &BTreeMap<String, Signal>,
        arms: &ArmHosts,
        taken: &mut Taken,
        now: Timestamp,
    ) -> BTreeMap<String, Arms> {
        let members = self.members(arms);
        let mut counts = BTreeMap::new();
        let mut newest: Taken = BTreeMap::new();
        for (name, signal) in signals {
            let mut both = Arms {
                canary: Counts::default(),
                control: Counts::default(),
            };
            let mut seen = false;
            for member in &members {
                let after = taken
                    .get(&member.id)
                    .copied()
                    .unwrap_or(member.from)
                    .max(member.from);
                let grown = self.grown(signal, member.id, Some(member.version), after, now);
                let Some(last) = grown.last() else { continue };
                seen = true;
                let newest = newest.entry(member.id).or_insert(last.at);
                *newest = last.at.max(*newest);
                let arm = if member.is_canary {
                    &mut both.canary
                } else {
                    &mut both.control
                };
                grown.iter().for_each(|scrape| add(arm, scrape.counts));
            }
            if seen {
                counts.insert(name.clone(), both);
            }
        }
        taken.extend(newest);
        counts
    }

    /// Returns what every host of the rollout counted in each second of the time before `now`: all ran
    /// the release before, so the differences between them are what is normal.
    pub(super) fn history(
        &self,
        signals: &BTreeMap<String, Signal>,
        now: Timestamp,
    ) -> BTreeMap<String, History> {
        let start = now - HISTORY;
        let previous = self
            .rollout
            .previous
            .as_ref()
            .map(|previous| &previous.version);
        let of_signal = |signal: &Signal| History {
            hosts: self
                .names
                .keys()
                .map(|host| seconds(start, &self.grown(signal, *host, previous, start, now)))
                .collect(),
        };
        signals
            .iter()
            .map(|(name, signal)| (name.clone(), of_signal(signal)))
            .collect()
    }

    fn members(&self, arms: &ArmHosts) -> Vec<Member<'_>> {
        let member = |is_canary, version| {
            move |&(id, from): &(HostId, Timestamp)| Member {
                id,
                version,
                from,
                is_canary,
            }
        };
        let canary = arms
            .canary
            .iter()
            .map(member(true, &self.rollout.release.version));
        let previous = self.rollout.previous.iter();
        let control = previous.flat_map(|p| arms.control.iter().map(member(false, &p.version)));
        canary.chain(control).collect()
    }

    /// Returns what a signal counted on one host at each scrape in `(after, until]`. A scrape at which a
    /// counter was reset, or that one of the two selectors does not have, is left out.
    fn grown(
        &self,
        signal: &Signal,
        host: HostId,
        version: Option<&Version>,
        after: Timestamp,
        until: Timestamp,
    ) -> Vec<Scrape> {
        let SignalKind::Count { bad, total } = &signal.kind;
        let (Some(name), Some(version)) = (self.names.get(&host), version) else {
            return vec![];
        };
        let labels = [
            ("host", name.as_str()),
            ("service", self.rollout.service.as_str()),
            ("environment", self.rollout.environment.as_str()),
            ("release", version.as_str()),
        ];
        let read = |text: &str| {
            // The definition was checked when the release was made; an unreadable one has no events.
            let selector = Selector::parse(text).ok()?;
            self.metrics
                .increases(&selector, &labels, after, until)
                .into_iter()
                .next()
        };
        let Some(total) = read(total) else {
            return vec![];
        };
        // A metric of its own that the host never showed has had no bad events.
        let bad: Option<BTreeMap<Timestamp, f64>> =
            read(bad).map(|bad| bad.points.into_iter().collect());
        let scrape = |(at, grown): (Timestamp, f64)| {
            let bad = bad
                .as_ref()
                .map_or(Some(0.0), |bad| bad.get(&at).copied())?;
            Some(Scrape {
                at,
                counts: Counts {
                    bad: events(bad),
                    total: events(grown),
                },
            })
        };
        total.points.into_iter().filter_map(scrape).collect()
    }
}

/// Is what was counted between a scrape and the one before.
struct Scrape {
    at: Timestamp,
    counts: Counts,
}

fn add(sum: &mut Counts, counts: Counts) {
    sum.bad += counts.bad;
    sum.total += counts.total;
}

/// Counters hold floats; what they count are whole events.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, rounded"
)]
fn events(by: f64) -> u64 {
    by.max(0.0).round() as u64
}

/// Sorts scrapes into seconds from `start`; the first and last second may hold a part only.
fn seconds(start: Timestamp, scrapes: &[Scrape]) -> Vec<Counts> {
    let length = usize::try_from(HISTORY.as_secs()).unwrap_or(usize::MAX);
    let mut counts = vec![Counts::default(); length];
    for scrape in scrapes {
        let second = usize::try_from(scrape.at.since(start).as_secs()).unwrap_or(usize::MAX);
        add(&mut counts[second.min(length - 1)], scrape.counts);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_aligned_by_second() {
        let at = |second: i64| Timestamp::from_millis(second * 1_000);
        let scrape = |second, bad, total| Scrape {
            at: at(second),
            counts: Counts { bad, total },
        };
        let found = seconds(at(2), &[scrape(3, 0, 4), scrape(5, 1, 1)]);
        assert_eq!(found[1], Counts { bad: 0, total: 4 });
        assert_eq!(found[3], Counts { bad: 1, total: 1 });
        assert_eq!(found.len(), 3_600);
    }
}
