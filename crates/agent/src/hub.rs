//! Where the agent's threads meet: what each service reports, and what is to be scraped.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::api::agent::Wish;
use model::deliver::{ProgramReport, ProgramWish, Refused, Reported};
use model::{EnvironmentName, RingName, ServiceName, Version};

/// Is shared by all threads of one agent.
#[derive(Default)]
pub(crate) struct Hub {
    board: Mutex<Board>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct Board {
    pub(crate) reports: BTreeMap<ServiceName, Reported>,
    pub(crate) targets: BTreeMap<ServiceName, Target>,
    pub(crate) refused: Vec<Refused>,
    /// Counts up when something in the report changed.
    pub(crate) version: u64,
    /// The newest wish that was not looked at.
    pub(crate) wish: Option<Wish>,
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    pub(crate) stopped: bool,
    /// The server has answered a report of this agent.
    pub(crate) synced: bool,
    /// What the agent says of its own program; none before it has looked.
    pub(crate) program: Option<ProgramReport>,
    /// What it is to become.
    pub(crate) program_wish: Option<ProgramWish>,
    /// It is to start itself anew: its next program is ready to be tried.
    pub(crate) anew: bool,
    /// It ends to make room for another program: services stay, whatever the configuration says.
    pub(crate) keeps_services: bool,
}

/// Is one service to scrape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) environment: EnvironmentName,
    pub(crate) ring: RingName,
    pub(crate) version: Version,
    pub(crate) url: String,
    pub(crate) interval: Duration,
}

impl Hub {
    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn report(&self, reported: Reported, target: Option<Target>) {
        let mut board = self.board();
        let service = reported.service.clone();
        match target {
            Some(target) => board.targets.insert(service.clone(), target),
            None => board.targets.remove(&service),
        };
        let before = board.reports.insert(service.clone(), reported);
        if before.as_ref() != board.reports.get(&service) {
            board.version += 1;
            self.changed.notify_all();
        }
    }

    /// Hands in an answer of the server, unless a newer one is here already.
    pub(crate) fn offer(&self, wish: Wish) {
        let mut board = self.board();
        let newer = board
            .wish
            .as_ref()
            .is_none_or(|held| (held.epoch, held.revision) <= (wish.epoch, wish.revision));
        if newer {
            board.wish = Some(wish);
            self.changed.notify_all();
        }
    }

    pub(crate) fn refuse(&self, refused: Vec<Refused>) {
        let mut board = self.board();
        if board.refused != refused {
            board.refused = refused;
            board.version += 1;
            self.changed.notify_all();
        }
    }

    pub(crate) fn tell_program(&self, program: ProgramReport) {
        let mut board = self.board();
        if board.program.as_ref() != Some(&program) {
            board.program = Some(program);
            board.version += 1;
            self.changed.notify_all();
        }
    }

    pub(crate) fn start_anew(&self) {
        self.board().anew = true;
        self.changed.notify_all();
    }

    pub(crate) fn note_synced(&self) {
        let mut board = self.board();
        if !board.synced {
            board.synced = true;
            self.changed.notify_all();
        }
    }

    pub(crate) fn stop(&self) {
        self.board().stopped = true;
        self.changed.notify_all();
    }

    /// Waits until `ready` says so, or `at_most` that long.
    pub(crate) fn wait(
        &self,
        at_most: Duration,
        ready: impl Fn(&Board) -> bool,
    ) -> MutexGuard<'_, Board> {
        let board = self.board();
        let (board, _) = self
            .changed
            .wait_timeout_while(board, at_most, |board| !board.stopped && !ready(board))
            .unwrap_or_else(PoisonError::into_inner);
        board
    }
}
