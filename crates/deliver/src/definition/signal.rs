//! Reads the evidence every change is judged on: `signals`.

use std::collections::BTreeMap;

use model::limit;
use model::observe::{Level, Signal, SignalKind, Unit, Worse};

use super::at::At;
use super::fault::shown;
use super::map::{Map, named};
use super::selector::selector;

const MARGIN: f64 = 1.0;
const MARGIN_CRITICAL: f64 = 0.5;
/// Of a latency at p50, p90 and p95, and of a mean: what slows down by a tenth moves the odds by this.
const MARGIN_SMALL: f64 = 0.25;
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
    let kind = map.required("kind", "count", |at| at.choice(&KINDS, &["value"]));
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
    let kind = kind.unwrap_or_else(|| meant(&map));
    let of = of_kind(kind, &mut map);
    let critical = map.or("critical", false, At::truth);
    let advisory = map.or("advisory", false, At::truth);
    let margin = margin(kind, critical == Some(true), &mut map);
    let tolerated = match kind {
        Kind::Count | Kind::Latency => map.or("tolerated", TOLERATED, |at| between(&at, 0.0, 0.5)),
        Kind::Mean => Some(0.0),
    };
    let min_requests = map.or("min_requests", MIN_REQUESTS, |at| at.count(1));
    let owner = map.optional("owner", |at| at.text().map(str::to_owned));
    refuse_keys_of_others(kind, &mut map);
    map.finish(&["value"]);
    let signal = Signal {
        level: level?,
        kind: of?,
        critical: critical?,
        advisory: advisory?,
        margin: margin?,
        tolerated: tolerated?,
        min_requests: min_requests?,
        owner: owner?,
    };
    agrees_with_itself(&at, &signal).then_some(signal)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    Latency,
    Mean,
}

const KINDS: [(&str, Kind); 3] = [
    ("count", Kind::Count),
    ("latency", Kind::Latency),
    ("mean", Kind::Mean),
];

/// Guesses a kind that was left out, so that the other keys are read as they were meant.
fn meant(map: &Map) -> Kind {
    let has = |keys: &[&str]| keys.iter().any(|key| map.has(key));
    if has(&["buckets", "unit"]) {
        Kind::Latency
    } else if has(&["sum", "count", "worse"]) {
        Kind::Mean
    } else {
        Kind::Count
    }
}

/// Reads the keys a kind has of its own; all of them are required.
fn of_kind(kind: Kind, map: &mut Map) -> Option<SignalKind> {
    match kind {
        Kind::Count => {
            let bad = map.required("bad", "'pay_total{result=\"failed\"}'", selector);
            let total = map.required("total", "pay_total", selector);
            Some(SignalKind::Count {
                bad: bad?,
                total: total?,
            })
        }
        Kind::Latency => {
            let buckets = map.required("buckets", "http_request_duration_seconds_bucket", buckets);
            let unit = map.required("unit", "s", |at| {
                at.choice(&[("s", Unit::S), ("ms", Unit::Ms)], &[])
            });
            Some(SignalKind::Latency {
                buckets: buckets?,
                unit: unit?,
            })
        }
        Kind::Mean => {
            let sum = map.required("sum", "order_value_sum", selector);
            let count = map.required("count", "order_value_count", selector);
            let worse = map.required("worse", "higher", |at| {
                let words = [("higher", Worse::Higher), ("lower", Worse::Lower)];
                at.choice(&words, &[])
            });
            Some(SignalKind::Mean {
                sum: sum?,
                count: count?,
                worse: worse?,
            })
        }
    }
}

/// Reads a selector of a histogram's buckets: without `le`, which the judge chooses.
fn buckets(at: At) -> Option<String> {
    let text = selector(at.clone())?;
    let name = text.split('{').next().unwrap_or_default().trim_end();
    if !name.ends_with("_bucket") {
        at.fault(
            format!("`{}` is no histogram's bucket counter", shown(name)),
            format!(
                "name the one that ends in `_bucket`, such as `{}_bucket`",
                shown(name)
            ),
        );
        return None;
    }
    if matches_label(&text, "le") {
        at.fault(
            format!("`{}` chooses buckets by `le`", at.written()),
            "leave `le` out; the thresholds are chosen from all buckets",
        );
        return None;
    }
    Some(text)
}

