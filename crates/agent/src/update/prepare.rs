//! Gets the wanted program ready while the agent goes on: fetched, checked, and started once to say what it is.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use model::Digest;
use model::deliver::{ProgramReport, ProgramUpdate, ProgramWish};

use super::decide::{self, Action, AtHand, View};
use super::record::{Failed, Place, Record, Trying, folder};
use super::start::{digest_at, own_digest};
use super::{platform, unable};
use crate::config::backoff;
use crate::install::{self, InstallError};
use crate::worker::Shared;
use crate::{Stop, download};

/// Between two looks at what is wished.
const PERIOD: Duration = Duration::from_millis(500);
/// An agent that runs for this long works, whether its server answers or not.
const WORKS: Duration = Duration::from_secs(60);
/// How long a program may take to say its version.
const VERSION_TIME: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);
/// A file that was just written may still be held open by a child of ours that is being started.
const BUSY_TRIES: u32 = 50;
/// What a program of ours says first when it is asked for its version.
const NAME: &str = "sleepwell ";

/// Says what is known of the program before its file was read, which takes a moment; to be called before anything is
/// said to the server.
pub(crate) fn introduce(shared: &Shared) {
    let said = if shared.config.update.is_none() {
        unable("it does not know how to start itself again")
    } else if shared.on_trial.is_some() {
        report(None, 0, ProgramUpdate::Trying)
    } else {
        let record = Record::load(&shared.config.base);
        report(None, record.seen, told(&record))
    };
    shared.hub.tell_program(said);
}

/// Works until the agent stops, or starts itself anew.
pub(crate) fn run(shared: &Shared, stop: &Stop) {
    if shared.config.update.is_none() || shared.on_trial.is_some() {
        return;
    }
    let record = Record::load(&shared.config.base);
    match own_digest() {
        Ok(own) => Preparing::new(shared, record, own).run(stop),
        Err(e) => shared.hub.tell_program(unable(&format!("{e:#}"))),
    }
}

fn report(digest: Option<Digest>, number_seen: u64, update: ProgramUpdate) -> ProgramReport {
    ProgramReport {
        digest,
        platform: platform(),
        number_seen,
        update,
    }
}

fn told(record: &Record) -> ProgramUpdate {
    match &record.failed {
        None => ProgramUpdate::Settled,
        Some(Failed { number, why }) => ProgramUpdate::Failed {
            number: *number,
            why: why.clone(),
        },
    }
}

struct Preparing<'a> {
    shared: &'a Shared,
    record: Record,
    own: Digest,
    place: Option<Place>,
    begun_ms: u64,
    wish: Option<ProgramWish>,
    at_hand: AtHand,
    /// What is in the way, and when it is tried again.
    held_up: Option<(String, u64)>,
    failures: u32,
}

impl<'a> Preparing<'a> {
    fn new(shared: &'a Shared, record: Record, own: Digest) -> Self {
        Self {
            shared,
            record,
            own,
            place: Place::of_this_process(&shared.config.base),
            begun_ms: shared.clock.monotonic_ms(),
            wish: None,
            at_hand: AtHand::No,
            held_up: None,
            failures: 0,
        }
    }

    fn run(mut self, stop: &Stop) {
        while !stop.is_stopped() {
            self.take();
            self.note_that_it_works();
            let action = decide::next(&self.view());
            self.tell();
            let is_over = matches!(action, Action::Switch(_));
            match self.perform(&action) {
                Ok(()) if is_over => return self.shared.hub.start_anew(),
                Ok(()) => self.held_up = self.held_up.take().filter(|_| action == Action::Wait),
                Err(e) => self.hold_up(format!("{e:#}")),
            }
            self.tell();
            if action == Action::Wait {
                stop.wait(PERIOD);
            }
        }
    }

    /// Takes the newest wish; of another one nothing is at hand but what may lie in its place.
    fn take(&mut self) {
        let wish = self.shared.hub.board().program_wish.clone();
        let number = |wish: &Option<ProgramWish>| wish.as_ref().map(|wish| wish.number);
        if number(&wish) == number(&self.wish) {
            return;
        }
        (self.held_up, self.failures, self.at_hand) = (None, 0, AtHand::No);
        if let Some(wish) = wish.as_ref().filter(|wish| wish.number > self.record.seen) {
            let place = decide::free(self.place, &self.record);
            if digest_at(&place.path(self.base())) == Some(wish.digest) {
                self.at_hand = AtHand::Whole;
            }
        }
        self.wish = wish;
    }

