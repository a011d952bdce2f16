//! How much noisier than chance the hosts are when nothing changes: the dispersion phi.
//!
//! Requests on one host are not independent, and much of what they share lasts for minutes: one-second
//! batches alone would call the noise chance and raise false alarms in one change of three (judge
//! specification 2.B.2). So hosts are compared with each other over windows of several widths, and the
//! evidence of every later batch is divided by the largest ratio found.

use std::time::Duration;

use model::judge::{Counts, Dispersion};
use serde::{Deserialize, Serialize};

use crate::counts::add;
use crate::exact::Exact;
use crate::look::History;

/// Fewer degrees of freedom measure nothing. Two standard errors are as easily passed by one window as
/// by many, one time in twenty, but what is passed is then large: of twenty healthy histories of a
/// quarter of an hour, one has a phi of 4 and more by its single widest window, which makes harm four
/// times as slow to find. Four give at most 2.4 so often, and are an hour of quarters.
const FREEDOM_NEEDED: u64 = 4;
/// In one-second batches. Each divides the last, which is also how long one split of the hosts lasts.
const WIDTHS: [usize; 4] = [1, 60, 300, QUARTER];
const QUARTER: usize = 900;
const MINUTE: usize = 1;
/// Fewer one-minute windows that say something are too few to promise an error rate.
const MINUTES_NEEDED: u64 = 10;
/// What is assumed then; with 20 % noise on top of 5 % errors it is still too little.
const ASSUMED: f64 = 2.0;
/// From this many hosts on they are compared one by one, not only half with half.
const HOSTS_ONE_BY_ONE: usize = 4;

/// Is a signal's dispersion, fixed when its test starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phi {
    phi: Exact,
    assumed: bool,
    batches: u64,
    widest_s: u64,
}

impl Phi {
    pub(crate) fn value(&self) -> f64 {
        self.phi.0
    }

    /// Estimates phi from the history, or assumes 2 (or more) when there is too little of it.
    pub(crate) fn of(history: &History) -> Self {
        let hosts: Vec<Running> = history.hosts.iter().map(|h| Running::of(h)).collect();
        let seconds = history.hosts.iter().map(Vec::len).max().unwrap_or(0);
        let mut all = Quarter::default();
        history.quarters.iter().for_each(|quarter| all.add(quarter));
        for (number, start) in (0..).zip((0..seconds).step_by(QUARTER)) {
            all.add(&Quarter::of(&hosts, (start, seconds), number));
        }
        let by_width = all.0;
        let measured = largest(&by_width);
        let assumed = by_width[MINUTE].halves.usable < MINUTES_NEEDED;
        let widest = by_width
            .iter()
            .zip(WIDTHS)
            .rfind(|(w, _)| w.halves.usable > 0);
        Self {
            phi: Exact(if assumed {
                measured.max(ASSUMED)
            } else {
                measured
            }),
            assumed,
            batches: by_width[0].halves.freedom,
            widest_s: widest.map_or(0, |(_, width)| width as u64),
        }
    }

    pub(crate) fn to_evidence(&self) -> Dispersion {
        Dispersion {
            phi: self.value(),
            source: if self.assumed { "assumed" } else { "aa" }.to_owned(),
            batches: self.batches,
            widest_s: self.widest_s,
        }
    }
}

/// Takes the mean of the finest width, and any other that stands two standard errors above it, if it
/// stands on enough windows.
fn largest(by_width: &[Width; WIDTHS.len()]) -> f64 {
    let finest = by_width[0].halves.mean().max(1.0);
    let others = by_width.iter().flat_map(|w| [&w.halves, &w.one_by_one]);
    others
        .filter(|o| o.said >= FREEDOM_NEEDED)
        .filter(|o| o.mean() > finest * (1.0 + 2.0 * (2.0 / o.freedom as f64).sqrt()))
        .map(Chi::mean)
        .fold(finest, f64::max)
}

/// Is what up to a quarter of an hour of history says about the noise, without its counts: it is small, adds
/// up, and may be kept longer than samples are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quarter([Width; WIDTHS.len()]);

impl Quarter {
    pub const LASTS: Duration = Duration::from_secs(QUARTER as u64);

    /// Measures the one-second batches of each host, oldest first; index `i` is the same second for every
    /// host, seconds without data are zero, and what is behind the first 900 is left out. `number` tells
    /// quarters apart: each compares other halves of the hosts.
    #[must_use]
    pub fn measure(hosts: &[Vec<Counts>], number: u64) -> Self {
        let seconds = hosts.iter().map(Vec::len).max().unwrap_or(0);
        let hosts: Vec<Running> = hosts.iter().map(|h| Running::of(h)).collect();
        Self::of(&hosts, (0, seconds), number)
    }

