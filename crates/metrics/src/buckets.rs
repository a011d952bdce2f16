//! How much the buckets of a histogram grew from scrape to scrape: what the judge tells slow requests by.
//!
//! A Prometheus histogram is one counter per bound, in label `le`, of the events that are at most that
//! large; `+Inf` counts all. Each bound is summed as [`crate::increase`] sums any counter.

use std::collections::BTreeMap;

use model::Timestamp;

use crate::increase::{Track, increases};

/// The label with a bucket's upper bound.
pub(crate) const LE: &str = "le";

/// Is the growth of one host's histogram, scrape by scrape, summed over the series that match.
///
/// A scrape is in `points` only if the growth of every bucket is known there ([`crate::HostIncrease`]
/// says when it is not) and each holds at least those within it: a process that began anew shows it in
/// some buckets only.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBuckets {
    /// The value of label `host`; "" for the series that have none.
    pub host: String,
    /// Finite, ascending, each once.
    pub bounds: Vec<f64>,
    /// By time, each time once.
    pub points: Vec<BucketPoint>,
}

/// Is what a histogram counted between a scrape and the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct BucketPoint {
    pub at: Timestamp,
    /// For each bound the events that are at most so large.
    pub at_most: Vec<f64>,
    pub total: f64,
}

/// Is a bound that sorts, infinity last.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound(f64);

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Reads a bucket's bound: `0.25`, `+Inf`. Clients write the same one as `1` or as `1.0`, so that only
/// the number tells bounds apart; no number is no bucket.
pub(crate) fn bound(le: &str) -> Option<f64> {
    let bound: f64 = le.parse().ok()?;
    // `-0` and `0` are one bound.
    (!bound.is_nan()).then_some(bound + 0.0)
}

/// Sums the tracks per host and bound; hosts by name.
pub(crate) fn buckets(tracks: Vec<Track>) -> Vec<HostBuckets> {
    let mut by_bound: BTreeMap<Bound, Vec<Track>> = BTreeMap::new();
    for track in tracks {
        if let Some(bound) = bound(track.labels.get(LE)) {
            by_bound.entry(Bound(bound)).or_default().push(track);
        }
    }
    let mut by_host: BTreeMap<String, BTreeMap<Bound, Growth>> = BTreeMap::new();
    for (bound, tracks) in by_bound {
        for host in increases(tracks) {
            let of_host = by_host.entry(host.host).or_default();
            of_host.insert(bound, host.points.into_iter().collect());
        }
    }
    by_host
        .into_iter()
        .map(|(host, by_bound)| one_host(host, by_bound))
        .collect()
}

type Growth = BTreeMap<Timestamp, f64>;

fn one_host(host: String, mut by_bound: BTreeMap<Bound, Growth>) -> HostBuckets {
    let all = by_bound.remove(&Bound(f64::INFINITY)).unwrap_or_default();
    let bounds = by_bound.keys().map(|bound| bound.0).collect();
    let point = |(&at, &total): (&Timestamp, &f64)| {
        let at_most: Option<Vec<f64>> = by_bound.values().map(|g| g.get(&at).copied()).collect();
        let point = BucketPoint {
            at,
            at_most: at_most?,
            total,
        };
        point.is_sound().then_some(point)
    };
    HostBuckets {
        host,
        bounds,
        points: all.iter().filter_map(point).collect(),
    }
}

impl BucketPoint {
    fn is_sound(&self) -> bool {
        let within = self.at_most.last().copied().unwrap_or(0.0);
        self.at_most.is_sorted() && within <= self.total
    }
}

