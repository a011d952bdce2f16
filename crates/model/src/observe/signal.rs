//! Declared evidence: what every change of a service is judged on.

use serde::{Deserialize, Serialize};

/// Is one signal of `sleepwell.yaml`; its name is the key it stands under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    pub level: Level,
    pub kind: SignalKind,
    /// A critical signal gets more of the error budget and a tighter margin.
    pub critical: bool,
    /// An advisory one is shown and never undoes anything.
    pub advisory: bool,
    /// A ring passes when odds of `1 + margin` are excluded.
    pub margin: f64,
    /// The share of bad events that is fine in absolute terms; 0 switches that bound off.
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum SignalKind {
    /// Bad events of all events: two series selectors over counters, such as
    /// `pay_total{result="failed"}` and `pay_total`.
    Count { bad: String, total: String },
}