    /// Tells whether it says nothing: never had two hosts traffic in the same second.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|width| width.halves.freedom == 0)
    }

    fn of(hosts: &[Running], (start, end): (usize, usize), number: u64) -> Self {
        let seconds = end.saturating_sub(start).min(QUARTER);
        let split = split(hosts.len(), number);
        Self(WIDTHS.map(|width| {
            let mut this = Width::default();
            for window in 0..seconds / width {
                let from = start + window * width;
                this.push(hosts, &split, (from, from + width));
            }
            this
        }))
    }

    fn add(&mut self, more: &Self) {
        for (sum, more) in self.0.iter_mut().zip(&more.0) {
            sum.halves.add(&more.halves);
            sum.one_by_one.add(&more.one_by_one);
        }
    }
}

/// Is what one width of window says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Width {
    /// Half of the hosts against the other half.
    halves: Chi,
    /// Every host against all.
    one_by_one: Chi,
}

impl Width {
    fn push(&mut self, hosts: &[Running], split: &[usize], (from, to): (usize, usize)) {
        let mut halves = [Counts::default(); 2];
        let counts: Vec<Counts> = hosts.iter().map(|h| h.between(from, to)).collect();
        for (&host, half) in split.iter().zip([0, 1].into_iter().cycle()) {
            add(&mut halves[half], counts[host]);
        }
        self.halves.push(&halves, 2);
        self.one_by_one.push(&counts, HOSTS_ONE_BY_ONE);
    }
}

/// Returns the hosts in an order of their own for each quarter; even places are one half, odd ones the
/// other. A fixed split would never show a host that is always worse than its half.
fn split(hosts: usize, quarter: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..hosts).collect();
    let mut state = quarter;
    for last in (1..hosts).rev() {
        order.swap(last, (next_random(&mut state) % (last as u64 + 1)) as usize);
    }
    order
}

/// Is `SplitMix64` (Steele, Lea and Flood, 2014): the same history gives the same phi on every machine.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Is a mean of Pearson's chi-square over windows, per degree of freedom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Chi {
    sum: Exact,
    /// Windows in which something, but not everything, was bad.
    usable: u64,
    /// Degrees of freedom of those.
    said: u64,
    /// Degrees of freedom of all windows with traffic to compare.
    freedom: u64,
}

impl Chi {
    /// Adds a window, if at least `needed` groups had events.
    fn push(&mut self, groups: &[Counts], needed: usize) {
        let active = groups.iter().filter(|g| g.total > 0).count();
        if active < needed {
            return;
        }
        let freedom = active as u64 - 1;
        self.freedom += freedom;
        let mut all = Counts::default();
        groups.iter().for_each(|g| add(&mut all, *g));
        if all.bad == 0 || all.bad >= all.total {
            return;
        }
        self.usable += 1;
        self.said += freedom;
        let share = all.bad as f64 / all.total as f64;
        self.sum.0 += chi_square(groups, share) / freedom as f64;
    }

    /// Returns 0 when no window said anything.
    fn mean(&self) -> f64 {
        self.sum.0 / self.usable.max(1) as f64
    }

    fn add(&mut self, more: &Self) {
        self.sum.0 += more.sum.0;
        self.usable += more.usable;
        self.said += more.said;
        self.freedom += more.freedom;
    }
}

/// Returns the sum over groups with events of `(bad - n p)^2 / (n p (1 - p))`.
fn chi_square(groups: &[Counts], share: f64) -> f64 {
    let active = groups.iter().filter(|g| g.total > 0);
    let term = |g: &Counts| {
        let expected = g.total as f64 * share;
        (g.bad as f64 - expected).powi(2) / (expected * (1.0 - share))
    };
    active.map(term).sum()
}

/// Is a host's running totals, so that every window is one subtraction.
struct Running(Vec<Counts>);

impl Running {
    /// A batch with more bad events than events is left out.
    fn of(batches: &[Counts]) -> Self {
        let mut sum = Counts::default();
        let mut sums = vec![sum];
        for batch in batches {
            if batch.bad <= batch.total {
                add(&mut sum, *batch);
            }
            sums.push(sum);
        }
        Self(sums)
    }

    /// Returns the counts of the batches `from..to`, as far as there are any.
    fn between(&self, from: usize, to: usize) -> Counts {
        let end = self.0.len() - 1;
        let (from, to) = (self.0[from.min(end)], self.0[to.min(end)]);
        Counts {
            bad: to.bad - from.bad,
            total: to.total - from.total,
        }
    }
}

