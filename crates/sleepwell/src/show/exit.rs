//! With which code `sleepwell` ends, for scripts and CI.
//!
//! `ship --rehearse` ends with 0, or with 12 when something would hold the rollout.
//! `ship` and `watch` end with the state of the change, non-zero whenever the release is not live and
//! proved on every host. A command that only gives an order (`undo`, `hold`, `go`) ends with 0 when the
//! server took it.

use std::fmt::Write as _;

use model::api::Problem;
use model::api::change::ChangeView;
use model::observe::ChangeState;

use super::facts::{Undoer, strays, undoer};

/// Is every code there is; a code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Live, and proved on every host; a silent host counts as not proved.
    Done = 0,
    /// It could not be carried out: the undo is stuck, a newer change took over, or a person had it
    /// undone. Code 10 is kept for verdicts, so that a script that reacts to bad releases is not set
    /// off by somebody who changed their mind.
    Failed = 1,
    Usage = 2,
    /// Watching ended before the change did; the change goes on.
    NoVerdict = 3,
    NotAllowed = 4,
    NotFound = 5,
    /// Undone by a verdict: the release was worse than the one before.
    Undone = 10,
    /// Done, but a host does not run it, or is silent.
    Drift = 11,
    /// Waits for a person or for a host.
    Held = 12,
    /// By a signal; 128 + 2, as shells have it.
    Interrupted = 130,
}

impl Exit {
    const ALL: [Exit; 10] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::NoVerdict,
        Exit::NotAllowed,
        Exit::NotFound,
        Exit::Undone,
        Exit::Drift,
        Exit::Held,
        Exit::Interrupted,
    ];

    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done, live and proved on every host",
            Exit::Failed => "failed: not carried out, or undone by order of a person",
            Exit::Usage => "usage error",
            Exit::NoVerdict => {
                "no verdict in time (--timeout, too few samples); the change goes on"
            }
            Exit::NotAllowed => "not signed in or not allowed",
            Exit::NotFound => "not found",
            Exit::Undone => "undone by a verdict",
            Exit::Drift => "done, but at least one host is not on it or is silent",
            Exit::Held => "held, waits for a person or for a host",
            Exit::Interrupted => "interrupted; the rollout goes on",
        }
    }
}

/// Returns the code of a watched change as it stands; 3 while it has not ended.
pub(crate) fn code(view: &ChangeView) -> u8 {
    of_change(view).code()
}

fn of_change(view: &ChangeView) -> Exit {
    match view.change.state {
        ChangeState::Done if strays(view).is_empty() => Exit::Done,
        ChangeState::Done => Exit::Drift,
        ChangeState::Undone => match undoer(view) {
            Undoer::Itself => Exit::Undone,
            Undoer::Person(_) => Exit::Failed,
        },
        ChangeState::Held => Exit::Held,
        ChangeState::Stuck | ChangeState::Superseded => Exit::Failed,
        ChangeState::Planned | ChangeState::Running | ChangeState::Undoing => Exit::NoVerdict,
    }
}

/// Returns the code of a command the server refused.
pub(crate) fn of_problem(problem: &Problem) -> u8 {
    let exit = match problem.status {
        401 | 403 => Exit::NotAllowed,
        404 => Exit::NotFound,
        _ => Exit::Failed,
    };
    exit.code()
}

/// Returns the text of `sleepwell help exit-codes`.
pub(crate) fn help() -> String {
    let mut out = String::from("code  meaning\n");
    for exit in Exit::ALL {
        writeln!(out, "{:>4}  {}", exit.code(), exit.meaning())
            .expect("writing to a string does not fail");
    }
    out
}
