//! The program a modelled agent runs from, and how it becomes another one: it is away while that one is on trial, and
//! comes back as what works.

use std::time::Duration;

use model::deliver::{ProgramReport, ProgramUpdate, ProgramWish};
use model::{Digest, Timestamp, limit};

/// How long a program takes until it has spoken with the server.
const START: Duration = Duration::from_secs(2);
const NOT_HEARD: &str = "it did not speak with the server within 60 s";

/// Is what one agent runs from.
#[derive(Debug)]
pub(super) struct Program {
    is: Digest,
    seen: u64,
    trial: Option<Trial>,
    failed: Option<u64>,
}

#[derive(Debug)]
struct Trial {
    wish: ProgramWish,
    until: Timestamp,
    works: bool,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            is: Digest::of(b"the agent every host began with"),
            seen: 0,
            trial: None,
            failed: None,
        }
    }
}

impl Program {
    /// Takes what it is to become; `works` says whether that is any good.
    pub(super) fn hear(&mut self, wish: ProgramWish, works: bool, now: Timestamp) {
        if wish.number <= self.seen {
            return;
        }
        self.seen = wish.number;
        self.failed = None;
        let takes = if works { START } else { limit::AGENT_TRIAL };
        self.trial = (wish.digest != self.is).then_some(Trial {
            wish,
            until: now + takes,
            works,
        });
    }

    /// Tells whether nobody speaks for the host now; a trial that is over has ended one way or the other.
    pub(super) fn is_away(&mut self, now: Timestamp) -> bool {
        let Some(trial) = self.trial.take_if(|trial| now >= trial.until) else {
            return self.trial.is_some();
        };
        match trial.works {
            true => self.is = trial.wish.digest,
            false => self.failed = Some(trial.wish.number),
        }
        false
    }

    pub(super) fn report(&self) -> ProgramReport {
        ProgramReport {
            digest: Some(self.is),
            platform: "linux-x86_64".into(),
            number_seen: self.seen,
            update: match self.failed {
                None => ProgramUpdate::Settled,
                Some(number) => ProgramUpdate::Failed {
                    number,
                    why: NOT_HEARD.into(),
                },
            },
        }
    }
}
