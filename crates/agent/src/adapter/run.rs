//! The adapter as a whole: one thread speaks with the server for every target, one calls the tool.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use model::deliver::{Desired, DesiredState};
use model::{Digest, EnvironmentName, HostName, Secret, ServiceName, Timestamp};

use super::config::Adapter;
use super::contract::{self, CONTRACT, FailedTarget, Observation, Request, Verb};
use super::decide::{self, Due, Next, Pace, millis};
use super::item::{Done, Item};
use super::target::{self, Target};
use super::tool::{Fault, Tool, Watch};
use crate::clock::{Clock, SystemClock};
use crate::install::InstallError;
use crate::{Config, Stop, download, install};

/// Between two rounds of calls to the server.
const SYNC: Duration = Duration::from_millis(500);
/// How late a new wish may be noticed by the thread that calls the tool.
const NOTICE: Duration = Duration::from_millis(100);
/// Between two looks while something is under way.
const BUSY: Duration = Duration::from_secs(1);
/// First and last step of the back-off after a failure.
const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
const DONE: &str = "done.json";

/// Is what the tool says of one target.
#[derive(Debug)]
pub struct Checked {
    pub host: HostName,
    /// None where the tool said nothing of this target.
    pub seen: Option<Observation>,
}

/// Enrols every target that has not joined yet, each with a token of its own; returns those that did now.
///
/// # Errors
/// The server's refusal; targets that joined before it have joined.
pub fn join(
    adapter: &Adapter,
    base: &Path,
    server_url: &str,
    mut token: impl FnMut() -> anyhow::Result<Secret>,
) -> anyhow::Result<Vec<HostName>> {
    let mut joined = Vec::new();
    for (host, labels) in &adapter.targets {
        if target::has_joined(base, host)? {
            continue;
        }
        target::enrol(base, server_url, (host, labels), &token()?)
            .with_context(|| format!("{host} cannot join"))?;
        joined.push(host.clone());
    }
    Ok(joined)
}

/// Asks the tool once what runs on every target; needs no server.
///
/// # Errors
/// What the tool said, or what is wrong with its answer.
pub fn check(
    adapter: &Adapter,
    service: &ServiceName,
    environment: &EnvironmentName,
) -> anyhow::Result<Vec<Checked>> {
    let tool = Tool::new(adapter);
    let request = Request {
        contract: CONTRACT,
        verb: Verb::Observe,
        idem_key: String::new(),
        fence: 0,
        service: service.clone(),
        environment: environment.clone(),
        release: None,
        slot: None,
        targets: adapter.targets.iter().map(bare).collect(),
        params: adapter.params.clone(),
    };
    let (clock, stop) = (SystemClock::default(), Stop::default());
    let watch = Watch {
        clock: &clock,
        stop: &stop,
        is_overtaken: &|| false,
    };
    let observed = tool.observe(&request, &watch)?;
    let seen_on = |host: &HostName| observed.targets.iter().find(|seen| seen.host == *host);
    let checked = adapter.targets.iter().map(|(host, _)| Checked {
        host: host.clone(),
        seen: seen_on(host).cloned(),
    });
    Ok(checked.collect())
}

fn bare((host, labels): &(HostName, model::Labels)) -> contract::Target {
    contract::Target {
        host: host.clone(),
        labels: labels.clone(),
        previous: None,
    }
}

/// Runs the adapter until `stop` is thrown. A call of the tool that is under way is ended then.
///
/// # Errors
/// A target never joined, another adapter has the same `base`, or what is kept there cannot be read.
pub fn run(adapter: Adapter, base: &Path, stop: &Stop) -> anyhow::Result<()> {
    fs::create_dir_all(base.join("blobs"))
        .with_context(|| format!("cannot make {}", base.display()))?;
    let _lock = crate::run::lock(base)?;
    let targets: Vec<Target> = adapter
        .targets
        .iter()
        .map(|(host, labels)| Target::open(base, host, labels))
        .collect::<anyhow::Result<_>>()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let done = load_done(base)?;
    let items = known(&targets, &done, clock.now())?;
    let worker = Worker {
        tool: Tool::new(&adapter),
        pace: Pace {
            quiet_ms: millis(adapter.observe_every),
            busy_ms: millis(BUSY.min(adapter.observe_every)),
            again_ms: (millis(AGAIN.0), millis(AGAIN.1)),
        },
        fetcher: targets.first().map(|target| target.client().clone()),
        adapter,
        base: base.to_owned(),
        board: Arc::new(Board {
            items: Mutex::new(items),
            epoch: Mutex::new(0),
        }),
        clock: Arc::clone(&clock),
        done,
    };
    let every_ms = worker.pace.quiet_ms;
    let (board, stopped) = (Arc::clone(&worker.board), stop.clone());
    std::thread::Builder::new()
        .name("adapter-sync".into())
        .spawn(move || sync(targets, &board, &*clock, every_ms, &stopped))
        .context("cannot start the thread that speaks with the server")?;
    worker.run(stop)
}

