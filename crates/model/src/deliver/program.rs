//! Which program the agent of a host is: what it says itself, and what a person wants it to be.

use serde::{Deserialize, Serialize};

use crate::{Digest, EntryId, Timestamp};

/// Is a program an agent is to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramWish {
    /// Counts up with every time a person asks this host; an agent deals with each number once.
    pub number: u64,
    pub digest: Digest,
    pub size_bytes: u64,
    /// What whoever asked says it is, for people; may be empty.
    pub version: String,
}

/// Is what an agent says of the program it runs from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramReport {
    /// None until it has read its own file.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// The system and processor it was built for, such as `linux-x86_64`.
    pub platform: String,
    /// The highest [`ProgramWish::number`] it has dealt with; 0 before the first.
    pub number_seen: u64,
    pub update: ProgramUpdate,
}

/// Is how far an agent is with becoming another program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "update")]
pub enum ProgramUpdate {
    /// It knows of nothing to do.
    Settled,
    /// It fetches and checks the program; `why` says what is in its way, and is empty while nothing is.
    Preparing { why: String },
    /// The new program speaks, and has not been taken for good yet.
    Trying,
    /// It went on with the program it had; of the wish of that number.
    Failed { number: u64, why: String },
    /// It cannot become another program; somebody has to replace it where it runs.
    Unable { why: String },
}

/// Is what is known of the agent's program on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Program {
    /// None: its agent says nothing of its program.
    #[serde(default)]
    pub reported: Option<ProgramReport>,
    /// The newest wish of a person; none before the first.
    #[serde(default)]
    pub order: Option<ProgramOrder>,
}

/// Is what a person wants a host's agent to be, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramOrder {
    pub wish: ProgramWish,
    pub asked_at: Timestamp,
    /// The journal entry of the wish.
    pub entry: EntryId,
    pub outcome: ProgramOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum ProgramOutcome {
    Pending,
    /// The agent spoke as this program.
    Done {
        at: Timestamp,
    },
    /// The agent went on with, or back to, the program it had.
    Failed {
        at: Timestamp,
        why: String,
    },
    /// It was this program, and is another since then that nobody asked for here.
    Replaced {
        at: Timestamp,
    },
}

impl Program {
    /// Returns the number of the next wish: higher than every one given, and than every one the host has seen.
    pub fn next_number(&self) -> u64 {
        let given = self.order.as_ref().map_or(0, |order| order.wish.number);
        let seen = self.reported.as_ref().map_or(0, |said| said.number_seen);
        // What a host says is believed as far as it does not use the numbers up.
        let seen = if seen <= given.saturating_add(crate::limit::GENERATION_LEAD) {
            seen
        } else {
            0
        };
        given.max(seen) + 1
    }

    /// Returns the wish the agent has still to deal with.
    pub fn pending(&self) -> Option<&ProgramWish> {
        let order = self.order.as_ref()?;
        (order.outcome == ProgramOutcome::Pending).then_some(&order.wish)
    }
}
