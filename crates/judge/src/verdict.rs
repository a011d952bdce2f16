//! The test of one change, from its first ring to its last.

use std::collections::BTreeMap;

use model::digest::Hasher;
use model::judge::{Control, Evidence, Excluded, MetricEvidence, Reason, VerdictState};
use model::observe::Signal;
use model::{Digest, Timestamp, limit};
use serde::{Deserialize, Serialize};

use crate::budget::{ALPHA, signal_weights};
use crate::ends::{Arrival, Ends};
use crate::exact::log_sum_exp;
use crate::excluded::Exclusions;
use crate::look::{Batch, Histogram, History, Judgement, Look};
use crate::refusal::refusal;
use crate::signal::{SignalTest, When};
use crate::state::{self, Standing, needed};
use crate::watch::{Watch, Watched};

/// Names the formulas: raised when the same looks would give other bits.
pub(crate) const JUDGE_VERSION: &str = "2";
/// Refused batches in a row after which a signal counts as having no data.
const REFUSED_IN_ROW: u32 = 3;

/// Is the test of one change against one set of signals. All of its state is in its JSON; resumed from
/// that between any two looks it goes on with the same bits.
///
/// It needs 300 bytes of JSON per signal and ring, at most 200 points of trace per signal, and for a
/// latency 400 bytes per threshold and ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    definition: Digest,
    started: Timestamp,
    signals: BTreeMap<String, SignalTest>,
    looks: u64,
    ends: Ends,
    /// Events that belong to no arm: in all, and in this ring beside those that do.
    unattributed: u64,
    ring: usize,
    ring_unattributed: u64,
    ring_attributed: u64,
    excluded: Exclusions,
    refused: u64,
    inputs: Digest,
    failed: Option<Reason>,
}

impl Test {
    /// Starts at evidence 1. The `history` of the hosts before the change, by signal, gives the
    /// dispersion, which is fixed from here on; a signal without history gets an assumed one.
    pub fn start(
        signals: &BTreeMap<String, Signal>,
        rings: usize,
        history: &BTreeMap<String, History>,
        now: Timestamp,
    ) -> Self {
        Self::start_one_of(1, signals, rings, history, now)
    }

    /// Starts the test of one of several services that were shipped as one: they share the error budget of
    /// one change in equal parts, and their evidence is one sum ([`Look::beside`]).
    pub fn start_one_of(
        parts: usize,
        signals: &BTreeMap<String, Signal>,
        rings: usize,
        history: &BTreeMap<String, History>,
        now: Timestamp,
    ) -> Self {
        let definition = definition(signals);
        let nothing = History::default();
        let test = |(name, signal): (&String, &Signal), weight: f64| {
            let history = history.get(name).unwrap_or(&nothing);
            let rings = rings.min(limit::RINGS);
            (
                name.clone(),
                SignalTest::new(signal, weight, rings, history),
            )
        };
        let weights = signal_weights(signals, parts);
        Self {
            definition,
            started: now,
            signals: signals
                .iter()
                .zip(weights)
                .map(|(s, w)| test(s, w))
                .collect(),
            looks: 0,
            ends: Ends::starting(now),
            unattributed: 0,
            ring: 0,
            ring_unattributed: 0,
            ring_attributed: 0,
            excluded: Exclusions::default(),
            refused: 0,
            inputs: definition,
            failed: None,
        }
    }

    /// Returns the latencies whose thresholds are not chosen yet.
    pub fn awaiting_thresholds(&self) -> Vec<String> {
        let awaits = |test: &SignalTest| test.latency().is_some_and(|l| l.bounds().is_none());
        let awaiting = self.signals.iter().filter(|(_, test)| awaits(test));
        awaiting.map(|(name, _)| name.clone()).collect()
    }

    /// Chooses the thresholds of a latency where the control's requests lay `before`, at the nearest of
    /// these bounds: those that the histograms of both sides have, ascending. `history` returns, for a
    /// bound, how many requests of how many were slower on each host before the change; it is asked for
    /// once per threshold.
    ///
    /// With too few requests, or no bounds, it may be tried again later. What is looked at here must not
    /// be in a later look as well: thresholds that know the batch they weigh would be no fair test.
    pub fn choose_thresholds(
        &mut self,
        name: &str,
        bounds: &[f64],
        before: &Histogram,
        history: impl Fn(f64) -> History,
    ) {
        if let Some(latency) = self.signals.get_mut(name).and_then(SignalTest::latency_mut) {
            latency.choose(bounds, before, history);
        }
    }

