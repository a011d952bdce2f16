//! Verdicts and what they stand on, in words.
//!
//! Confidence is always "1 - alpha", and is left out wherever the spread of the counts had to be
//! assumed: no error rate is promised then (judge specification, 2.B.2 and 2.B.10).

use std::time::Duration;

use model::Timestamp;
use model::api::change::SignalState;
use model::judge::{
    Control, Counts, Dispersion, Evidence, LatencyEvidence, MeanEvidence, MetricEvidence, Reason,
    ThresholdEvidence, Verdict, VerdictState,
};
use model::observe::Worse;
use model::words::{confidence, count, counted, decimal, duration, line, moment, percent, times};

/// Spans left out of the evidence that are listed; more are counted.
const EXCLUDED: usize = 5;

/// Is whether a thing is going on or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tense {
    Is,
    Was,
}

/// Returns the verdict as one sentence, its word first: `Bad: payment errors are 3.8 times …`.
pub fn verdict(verdict: &Verdict) -> String {
    let word = match verdict.state {
        VerdictState::Pass => "Good",
        VerdictState::Marginal => "Unclear",
        VerdictState::Fail => "Bad",
        VerdictState::Undecided => "Undecided",
    };
    format!("{word}: {}{}.", reason(verdict, Tense::Is), after(verdict))
}

/// Returns why the verdict is what it is, as a clause without a full stop.
pub fn reason(verdict: &Verdict, tense: Tense) -> String {
    let evidence = &verdict.evidence;
    let is = |one: &'static str, past: &'static str| match tense {
        Tense::Is => one,
        Tense::Was => past,
    };
    match &verdict.reason {
        Reason::Harm => harmed(evidence, tense),
        Reason::Crashing { host, exits } => format!(
            "its process ended {} on {host} without being asked",
            counted((*exits).into(), "time")
        ),
        Reason::Unhealthy {
            host,
            failed_checks: 0,
        } => format!("{host} went back to its last proved release by itself"),
        Reason::Unhealthy {
            host,
            failed_checks,
        } => format!(
            "it failed {} in a row on {host}",
            counted((*failed_checks).into(), "health check")
        ),
        Reason::Cleared => format!(
            "harm beyond the margin {} excluded for every required signal",
            is("is", "was")
        ),
        Reason::NotExcluded { odds_at_most } => {
            let rest = match odds_at_most {
                Some(odds) => format!("{} as likely", times(odds.0)),
                None => "harm".to_owned(),
            };
            format!(
                "there {} no sign of harm by the ring's deadline, but {rest} {} not excluded",
                is("is", "was"),
                is("is", "was")
            )
        }
        Reason::Suspicion => match leading(evidence) {
            Some(metric) => format!(
                "some evidence of harm, not enough to be sure: {}",
                worse(metric, evidence, tense)
            ),
            None => "some evidence of harm, not enough to be sure".to_owned(),
        },
        Reason::AdvisoryOnly => match leading_advisory(evidence) {
            Some(metric) => format!(
                "only advisory signals {} worse: {}",
                is("are", "were"),
                worse(metric, evidence, tense)
            ),
            None => format!("only advisory signals {} worse", is("are", "were")),
        },
        Reason::DeadlineHold => "the ring's deadline came before harm could be excluded".to_owned(),
        Reason::Collecting => format!(
            "no sign of harm so far, {} on the canary",
            counted(requests(evidence), "request")
        ),
        Reason::NotEnoughTraffic => format!(
            "too little traffic to judge it, {} on the canary",
            counted(requests(evidence), "request")
        ),
        Reason::NoControl => {
            "nothing was proved before this release, so there is nothing to compare it with"
                .to_owned()
        }
        Reason::NoData => "no signal reports".to_owned(),
        Reason::BucketMismatch => {
            "the histograms of the canary and the control have no bucket bound in common".to_owned()
        }
        Reason::ControlSick => format!(
            "the hosts it is compared with {} not in their normal state themselves",
            is("are", "were")
        ),
    }
}

/// Returns what the verdict stands on: a paragraph per signal, then the test as a whole, then what
/// was left out. `now` decides whether times carry a date.
pub fn paragraphs(verdict: &Verdict, now: Timestamp) -> Vec<String> {
    let evidence = &verdict.evidence;
    let mut paragraphs: Vec<String> = evidence
        .metrics
        .iter()
        .map(|metric| paragraph(metric, evidence))
        .collect();
    let control = match evidence.control {
        Control::Hosts { hosts } => {
            format!("compared with {}", counted(hosts as u64, "host"))
        }
        Control::Before => "compared with the time before the release".to_owned(),
        Control::None => "compared with nothing".to_owned(),
    };
    let beside = evidence.beside.map_or_else(String::new, |log_e| {
        format!(" ({} of it in what was shipped with it)", decimal(log_e, 2))
    });
    paragraphs.push(format!(
        "{} since {}; evidence of harm {}{beside}, a bad verdict needs {}; {control}.",
        counted(evidence.looks, "look"),
        moment(evidence.started, now),
        decimal(evidence.log_e, 2),
        decimal(evidence.needed, 2)
    ));
    paragraphs.extend(left_out(evidence, now));
    if evidence.unattributed > 0 {
        paragraphs.push(format!(
            "{} could be counted for neither side.",
            counted(evidence.unattributed, "request")
        ));
    }
    paragraphs
}