#[cfg(test)]
mod tests {
    use model::Labels;
    use model::observe::Sample;
    use proptest::prelude::*;

    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1_000)
    }

    fn track(host: &str, le: &str, values: &[f64]) -> Track {
        let sample = |(s, &value): (usize, &f64)| Sample {
            at: at(s as i64),
            value,
        };
        let mut samples: Vec<Sample> = values.iter().enumerate().map(sample).collect();
        Track {
            labels: Labels::new([("host", host), (LE, le)]).unwrap(),
            counted: true,
            from_birth: true,
            before: Some(samples.remove(0)),
            samples,
        }
    }

    fn points(host: &HostBuckets) -> Vec<(i64, Vec<f64>, f64)> {
        let point = |p: &BucketPoint| (p.at.as_millis() / 1_000, p.at_most.clone(), p.total);
        host.points.iter().map(point).collect()
    }

    #[test]
    fn every_bucket_grows_by_itself() {
        let [host] = buckets(vec![
            track("web-1", "+Inf", &[10.0, 20.0, 24.0]),
            track("web-1", "0.5", &[9.0, 17.0, 20.0]),
            track("web-1", "0.1", &[5.0, 9.0, 11.0]),
        ])
        .try_into()
        .unwrap();
        assert_eq!(host.bounds, [0.1, 0.5]);
        assert_eq!(
            points(&host),
            [(1, vec![4.0, 8.0], 10.0), (2, vec![2.0, 3.0], 4.0)]
        );
    }

    #[test]
    fn hosts_keep_their_own_bounds() {
        let found = buckets(vec![
            track("b", "1", &[0.0, 1.0]),
            track("b", "+Inf", &[0.0, 1.0]),
            track("a", "2", &[0.0, 1.0]),
            track("a", "+Inf", &[0.0, 1.0]),
        ]);
        let bounds: Vec<(&str, &[f64])> = found
            .iter()
            .map(|h| (h.host.as_str(), &*h.bounds))
            .collect();
        assert_eq!(bounds, [("a", &[2.0][..]), ("b", &[1.0][..])]);
    }

    /// After a restart a bucket may stand as high as before, and the others tell.
    #[test]
    fn a_scrape_after_a_restart_is_left_out() {
        let [host] = buckets(vec![
            track("a", "0.1", &[5.0, 6.0, 7.0, 9.0]),
            track("a", "+Inf", &[100.0, 110.0, 20.0, 30.0]),
        ])
        .try_into()
        .unwrap();
        assert_eq!(points(&host), [(1, vec![1.0], 10.0), (3, vec![2.0], 10.0)]);
        let [host] = buckets(vec![
            track("a", "0.1", &[5.0, 6.0, 20.0]),
            track("a", "+Inf", &[9.0, 10.0, 22.0]),
        ])
        .try_into()
        .unwrap();
        assert_eq!(points(&host), [(1, vec![1.0], 1.0)], "14 of 12 cannot be");
    }

    #[test]
    fn one_bound_written_in_two_ways_is_one_bucket() {
        let [host] = buckets(vec![
            track("a", "1", &[0.0, 1.0]),
            track("a", "1.0", &[0.0, 2.0]),
            track("a", "+Inf", &[0.0, 4.0]),
            track("a", "what", &[0.0, 9.0]),
        ])
        .try_into()
        .unwrap();
        assert_eq!(host.bounds, [1.0]);
        assert_eq!(points(&host), [(1, vec![3.0], 4.0)]);
    }

    #[test]
    fn without_a_count_of_all_nothing_is_known() {
        let [host] = buckets(vec![track("a", "1", &[0.0, 1.0])])
            .try_into()
            .unwrap();
        assert_eq!(host.points, []);
    }

    proptest! {
        #[test]
        fn points_are_histograms(values in prop::collection::vec(
            prop::collection::vec(0.0..1e6f64, 4), 2..20,
        )) {
            let series = |at: usize| values.iter().map(|v| v[at]).collect::<Vec<f64>>();
            let found = buckets(vec![
                track("a", "0.1", &series(0)),
                track("a", "0.2", &series(1)),
                track("a", "0.3", &series(2)),
                track("a", "+Inf", &series(3)),
            ]);
            for point in &found[0].points {
                prop_assert!(point.at_most.is_sorted());
                prop_assert!(point.at_most[2] <= point.total);
            }
        }
    }
}