    /// Returns the bounds the requests of a latency are to be counted within, ascending.
    pub fn bounds(&self, name: &str) -> Option<Vec<f64>> {
        self.signals.get(name)?.latency()?.bounds()
    }

    /// Takes in one batch and says how the change stands.
    ///
    /// A batch that was seen already (the same `at`) is ignored. One that ends up to 5 s before the
    /// latest is late and counts; one further back is refused, and listed in the evidence. Conditions
    /// of hosts count in any case: a crash does not depend on a clock.
    pub fn look(&mut self, look: &Look) -> Judgement {
        match self.ends.arrival(look.at) {
            Arrival::New => self.take(look),
            Arrival::Repeated => {}
            Arrival::SetBack => self.refuse_time(look.at),
        }
        let log_e = self.log_e(&look.beside);
        if self.failed.is_none() {
            self.failed = state::failure(log_e, &look.conditions);
        }
        let evidence = self.evidence(look, log_e);
        let (state, reason) = match &self.failed {
            Some(reason) => (VerdictState::Fail, reason.clone()),
            None => state::state(&self.standing(look, &evidence)),
        };
        Judgement {
            state,
            reason,
            evidence,
            control_emptied: look.control_hosts == 0 && !look.first_release,
        }
    }

    /// Begins the watch behind the last ring: what comes is compared with the control of the rings and
    /// the history before them. `signals` are those the test was started with.
    pub fn watch(&self, signals: &BTreeMap<String, Signal>, now: Timestamp) -> Watch {
        let watched = |(name, test): (&String, &SignalTest)| {
            let signal = signals.get(name)?;
            Some((name.clone(), test.watched(signal)))
        };
        let watched: BTreeMap<String, Watched> = self.signals.iter().filter_map(watched).collect();
        Watch::new(self.definition, watched, self.inputs, now)
    }

