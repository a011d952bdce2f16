//! Where samples are kept and asked for: a bounded store in memory, behind an enum so that an engine on
//! disk and a remote one can stand beside it.
//!
//! **Invariant.** Every sample that is written ends in exactly one outcome of [`WriteReport`], and the
//! samples of a series stay in the order of their times. No writer can make the store grow over its
//! [`Limits`].
//!
//! **Must not know**: what a signal or a verdict is, formats on the wire, clocks. A judge gets numbers
//! from here ([`HostIncrease`], [`HostBuckets`]), never a handle.

mod buckets;
mod increase;
mod memory;
mod ring;
mod selector;

pub use buckets::{BucketPoint, HostBuckets};
pub use increase::HostIncrease;
pub use memory::{Limits, Memory, WriteReport};
pub use selector::{Selector, SelectorError};

use model::Timestamp;
use model::observe::Series;

/// Is a store of samples. A clone is another handle on the same store.
#[derive(Clone, Debug)]
pub enum Metrics {
    Memory(Memory),
}

impl Metrics {
    /// Makes an empty store that forgets everything when the process ends.
    pub fn memory(limits: Limits) -> Metrics {
        Metrics::Memory(Memory::new(limits))
    }

    /// Stores what can be stored and counts the rest by reason.
    ///
    /// A sender writes one scrape of a host in one call: a reader that comes between two halves would
    /// take the second half for missing.
    pub fn write(&self, batch: Vec<Series>, now: Timestamp) -> WriteReport {
        match self {
            Metrics::Memory(memory) => memory.write(batch, now),
        }
    }

    /// Returns the matching series that have samples from `from` to `to`, both included, ordered by
    /// their labels. `extra` are labels that must be equal, beside those of the selector.
    pub fn select(
        &self,
        selector: &Selector,
        extra: &[(&str, &str)],
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Series> {
        match self {
            Metrics::Memory(memory) => memory.select(selector, extra, from, to),
        }
    }

    /// Returns how much the matching counters grew, per host and scrape in `(after, until]`.
    ///
    /// Hosts come in the order of their names; a host is there when it has any series of the selector's
    /// metric and of `extra` in that time, even if none matches the selector. See [`HostIncrease`].
    pub fn increases(
        &self,
        selector: &Selector,
        extra: &[(&str, &str)],
        after: Timestamp,
        until: Timestamp,
    ) -> Vec<HostIncrease> {
        match self {
            Metrics::Memory(memory) => memory.increases(selector, extra, after, until),
        }
    }

    /// Returns how much the buckets of the matching histograms grew, per host and scrape in
    /// `(after, until]`: those within the bounds of `within`, or within all. See [`HostBuckets`].
    pub fn buckets(
        &self,
        selector: &Selector,
        extra: &[(&str, &str)],
        within: Option<&[f64]>,
        (after, until): (Timestamp, Timestamp),
    ) -> Vec<HostBuckets> {
        match self {
            Metrics::Memory(memory) => memory.buckets(selector, extra, within, (after, until)),
        }
    }

    /// Returns the time of the newest sample whose label `host` has this value.
    pub fn newest_at(&self, host: &str) -> Option<Timestamp> {
        match self {
            Metrics::Memory(memory) => memory.newest_at(host),
        }
    }
}
