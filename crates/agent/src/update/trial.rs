//! A new program on trial: the old one waits as its parent, does nothing else, and ends it when it does not speak
//! with the server in time.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, io};

use anyhow::Context;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::SelfUpdate;
use super::decide::{self, Trial, Verdict};
use super::record::{Record, Trying, folder, write_durably};
use super::start::OWN;
use crate::clock::Clock;
use crate::{Stop, run, supervise};

/// In the environment of a program on trial: the number of the wish it came by.
const ON_TRIAL: &str = "SLEEPWELL_AGENT_ON_TRIAL";
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(50);
/// So long a program that has spoken may take to end by itself, and one that is to stop with the agent.
const ENDING: Duration = Duration::from_secs(10);

/// Is this process, when it is a program on trial: it is the agent in all, and ends when it has spoken with the
/// server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OnTrial {
    number: u64,
}

impl OnTrial {
    /// Reads what its parent says of it.
    pub(crate) fn of_this_process() -> anyhow::Result<Option<Self>> {
        let Some(number) = env::var_os(ON_TRIAL) else {
            return Ok(None);
        };
        let number = number.to_str().and_then(|number| number.parse().ok());
        let number = number.with_context(|| format!("{ON_TRIAL} is not a number"))?;
        Ok(Some(Self { number }))
    }

    /// Leaves word that it spoke with the server; its parent finds it, or whoever comes after that one.
    pub(crate) fn passed(self, base: &Path) -> anyhow::Result<()> {
        write_durably(&marker(base), self.number.to_string().as_bytes())
    }
}

/// Locks out other programs on trial: one whose parent was killed may take a moment to end.
pub(crate) fn lock_of_trials(base: &Path) -> anyhow::Result<File> {
    let folder = folder(base);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    run::lock_file(&folder.join("trial.lock"), base)
}

/// Has this process end with its parent, then becomes the program to try.
///
/// # Errors
/// Returns only when the program could not be started, or the parent is gone already.
pub fn exec_trial(parent: u32, command: &[OsString]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return io::Error::other("no program to try");
    };
    if let Err(e) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return e.into();
    }
    let found = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if found != Some(parent) {
        return io::Error::other("whoever wanted this program tried is gone");
    }
    Command::new(program).args(arguments).exec()
}

fn marker(base: &Path) -> PathBuf {
    folder(base).join("spoke")
}

/// Returns the number of the wish whose program left word that it spoke with the server.
pub(super) fn marked(base: &Path) -> Option<u64> {
    fs::read_to_string(marker(base)).ok()?.parse().ok()
}

/// Tries a program and returns what is known after that; none when the agent is to stop.
pub(super) fn try_out(
    base: &Path,
    update: &SelfUpdate,
    (record, trying): (&Record, &Trying),
    (clock, stop): (&dyn Clock, &Stop),
) -> Option<Record> {
    let mut begun = record.clone();
    if let Some(trying) = &mut begun.trying {
        trying.tries += 1;
    }
    if let Err(e) = begun.save(base) {
        // Begun again and again it would keep the host without an agent.
        let why = format!("its trial cannot be written down: {e:#}");
        return Some(decide::failed(record, trying, why).0);
    }
    let path = trying.place.path(base);
    tracing::info!(
        "tries {} as the agent, for {} s at the longest",
        path.display(),
        update.patience.as_secs()
    );
    let verdict = match start(update, &path, trying.number) {
        Ok(mut child) => {
            let verdict = watch(base, update, (&mut child, trying), (clock, stop));
            end(&mut child, &verdict);
            verdict
        }
        Err(e) => Verdict::Failed(format!("it cannot be started: {e}")),
    };
    let (next, why) = match verdict {
        Verdict::Proved => decide::proved(&begun, trying),
        Verdict::Failed(why) => decide::failed(&begun, trying, why),
        // Who stops the agent says nothing of the program: this try does not count.
        Verdict::Wait | Verdict::Stop => {
            if let Err(e) = record.save(base) {
                tracing::warn!("this try counts: {e:#}");
            }
            return None;
        }
    };
    match &next.failed {
        None => tracing::info!("{}: {why}", path.display()),
        Some(_) => tracing::error!(
            "{}: {why}; the agent goes on with the program it had",
            path.display()
        ),
    }
    Some(next)
}

fn start(update: &SelfUpdate, program: &Path, number: u64) -> io::Result<Child> {
    Command::new(OWN)
        .args(&update.helper)
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(program)
        .args(&update.run)
        .env(ON_TRIAL, number.to_string())
        .stdin(Stdio::null())
        .spawn()
}

/// Looks until there is a verdict.
fn watch(
    base: &Path,
    update: &SelfUpdate,
    (child, trying): (&mut Child, &Trying),
    (clock, stop): (&dyn Clock, &Stop),
) -> Verdict {
    let begun = clock.monotonic_ms();
    let pause = Stop::default();
    loop {
        // Asked before the marker is: a program that left word and ended has passed.
        let ended = child.try_wait();
        let ended = ended.map(|status| status.map(|status| format!("ended with {status}")));
        let verdict = decide::judge(&Trial {
            waited_ms: clock.monotonic_ms().saturating_sub(begun),
            patience_ms: u64::try_from(update.patience.as_millis()).unwrap_or(u64::MAX),
            marked: marked(base) == Some(trying.number),
            ended: ended.unwrap_or_else(|e| Some(format!("cannot be watched ({e})"))),
            stopped: stop.is_stopped(),
        });
        if verdict != Verdict::Wait {
            return verdict;
        }
        pause.wait(LOOK);
    }
}

/// Ends what was tried: politely where it is to stop for good, since it may have services to end. One that passed
/// ends by itself.
fn end(child: &mut Child, verdict: &Verdict) {
    if *verdict == Verdict::Stop {
        supervise::signal(child.id(), Signal::TERM);
    }
    if !matches!(verdict, Verdict::Failed(_)) {
        let pause = Stop::default();
        let mut left = ENDING.as_millis() / LOOK.as_millis();
        while left > 0 && matches!(child.try_wait(), Ok(None)) {
            pause.wait(LOOK);
            left -= 1;
        }
    }
    // It may have ended meanwhile, which is what is wanted; services do not notice.
    let _ = child.kill();
    let _ = child.wait();
}
