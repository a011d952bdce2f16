//! The newest samples of one series.

use std::collections::VecDeque;

use model::Timestamp;
use model::observe::Sample;

/// Is the samples of one series by time, never empty after the first push.
#[derive(Debug)]
pub(crate) struct Ring {
    samples: VecDeque<Sample>,
    /// Whether the first sample here is the first there ever was, as far as the store can know.
    pub(crate) from_birth: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The ring holds one sample more.
    Grown,
    /// The oldest sample made room.
    Replaced,
    /// The same sample is already here.
    Repeated,
    OutOfOrder,
}

impl Ring {
    pub(crate) fn new(from_birth: bool) -> Self {
        Self {
            samples: VecDeque::new(),
            from_birth,
        }
    }

    /// Appends a sample; at `capacity` the oldest one goes.
    pub(crate) fn push(&mut self, sample: Sample, capacity: usize) -> Pushed {
        if self.newest().is_some_and(|newest| sample.at <= newest) {
            return self.compare(sample);
        }
        let full = self.samples.len() >= capacity;
        if full {
            self.samples.pop_front();
            self.from_birth = false;
        }
        self.samples.push_back(sample);
        if full {
            Pushed::Replaced
        } else {
            Pushed::Grown
        }
    }

    /// Tells a batch sent again after a lost answer from a sample that came too late.
    fn compare(&self, sample: Sample) -> Pushed {
        let same =
            |held: &Sample| held.at == sample.at && held.value.to_bits() == sample.value.to_bits();
        match self.samples.get(self.first_not_before(sample.at)) {
            Some(held) if same(held) => Pushed::Repeated,
            _ => Pushed::OutOfOrder,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.samples.back().map(|sample| sample.at)
    }

    /// Returns the samples of `from..=to`.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Sample> {
        let start = self.first_not_before(from);
        let end = self.first_after(to).max(start);
        self.samples.range(start..end).copied().collect()
    }

    /// Returns the last number at or before a time; NaN and the infinities are no numbers.
    pub(crate) fn last_number_until(&self, at: Timestamp) -> Option<Sample> {
        let end = self.first_after(at);
        let mut back = self.samples.range(..end).rev();
        back.find(|sample| sample.value.is_finite()).copied()
    }

    /// Returns the numbers of `(after, until]`.
    pub(crate) fn numbers_after(&self, after: Timestamp, until: Timestamp) -> Vec<Sample> {
        let start = self.first_after(after);
        let end = self.first_after(until).max(start);
        let inside = self.samples.range(start..end);
        inside
            .filter(|sample| sample.value.is_finite())
            .copied()
            .collect()
    }

    fn first_not_before(&self, at: Timestamp) -> usize {
        self.samples.partition_point(|sample| sample.at < at)
    }

    fn first_after(&self, at: Timestamp) -> usize {
        self.samples.partition_point(|sample| sample.at <= at)
    }
}