/// Returns the mean chi-square of two groups over batches, at least 1: the reference's `dispersion`.
#[cfg(test)]
pub(crate) fn of_pairs(pairs: &[[Counts; 2]]) -> f64 {
    let mut chi = Chi::default();
    pairs.iter().for_each(|pair| chi.push(pair, 2));
    chi.mean().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Hosts whose error rate is `share`, times a noise of their own each minute, times `own[host]`.
    fn history(own: &[f64], seconds: usize, share: f64, noise: f64) -> History {
        let mut random = Random::new(7);
        let host = |own: &f64| {
            let mut host = Vec::new();
            let mut factor = 1.0;
            for second in 0..seconds {
                if second % 60 == 0 {
                    factor = own * random.noise(noise);
                }
                host.push(random.counts(20.0, share * factor));
            }
            host
        };
        History {
            hosts: own.iter().map(host).collect(),
            quarters: vec![],
        }
    }

    #[test]
    fn independent_requests_need_no_correction() {
        let phi = Phi::of(&history(&[1.0; 4], 3_600, 0.05, 0.0));
        assert!((1.0..1.15).contains(&phi.value()), "{phi:?}");
        let evidence = phi.to_evidence();
        assert_eq!((evidence.source.as_str(), evidence.batches), ("aa", 3_600));
        assert_eq!(evidence.widest_s, 900);
    }

    #[test]
    fn noise_on_the_scale_of_minutes_is_seen() {
        let phi = Phi::of(&history(&[1.0; 4], 3_600, 0.05, 0.3));
        assert!(phi.value() > 3.0, "{phi:?}");
    }

    /// A quarter of an hour is one window of its width, which may show a difference by chance alone.
    #[test]
    fn few_wide_windows_do_not_decide() {
        let host = |extra_every: u64| -> Vec<Counts> {
            let bad = |second: u64| 1 + u64::from(second.is_multiple_of(extra_every));
            let counts = |second| Counts {
                bad: bad(second),
                total: 20,
            };
            (1..=900).map(counts).collect()
        };
        let hosts = vec![host(1_000), host(10)];
        let phi = Phi::of(&History {
            hosts,
            quarters: vec![],
        })
        .value();
        assert!(phi < 1.5, "{phi}");
    }

    #[test]
    fn a_host_that_is_always_worse_is_seen() {
        let phi = Phi::of(&history(&[1.0, 1.0, 1.0, 1.0, 1.0, 2.0], 3_600, 0.05, 0.0));
        assert!(phi.value() > 10.0, "{phi:?}");
    }

    #[test]
    fn too_little_history_is_assumed_to_be_noisy() {
        let short = history(&[1.0; 4], 599, 0.05, 0.0);
        let clean = history(&[1.0; 4], 3_600, 0.0, 0.0);
        let alone = history(&[1.0], 3_600, 0.05, 0.0);
        for history in [short, clean, alone, History::default()] {
            let phi = Phi::of(&history);
            assert_eq!((phi.value(), phi.assumed), (ASSUMED, true));
        }
        assert!(!Phi::of(&history(&[1.0; 2], 600, 0.05, 0.0)).assumed);
    }

    #[test]
    fn quarters_that_were_kept_say_what_their_counts_said() {
        let whole = history(&[1.0; 5], 3_600, 0.05, 0.3);
        let quarter = |number: usize| {
            let part = |host: &Vec<Counts>| host[number * QUARTER..][..QUARTER].to_vec();
            let hosts: Vec<Vec<Counts>> = whole.hosts.iter().map(part).collect();
            let measured = Quarter::measure(&hosts, number as u64);
            let json = serde_json::to_string(&measured).unwrap();
            serde_json::from_str::<Quarter>(&json).unwrap()
        };
        let kept = History {
            hosts: vec![],
            quarters: (0..4).map(quarter).collect(),
        };
        assert_eq!(Phi::of(&kept), Phi::of(&whole));
        assert!(Phi::of(&kept).value() > 3.0);
    }

    #[test]
    fn kept_quarters_and_fresh_seconds_add_up() {
        let old = history(&[1.0; 4], QUARTER, 0.05, 0.0);
        let both = History {
            quarters: vec![Quarter::measure(&old.hosts, 7)],
            ..history(&[1.0; 4], 300, 0.05, 0.0)
        };
        let evidence = Phi::of(&both).to_evidence();
        assert_eq!((evidence.batches, evidence.widest_s), (1_200, 900));
        assert_eq!(evidence.source, "aa");
    }

    #[test]
    fn a_quarter_in_which_nothing_is_compared_is_empty() {
        let alone = Quarter::measure(&[vec![Counts { bad: 1, total: 9 }; QUARTER]], 0);
        assert!(alone.is_empty() && Quarter::measure(&[], 0).is_empty());
        let two = Quarter::measure(&vec![vec![Counts { bad: 0, total: 9 }]; 2], 0);
        assert!(!two.is_empty());
    }

    #[test]
    fn impossible_batches_and_short_hosts_are_left_out() {
        let mut history = history(&[1.0; 4], 3_600, 0.05, 0.0);
        let clean = Phi::of(&history).value();
        history.hosts.push(vec![Counts { bad: 9, total: 1 }; 3_600]);
        history.hosts.push(Vec::new());
        assert!((Phi::of(&history).value() - clean).abs() < 0.2);
    }

    #[test]
    fn every_split_has_all_hosts_and_few_repeat() {
        let splits: std::collections::BTreeSet<Vec<usize>> = (0..40).map(|s| split(6, s)).collect();
        assert!(splits.len() > 30);
        for mut order in splits {
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4, 5]);
        }
    }
}
