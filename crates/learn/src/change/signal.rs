//! The evidence as lines: one per signal.

use std::collections::BTreeMap;

use model::api::change::{LatencyPicture, SignalState, SignalView};
use model::judge::{Counts, Evidence, MetricEvidence, Verdict};
use model::observe::{Level, Signal};

use crate::sentence::{harm, signal_state};

/// Returns a line for every declared signal, by name, then for those only the evidence knows.
pub(super) fn views(
    signals: &BTreeMap<String, Signal>,
    verdict: Option<&Verdict>,
) -> Vec<SignalView> {
    let evidence = verdict.map(|verdict| &verdict.evidence);
    let metrics = || evidence.into_iter().flat_map(|evidence| &evidence.metrics);
    let declared = signals.iter().map(|(name, signal)| {
        match (evidence, metrics().find(|metric| metric.metric == *name)) {
            (Some(evidence), Some(metric)) => judged(metric, signal.level, evidence),
            _ => unjudged(name, signal),
        }
    });
    // A signal that was taken out of the definition since is still part of this verdict.
    let others = metrics()
        .filter(|metric| !signals.contains_key(&metric.metric))
        .zip(evidence.into_iter().cycle())
        .map(|(metric, evidence)| judged(metric, Level::Service, evidence));
    declared.chain(others).collect()
}

fn judged(metric: &MetricEvidence, level: Level, evidence: &Evidence) -> SignalView {
    SignalView {
        name: metric.metric.clone(),
        level,
        critical: metric.critical,
        canary: metric.canary,
        control: metric.control,
        odds_ratio: metric.odds_ratio,
        odds_at_least: metric.odds_at_least,
        odds_at_most: metric.odds_at_most,
        harm: harm(metric, evidence),
        state: signal_state(metric, evidence),
        slower_than: slower_than(metric),
        picture: metric.latency.as_ref().map(|latency| LatencyPicture {
            unit: latency.unit,
            band: latency.band.clone(),
        }),
        mean: metric.mean.clone(),
    }
}

/// Returns the threshold of a latency that shows most harm, in words.
fn slower_than(metric: &MetricEvidence) -> Option<String> {
    let latency = metric.latency.as_ref()?;
    let threshold = latency.led_by()?;
    Some(latency.unit.show(threshold.slower_than))
}

fn unjudged(name: &str, signal: &Signal) -> SignalView {
    SignalView {
        name: name.to_owned(),
        level: signal.level,
        critical: signal.critical,
        canary: Counts::default(),
        control: Counts::default(),
        odds_ratio: None,
        odds_at_least: None,
        odds_at_most: None,
        harm: 0.0,
        state: SignalState::NoTraffic,
        slower_than: None,
        picture: None,
        mean: None,
    }
}
