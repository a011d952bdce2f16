//! From samples to what one look weighs, and to the history a test starts from.

use std::collections::BTreeMap;
use std::time::Duration;

use deliver::rollout::Arms as ArmHosts;
use judge::{Arms, Batch, History, Test, Total};
use metrics::{HostIncrease, Metrics, Selector};
use model::deliver::Rollout;
use model::judge::Counts;
use model::observe::{Signal, SignalKind};
use model::{HostId, HostName, Timestamp, Version};

/// How much history a test's dispersion is estimated from; what the samples in memory allow.
pub(super) const HISTORY: Duration = Duration::from_secs(3_600);

/// Is up to which scrape each host's counts were taken, by arm: a late sample goes into the next look.
pub(super) type Taken = BTreeMap<HostId, Timestamp>;

/// Is whose samples are read.
pub(super) struct Source<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) rollout: &'a Rollout,
    pub(super) names: BTreeMap<HostId, HostName>,
}

/// Is one host's part of an arm: counts from this instant on belong to it.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) id: HostId,
    pub(super) version: &'a Version,
    from: Timestamp,
    pub(super) is_canary: bool,
}

/// Is what is read in one look: of every member the scrapes in `(after, now]`.
pub(super) struct Window<'a> {
    pub(super) members: Vec<(Member<'a>, Timestamp)>,
    pub(super) now: Timestamp,
    newest: Taken,
}

impl Window<'_> {
    /// Notes that a host's scrapes up to this one are taken.
    pub(super) fn take(&mut self, host: HostId, at: Timestamp) {
        let newest = self.newest.entry(host).or_insert(at);
        *newest = at.max(*newest);
    }
}