    fn base(&self) -> &'a Path {
        &self.shared.config.base
    }

    fn now_ms(&self) -> u64 {
        self.shared.clock.monotonic_ms()
    }

    fn view(&self) -> View<'_> {
        let waits = |(_, until): &(String, u64)| self.now_ms() < *until;
        View {
            record: &self.record,
            own: self.own,
            place: self.place,
            wish: self.wish.as_ref(),
            at_hand: self.at_hand,
            is_waiting: self.held_up.as_ref().is_some_and(waits),
        }
    }

    /// From here on its starts are counted from the beginning.
    fn note_that_it_works(&mut self) {
        let up_ms = self.now_ms().saturating_sub(self.begun_ms);
        let works = self.shared.hub.board().synced || Duration::from_millis(up_ms) >= WORKS;
        let place = self.place;
        let proved = self.record.proved.as_mut();
        let Some(proved) = proved.filter(|one| one.starts > 0 && Some(one.place) == place) else {
            return;
        };
        if works {
            proved.starts = 0;
            if let Err(e) = self.record.save(self.base()) {
                tracing::warn!("that the agent works is not written down: {e:#}");
            }
        }
    }

    fn hold_up(&mut self, why: String) {
        let is_news = self.held_up.as_ref().is_none_or(|(told, _)| *told != why);
        if is_news {
            tracing::warn!("the agent's next program is not at hand: {why}");
        }
        let pause = backoff(self.failures, self.shared.config.timings.restart);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.failures += 1;
        self.held_up = Some((why, self.now_ms().saturating_add(pause_ms)));
    }

    fn tell(&self) {
        let is_new = |wish: &&ProgramWish| wish.number > self.record.seen;
        let update = match self.wish.as_ref().filter(is_new) {
            Some(_) => ProgramUpdate::Preparing {
                why: self
                    .held_up
                    .clone()
                    .map_or_else(String::new, |(why, _)| why),
            },
            None => told(&self.record),
        };
        let said = report(Some(self.own), self.record.seen, update);
        self.shared.hub.tell_program(said);
    }

    fn perform(&mut self, action: &Action) -> anyhow::Result<()> {
        match action {
            Action::Wait => Ok(()),
            Action::Settle(number) => self.keep(Record {
                seen: *number,
                failed: None,
                ..self.record.clone()
            }),
            Action::Fetch(place) => {
                let Some(wish) = self.wish.clone() else {
                    return Ok(());
                };
                self.fetch(*place, &wish)?;
                self.at_hand = AtHand::Whole;
                Ok(())
            }
            Action::Check(place) => match says_its_version(&place.path(self.base())) {
                Ok(()) => {
                    self.at_hand = AtHand::Starts;
                    Ok(())
                }
                Err(e) => self.give_up(format!("{e:#}")),
            },
            Action::Switch(trying) => self.switch(trying),
        }
    }

    fn keep(&mut self, next: Record) -> anyhow::Result<()> {
        next.save(self.base())?;
        self.record = next;
        Ok(())
    }

    fn give_up(&mut self, why: String) -> anyhow::Result<()> {
        let Some(wish) = &self.wish else {
            return Ok(());
        };
        tracing::error!("the agent does not become {}: {why}", wish.digest);
        let number = wish.number;
        self.keep(Record {
            seen: number,
            failed: Some(Failed { number, why }),
            ..self.record.clone()
        })
    }

    fn switch(&mut self, trying: &Trying) -> anyhow::Result<()> {
        self.keep(Record {
            trying: Some(trying.clone()),
            ..self.record.clone()
        })
    }

    /// Brings the program into its place, whole and flushed to the disk.
    fn fetch(&self, place: Place, wish: &ProgramWish) -> anyhow::Result<()> {
        let base = self.base();
        let folder = folder(base);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let part = place.part(base, wish.digest);
        remove_other_parts(&folder, &part)?;
        self.space(wish)?;
        download::fetch(&self.shared.client, (wish.digest, wish.size_bytes), &part)
            .map_err(|e: InstallError| anyhow::Error::msg(e.why().to_owned()))?;
        let path = place.path(base);
        let put = || -> io::Result<()> {
            let file = File::open(&part)?;
            file.set_permissions(fs::Permissions::from_mode(0o755))?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            install::sync_dir(&folder)
        };
        put().with_context(|| format!("cannot write {}", path.display()))
    }

    fn space(&self, wish: &ProgramWish) -> anyhow::Result<()> {
        let config = &self.shared.config;
        let free = install::free_bytes(&config.base)?;
        let needed = wish.size_bytes.saturating_add(config.disk_reserve_bytes);
        if free < needed {
            bail!(
                "disk: {} MiB free at {}, {} MiB needed",
                free >> 20,
                config.base.display(),
                needed.div_ceil(1 << 20)
            );
        }
        Ok(())
    }
}

fn remove_other_parts(folder: &Path, own: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "part") && path != own {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Starts a program once and hears what it is, before anything is ended for it.
fn says_its_version(program: &Path) -> anyhow::Result<()> {
    let mut child = start(program).context("it cannot be started")?;
    let Some(status) = wait(&mut child)? else {
        let _ = child.kill(); // it may have ended at last
        child.wait()?;
        bail!(
            "it did not say its version within {} s",
            VERSION_TIME.as_secs()
        );
    };
    let mut said = String::new();
    if let Some(out) = child.stdout.take() {
        let _ = out.take(1_000).read_to_string(&mut said); // what is no text is no version
    }
    if !status.success() {
        bail!("asked for its version, it ended with {status}");
    }
    if !said.starts_with(NAME) {
        bail!("asked for its version, it does not say that it is sleepwell");
    }
    Ok(())
}

fn start(program: &Path) -> io::Result<Child> {
    let pause = Stop::default();
    let mut tries = 0;
    loop {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        match command.spawn() {
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                pause.wait(LOOK);
            }
            done => return done,
        }
    }
}

fn wait(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let pause = Stop::default();
    let mut left = VERSION_TIME.as_millis() / LOOK.as_millis();
    loop {
        match child.try_wait()? {
            None if left > 0 => {
                left -= 1;
                pause.wait(LOOK);
            }
            done => return Ok(done),
        }
    }
}