/// Is where the two threads meet.
struct Board {
    items: Mutex<Vec<Item>>,
    epoch: Mutex<u64>,
}

impl Board {
    fn items(&self) -> MutexGuard<'_, Vec<Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epoch(&self) -> MutexGuard<'_, u64> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was done, by host and service.
type AllDone = BTreeMap<String, Done>;

fn key(host: &HostName, service: &ServiceName) -> String {
    format!("{host}/{service}")
}

fn known(targets: &[Target], done: &AllDone, now: Timestamp) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    for target in targets {
        for wish in target.wishes()? {
            let done = done.get(&key(&target.host, &wish.service));
            let done = done.copied().unwrap_or_default();
            let of = (target.host.clone(), target.labels.clone());
            items.push(Item::new(of, wish, done, now));
        }
    }
    Ok(items)
}

/// Speaks with the server for one target after the other, until the adapter stops.
fn sync(mut targets: Vec<Target>, board: &Board, clock: &dyn Clock, every_ms: u64, stop: &Stop) {
    let mut silent = false;
    while !stop.wait(SYNC) {
        let mut failed = None;
        for target in &mut targets {
            if stop.is_stopped() {
                return;
            }
            if let Err(e) = sync_one(target, board, clock, every_ms) {
                failed = Some(format!("{}: {e:#}", target.host));
            }
        }
        match (&failed, silent) {
            (Some(why), false) => {
                tracing::warn!("no answer of the server, what runs goes on: {why}")
            }
            (None, true) => tracing::info!("the server answers again"),
            (Some(_), true) | (None, false) => {}
        }
        silent = failed.is_some();
    }
}

fn sync_one(
    target: &mut Target,
    board: &Board,
    clock: &dyn Clock,
    every_ms: u64,
) -> anyhow::Result<()> {
    let (now, now_ms) = (clock.now(), clock.monotonic_ms());
    let reported = {
        let mut items = board.items();
        let own = items.iter_mut().filter(|item| item.host == target.host);
        own.map(|item| item.report(every_ms, now_ms, now)).collect()
    };
    let taken = target.sync(reported, clock)?;
    let epoch = target.epoch()?;
    {
        let mut highest = board.epoch();
        *highest = epoch.max(*highest);
    }
    let mut items = board.items();
    for wish in taken {
        let known = items
            .iter_mut()
            .find(|item| item.host == target.host && item.wish.service == wish.service);
        match known {
            Some(item) => item.take(wish),
            None => {
                let of = (target.host.clone(), target.labels.clone());
                items.push(Item::new(of, wish, Done::default(), now));
            }
        }
    }
    Ok(())
}

struct Worker {
    tool: Tool,
    pace: Pace,
    adapter: Adapter,
    /// Fetches artifacts as the first target, since any host may.
    fetcher: Option<client::Client>,
    base: PathBuf,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    done: AllDone,
}

impl Worker {
    fn run(mut self, stop: &Stop) -> anyhow::Result<()> {
        while !stop.is_stopped() {
            let next = decide::next(&self.board.items(), self.pace, self.clock.monotonic_ms());
            match next {
                Next::Wait(ms) => {
                    stop.wait(NOTICE.min(Duration::from_millis(ms.max(1))));
                }
                Next::Call(due) => match due.verb {
                    Verb::Observe | Verb::Plan => self.look(&due, stop),
                    Verb::Apply | Verb::Rollback => self.change(&due, stop),
                },
            }
            self.keep_done()?;
        }
        Ok(())
    }

    /// Has the tool look, and takes what it saw; a target it says nothing of was not seen.
    fn look(&self, due: &Due, stop: &Stop) {
        let (request, begun) = self.request(due, None);
        let overtaken = || decide::is_overtaken(&self.board.items(), due, &begun);
        let observed = self.tool.observe(&request, &self.watch(stop, &overtaken));
        if observed.as_ref().err() == Some(&Fault::CutShort) {
            return;
        }
        if let Err(why) = &observed {
            tracing::warn!(service.name = %request.service, "{why}");
        }
        let (now, now_ms) = (self.clock.now(), self.clock.monotonic_ms());
        let mut items = self.board.items();
        for (place, generation) in due.items.iter().zip(&begun) {
            let item = &mut items[*place];
            if item.wish.generation != *generation {
                continue;
            }
            let what = match &observed {
                Err(why) => Err(why.to_string()),
                Ok(observed) => {
                    let seen = observed.targets.iter().find(|seen| seen.host == item.host);
                    match seen {
                        None => Err("`observe` said nothing of this target".to_owned()),
                        Some(Observation {
                            error: Some(why), ..
                        }) => Err(why.clone()),
                        Some(seen) => Ok(seen.clone()),
                    }
                }
            };
            item.look(what, now_ms, now);
        }
    }