/// Returns how far a signal's evidence is on the way to a bad verdict by itself: 0 to 1 and beyond.
///
/// The budget is shared, so a signal needs its evidence times its weight to reach the bound
/// (2.B.8); an advisory one has no weight and is measured against the bound itself.
pub(crate) fn harm(metric: &MetricEvidence, evidence: &Evidence) -> f64 {
    let share = weighted(metric) / evidence.needed;
    if share.is_finite() {
        share.max(0.0)
    } else {
        0.0
    }
}

/// Returns a signal's state as people see it.
pub(crate) fn signal_state(metric: &MetricEvidence, evidence: &Evidence) -> SignalState {
    let log_e = weighted(metric);
    if metric.canary.total == 0 {
        SignalState::NoTraffic
    } else if log_e >= evidence.needed {
        SignalState::Bad
    } else if log_e >= evidence.needed - std::f64::consts::LN_10 {
        // One tenth of the evidence that is needed: the rollout holds from here (2.B.9).
        SignalState::Suspicious
    } else if metric.cleared {
        SignalState::Cleared
    } else {
        SignalState::Collecting
    }
}

fn weighted(metric: &MetricEvidence) -> f64 {
    if metric.advisory || metric.weight <= 0.0 {
        metric.log_e
    } else {
        metric.log_e + metric.weight.ln()
    }
}

/// Is what the two sides of a comparison are called.
#[derive(Clone, Copy)]
struct Sides {
    /// Behind `as likely`.
    than: &'static str,
    worse: &'static str,
    canary: &'static str,
    control: &'static str,
}

/// Returns the words for a comparison: host with host, or the time behind a release with the one before.
fn sides(evidence: &Evidence) -> Sides {
    match evidence.control {
        Control::Hosts { .. } | Control::None => Sides {
            than: "on the canary",
            worse: "worse on the canary",
            canary: "on the canary",
            control: "on the control",
        },
        Control::Before => Sides {
            than: "as before the release",
            worse: "worse than before the release",
            canary: "since it got worse",
            control: "before the release",
        },
    }
}

fn harmed(evidence: &Evidence, tense: Tense) -> String {
    let Some(metric) = leading(evidence) else {
        return "the evidence of harm reached its bound".to_owned();
    };
    let clause = worse(metric, evidence, tense);
    if signal_state(metric, evidence) == SignalState::Bad {
        clause
    } else if evidence.beside.is_some() {
        format!("it and what was shipped with it show harm together, here most of all: {clause}")
    } else {
        format!("several signals together show harm, most of all this one: {clause}")
    }
}

fn leading(evidence: &Evidence) -> Option<&MetricEvidence> {
    most_harmed(evidence, false).or_else(|| most_harmed(evidence, true))
}

fn leading_advisory(evidence: &Evidence) -> Option<&MetricEvidence> {
    most_harmed(evidence, true).or_else(|| most_harmed(evidence, false))
}

fn most_harmed(evidence: &Evidence, advisory: bool) -> Option<&MetricEvidence> {
    evidence
        .metrics
        .iter()
        .filter(|metric| metric.advisory == advisory)
        .max_by(|a, b| weighted(a).total_cmp(&weighted(b)))
}

/// Says how much worse a signal is: `payment errors are 3.8 times as likely on the canary (at least
/// 1.5 times, 99 %)`.
fn worse(metric: &MetricEvidence, evidence: &Evidence, tense: Tense) -> String {
    if let Some(mean) = &metric.mean {
        return worse_mean(metric, mean, evidence.alpha, tense);
    }
    let (name, be) = subject(metric, evidence, tense);
    let Sides {
        than,
        worse,
        canary,
        control,
    } = sides(evidence);
    // With an assumed spread no rate of error is promised, so none is said.
    let sure = (!is_assumed(&metric.dispersion)).then(|| confidence(evidence.alpha));
    match (metric.odds_ratio, metric.odds_at_least) {
        (Some(ratio), Some(least)) => format!(
            "{name} {be} {} as likely {than} (at least {}{})",
            times(ratio),
            times(least),
            sure.map_or_else(String::new, |sure| format!(", {sure}"))
        ),
        (Some(ratio), None) => format!("{name} {be} {} as likely {than}", times(ratio)),
        (None, Some(least)) => {
            format!(
                "{name} {be} at least {} as likely {than}{}",
                times(least),
                sure.map_or_else(String::new, |sure| format!(" ({sure})"))
            )
        }
        (None, None) => format!(
            "{name} {be} {worse}: {}, {}",
            arm(metric.canary, canary),
            arm(metric.control, control)
        ),
    }
}