impl Source<'_> {
    /// Returns what came of both arms since it was last taken, per signal, and moves `taken` on. A
    /// latency whose thresholds are not chosen yet has them chosen first.
    pub(super) fn look(
        &self,
        test: &mut Test,
        signals: &BTreeMap<String, Signal>,
        arms: &ArmHosts,
        taken: &mut Taken,
        now: Timestamp,
    ) -> BTreeMap<String, Batch> {
        let mut window = self.window(arms, taken, now);
        let mut batches = BTreeMap::new();
        for (name, signal) in signals {
            let batch = match &signal.kind {
                SignalKind::Count { bad, total } => self.count((bad, total), &mut window),
                SignalKind::Latency { buckets, .. } => {
                    self.latency(test, (name, buckets), &mut window)
                }
                SignalKind::Mean { sum, count, .. } => self.mean((sum, count), &mut window),
            };
            batches.extend(batch.map(|batch| (name.clone(), batch)));
        }
        taken.extend(window.newest);
        batches
    }

    fn window(&self, arms: &ArmHosts, taken: &Taken, now: Timestamp) -> Window<'_> {
        let after = |member: Member<'_>| {
            let taken = taken.get(&member.id).copied().unwrap_or(member.from);
            taken.max(member.from)
        };
        let members = self.members(arms).into_iter();
        Window {
            members: members.map(|m| (m, after(m))).collect(),
            now,
            newest: Taken::new(),
        }
    }

    fn count(&self, (bad, total): (&str, &str), window: &mut Window<'_>) -> Option<Batch> {
        let mut arms = Arms::default();
        let mut seen = false;
        for (member, after) in window.members.clone() {
            let span = (after, window.now);
            let grown = self.grown((bad, total), member.id, Some(member.version), span);
            let Some(last) = grown.last() else { continue };
            seen = true;
            window.take(member.id, last.at);
            let arm = if member.is_canary {
                &mut arms.canary
            } else {
                &mut arms.control
            };
            grown.iter().for_each(|scrape| add(arm, scrape.counts));
        }
        seen.then_some(Batch::Counts(arms))
    }

    fn mean(&self, (sum, count): (&str, &str), window: &mut Window<'_>) -> Option<Batch> {
        let (mut canary, mut control) = (Total::default(), Total::default());
        let mut seen = false;
        for (member, after) in window.members.clone() {
            let span = (after, window.now);
            let read = |text| self.increase(text, member.id, Some(member.version), span);
            let (Some(sum), Some(count)) = (read(sum), read(count)) else {
                continue;
            };
            let sums: BTreeMap<Timestamp, f64> = sum.points.into_iter().collect();
            let arm = if member.is_canary {
                &mut canary
            } else {
                &mut control
            };
            for (at, events_grown) in count.points {
                let Some(sum) = sums.get(&at) else { continue };
                arm.sum += sum;
                arm.events += events(events_grown);
                seen = true;
                window.take(member.id, at);
            }
        }
        seen.then_some(Batch::Mean { canary, control })
    }

    /// Returns what every host of the rollout counted in each second of the time before `now`: all ran
    /// the release before, so the differences between them are what is normal. Only counts have their
    /// history here: a latency's is of its thresholds, which are chosen later.
    pub(super) fn history(
        &self,
        signals: &BTreeMap<String, Signal>,
        now: Timestamp,
    ) -> BTreeMap<String, History> {
        let start = now - HISTORY;
        let of_signal = |signal: &Signal| match &signal.kind {
            SignalKind::Count { bad, total } => Some(History {
                hosts: self.each_host(|host| {
                    let grown = self.grown((bad, total), host, self.previous(), (start, now));
                    seconds(start, &grown)
                }),
            }),
            SignalKind::Latency { .. } | SignalKind::Mean { .. } => None,
        };
        signals
            .iter()
            .filter_map(|(name, signal)| Some((name.clone(), of_signal(signal)?)))
            .collect()
    }

    /// Asks every host of the rollout, in the order of their ids.
    pub(super) fn each_host<T>(&self, of: impl Fn(HostId) -> T) -> Vec<T> {
        self.names.keys().map(|host| of(*host)).collect()
    }

    /// Returns the version the hosts ran before.
    pub(super) fn previous(&self) -> Option<&Version> {
        let previous = self.rollout.previous.as_ref();
        previous.map(|previous| &previous.version)
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

    /// Returns the labels of what one host showed of one version; nothing of an unknown one.
    pub(super) fn labels<'a>(
        &'a self,
        host: HostId,
        version: Option<&'a Version>,
    ) -> Option<[(&'a str, &'a str); 4]> {
        Some([
            ("host", self.names.get(&host)?.as_str()),
            ("service", self.rollout.service.as_str()),
            ("environment", self.rollout.environment.as_str()),
            ("release", version?.as_str()),
        ])
    }

    /// Returns how a counter grew on one host.
    fn increase(
        &self,
        selector: &str,
        host: HostId,
        version: Option<&Version>,
        (after, until): (Timestamp, Timestamp),
    ) -> Option<HostIncrease> {
        let labels = self.labels(host, version)?;
        // The definition was checked when the release was made; an unreadable one has no events.
        let selector = Selector::parse(selector).ok()?;
        let grown = self.metrics.increases(&selector, &labels, after, until);
        grown.into_iter().next()
    }

    /// Returns what a signal counted on one host at each scrape in `(after, until]`. A scrape at which a
    /// counter was reset, or that one of the two selectors does not have, is left out.
    fn grown(
        &self,
        (bad, total): (&str, &str),
        host: HostId,
        version: Option<&Version>,
        span: (Timestamp, Timestamp),
    ) -> Vec<Scrape> {
        let Some(total) = self.increase(total, host, version, span) else {
            return vec![];
        };
        // A metric of its own that the host never showed has had no bad events.
        let bad: Option<BTreeMap<Timestamp, f64>> = self
            .increase(bad, host, version, span)
            .map(|bad| bad.points.into_iter().collect());
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
pub(super) struct Scrape {
    pub(super) at: Timestamp,
    pub(super) counts: Counts,
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
pub(super) fn events(by: f64) -> u64 {
    by.max(0.0).round() as u64
}

/// Sorts scrapes into seconds from `start`; the first and last second may hold a part only.
pub(super) fn seconds(start: Timestamp, scrapes: &[Scrape]) -> Vec<Counts> {
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