    /// Has the tool carry a wish out, and notes what came of it.
    fn change(&self, due: &Due, stop: &Stop) {
        let (request, begun) = self.request(due, None);
        tracing::info!(
            service.name = %request.service,
            "{} {} on {}",
            request.verb,
            request.release.as_ref().map_or("nothing", |r| r.version.as_str()),
            listed(&request)
        );
        let overtaken = || decide::is_overtaken(&self.board.items(), due, &begun);
        let watch = self.watch(stop, &overtaken);
        let outcome = self.try_change(due, &request, &watch);
        if let Err(why) = &outcome {
            tracing::warn!(service.name = %request.service, "{why}");
        }
        self.settle(due, &begun, &outcome);
    }

    fn try_change(
        &self,
        due: &Due,
        request: &Request,
        watch: &Watch<'_>,
    ) -> Result<Vec<FailedTarget>, Fault> {
        if due.verb == Verb::Apply {
            self.try_plan(request, watch)?;
        }
        let path = self.artifact(due)?;
        let (request, _) = self.request(due, path);
        self.tool.change(&request, watch)
    }

    /// Asks first what would change; what cannot be taken back is not begun without a person's word.
    fn try_plan(&self, request: &Request, watch: &Watch<'_>) -> Result<(), Fault> {
        let question = Request {
            verb: Verb::Plan,
            idem_key: String::new(),
            ..request.clone()
        };
        let planned = self.tool.plan(&question, watch)?;
        if !planned.text.is_empty() {
            tracing::info!(service.name = %request.service, "planned: {}", planned.text);
        }
        if planned.irreversible && !self.adapter.allow_irreversible {
            return Err(Fault::Failed(format!(
                "the tool's plan is irreversible ({}); `allow_irreversible: true` in the adapter's file lets it go on",
                planned.text
            )));
        }
        Ok(())
    }

    fn settle(&self, due: &Due, begun: &[u64], outcome: &Result<Vec<FailedTarget>, Fault>) {
        let at_ms = self.clock.monotonic_ms();
        let mut items = self.board.items();
        for (place, generation) in due.items.iter().zip(begun) {
            let item = &mut items[*place];
            if item.wish.generation != *generation {
                continue;
            }
            let failed = match outcome {
                Ok(failed) => {
                    let of_item = failed.iter().find(|failed| failed.host == item.host);
                    of_item.map(|failed| (failed.why.clone(), !failed.again))
                }
                // The urgent wish that came is carried out next.
                Err(Fault::CutShort) => continue,
                Err(Fault::Failed(why)) => Some((why.clone(), true)),
                Err(Fault::Again(why)) => Some((why.clone(), false)),
            };
            match failed {
                None => item.carried_out(),
                Some((why, blocks)) => item.failed(why, blocks, at_ms),
            }
        }
    }

