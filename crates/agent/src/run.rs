//! The agent as a whole: the lock on its folder, its threads, and the way of a wish to its service.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use model::ServiceName;
use model::deliver::Desired;

use crate::cgroup::Groups;
use crate::clock::{Clock, SystemClock};
use crate::hub::{Board, Hub};
use crate::link::Link;
use crate::record::Record;
use crate::scrape::Unsent;
use crate::state::State;
use crate::update::{self, Begun, Children, OnTrial};
use crate::worker::{Mailbox, Shared, Worker};
use crate::{Config, Identity, Stop, events, procfs, scrape, sync};

/// Together a second.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Runs the agent until `stop` is thrown. Services live on, unless the configuration says otherwise.
///
/// # Errors
/// It never joined, another agent has the same `base`, or `state.db` cannot be read.
pub fn run(config: Config, stop: &Stop) -> anyhow::Result<()> {
    run_by(Arc::new(SystemClock::default()), config, stop)
}

/// Runs the agent by another clock.
///
/// # Errors
/// As [`run`].
pub fn run_by(clock: Arc<dyn Clock>, mut config: Config, stop: &Stop) -> anyhow::Result<()> {
    let base = &config.base;
    std::fs::create_dir_all(base).with_context(|| format!("cannot make {}", base.display()))?;
    // `/proc` shows real paths; ours must be comparable with them.
    config.base = base
        .canonicalize()
        .with_context(|| format!("cannot find {}", base.display()))?;
    let on_trial = OnTrial::of_this_process()?;
    let lock = match on_trial {
        // Its parent holds the lock of the base.
        Some(_) => update::lock_of_trials(&config.base)?,
        None => lock(&config.base)?,
    };
    if let (Some(update), None) = (&config.update, on_trial)
        && update::begin(&config.base, update, &*clock, stop)? == Begun::Stopped
    {
        return Ok(());
    }
    let update = config.update.clone();
    let end = be_the_agent(clock, config, on_trial, stop)?;
    drop(lock);
    match (end, update) {
        (End::Anew, Some(update)) => Err(update::again(&update)),
        (End::Anew, None) | (End::Stopped, _) => Ok(()),
    }
}

/// Is how an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stopped,
    /// It is to be started anew in this process, which knows what to do then.
    Anew,
}

fn be_the_agent(
    clock: Arc<dyn Clock>,
    config: Config,
    on_trial: Option<OnTrial>,
    stop: &Stop,
) -> anyhow::Result<End> {
    let identity = Identity::load(&config.base)?
        .with_context(|| format!("{} has not joined a server", config.base.display()))?;
    let state = State::open(&config.base)?;
    let seems = clock.now() - Duration::from_millis(clock.monotonic_ms());
    let shared = Shared {
        agent: identity.agent_id,
        boot_at: state.boot_at(procfs::boot_id(), seems)?,
        state: Arc::new(state),
        hub: Arc::new(Hub::default()),
        unsent: Arc::new(Unsent::default()),
        clock,
        client: identity.client(),
        link: Arc::new(Link::new(identity.host)),
        groups: Arc::new(Groups::find(&config, identity.agent_id)),
        config: Arc::new(config),
        on_trial,
    };
    Agent::new(shared)?.run(stop)
}

/// Removes control groups that no process of ours is in or will be.
fn tidy_groups(shared: &Shared) -> anyhow::Result<()> {
    let services = shared.state.services()?;
    let records = services.iter().filter_map(|(_, record)| record.as_ref());
    let recorded: Vec<_> = records.flat_map(Record::groups).cloned().collect();
    shared.groups.tidy(&recorded);
    Ok(())
}

/// Locks `base` for this process; given back when the returned file is dropped.
pub(crate) fn lock(base: &Path) -> anyhow::Result<File> {
    lock_file(&base.join("agent.lock"), base)
}

/// Locks a file of `base` for this process.
pub(crate) fn lock_file(path: &Path, base: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another agent uses {}; give each its own", base.display())
        }
        Err(TryLockError::Error(e)) => {
            Err(e).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Tries for a while: a service that is just being started holds the lock of the agent that starts it
/// until it has become itself, also when that agent has ended meanwhile.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    let pause = Stop::default();
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => pause.wait(LOCK_PAUSE),
            done => return done,
        };
    }
    file.try_lock()
}

struct Agent {
    shared: Shared,
    workers: BTreeMap<ServiceName, (Mailbox, JoinHandle<()>)>,
    /// Of the program this process was before.
    children: Children,
}