/// Returns what the odds of a signal are about, with its verb: `payment errors are`, `requests slower
/// than 250 ms are`. With several latencies the signal is named too.
fn subject(metric: &MetricEvidence, evidence: &Evidence, tense: Tense) -> (String, &'static str) {
    let Some(slow) = slow_requests(metric) else {
        let name = spoken(&metric.metric);
        let be = be(&name, tense);
        return (name, be);
    };
    let be = be(&slow, tense);
    let latencies = evidence.metrics.iter().filter(|m| m.latency.is_some());
    match latencies.count() {
        0 | 1 => (slow, be),
        _ => (format!("{slow} ({})", spoken(&metric.metric)), be),
    }
}

/// Returns `requests slower than 250 ms`, by the threshold that shows most harm.
fn slow_requests(metric: &MetricEvidence) -> Option<String> {
    let latency = metric.latency.as_ref()?;
    let threshold = latency.led_by()?;
    let time = latency.unit.show(threshold.slower_than);
    Some(format!("requests slower than {time}"))
}

/// Says how much worse a mean is: `order value is 20 % lower on the canary, 24 against 30 (at least
/// 5.2 worse, 99 %)`.
fn worse_mean(metric: &MetricEvidence, mean: &MeanEvidence, alpha: f64, tense: Tense) -> String {
    let name = spoken(&metric.metric);
    let be = be(&name, tense);
    let direction = match mean.worse {
        Worse::Higher => "higher",
        Worse::Lower => "lower",
    };
    let least = mean
        .worse_by_at_least
        .map(|least| format!(" (by at least {}, {})", value(least), confidence(alpha)))
        .unwrap_or_default();
    match (mean.canary, mean.control) {
        (Some(canary), Some(control)) => {
            let share = ((canary - control) / control).abs();
            let by = match share.is_finite() {
                true => format!("{} {direction}", percent(share)),
                false => direction.to_owned(),
            };
            format!(
                "{name} {be} {by} on the canary, {} against {}{least}",
                value(canary),
                value(control)
            )
        }
        _ => format!("{name} {be} {direction} on the canary{least}"),
    }
}

/// Returns a value of a service's own unit, with four digits that matter.
fn value(value: f64) -> String {
    let whole = value.abs().log10().floor();
    let digits = if whole.is_finite() { 3.0 - whole } else { 0.0 };
    decimal(value, digits.clamp(0.0, 9.0) as usize)
}

fn paragraph(metric: &MetricEvidence, evidence: &Evidence) -> String {
    let (alpha, sides) = (evidence.alpha, sides(evidence));
    let mut parts = match (&metric.latency, &metric.mean) {
        (Some(latency), _) => thresholds(metric, latency, (sides, alpha)),
        (None, Some(mean)) => vec![mean_parts(metric, mean, alpha)],
        (None, None) => vec![
            format!(
                "{}: {}, {}",
                line(&metric.metric),
                arm(metric.canary, sides.canary),
                arm(metric.control, sides.control)
            ),
            odds(metric, alpha),
            spread(&metric.dispersion, alpha),
        ],
    };
    parts.push(format!("evidence of harm {}", decimal(metric.log_e, 2)));
    if metric.cleared {
        parts.push("harm beyond the margin is excluded".to_owned());
    }
    if metric.advisory {
        parts.push("advisory, so it undoes nothing".to_owned());
    }
    format!("{}.", parts.join("; "))
}

/// Returns a latency's thresholds, one after the other, and the spread of the one that leads.
fn thresholds(
    metric: &MetricEvidence,
    latency: &LatencyEvidence,
    (sides, alpha): (Sides, f64),
) -> Vec<String> {
    let Sides {
        canary, control, ..
    } = sides;
    let one = |threshold: &ThresholdEvidence| {
        let share = |counts: Counts| counts.share().map_or("none".to_owned(), percent);
        let least = threshold
            .odds_at_least
            .map(|odds| format!(", odds at least {}", times(odds)))
            .unwrap_or_default();
        format!(
            "slower than {} {} {canary}, {} {control}{least}",
            latency.unit.show(threshold.slower_than),
            share(threshold.canary),
            share(threshold.control)
        )
    };
    let name = line(&metric.metric);
    let requests = format!(
        "{name}: {} {canary}, {} {control}",
        counted(metric.canary.total, "request"),
        count(metric.control.total)
    );
    let each = latency.thresholds.iter().map(one);
    std::iter::once(requests)
        .chain(each)
        .chain([spread(&metric.dispersion, alpha)])
        .collect()
}

