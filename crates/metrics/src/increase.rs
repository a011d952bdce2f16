//! How much counters grew from scrape to scrape: what the judge counts bad and all events with.
//!
//! Everything here is arithmetic on samples somebody else picked; [`increases`] is a function of its
//! arguments.

use std::collections::BTreeMap;

use model::observe::Sample;
use model::{Labels, Timestamp};

/// Labels of where a process ran, not of what it counted. When one of them changes, the same process
/// goes on under new series.
const PLACEMENT: [&str; 3] = ["instance", "release", "ring"];

/// Is the growth of one host's matching counters, scrape by scrape.
///
/// The growth at a scrape is summed over the series that match, each against its own sample before:
/// - **A value not below the one before** grew by the difference, also after a gap.
/// - **A value below the one before** means the process began anew. How much was counted between is
///   unknown, so the scrape is left out of `points` and named in `resets`.
/// - **The first sample of a series** `v` counts as `v` if the host was scraped before: the label
///   combination is new and a counter starts at 0. Two exceptions. If it continues a series of the
///   scrape just before that differs only in `instance`, `release` or `ring`, and is not below that
///   one, it grew by their difference: a host that moves to another ring keeps its process. And if the
///   store may have forgotten older samples of the series, its growth is unknown, and the scrape is left
///   out.
/// - **No series matches at a scrape**: the growth is 0, because services that count lazily show no
///   `failed` before the first failure.
///
/// The first scrape of a host has nothing before it and is never in `points`. NaN and the infinities
/// (Prometheus marks a vanished series with a NaN) are taken for absent samples.
///
/// Whoever divides two of these uses only the scrapes that stand in `points` of both. A `bad` metric
/// with a name of its own that a host never exposed gives no `HostIncrease` for that host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostIncrease {
    /// The value of label `host`; "" for the series that have none.
    pub host: String,
    /// By time, each time once; the growth since the host's scrape before.
    pub points: Vec<(Timestamp, f64)>,
    /// By time: scrapes at which a matching counter was lower than before.
    pub resets: Vec<Timestamp>,
}

/// Is one series of the metric in question, as far as its growth in `(after, until]` needs it.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub labels: Labels,
    /// Whether the series matches; the others only show when the host was scraped.
    pub counted: bool,
    /// Whether its first sample, if it is in `samples`, is the first there ever was.
    pub from_birth: bool,
    /// The last number at or before `after`.
    pub before: Option<Sample>,
    /// Finite, by time, all in `(after, until]`.
    pub samples: Vec<Sample>,
}

/// Sums the tracks per host; hosts by name, those without a scrape in the window left out.
pub(crate) fn increases(tracks: Vec<Track>) -> Vec<HostIncrease> {
    let mut by_host: BTreeMap<String, Vec<Track>> = BTreeMap::new();
    for track in tracks {
        let host = track.labels.get("host").to_owned();
        by_host.entry(host).or_default().push(track);
    }
    by_host
        .into_iter()
        .filter(|(_, tracks)| tracks.iter().any(|track| !track.samples.is_empty()))
        .map(|(host, tracks)| one_host(host, &tracks))
        .collect()
}

/// Is what one series did between two scrapes.
enum Growth {
    By(f64),
    Unknown,
    Reset,
}

fn one_host(host: String, tracks: &[Track]) -> HostIncrease {
    let mut increase = HostIncrease {
        host,
        points: Vec::new(),
        resets: Vec::new(),
    };
    let mut last: Vec<Option<Sample>> = tracks.iter().map(|track| track.before).collect();
    for (at, seen) in scrapes(tracks) {
        let scraped_before = last.iter().flatten().map(|sample| sample.at).max();
        if let Some(before) = scraped_before {
            let growth = Scrape {
                tracks,
                last: &last,
                seen: &seen,
                before,
            }
            .growth();
            match growth {
                Growth::By(sum) => increase.points.push((at, sum)),
                Growth::Reset => increase.resets.push(at),
                Growth::Unknown => {}
            }
        }
        for &(index, value) in &seen {
            last[index] = Some(Sample { at, value });
        }
    }
    increase
}

/// Returns per time which tracks have which value.
fn scrapes(tracks: &[Track]) -> BTreeMap<Timestamp, Vec<(usize, f64)>> {
    let mut scrapes: BTreeMap<Timestamp, Vec<(usize, f64)>> = BTreeMap::new();
    for (index, track) in tracks.iter().enumerate() {
        for sample in &track.samples {
            let seen = scrapes.entry(sample.at).or_default();
            seen.push((index, sample.value));
        }
    }
    scrapes
}

/// Is one scrape of a host and what was known before it.
struct Scrape<'a> {
    tracks: &'a [Track],
    last: &'a [Option<Sample>],
    seen: &'a [(usize, f64)],
    /// The time of the host's scrape before.
    before: Timestamp,
}

impl Scrape<'_> {
    /// Sums the growth of the counted tracks; a reset outweighs what is merely unknown.
    fn growth(&self) -> Growth {
        let mut sum = 0.0;
        let mut unknown = false;
        for &(index, value) in self.seen {
            if !self.tracks[index].counted {
                continue;
            }
            match self.growth_of(index, value) {
                Growth::By(growth) => sum += growth,
                Growth::Unknown => unknown = true,
                Growth::Reset => return Growth::Reset,
            }
        }
        if unknown {
            Growth::Unknown
        } else {
            Growth::By(sum)
        }
    }

    fn growth_of(&self, index: usize, value: f64) -> Growth {
        match self.last[index] {
            Some(last) if value >= last.value => Growth::By(value - last.value),
            Some(_) => Growth::Reset,
            None if self.tracks[index].from_birth => {
                Growth::By(value - self.start_of(index, value))
            }
            None => Growth::Unknown,
        }
    }

    /// Returns the value a new series goes on from: 0, or that of the series it replaces.
    fn start_of(&self, index: usize, value: f64) -> f64 {
        let replaced = self.tracks.iter().enumerate().filter(|(other, track)| {
            let seen_now = self.seen.iter().any(|(seen, _)| seen == other);
            !seen_now && same_counter(&track.labels, &self.tracks[index].labels)
        });
        replaced
            .filter_map(|(other, _)| self.last[other])
            .filter(|last| last.at == self.before && last.value <= value)
            .map(|last| last.value)
            .fold(0.0, f64::max)
    }
}

/// Tells whether two series differ at most in where their process ran.
fn same_counter(a: &Labels, b: &Labels) -> bool {
    fn counted(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
        labels.iter().filter(|(name, _)| !PLACEMENT.contains(name))
    }
    counted(a).eq(counted(b))
}

#[cfg(test)]
mod tests;