impl Agent {
    fn new(shared: Shared) -> anyhow::Result<Self> {
        crate::ballast::keep(&shared.config);
        update::introduce(&shared);
        let (epoch, revision) = shared.state.seen()?;
        {
            let mut board = shared.hub.board();
            board.epoch = epoch;
            board.revision = revision;
        }
        let mut agent = Self {
            children: Children::of(&shared.config),
            shared,
            workers: BTreeMap::new(),
        };
        tidy_groups(&agent.shared)?;
        for (wish, record) in agent.shared.state.services()? {
            agent.look_after(wish, record)?;
        }
        Ok(agent)
    }

    fn run(mut self, asked: &Stop) -> anyhow::Result<End> {
        let stop = &Stop::default();
        // These may be inside a call when the agent stops, and end by themselves after it.
        self.spawn("sync", stop, sync::run)?;
        self.spawn("report", stop, sync::run_reports)?;
        self.spawn("events", stop, events::run)?;
        self.spawn("scrape", stop, scrape::run)?;
        self.spawn("samples", stop, scrape::run_sender)?;
        self.spawn("program", stop, update::run)?;
        let end = loop {
            if let Some(end) = self.end(asked)? {
                break end;
            }
            self.children.reap();
            let wish = {
                let period = Duration::from_millis(100); // how late a stop may be noticed
                let is_news = |board: &Board| board.wish.is_some() || board.anew;
                let mut board = self.shared.hub.wait(period, is_news);
                board.wish.take()
            };
            if let Some(wish) = wish {
                self.take(&wish)?;
            }
        };
        stop.stop();
        self.shared.hub.stop();
        for (mailbox, _) in self.workers.values() {
            mailbox.stop();
        }
        for (service, (_, thread)) in self.workers {
            if thread.join().is_err() {
                tracing::error!(service.name = %service, "its thread ended in a panic");
            }
        }
        tidy_groups(&self.shared)?;
        Ok(end)
    }

    /// Tells whether the agent is over, and how.
    fn end(&self, asked: &Stop) -> anyhow::Result<Option<End>> {
        if asked.is_stopped() {
            return Ok(Some(End::Stopped));
        }
        let mut board = self.shared.hub.board();
        if let Some(on_trial) = self.shared.on_trial.filter(|_| board.synced) {
            on_trial.passed(&self.shared.config.base)?;
            board.keeps_services = true;
            return Ok(Some(End::Stopped));
        }
        if board.anew {
            board.keeps_services = true;
            return Ok(Some(End::Anew));
        }
        Ok(None)
    }

    fn spawn(&self, name: &str, stop: &Stop, work: fn(&Shared, &Stop)) -> anyhow::Result<()> {
        let (shared, stop) = (self.shared.clone(), stop.clone());
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&shared, &stop))
            .with_context(|| format!("cannot start the {name} thread"))?;
        Ok(())
    }

    /// Writes a wish down and hands each service its part. What is not in it goes on as it was.
    fn take(&mut self, wish: &model::api::agent::Wish) -> anyhow::Result<()> {
        let (taken, refused) = match self.shared.state.take(wish) {
            Ok(outcome) => outcome,
            Err(e) => {
                // Not recorded means not followed; the server offers it again.
                tracing::error!("cannot record the wish, so it is not followed: {e}");
                return Ok(());
            }
        };
        for refusal in &refused {
            tracing::error!(
                kind = refusal.kind,
                seen = refusal.seen,
                offered = refusal.offered,
                "refused an order older than one this host has recorded"
            );
        }
        self.shared.hub.refuse(refused);
        let (epoch, revision) = self.shared.state.seen()?;
        {
            let mut board = self.shared.hub.board();
            (board.epoch, board.revision) = (epoch, revision);
            if wish.epoch >= epoch {
                board.program_wish.clone_from(&wish.program);
            }
        }
        for desired in taken {
            match self.workers.get(&desired.service) {
                Some((mailbox, _)) => mailbox.put(desired),
                None => self.look_after(desired, None)?,
            }
        }
        Ok(())
    }

    fn look_after(&mut self, wish: Desired, record: Option<Record>) -> anyhow::Result<()> {
        let service = wish.service.clone();
        let dir = self.shared.config.releases_dir(&service);
        if let Err(e) = std::fs::create_dir_all(&dir) {
            tracing::error!("cannot make {}: {e}", dir.display());
        }
        let mailbox = Mailbox::default();
        let (shared, its) = (self.shared.clone(), mailbox.clone());
        let thread = std::thread::Builder::new()
            .name(format!("service {service}"))
            .spawn(move || Worker::new(shared, wish, record).run(&its))
            .with_context(|| format!("cannot start the thread of {service}"))?;
        self.workers.insert(service, (mailbox, thread));
        Ok(())
    }
}
