//! What to do about programs, as functions of what is known.

use model::Digest;
use model::deliver::ProgramWish;

use super::record::{Failed, Place, Proved, Record, Trying};

/// So often a trial is begun whose process is ended from outside before it is over.
const TRIES: u32 = 3;
/// So often a proved program is started without its agent being seen to work; then the installed one runs.
const STARTS: u32 = 3;

/// Is what a process sees that was started to be the agent.
#[derive(Clone, Debug)]
pub(super) struct Start<'a> {
    pub(super) record: &'a Record,
    /// Of the file this process runs.
    pub(super) own: Digest,
    /// Where that file is; none: it is the installed one.
    pub(super) place: Option<Place>,
    /// What is in the place the record is about: the one on trial, else the proved one. None: no file, or none that
    /// can be read.
    pub(super) found: Option<Digest>,
    /// The number of the wish whose program left word that it spoke with the server.
    pub(super) marked: Option<u64>,
}

/// Is what such a process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// It is the agent.
    Stay,
    /// This is written down, and looked at again; a person reads why in the log.
    Note(Record, String),
    /// It becomes the proved program.
    Become(Proved),
    /// It looks whether this program works, as its parent.
    Try(Trying),
}

/// Decides what a process does that was started to be the agent.
pub(super) fn begin(start: &Start<'_>) -> Begin {
    let record = start.record;
    if let Some(begin) = by_hand(start) {
        return begin;
    }
    if let Some(trying) = &record.trying {
        return on_trial(start, trying);
    }
    match &record.proved {
        Some(proved) if start.place != Some(proved.place) => of_proved(start, proved),
        _ => Begin::Stay,
    }
}

/// Lets the installed program run where somebody replaced it since.
fn by_hand(start: &Start<'_>) -> Option<Begin> {
    if start.place.is_some() {
        return None;
    }
    let is_other = |installed: Option<Digest>| installed.is_some_and(|one| one != start.own);
    let record = start.record;
    let proved = record.proved.as_ref().map(|proved| proved.installed);
    let trying = record.trying.as_ref().map(|trying| trying.installed);
    if !proved.into_iter().chain(trying).any(is_other) {
        return None;
    }
    let mut next = record.clone();
    next.proved = None;
    let mut why = "another program was installed by hand, and it runs";
    if let Some(trying) = next.trying.take() {
        why = "another program was installed by hand while it was tried, and that one runs";
        next.seen = next.seen.max(trying.number);
        next.failed = Some(Failed {
            number: trying.number,
            why: why.to_owned(),
        });
    }
    Some(Begin::Note(next, why.to_owned()))
}

fn on_trial(start: &Start<'_>, trying: &Trying) -> Begin {
    if start.marked == Some(trying.number) {
        let (next, why) = proved(start.record, trying);
        return Begin::Note(next, why);
    }
    let why = if start.found != Some(trying.digest) {
        "its file is gone or damaged".to_owned()
    } else if trying.tries >= TRIES {
        format!(
            "its trial was cut short {} times from outside",
            trying.tries
        )
    } else {
        return Begin::Try(trying.clone());
    };
    let (next, why) = failed(start.record, trying, why);
    Begin::Note(next, why)
}

fn of_proved(start: &Start<'_>, proved: &Proved) -> Begin {
    let why = if start.found != Some(proved.digest) {
        "its file is gone or damaged".to_owned()
    } else if proved.starts >= STARTS {
        format!("it was started {} times and did not work", proved.starts)
    } else {
        return Begin::Become(proved.clone());
    };
    let (next, why) = fall_back(start.record, proved, why);
    Begin::Note(next, why)
}

/// Gives the proved program up.
pub(super) fn fall_back(record: &Record, proved: &Proved, why: String) -> (Record, String) {
    let mut next = record.clone();
    next.proved = None;
    let why = format!("{why}, so the installed program runs");
    next.failed = Some(Failed {
        number: proved.number,
        why: why.clone(),
    });
    (next, why)
}