/// Tells whether a selector has a matcher of this label; what stands in quotes is no label.
fn matches_label(selector: &str, label: &str) -> bool {
    let unquoted: Vec<&str> = selector.split(['"', '\'']).step_by(2).collect();
    let words = unquoted.iter().flat_map(|part| part.split(['{', ',', '}']));
    words
        .map(|word| word.trim_end_matches(['=', '!', '~', ' ']).trim())
        .any(|word| word == label)
}

/// A lower mean cannot be worse by more than all of it.
fn margin(kind: Kind, critical: bool, map: &mut Map) -> Option<f64> {
    let default = match (kind, critical) {
        (Kind::Count, true) => MARGIN_CRITICAL,
        (Kind::Count, false) => MARGIN,
        (Kind::Latency | Kind::Mean, _) => MARGIN_SMALL,
    };
    map.or("margin", default, |at| {
        between(&at, f64::MIN_POSITIVE, 100.0)
    })
}

/// Says of a key that another kind has that this one has not.
fn refuse_keys_of_others(kind: Kind, map: &mut Map) {
    const OWN: [(&str, &[Kind], &str); 8] = [
        ("bad", &[Kind::Count], "`kind: count`"),
        ("total", &[Kind::Count], "`kind: count`"),
        ("buckets", &[Kind::Latency], "`kind: latency`"),
        ("unit", &[Kind::Latency], "`kind: latency`"),
        ("sum", &[Kind::Mean], "`kind: mean`"),
        ("count", &[Kind::Mean], "`kind: mean`"),
        ("worse", &[Kind::Mean], "`kind: mean`"),
        (
            "tolerated",
            &[Kind::Count, Kind::Latency],
            "`kind: count` or `kind: latency`",
        ),
    ];
    for (key, kinds, of) in OWN {
        if !kinds.contains(&kind) {
            map.refused(
                key,
                format!("`{key}` belongs to {of}"),
                "remove it".to_owned(),
            );
        }
    }
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
    let mut agrees = true;
    let mut fault = |what: &str, remedy: &str| {
        at.fault(what, remedy);
        agrees = false;
    };
    match &signal.kind {
        SignalKind::Count { bad, total } if bad == total => fault(
            "`bad` and `total` count the same events",
            "let `bad` count only the failed ones, for example by a label",
        ),
        SignalKind::Mean { sum, count, .. } if sum == count => fault(
            "`sum` and `count` are the same counter",
            "let `sum` add up the values, such as `order_value_sum`",
        ),
        SignalKind::Mean {
            worse: Worse::Lower,
            ..
        } if signal.margin >= 1.0 => fault(
            "a mean cannot be lower by all of itself",
            "write a margin below 1, such as 0.1 for a tenth",
        ),
        SignalKind::Count { .. } | SignalKind::Latency { .. } | SignalKind::Mean { .. } => {}
    }
    if signal.critical && signal.advisory {
        fault(
            "the signal is critical and advisory",
            "keep `critical` to undo on it sooner, or `advisory` to never undo on it",
        );
    }
    agrees
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_matcher_of_the_label_itself_is_one() {
        for selector in [
            r#"x_bucket{le="0.5"}"#,
            r#"x_bucket{path="/a", le !="0.5"}"#,
            r#"x_bucket{ le=~"1|2"}"#,
            r#"x_bucket{path='/a',le='1'}"#,
        ] {
            assert!(matches_label(selector, "le"), "{selector}");
        }
        for selector in [
            "le_bucket",
            r#"x_bucket{path="/a,le=b"}"#,
            r#"x_bucket{path="le"}"#,
            r#"x_bucket{handle="x",title="le=1"}"#,
        ] {
            assert!(!matches_label(selector, "le"), "{selector}");
        }
    }
}