fn mean_parts(metric: &MetricEvidence, mean: &MeanEvidence, alpha: f64) -> String {
    let side = |mean: Option<f64>, events: u64, name: &str| match mean {
        Some(mean) => format!(
            "{} over {} on the {name}",
            value(mean),
            counted(events, "event")
        ),
        None => format!("nothing counted on the {name}"),
    };
    let limits = match (mean.worse_by_at_least, mean.worse_by_at_most) {
        (Some(least), _) => format!("worse by at least {}, {}", value(least), confidence(alpha)),
        (None, Some(most)) => format!("worse by at most {}, {}", value(most), confidence(alpha)),
        (None, None) => "nothing is claimed before the twentieth".to_owned(),
    };
    format!(
        "{}: {}, {}; {}; {limits}",
        line(&metric.metric),
        side(mean.canary, metric.canary.total, "canary"),
        side(mean.control, metric.control.total, "control"),
        counted(mean.batches, "whole minute")
    )
}

fn odds(metric: &MetricEvidence, alpha: f64) -> String {
    let bounds = [
        metric
            .odds_at_least
            .map(|odds| format!("at least {}", times(odds))),
        metric
            .odds_at_most
            .map(|odds| format!("at most {}", times(odds))),
    ];
    let bounded = bounds.iter().any(Option::is_some);
    let mut parts: Vec<String> = metric.odds_ratio.map(times).into_iter().collect();
    parts.extend(bounds.into_iter().flatten());
    if parts.is_empty() {
        return "odds not known yet".to_owned();
    }
    if bounded && !is_assumed(&metric.dispersion) {
        parts.push(confidence(alpha));
    }
    format!("odds {}", parts.join(", "))
}

fn spread(dispersion: &Dispersion, alpha: f64) -> String {
    let phi = decimal(dispersion.phi, 2);
    if is_assumed(dispersion) {
        return format!(
            "spread {phi} assumed, with too little history to measure it, so that no {} % claim is made",
            decimal(alpha * 100.0, 2)
        );
    }
    format!(
        "spread {phi}, measured over {} in windows of up to {}",
        counted(dispersion.batches, "look"),
        duration(Duration::from_secs(dispersion.widest_s))
    )
}

fn is_assumed(dispersion: &Dispersion) -> bool {
    dispersion.source != "aa"
}

fn arm(counts: Counts, side: &str) -> String {
    match counts.share() {
        Some(share) => format!("{} of {} {side}", percent(share), count(counts.total)),
        None => format!("nothing counted {side}"),
    }
}

fn left_out(evidence: &Evidence, now: Timestamp) -> Option<String> {
    let spans = evidence.excluded.iter().take(EXCLUDED).map(|span| {
        format!(
            "{} to {}, {}",
            span.from.time_of_day(),
            moment(span.to, now),
            line(&span.why)
        )
    });
    let mut spans: Vec<String> = spans.collect();
    if let Some(more @ 1..) = evidence.excluded.len().checked_sub(EXCLUDED) {
        spans.push(format!("and {more} more"));
    }
    (!spans.is_empty()).then(|| format!("Left out: {}.", spans.join("; ")))
}

/// Returns how much was looked at, for verdicts that stand on counts.
fn after(verdict: &Verdict) -> String {
    let evidence = &verdict.evidence;
    match verdict.reason {
        Reason::Harm
        | Reason::Cleared
        | Reason::NotExcluded { .. }
        | Reason::Suspicion
        | Reason::AdvisoryOnly
        | Reason::DeadlineHold => format!(
            ", after {} and {}",
            counted(evidence.looks, "look"),
            counted(requests(evidence), "request")
        ),
        Reason::Crashing { .. }
        | Reason::Unhealthy { .. }
        | Reason::Collecting
        | Reason::NotEnoughTraffic
        | Reason::NoControl
        | Reason::NoData
        | Reason::BucketMismatch
        | Reason::ControlSick => String::new(),
    }
}

/// Returns the events of the canary's busiest signal; the same request may count in several.
fn requests(evidence: &Evidence) -> u64 {
    let totals = evidence.metrics.iter().map(|metric| metric.canary.total);
    totals.max().unwrap_or(0)
}

/// Makes a signal's name readable: `payment_errors` is `payment errors`.
fn spoken(metric: &str) -> String {
    line(metric).replace(['_', '-'], " ")
}

/// Returns the verb for a signal's name; most are plurals (`payment errors`), some not (`loss`).
fn be(name: &str, tense: Tense) -> &'static str {
    let plural = name.ends_with('s') && !name.ends_with("ss");
    match (tense, plural) {
        (Tense::Is, true) => "are",
        (Tense::Is, false) => "is",
        (Tense::Was, true) => "were",
        (Tense::Was, false) => "was",
    }
}
