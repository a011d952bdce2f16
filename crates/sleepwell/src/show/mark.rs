//! The signs of states: each has a shape of its own, so that colour repeats and never carries.

use std::time::Duration;

use model::deliver::Proof;
use model::observe::ChangeState;
use model::{Timestamp, Version};

use super::ink::Ink;
use super::text::clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Passed,
    Running,
    Waiting,
    Undone,
    Failed,
    Held,
    Skipped,
    /// Something runs that should not.
    Drift,
    Unknown,
}

impl Mark {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Mark::Passed => "✓",
            Mark::Running => "◐",
            Mark::Waiting => "·",
            Mark::Undone => "↩",
            Mark::Failed => "✗",
            Mark::Held => "‖",
            Mark::Skipped => "-",
            Mark::Drift => "!",
            Mark::Unknown => "?",
        }
    }

    pub(super) fn ink(self) -> Ink {
        match self {
            Mark::Passed => Ink::Ok,
            Mark::Running => Ink::Accent,
            Mark::Waiting | Mark::Skipped => Ink::Dim,
            Mark::Undone | Mark::Failed => Ink::Bad,
            Mark::Held | Mark::Drift | Mark::Unknown => Ink::Warn,
        }
    }

    pub(super) fn of_change(state: ChangeState) -> Self {
        match state {
            ChangeState::Planned => Mark::Waiting,
            ChangeState::Running | ChangeState::Undoing => Mark::Running,
            ChangeState::Held => Mark::Held,
            ChangeState::Undone => Mark::Undone,
            ChangeState::Done => Mark::Passed,
            ChangeState::Stuck => Mark::Failed,
            ChangeState::Superseded => Mark::Skipped,
        }
    }
}

/// Is the state of one service on one host in a sign and words.
pub(super) struct Standing {
    pub(super) mark: Mark,
    pub(super) words: String,
}

/// Returns how a host stands; a silent one is unknown, whatever it said last.
pub(super) fn standing(proof: Proof, silent: Option<Duration>) -> Standing {
    if let Some(silence) = silent {
        return Standing {
            mark: Mark::Unknown,
            words: format!("silent for {}", clock(silence)),
        };
    }
    let (mark, words) = match proof {
        Proof::Converged => (Mark::Passed, "proved"),
        Proof::Pending => (Mark::Running, "under way"),
        Proof::Reverted => (Mark::Undone, "went back by itself"),
        Proof::Drifted => (Mark::Drift, "drifted"),
        Proof::Stopped => (Mark::Skipped, "stopped"),
        Proof::Blocked => (Mark::Failed, "blocked"),
        Proof::Unknown => (Mark::Unknown, "not known"),
    };
    Standing {
        mark,
        words: words.to_owned(),
    }
}

/// Returns for how long a host has been silent.
pub(super) fn silence(since: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    since.map(|since| now.since(since))
}

/// Returns the version a host runs; one it reported before it fell silent has a question mark.
pub(super) fn runs(version: Option<&Version>, proof: Proof, silent: bool) -> String {
    match version {
        Some(version) if silent => format!("{version}?"),
        Some(version) => version.to_string(),
        None if proof == Proof::Stopped => "nothing".to_owned(),
        None => "-".to_owned(),
    }
}