    fn watch<'a>(&'a self, stop: &'a Stop, is_overtaken: &'a dyn Fn() -> bool) -> Watch<'a> {
        Watch {
            clock: &*self.clock,
            stop,
            is_overtaken,
        }
    }

    /// Makes the question, and returns it with the generations it stands for.
    fn request(&self, due: &Due, path: Option<PathBuf>) -> (Request, Vec<u64>) {
        let items = self.board.items();
        let called: Vec<&Item> = due.items.iter().map(|place| &items[*place]).collect();
        let wish = &called[0].wish;
        let path = path.and_then(|path| path.to_str().map(str::to_owned));
        let request = Request {
            contract: CONTRACT,
            verb: due.verb,
            idem_key: if due.verb == Verb::Observe {
                String::new()
            } else {
                idempotency_key(due.verb, &called)
            },
            fence: *self.board.epoch(),
            service: wish.service.clone(),
            environment: wish.environment.clone(),
            release: (wish.state == DesiredState::Running).then(|| self.release(wish, path)),
            slot: wish.slot,
            targets: called
                .iter()
                .map(|item| contract::Target {
                    host: item.host.clone(),
                    labels: item.labels.clone(),
                    previous: item.running(),
                })
                .collect(),
            params: self.adapter.params.clone(),
        };
        let begun = called.iter().map(|item| item.wish.generation).collect();
        (request, begun)
    }

    fn release(&self, wish: &Desired, path: Option<String>) -> contract::Release {
        let release = &wish.release;
        let server = self.fetcher.as_ref().map_or("", client::Client::base_url);
        contract::Release {
            number: release.number,
            version: release.version.clone(),
            digest: release.digest,
            config_digest: release.config_digest,
            redeploy: release.redeploy,
            url: format!("{server}/artifacts/{}", release.digest),
            path,
            format: release.format,
            file_name: release.file_name.clone(),
            exec: wish.run.exec.clone(),
            env: wish.run.env.clone().into_iter().collect(),
            ports: wish.run.ports.clone(),
        }
    }

    /// Has the artifact of a call on this machine, where the tool needs it; removes those nobody wants.
    fn artifact(&self, due: &Due) -> Result<Option<PathBuf>, Fault> {
        let (wish, wanted) = {
            let items = self.board.items();
            let wanted: Vec<String> = items.iter().map(|item| blob_name(&item.wish)).collect();
            (items[due.items[0]].wish.clone(), wanted)
        };
        let Some(client) = self
            .fetcher
            .as_ref()
            // A router runs nothing itself.
            .filter(|_| wish.slot.is_none() && wish.state == DesiredState::Running)
            .filter(|_| self.tool.wants_file())
        else {
            return Ok(None);
        };
        let blobs = self.base.join("blobs");
        let path = blobs.join(blob_name(&wish));
        if !path.exists() {
            let again = |why: String| Fault::Again(format!("the artifact: {why}"));
            remove_others(&blobs, &wanted).map_err(|e| again(e.to_string()))?;
            let part = download::part(&self.folders(), &wish);
            download::fetch(client, download::of(&wish.release), &part).map_err(|e| match e {
                InstallError::Retry(why)
                | InstallError::Blocked(why)
                | InstallError::Refused(why) => again(why),
            })?;
            fs::rename(&part, &path).map_err(|e| again(e.to_string()))?;
        }
        Ok(Some(path))
    }

    /// Returns settings of which only the folders count.
    fn folders(&self) -> Config {
        let (host, _) = &self.adapter.targets[0];
        Config::new("", &self.base, host.clone())
    }

    /// Writes down what was done, when that is something new.
    fn keep_done(&mut self) -> anyhow::Result<()> {
        let done: AllDone = {
            let items = self.board.items();
            let done = items.iter();
            done.map(|item| (key(&item.host, &item.wish.service), item.done()))
                .collect()
        };
        if done != self.done {
            save_done(&self.base, &done)?;
            self.done = done;
        }
        Ok(())
    }
}

fn listed(request: &Request) -> String {
    let hosts: Vec<&str> = request.targets.iter().map(|t| t.host.as_str()).collect();
    hosts.join(", ")
}

/// Returns a key that is the same whenever the same wish is carried out for the same targets.
fn idempotency_key(verb: Verb, items: &[&Item]) -> String {
    let mut text = verb.to_string();
    for item in items {
        let (wish, host) = (&item.wish, &item.host);
        let release = &wish.release;
        text.push_str(&format!(
            "\n{host} {} {} {} {} {:?}",
            wish.service, wish.generation, release.digest, release.config_digest, wish.state
        ));
    }
    Digest::of(text.as_bytes()).hex()
}

fn blob_name(wish: &Desired) -> String {
    format!("sha256-{}", wish.release.digest.hex())
}

fn remove_others(blobs: &Path, wanted: &[String]) -> std::io::Result<()> {
    for entry in fs::read_dir(blobs)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What was begun goes on, as long as it is wanted.
        if !wanted
            .iter()
            .any(|wanted| name.starts_with(wanted.as_str()))
        {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Reads what was done. A file that is lost or damaged only means that wishes are carried out once more,
/// under the same keys.
fn load_done(base: &Path) -> anyhow::Result<AllDone> {
    let path = base.join(DONE);
    match fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(AllDone::default()),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn save_done(base: &Path, done: &AllDone) -> anyhow::Result<()> {
    let (path, part) = (base.join(DONE), base.join("done.part"));
    let save = || -> std::io::Result<()> {
        let mut file = fs::File::create(&part)?;
        file.write_all(&serde_json::to_vec(done)?)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        install::sync_dir(base)
    };
    save().with_context(|| format!("cannot write {}", path.display()))
}