    /// Returns how many batches were refused so far: one per signal with impossible counts, and one per
    /// look whose time was set back. The evidence lists them with their reasons.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn take(&mut self, look: &Look) {
        let from = self.ends.latest().min(look.at);
        self.enter_ring(look.ring);
        self.looks += 1;
        self.inputs = chain(self.inputs, look);
        for name in look.metrics.keys() {
            self.take_signal(look, name, from);
        }
        self.unattributed = self.unattributed.saturating_add(look.unattributed);
        self.ring_unattributed = self.ring_unattributed.saturating_add(look.unattributed);
        for excluded in &look.excluded {
            self.excluded.push(excluded.clone());
        }
        self.ends.remember(look.at);
    }

    fn take_signal(&mut self, look: &Look, name: &str, from: Timestamp) {
        let batch = &look.metrics[name];
        let bounds = self.bounds(name).map(|bounds| bounds.len());
        let Some(signal) = self.signals.get_mut(name) else {
            self.exclude(
                from,
                look.at,
                format!("signal `{name}` is not part of this test"),
            );
            return;
        };
        let when = When {
            ring: look.ring,
            from,
            at: look.at,
            look: self.looks,
        };
        let why = refusal(batch, bounds).or_else(|| {
            let other = || "a batch of another kind of signal".to_owned();
            (!signal.add(batch, when)).then(other)
        });
        if let Some(why) = why {
            signal.refused_in_row += 1;
            self.refused += 1;
            self.exclude(from, look.at, format!("signal `{name}`: {why}"));
            return;
        }
        self.ring_attributed = self.ring_attributed.saturating_add(batch.events());
    }

    /// A late batch of the ring before is counted there and leaves the ring as it is.
    fn enter_ring(&mut self, ring: usize) {
        if ring > self.ring {
            self.ring = ring;
            self.ring_unattributed = 0;
            self.ring_attributed = 0;
        }
    }

    fn refuse_time(&mut self, at: Timestamp) {
        self.refused += 1;
        for signal in self.signals.values_mut() {
            signal.refused_in_row += 1;
        }
        self.exclude(
            at,
            self.ends.latest(),
            "the clock was set back by more than 5s".to_owned(),
        );
    }

    fn exclude(&mut self, from: Timestamp, to: Timestamp, why: String) {
        self.excluded.push(Excluded { from, to, why });
    }

    fn required(&self) -> impl Iterator<Item = &SignalTest> {
        self.signals.values().filter(|signal| !signal.advisory)
    }

    /// Returns what this test adds to the evidence of what was shipped together: the log of the weighted sum
    /// over all required signals, none without any.
    pub fn log_evidence(&self) -> Option<f64> {
        let required = self.required();
        let logs: Vec<f64> = required.map(|s| s.weight.0.ln() + s.log_e()).collect();
        (!logs.is_empty()).then(|| log_sum_exp(&logs))
    }

    /// Returns the log of the evidence of the whole change, 0 where nothing is required.
    fn log_e(&self, beside: &[f64]) -> f64 {
        let beside = beside.iter().copied();
        let parts: Vec<f64> = self.log_evidence().into_iter().chain(beside).collect();
        if parts.is_empty() {
            return 0.0;
        }
        log_sum_exp(&parts)
    }

    fn standing<'a>(&self, look: &'a Look, evidence: &Evidence) -> Standing<'a> {
        let ring = look.ring;
        let heard = self.required().map(|s| s.heard_at);
        let limits = self.required().map(|s| s.odds_at_most(ring));
        let has_required = self.required().next().is_some();
        let refused = |s: &SignalTest| s.refused_in_row >= REFUSED_IN_ROW;
        let harm = |m: &MetricEvidence| m.advisory && m.log_e >= needed();
        Standing {
            look,
            now: self.ends.latest(),
            log_e: evidence.log_e,
            cleared: has_required && self.required().all(|s| s.is_cleared(ring)),
            enough: has_required && self.required().all(|s| s.is_enough(ring)),
            heard_at: heard.min().flatten(),
            unusable: !has_required || self.required().any(refused),
            mismatched: self.required().any(SignalTest::is_mismatched),
            advisory_harm: evidence.metrics.iter().any(harm),
            unattributed_share: self.unattributed_share(),
            odds_at_most: limits.reduce(|a, b| Some(a?.max(b?))).flatten(),
        }
    }

    fn unattributed_share(&self) -> f64 {
        let lost = self.ring_unattributed as f64;
        lost / (lost + self.ring_attributed as f64).max(1.0)
    }

    fn evidence(&self, look: &Look, log_e: f64) -> Evidence {
        let hosts = look.control_hosts;
        let metrics = self
            .signals
            .iter()
            .map(|(name, s)| s.to_evidence(name, look.ring));
        Evidence {
            started: self.started,
            looks: self.looks,
            alpha: ALPHA,
            rule: "global".to_owned(),
            log_e,
            beside: (!look.beside.is_empty()).then(|| log_sum_exp(&look.beside)),
            needed: needed(),
            metrics: metrics.collect(),
            control: match hosts {
                0 => Control::None,
                hosts => Control::Hosts { hosts },
            },
            excluded: self.excluded.to_vec(),
            unattributed: self.unattributed,
            definition: self.definition,
            judge_version: JUDGE_VERSION.to_owned(),
            inputs_digest: self.inputs,
        }
    }
}

fn definition(signals: &BTreeMap<String, Signal>) -> Digest {
    let json =
        serde_json::to_vec(signals).expect("signals are strings and numbers under string keys");
    Digest::of(&json)
}

/// Returns the digest that follows `inputs` after this look's batches. Lengths stand before names, so
/// that different batches are different bytes.
pub(crate) fn chain(inputs: Digest, look: &Look) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(inputs.as_bytes());
    hasher.update(&look.at.as_micros().to_le_bytes());
    let mut number = |n: u64| hasher.update(&n.to_le_bytes());
    number(look.ring as u64);
    number(look.unattributed);
    number(look.metrics.len() as u64);
    look.beside.iter().for_each(|log_e| number(log_e.to_bits()));
    for (name, batch) in &look.metrics {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        chain_batch(&mut hasher, batch);
    }
    hasher.finish()
}

/// Writes a batch behind a number that tells its kind from the others and is no count.
fn chain_batch(hasher: &mut Hasher, batch: &Batch) {
    let mut number = |n: u64| hasher.update(&n.to_le_bytes());
    match batch {
        Batch::Counts(arms) => {
            for counts in [arms.canary, arms.control] {
                number(counts.bad);
                number(counts.total);
            }
        }
        Batch::Latency { canary, control } => {
            number(u64::MAX);
            for side in [canary, control] {
                number(side.at_most.len() as u64);
                side.at_most.iter().copied().for_each(&mut number);
                number(side.total);
            }
        }
        Batch::Mean { canary, control } => {
            number(u64::MAX - 1);
            for side in [canary, control] {
                number(side.sum.to_bits());
                number(side.events);
            }
        }
        Batch::Mismatch => number(u64::MAX - 2),
    }
}
