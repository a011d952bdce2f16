//! Two slots of hosts that take turns, and routers that send everything to one of them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::RingHost;
use crate::time::millis;
use crate::{ChangeId, Labels, Timestamp};

/// Is one of the two slots of an environment.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    Blue,
    Green,
}

impl Slot {
    /// Returns the other one.
    pub fn other(self) -> Self {
        match self {
            Slot::Blue => Slot::Green,
            Slot::Green => Slot::Blue,
        }
    }

    /// Returns its name: `blue`.
    pub fn word(self) -> &'static str {
        match self {
            Slot::Blue => "blue",
            Slot::Green => "green",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Is who is in which slot of an environment, and who sends traffic to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BlueGreen {
    /// A host of the environment is in the slot when it carries these as well.
    pub blue: Labels,
    pub green: Labels,
    /// An enrolled host is a router when it carries all of these, whatever `hosts` says.
    pub router: Labels,
    /// How long the slot that served before keeps running behind a swap.
    #[serde(rename = "keep_warm_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub keep_warm: Duration,
    pub judge: JudgeIdle,
}

impl BlueGreen {
    pub fn labels(&self, slot: Slot) -> &Labels {
        match slot {
            Slot::Blue => &self.blue,
            Slot::Green => &self.green,
        }
    }
}

/// Is what the idle slot passes on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JudgeIdle {
    /// Test or mirrored traffic reaches it, and is compared with what the live slot serves.
    #[default]
    Traffic,
    /// Nothing reaches it: proof, health and time.
    Proof,
}

/// Is which way a rollout turns the routers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Swap {
    /// The slot the release goes to; its hosts are the first ring, the routers the second.
    pub to: Slot,
    /// The slot that serves until then; none before the first release.
    pub from: Option<Slot>,
    /// Its hosts, sorted by name, in no ring. One is `touched` once it was asked for anything: to stop,
    /// or to start the release before again.
    pub live: Vec<RingHost>,
    /// Set when the rollout is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<Warm>,
    /// The routers proved that they turned back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_back: bool,
}

/// Is how long the slot that served before keeps running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Warm {
    pub until: Timestamp,
    /// None while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<WarmEnd>,
}

/// Is how it ended that the slot before kept running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum WarmEnd {
    /// Its time was over, and its hosts were asked to stop it.
    Stopped,
    /// The change is undone: it serves again.
    Undone,
    /// Another release goes there, or took its place.
    Replaced { by: ChangeId },
}
