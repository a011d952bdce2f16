//! From histograms to what one look at a latency weighs, and to the thresholds it is weighed at.

use judge::{Batch, Histogram, History, THRESHOLD_REQUESTS, Test};
use metrics::{BucketPoint, HostBuckets, Selector};
use model::judge::Counts;
use model::{HostId, Timestamp, Version};
use store::Error;

use super::counts::{HISTORY, Scrape, Source, Window, events, seconds};
use super::dispersion::Kept;

impl Source<'_> {
    /// Returns how long requests took on both sides since that was last taken. Until thresholds are
    /// chosen each look tries to, and weighs nothing: they must not know what is weighed at them.
    pub(super) fn latency(
        &self,
        test: &mut Test,
        (name, buckets): (&str, &str),
        kept: impl FnOnce() -> Result<Kept, Error>,
        window: &mut Window<'_>,
    ) -> Result<Option<Batch>, Error> {
        // The definition was checked when the release was made; an unreadable one has no requests.
        let Ok(selector) = Selector::parse(buckets) else {
            return Ok(None);
        };
        let within = test.bounds(name);
        let shown = self.shown(&selector, within.as_deref(), window);
        let Some(within) = within else {
            return self.choose(test, (name, &selector), &shown, kept, window);
        };
        let (mut canary, mut control) = (empty(&within), empty(&within));
        let mut seen = false;
        // A host with other bounds than the ones chosen counts on neither side.
        for (is_canary, host) in shown.iter().filter(|(_, host)| host.bounds == within) {
            let arm = if *is_canary {
                &mut canary
            } else {
                &mut control
            };
            host.points.iter().for_each(|point| add(arm, point));
            seen = true;
        }
        Ok(seen.then_some(Batch::Latency { canary, control }))
    }

    /// Returns what each member showed, and whether it is a canary, and takes it.
    fn shown(
        &self,
        selector: &Selector,
        within: Option<&[f64]>,
        window: &mut Window<'_>,
    ) -> Vec<(bool, HostBuckets)> {
        let mut shown = Vec::new();
        for (member, after) in window.members.clone() {
            let span = (after, window.now);
            let Some(host) = self.grew(selector, within, member.id, Some(member.version), span)
            else {
                continue;
            };
            let Some(last) = host.points.last() else {
                continue;
            };
            window.take(member.id, last.at);
            shown.push((member.is_canary, host));
        }
        shown
    }

    /// Chooses the thresholds from what the control's requests took until now, once both sides show
    /// histograms. Each look comes here until it succeeds, so the hour is read last, and of one series
    /// first.
    fn choose(
        &self,
        test: &mut Test,
        (name, selector): (&str, &Selector),
        shown: &[(bool, HostBuckets)],
        kept: impl FnOnce() -> Result<Kept, Error>,
        window: &Window<'_>,
    ) -> Result<Option<Batch>, Error> {
        let side = |canary| shown.iter().filter(move |(c, _)| *c == canary);
        let canary = in_common(side(true).map(|(_, host)| host));
        let control = in_common(side(false).map(|(_, host)| host));
        let (Some(mut both), Some(control)) = (canary, control) else {
            return Ok(None);
        };
        both.retain(|bound| control.contains(bound));
        if both.is_empty() {
            return Ok(Some(Batch::Mismatch));
        }
        let span = (window.now - HISTORY, window.now);
        if let Some(previous) = self.previous()
            && self.before(selector, &[], span).total >= THRESHOLD_REQUESTS
        {
            let before = self.before(selector, &both, span);
            let kept = kept()?;
            test.choose_thresholds(name, &both, &before, |bound| History {
                hosts: self.slower_than(selector, bound, previous, span),
                quarters: kept.slower_than(bound),
            });
        }
        Ok(Some(Batch::Latency {
            canary: Histogram::default(),
            control: Histogram::default(),
        }))
    }

    /// Returns how long requests took on every host that counted within these bounds.
    fn before(
        &self,
        selector: &Selector,
        bounds: &[f64],
        span: (Timestamp, Timestamp),
    ) -> Histogram {
        let grew = |host| self.grew(selector, Some(bounds), host, self.previous(), span);
        let mut before = empty(bounds);
        for host in self.each_host(grew).into_iter().flatten() {
            if host.bounds == bounds {
                host.points.iter().for_each(|point| add(&mut before, point));
            }
        }
        before
    }

    /// Returns how many requests of how many were slower than a bound on each host in each second.
    fn slower_than(
        &self,
        selector: &Selector,
        bound: f64,
        version: &Version,
        span: (Timestamp, Timestamp),
    ) -> Vec<Vec<Counts>> {
        let scrape = |point: &BucketPoint| {
            let total = events(point.total);
            let within = events(point.at_most[0]);
            Scrape {
                at: point.at,
                counts: Counts {
                    bad: total.saturating_sub(within),
                    total,
                },
            }
        };
        self.each_host(|host| {
            let grown = self.grew(selector, Some(&[bound]), host, Some(version), span);
            let grown = grown.filter(|host| host.bounds == [bound]);
            let scrapes: Vec<Scrape> = grown
                .iter()
                .flat_map(|host| host.points.iter().map(scrape))
                .collect();
            seconds(span, &scrapes)
        })
    }

    /// Returns the same for every bound all hosts have that showed any.
    pub(super) fn slower_than_each(
        &self,
        buckets: &str,
        version: &Version,
        span: (Timestamp, Timestamp),
    ) -> Vec<(f64, Vec<Vec<Counts>>)> {
        // The definition was checked when the release was made; an unreadable one has no requests.
        let Ok(selector) = Selector::parse(buckets) else {
            return vec![];
        };
        let grew = |host| self.grew(&selector, None, host, Some(version), span);
        let hosts: Vec<HostBuckets> = self.each_host(grew).into_iter().flatten().collect();
        let bounds = in_common(hosts.iter()).unwrap_or_default();
        let slower = |bound| {
            let hosts = self.slower_than(&selector, bound, version, span);
            (bound, hosts)
        };
        bounds.into_iter().map(slower).collect()
    }

    fn grew(
        &self,
        selector: &Selector,
        within: Option<&[f64]>,
        host: HostId,
        version: Option<&Version>,
        span: (Timestamp, Timestamp),
    ) -> Option<HostBuckets> {
        let labels = self.labels(host, version)?;
        let found = self.metrics.buckets(selector, &labels, within, span);
        found.into_iter().next()
    }
}

