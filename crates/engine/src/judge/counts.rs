//! From samples to what one look weighs, and to the history a test starts from.

use std::collections::BTreeMap;
use std::time::Duration;

use deliver::rollout::{Arms as ArmHosts, HostFacts};
use judge::{Arms, Batch, History, Test, Total};
use metrics::{HostIncrease, Metrics, Selector};
use model::deliver::Rollout;
use model::judge::Counts;
use model::observe::{Signal, SignalKind};
use model::{HostId, HostName, Timestamp, Version};
use store::{Error, Tx};

use super::dispersion::Kept;

/// How long before a test its samples are read; what is in memory.
pub(super) const HISTORY: Duration = Duration::from_secs(3_600);

/// Is up to which scrape each host's counts were taken, by arm: a late sample goes into the next look.
pub(super) type Taken = BTreeMap<HostId, Timestamp>;

/// Is whose samples are read.
pub(super) struct Source<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) rollout: &'a Rollout,
    names: BTreeMap<HostId, HostName>,
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

impl<'a> Source<'a> {
    pub(super) fn new(
        metrics: &'a Metrics,
        rollout: &'a Rollout,
        hosts: &BTreeMap<HostId, HostFacts>,
    ) -> Self {
        let names = hosts.values().map(|host| (host.id, host.name.clone()));
        Self {
            metrics,
            rollout,
            names: names.collect(),
        }
    }
}

impl Source<'_> {
    /// Returns what came of both arms since it was last taken, per signal, and moves `taken` on. A
    /// latency whose thresholds are not chosen yet has them chosen first.
    pub(super) fn look(
        &self,
        tx: &mut Tx<'_>,
        test: &mut Test,
        signals: &BTreeMap<String, Signal>,
        arms: &ArmHosts,
        taken: &mut Taken,
        now: Timestamp,
    ) -> Result<BTreeMap<String, Batch>, Error> {
        let mut window = self.window(arms, taken, now);
        let mut batches = BTreeMap::new();
        for (name, signal) in signals {
            let batch = match &signal.kind {
                SignalKind::Count { bad, total } => self.count((bad, total), &mut window),
                SignalKind::Latency { buckets, .. } => {
                    let kept = || Kept::read(tx, self.rollout, (name, signal), now);
                    self.latency(test, (name, buckets), kept, &mut window)?
                }
                SignalKind::Mean { sum, count, .. } => self.mean((sum, count), &mut window),
            };
            batches.extend(batch.map(|batch| (name.clone(), batch)));
        }
        taken.extend(window.newest);
        Ok(batches)
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

    /// Returns what every host of the rollout counted in each second of the hour before `now`, and what is
    /// known of the time before that: all ran the release before, so the differences between them are what
    /// is normal. Only counts have their history here: a latency's is of its thresholds, which are chosen
    /// later.
    pub(super) fn history(
        &self,
        tx: &mut Tx<'_>,
        signals: &BTreeMap<String, Signal>,
        now: Timestamp,
    ) -> Result<BTreeMap<String, History>, Error> {
        let span = (now - HISTORY, now);
        let mut history = BTreeMap::new();
        let Some(previous) = self.previous() else {
            return Ok(history);
        };
        for (name, signal) in signals {
            if let SignalKind::Count { bad, total } = &signal.kind {
                let of = History {
                    hosts: self.counted((bad, total), previous, span),
                    quarters: Kept::read(tx, self.rollout, (name, signal), now)?.counts(),
                };
                history.insert(name.clone(), of);
            }
        }
        Ok(history)
    }

    /// Returns what every host counted in each second while it ran a version.
    pub(super) fn counted(
        &self,
        of: (&str, &str),
        version: &Version,
        span: (Timestamp, Timestamp),
    ) -> Vec<Vec<Counts>> {
        self.each_host(|host| seconds(span, &self.grown(of, host, Some(version), span)))
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

/// Sorts scrapes into the seconds of a span; the first and last second may hold a part only.
pub(super) fn seconds((start, end): (Timestamp, Timestamp), scrapes: &[Scrape]) -> Vec<Counts> {
    let second = |at: Timestamp| usize::try_from(at.since(start).as_secs()).unwrap_or(usize::MAX);
    let length = second(end).max(1);
    let mut counts = vec![Counts::default(); length];
    for scrape in scrapes {
        add(
            &mut counts[second(scrape.at).min(length - 1)],
            scrape.counts,
        );
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
        let span = (at(2), at(3_602));
        let scrapes = [scrape(3, 0, 4), scrape(5, 1, 1), scrape(3_602, 2, 2)];
        let found = seconds(span, &scrapes);
        assert_eq!(found[1], Counts { bad: 0, total: 4 });
        assert_eq!(found[3], Counts { bad: 1, total: 1 });
        assert_eq!(found[3_599], Counts { bad: 2, total: 2 });
        assert_eq!(found.len(), 3_600);
    }
}
