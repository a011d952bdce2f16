//! Declared evidence: what every change of a service is judged on.

use serde::{Deserialize, Serialize};

/// Is one signal of `sleepwell.yaml`; its name is the key it stands under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Signal {
    pub level: Level,
    pub kind: SignalKind,
    /// A critical signal gets more of the error budget and a tighter margin.
    pub critical: bool,
    /// An advisory one is shown and never undoes anything.
    pub advisory: bool,
    /// A ring passes when odds of `1 + margin` are excluded; of a mean, when one that is worse by this
    /// share of the control's is.
    pub margin: f64,
    /// The share of bad events, or of requests slower than a threshold, that is fine in absolute terms;
    /// 0 switches that bound off. A mean has none.
    pub tolerated: f64,
    /// Requests per arm before a ring may pass.
    pub min_requests: u64,
    pub owner: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Business,
    Service,
    Technical,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum SignalKind {
    /// Bad events of all events: two series selectors over counters, such as
    /// `pay_total{result="failed"}` and `pay_total`.
    Count { bad: String, total: String },
    /// How long requests take: a selector over the buckets of a Prometheus histogram, such as
    /// `http_request_duration_seconds_bucket{path="/pay"}`, whose label `le` is in `unit`.
    Latency { buckets: String, unit: Unit },
    /// A value per event, such as money per order: selectors over the two counters every Prometheus
    /// histogram and summary has, `order_value_sum` and `order_value_count`.
    Mean {
        sum: String,
        count: String,
        worse: Worse,
    },
}

/// Is what a histogram's bounds are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds, as Prometheus names it.
    S,
    /// Milliseconds.
    Ms,
}

impl Unit {
    /// Returns a time in words, in the unit people read it best: `250 ms`, `2.5 s`.
    pub fn show(self, time: f64) -> String {
        let milliseconds = match self {
            Unit::S => time * 1_000.0,
            Unit::Ms => time,
        };
        // Bounds have few digits; more are the noise of a binary fraction.
        let rounded = |x: f64| (x * 1e3).round() / 1e3;
        if milliseconds < 1_000.0 {
            format!("{} ms", rounded(milliseconds))
        } else {
            format!("{} s", rounded(milliseconds / 1_000.0))
        }
    }
}

/// Is the direction in which a mean gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// Such as queries per request.
    Higher,
    /// Such as money per order.
    Lower,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_people_read() {
        assert_eq!(Unit::S.show(0.25), "250 ms");
        assert_eq!(Unit::S.show(0.005), "5 ms");
        assert_eq!(Unit::S.show(2.5), "2.5 s");
        assert_eq!(Unit::Ms.show(0.1 + 0.2), "0.3 ms");
        assert_eq!(Unit::Ms.show(1_500.0), "1.5 s");
    }
}