/// Takes a program for good.
pub(super) fn proved(record: &Record, trying: &Trying) -> (Record, String) {
    let next = Record {
        seen: record.seen.max(trying.number),
        proved: Some(Proved {
            place: trying.place,
            digest: trying.digest,
            number: trying.number,
            installed: trying.installed,
            starts: 0,
        }),
        trying: None,
        failed: None,
    };
    (
        next,
        "it spoke with the server, and is taken for good".to_owned(),
    )
}

/// Goes on without a program that was tried.
pub(super) fn failed(record: &Record, trying: &Trying, why: String) -> (Record, String) {
    let next = Record {
        seen: record.seen.max(trying.number),
        proved: record.proved.clone(),
        trying: None,
        failed: Some(Failed {
            number: trying.number,
            why: why.clone(),
        }),
    };
    (next, why)
}

/// Is what the parent of a program on trial sees.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) waited_ms: u64,
    pub(super) patience_ms: u64,
    /// The program left word that it spoke with the server.
    pub(super) marked: bool,
    /// How its process ended, if it did.
    pub(super) ended: Option<String>,
    /// Somebody wants the agent to stop.
    pub(super) stopped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    Proved,
    Failed(String),
    /// Nothing is known, and nobody runs.
    Stop,
}

/// Decides what becomes of a trial.
pub(super) fn judge(trial: &Trial) -> Verdict {
    if trial.marked {
        return Verdict::Proved;
    }
    if trial.stopped {
        return Verdict::Stop;
    }
    if let Some(how) = &trial.ended {
        return Verdict::Failed(format!("it {how} before it had spoken with the server"));
    }
    if trial.waited_ms >= trial.patience_ms {
        let seconds = trial.patience_ms.div_ceil(1_000);
        return Verdict::Failed(format!(
            "it did not speak with the server within {seconds} s"
        ));
    }
    Verdict::Wait
}

/// How far a wanted program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtHand {
    No,
    /// It is in its place, whole.
    Whole,
    /// It was started there and said what it is.
    Starts,
}

/// Is what a running agent knows.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    pub(super) record: &'a Record,
    pub(super) own: Digest,
    pub(super) place: Option<Place>,
    pub(super) wish: Option<&'a ProgramWish>,
    pub(super) at_hand: AtHand,
    /// A fetch that failed is not tried again yet.
    pub(super) is_waiting: bool,
}

/// Is what a running agent does about its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Wait,
    /// Nothing is to be done for the wish of this number.
    Settle(u64),
    Fetch(Place),
    Check(Place),
    /// The trial is written down, and the agent starts itself anew.
    Switch(Trying),
}

/// Decides what a running agent does next.
pub(super) fn next(view: &View<'_>) -> Action {
    let record = view.record;
    let Some(wish) = view.wish.filter(|wish| wish.number > record.seen) else {
        return Action::Wait;
    };
    if view.own == wish.digest {
        return Action::Settle(wish.number);
    }
    let place = free(view.place, record);
    match view.at_hand {
        AtHand::No if view.is_waiting => Action::Wait,
        AtHand::No => Action::Fetch(place),
        AtHand::Whole => Action::Check(place),
        AtHand::Starts => Action::Switch(Trying {
            place,
            digest: wish.digest,
            number: wish.number,
            installed: match view.place {
                None => Some(view.own),
                Some(_) => record.proved.as_ref().and_then(|proved| proved.installed),
            },
            tries: 0,
        }),
    }
}

/// Returns the place nobody runs from, and nobody goes back to.
pub(super) fn free(own: Option<Place>, record: &Record) -> Place {
    let taken = own.or(record.proved.as_ref().map(|proved| proved.place));
    taken.map_or(Place::A, Place::other)
}

#[cfg(test)]
#[path = "decide/tests.rs"]
mod tests;
