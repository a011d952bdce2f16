//! The agent becomes another program of itself, and goes back by itself when that one does not work
//! (delivery specification, 2.9).
//!
//! Two places under `base/agent`, `a` and `b`, hold programs; the installed one is no matter of ours. What
//! is wanted is fetched into the place the agent does not run from and checked while the agent goes on ([`prepare`]).
//! Then the agent ends its threads and starts itself anew, which is where everything is decided ([`start`]): the
//! new program runs as a child of the old one until it has spoken with the server ([`trial`]), and the process
//! becomes the one that is proved by `exec`. So its supervisor sees one process all the time, and services, which
//! are no part of the agent, see nothing.
//!
//! **Invariant.** Whoever is killed at any moment: the next start of the installed program finds in
//! `base/agent/program.json` what to do ([`decide`]), and some agent runs.

mod children;
mod decide;
mod prepare;
mod record;
mod start;
mod trial;

use std::time::Duration;

use model::deliver::{ProgramReport, ProgramUpdate};

pub(crate) use children::Children;
pub(crate) use prepare::{introduce, run};
pub(crate) use start::{Begun, again, begin};
pub use trial::exec_trial;
pub(crate) use trial::{OnTrial, lock_of_trials};

/// Is what an agent has to know of itself to become another program.
#[derive(Clone, Debug)]
pub struct SelfUpdate {
    /// The arguments that make this program, and the next one, run this very agent.
    pub run: Vec<String>,
    /// The arguments that make this program call [`exec_trial`], up to the id of the parent.
    pub helper: Vec<String>,
    /// How long a new program may take to speak with the server.
    pub patience: Duration,
}

/// Returns what an adapter says of its program, which speaks for hosts and is on none of them.
pub(crate) fn of_adapter() -> ProgramReport {
    unable("an adapter speaks for it; update the program where the adapter runs")
}

fn unable(why: &str) -> ProgramReport {
    ProgramReport {
        digest: None,
        platform: platform(),
        number_seen: 0,
        update: ProgramUpdate::Unable {
            why: why.to_owned(),
        },
    }
}

/// Names what this program was built for.
fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}
