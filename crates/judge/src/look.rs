//! What the judge is given at each look, and what it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use model::deliver::AtDeadline;
use model::judge::{Counts, Evidence, Excluded, Reason, VerdictState};
use model::{HostName, Timestamp};

use crate::counts::add;
use crate::dispersion::Quarter;

/// Is what hosts counted while nothing was being changed, to learn how much more they differ from each
/// other and from themselves than chance alone would make them.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Per host its one-second batches, oldest first; index `i` is the same second for every host.
    /// Seconds without data are zero.
    pub hosts: Vec<Vec<Counts>>,
    /// What was measured before that, in any order; none of it is of a time in `hosts`.
    ///
    /// Of 12 h if there are so many. An hour is too short to see moderate noise every time: with 1 %
    /// errors and 20 % noise a harmless change then failed in 1.5 % of 3,000 simulated runs, against
    /// 0.7 % with 12 h.
    pub quarters: Vec<Quarter>,
}

impl History {
    /// Returns what all hosts counted in the time before, as far as its counts are known.
    pub(crate) fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for &counts in self.hosts.iter().flatten() {
            add(&mut sum, counts);
        }
        sum
    }
}

/// Is one look at a change: what came since the look before, and the state of its ring.
#[derive(Clone, Debug)]
pub struct Look {
    /// End of the batch. It increases from look to look; see [`crate::Test::look`] for what happens
    /// when it does not.
    pub at: Timestamp,
    /// Counted from 0.
    pub ring: usize,
    /// What came since the look before, by signal; a signal that is missing had no data.
    pub metrics: BTreeMap<String, Batch>,
    /// Hosts that do not have the change, at this moment.
    pub control_hosts: usize,
    /// Hosts that have it.
    pub canary_hosts: usize,
    /// Hosts of the ring that bakes; empty ones may be left out.
    pub conditions: Vec<HostCondition>,
    /// When the last host of the ring proved the release: bake and deadline count from here. None while
    /// some have not; then the ring can fail, but not pass.
    pub ring_proved_at: Option<Timestamp>,
    pub bake: Duration,
    pub deadline: Duration,
    pub at_deadline: AtDeadline,
    /// Nothing was proved before this release, so that there is nothing to compare it with.
    pub first_release: bool,
    /// Events since the look before that belong to neither arm, over all signals.
    pub unattributed: u64,
    /// What each other service the change was shipped with has found so far
    /// ([`crate::Test::log_evidence`]); empty for one alone.
    pub beside: Vec<f64>,
    /// What the caller left out of `metrics`. Entries given again are listed once.
    pub excluded: Vec<Excluded>,
}

/// Is what came of one signal since the look before; its kind is that of the signal.
#[derive(Clone, Debug, PartialEq)]
pub enum Batch {
    Counts(Arms),
    /// Requests by how long they took, within the bounds of [`crate::Test::bounds`].
    Latency {
        canary: Histogram,
        control: Histogram,
    },
    /// Both sides show histograms, and they have no bound in common.
    Mismatch,
    Mean {
        canary: Total,
        control: Total,
    },
}

impl Batch {
    /// Returns the events of both arms.
    pub(crate) fn events(&self) -> u64 {
        match self {
            Batch::Counts(arms) => arms.canary.total.saturating_add(arms.control.total),
            Batch::Latency { canary, control } => canary.total.saturating_add(control.total),
            Batch::Mean { canary, control } => canary.events.saturating_add(control.events),
            Batch::Mismatch => 0,
        }
    }
}

/// Is how many requests took how long; which bounds they were counted by stands beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// For each bound the requests that took at most so long; bounds ascend, and so do these.
    pub at_most: Vec<u64>,
    pub total: u64,
}

impl Histogram {
    /// Returns those above the bound at this place.
    pub(crate) fn slower(&self, at: usize) -> Counts {
        let within = self.at_most.get(at).copied().unwrap_or(self.total);
        Counts {
            bad: self.total.saturating_sub(within),
            total: self.total,
        }
    }
}

/// Is the sum of a value over some events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    pub sum: f64,
    pub events: u64,
}

/// Is a batch of one counted signal in both arms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arms {
    pub canary: Counts,
    pub control: Counts,
}

/// Is how a host of the ring does, apart from any statistics. Counts are since the change reached it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCondition {
    pub host: HostName,
    pub unexpected_exits: u32,
    /// In a row, up to now.
    pub failed_checks: u32,
    /// Failures in a row that make the host unhealthy, from the release's definition.
    pub unhealthy_after: u32,
    /// It went back to what it ran before by itself.
    pub reverted: bool,
}

/// Is the answer to one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub state: VerdictState,
    pub reason: Reason,
    pub evidence: Evidence,
    /// No host is left without the change, though there was something before it: nothing more can be
    /// learned by comparing. `Undecided(NoControl)` with this set is what a healthy last ring ends in:
    /// it may pass on proof and bake. Without it `NoControl` means the very first release.
    pub control_emptied: bool,
}