/// Returns the bounds every one of these has, ascending; none without hosts.
fn in_common<'a>(mut hosts: impl Iterator<Item = &'a HostBuckets>) -> Option<Vec<f64>> {
    let mut bounds = hosts.next()?.bounds.clone();
    for host in hosts {
        bounds.retain(|bound| host.bounds.contains(bound));
    }
    Some(bounds)
}

fn empty(bounds: &[f64]) -> Histogram {
    Histogram {
        at_most: vec![0; bounds.len()],
        total: 0,
    }
}

/// Adds whole events; what a point has within a bound it has within the next, also when rounded.
fn add(sum: &mut Histogram, point: &BucketPoint) {
    for (sum, more) in sum.at_most.iter_mut().zip(&point.at_most) {
        *sum += events(*more);
    }
    sum.total += events(point.total);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(bounds: &[f64]) -> HostBuckets {
        HostBuckets {
            host: String::new(),
            bounds: bounds.to_vec(),
            points: vec![BucketPoint {
                at: Timestamp::UNIX_EPOCH,
                at_most: (1..=bounds.len()).map(|n| n as f64).collect(),
                total: 9.0,
            }],
        }
    }

    #[test]
    fn hosts_have_the_bounds_in_common_that_each_has() {
        let hosts = [host(&[0.1, 0.5, 1.0]), host(&[0.1, 0.25, 1.0])];
        assert_eq!(in_common(hosts.iter()), Some(vec![0.1, 1.0]));
        assert_eq!(in_common([].iter()), None);
    }

    #[test]
    fn what_hosts_counted_is_added_up() {
        let mut sum = empty(&[0.1, 1.0]);
        for _ in 0..2 {
            add(&mut sum, &host(&[0.1, 1.0]).points[0]);
        }
        assert_eq!((sum.at_most, sum.total), (vec![2, 4], 18));
    }
}
