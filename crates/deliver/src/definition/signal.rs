//! Reads the evidence every change is judged on: `signals`.

use std::collections::BTreeMap;

use model::limit;
use model::observe::{Level, Signal, SignalKind};

use super::at::At;
use super::fault::shown;
use super::map::{Map, named};
use super::selector::selector;

const MARGIN: f64 = 1.0;
const MARGIN_CRITICAL: f64 = 0.5;
const TOLERATED: f64 = 0.005;
const MIN_REQUESTS: u64 = 500;

pub(super) fn signals(at: At) -> Option<BTreeMap<String, Signal>> {
    let signals = named(&at, |at, name| plain_name(at, name, "signal"), signal)?;
    if signals.len() > limit::SIGNALS {
        let what = format!("{} signals are too many", signals.len());
        at.fault(
            what,
            format!("use at most {}; all share one error budget", limit::SIGNALS),
        );
        return None;
    }
    Some(signals)
}

/// Reads a name that stands in journals, labels and addresses.
pub(super) fn plain_name(at: &At, name: &str, what: &str) -> Option<String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || !name.chars().all(sound) || name.len() > limit::NAME_BYTES {
        let remedy = format!(
            "it starts with a letter or digit and holds only letters, digits, `-`, `_`, at most {} of them",
            limit::NAME_BYTES
        );
        at.fault(format!("`{}` is not a {what} name", shown(name)), remedy);
        return None;
    }
    Some(name.to_owned())
}

fn signal(at: At) -> Option<Signal> {
    let mut map = Map::of(&at)?;
    let kind = map.required("kind", "count", |at| {
        at.choice(&[("count", ())], &["latency", "mean", "value"])
    });
    if kind.is_none() && map.get("kind").is_some() {
        // Another kind has other keys: it alone is worth a word.
        return None;
    }
    let level = map.required("level", "business", |at| {
        let words = [
            ("business", Level::Business),
            ("service", Level::Service),
            ("technical", Level::Technical),
        ];
        at.choice(&words, &[])
    });
    let bad = map.required("bad", "'pay_total{result=\"failed\"}'", selector);
    let total = map.required("total", "pay_total", selector);
    let critical = map.or("critical", false, At::truth);
    let advisory = map.or("advisory", false, At::truth);
    let margin = match critical {
        Some(true) => MARGIN_CRITICAL,
        _ => MARGIN,
    };
    let margin = map.or("margin", margin, |at| {
        between(&at, f64::MIN_POSITIVE, 100.0)
    });
    let tolerated = map.or("tolerated", TOLERATED, |at| between(&at, 0.0, 0.5));
    let min_requests = map.or("min_requests", MIN_REQUESTS, |at| at.count(1));
    let owner = map.optional("owner", |at| at.text().map(str::to_owned));
    map.finish(&["buckets", "unit", "value"]);
    kind?;
    let signal = Signal {
        level: level?,
        kind: SignalKind::Count {
            bad: bad?,
            total: total?,
        },
        critical: critical?,
        advisory: advisory?,
        margin: margin?,
        tolerated: tolerated?,
        min_requests: min_requests?,
        owner: owner?,
    };
    agrees_with_itself(&at, &signal).then_some(signal)
}

fn between(at: &At, least: f64, most: f64) -> Option<f64> {
    let number = at.number()?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    let remedy = match least {
        0.0 => format!("write a number from 0 to {most}"),
        _ => format!("write a number above 0, at most {most}"),
    };
    at.fault(format!("`{}` is out of range", at.written()), remedy);
    None
}

fn agrees_with_itself(at: &At, signal: &Signal) -> bool {
    let SignalKind::Count { bad, total } = &signal.kind;
    if bad == total {
        at.fault(
            "`bad` and `total` count the same events",
            "let `bad` count only the failed ones, for example by a label",
        );
    }
    if signal.critical && signal.advisory {
        at.fault(
            "the signal is critical and advisory",
            "keep `critical` to undo on it sooner, or `advisory` to never undo on it",
        );
    }
    bad != total && !(signal.critical && signal.advisory)
}
