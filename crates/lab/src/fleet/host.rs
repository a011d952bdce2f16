//! One host with its agent: what it heard, what it says, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use model::api::agent::{Sync, Wish};
use model::deliver::{Desired, DesiredState, ProgramReport, Refused, Reported, Slot};
use model::observe::Series;
use model::{Digest, HostName, Labels, ServiceName, Timestamp, Version, limit};
use runtime::Random;

use super::program::Program;
use super::service::Service;
use super::{Behaviour, Traffic};

/// Is what is wrong with a host; the default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trouble {
    /// Nothing it says arrives, nothing said to it either; its processes go on.
    pub is_unreachable: bool,
    /// What is not on its disk yet cannot be put there.
    pub has_full_disk: bool,
    /// A new process needs this much longer to become healthy.
    pub is_late_by: Duration,
    /// A new release never becomes healthy here.
    pub reverts: bool,
    /// The next hook that runs here is cut short, and nobody knows how far it came.
    pub cuts_a_hook_short: bool,
    /// The release folder somebody changed by hand: from any other one, requests fail here.
    pub mended_by_hand: Option<String>,
    /// Somebody started something else beside what was proved.
    pub runs_something_else: bool,
    /// The next program its agent is to become does not work here.
    pub program_fails: bool,
    /// What its clock, and all it says of times, is ahead of everybody's; below zero behind.
    pub clock_ahead_ms: i64,
}

/// Is what it said last, and when.
struct Sent {
    reported: Vec<Reported>,
    program: ProgramReport,
    at: Timestamp,
}

/// Is to which slot the routers of each service send everything.
pub(super) type Routes = BTreeMap<ServiceName, Slot>;

/// Is a host.
pub struct Host {
    name: HostName,
    labels: Labels,
    token: String,
    boots: u32,
    epoch: u64,
    revision: u64,
    services: BTreeMap<ServiceName, Service>,
    /// Every order it ever recorded, to come back from an old disk with.
    history: Vec<Desired>,
    refused: Vec<Refused>,
    program: Program,
    sent: Option<Sent>,
    sampled_at: Option<Timestamp>,
    trouble: Trouble,
    ran: BTreeSet<Version>,
    /// The first thing it was told since it came back.
    told_first: Option<Version>,
}

impl Host {
    pub(super) fn new(name: HostName, labels: Labels, token: String) -> Self {
        Self {
            name,
            labels,
            token,
            boots: 1,
            epoch: 0,
            revision: 0,
            services: BTreeMap::new(),
            history: vec![],
            refused: vec![],
            program: Program::default(),
            sent: None,
            sampled_at: None,
            trouble: Trouble::default(),
            ran: BTreeSet::new(),
            told_first: None,
        }
    }

    pub fn name(&self) -> &HostName {
        &self.name
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    pub fn trouble_mut(&mut self) -> &mut Trouble {
        &mut self.trouble
    }

    pub fn is_unreachable(&self) -> bool {
        self.trouble.is_unreachable
    }

    /// Returns what really runs here, whatever is known of it elsewhere.
    pub fn running(&self, service: &ServiceName) -> Option<&Version> {
        self.services.get(service)?.running()
    }

    /// Returns where it sends the requests of each service it is a router of.
    pub fn routes(&self) -> impl Iterator<Item = (&ServiceName, Slot)> {
        let services = self.services.iter();
        services.filter_map(|(name, service)| Some((name, service.routes()?)))
    }

    /// Tells whether it is one of a slot that runs nothing, as far as it heard.
    pub fn is_told_to_stop(&self, service: &ServiceName, slot: Slot) -> bool {
        let wish = self.services.get(service).map(Service::wish);
        let stops = wish.is_some_and(|wish| wish.state == DesiredState::Stopped);
        stops && self.labels.get("slot") == slot.word()
    }

    /// Returns what comes to a service of it, by where its routers send everything.
    fn comes(&self, service: &ServiceName, traffic: &Traffic, routes: &Routes) -> f64 {
        let own = self.labels.get("slot");
        let share = match routes.get(service) {
            Some(slot) if !own.is_empty() && own != slot.word() => traffic.mirrored,
            Some(_) | None => 1.0,
        };
        traffic.per_second * share
    }

    /// Returns what it was last told to run, as far as it heard.
    pub fn told(&self, service: &ServiceName) -> Option<&Version> {
        Some(&self.services.get(service)?.wish().release.version)
    }

    /// Returns how many processes of it were started here, one after the other.
    pub fn started(&self, service: &ServiceName) -> usize {
        let service = self.services.get(service);
        service.map_or(0, Service::started)
    }

    /// Has somebody change what runs here by hand, and the host need that.
    pub fn mend_by_hand(&mut self) {
        let mut services = self.services.values();
        self.trouble.mended_by_hand = services.find_map(Service::folder);
    }

    /// Returns every version that ever served customers here.
    pub fn ran(&self) -> &BTreeSet<Version> {
        &self.ran
    }

    pub fn told_first(&self) -> Option<&Version> {
        self.told_first.as_ref()
    }

    /// Lets it be heard again.
    pub fn come_back(&mut self) {
        self.trouble.is_unreachable = false;
        self.told_first = None;
        self.reconnect();
    }

    pub(crate) fn reconnect(&mut self) {
        self.sent = None;
    }

    /// Lets it be heard again, after a boot from a disk on which a version was the newest it knew.
    ///
    /// # Errors
    /// A version it was never asked to run.
    pub fn come_back_with(&mut self, version: &Version, now: Timestamp) -> Result<()> {
        let old = self
            .history
            .iter()
            .rev()
            .find(|desired| desired.release.version == *version);
        let old = old
            .cloned()
            .with_context(|| format!("{} was never asked to run {version}", self.name))?;
        self.boots += 1;
        self.services
            .insert(old.service.clone(), Service::rebooted(old, now));
        self.come_back();
        Ok(())
    }

    pub(super) fn live(
        &mut self,
        of: &impl Fn(&Version) -> Behaviour,
        (traffic, routes): (&Traffic, &Routes),
        random: &Random,
        now: Timestamp,
    ) {
        let names: Vec<ServiceName> = self.services.keys().cloned().collect();
        for name in names {
            let per_second = self.comes(&name, traffic, routes);
            let Some(service) = self.services.get_mut(&name) else {
                continue;
            };
            let traffic = Traffic {
                per_second,
                ..*traffic
            };
            let mended = self.trouble.mended_by_hand.as_deref();
            service.serve(of, (&traffic, mended), random, now);
            service.act(of, &self.trouble, now);
            if service.is_uncertain() {
                self.trouble.cuts_a_hook_short = false;
            }
            self.ran.extend(service.running().cloned());
        }
    }

    /// Returns an artifact that is to be fetched now.
    pub(crate) fn fetches(&self) -> Option<Digest> {
        let mut services = self.services.values();
        services.find_map(|service| service.fetches(&self.trouble))
    }

    pub(crate) fn fetched(&mut self) {
        for service in self.services.values_mut() {
            service.fetched();
        }
    }

    /// Returns what is scraped on whole seconds.
    pub(crate) fn samples(&mut self, now: Timestamp) -> Option<Vec<Series>> {
        let is_away = self.program.is_away(now);
        if is_away || now.as_millis() % 1_000 != 0 || self.sampled_at == Some(now) {
            return None;
        }
        self.sampled_at = Some(now);
        let services = self.services.values();
        let mut series: Vec<Series> = services.flat_map(|service| service.samples(now)).collect();
        for sample in series.iter_mut().flat_map(|one| &mut one.samples) {
            sample.at = self.by_its_clock(sample.at);
        }
        (!series.is_empty()).then_some(series)
    }

    /// Returns what a moment is by its clock.
    pub(crate) fn by_its_clock(&self, at: Timestamp) -> Timestamp {
        let ahead_ms = self.trouble.clock_ahead_ms;
        let by = Duration::from_millis(ahead_ms.unsigned_abs());
        if ahead_ms < 0 { at - by } else { at + by }
    }

    /// Returns what it says when that is news, when its held call is answered, or when that call is to
    /// be renewed.
    ///
    /// `now` is the time that never steps, `wall` what a right clock shows.
    pub(crate) fn report(
        &mut self,
        is_answered: bool,
        (now, wall): (Timestamp, Timestamp),
    ) -> Option<Sync> {
        if self.program.is_away(now) {
            return None;
        }
        let program = self.program.report();
        let mut reported: Vec<_> = self
            .services
            .values()
            .map(|service| service.reported(&self.trouble))
            .collect();
        for one in &mut reported {
            one.since = self.by_its_clock(one.since);
            one.started_at = one.started_at.map(|at| self.by_its_clock(at));
        }
        let is_news = self.sent.as_ref().is_none_or(|sent| {
            let is_other = sent.reported != reported || sent.program != program;
            is_other || now.since(sent.at) >= limit::SYNC_WAIT
        });
        if !is_news && !is_answered {
            return None;
        }
        self.sent = Some(Sent {
            reported: reported.clone(),
            program: program.clone(),
            at: now,
        });
        Some(Sync {
            boot_id: format!("{}-boot-{}", self.name, self.boots),
            agent_version: "lab".into(),
            epoch_seen: self.epoch,
            revision_seen: self.revision,
            wait_ms: 0,
            reported,
            refused: self.refused.clone(),
            disk_free_bytes: 0,
            run_id: String::new(),
            now: self.by_its_clock(wall),
            steady: Some(self.by_its_clock(now)),
            program: Some(program),
            monotonic_ms: u64::try_from(now.as_millis()).unwrap_or(0),
        })
    }

    /// Takes an answer: orders older than what is recorded are refused, newer ones recorded.
    pub(crate) fn hear(&mut self, wish: Wish, now: Timestamp) {
        self.refused.clear();
        if wish.epoch < self.epoch {
            self.refuse("epoch", None, (self.epoch, wish.epoch));
            return;
        }
        (self.epoch, self.revision) = (wish.epoch, wish.revision);
        if let Some(program) = wish.program {
            self.program.hear(program, !self.trouble.program_fails, now);
        }
        for desired in wish.desired {
            if self.told_first.is_none() {
                self.told_first = Some(desired.release.version.clone());
            }
            let seen = self
                .services
                .get(&desired.service)
                .map_or(0, |service| service.wish().generation);
            if desired.generation < seen {
                let offered = desired.generation;
                self.refuse("generation", Some(desired.service), (seen, offered));
            } else if desired.generation > seen {
                self.history.push(desired.clone());
                match self.services.get_mut(&desired.service) {
                    Some(service) => service.order(desired),
                    None => {
                        let service = Service::new(desired, now);
                        self.services
                            .insert(service.wish().service.clone(), service);
                    }
                }
            }
        }
    }

    /// Has recorded orders of a server that nobody else knows of.
    pub fn saw_more(&mut self, service: &ServiceName, orders: usize) -> Result<()> {
        let found = self.services.get_mut(service);
        let found = found.with_context(|| format!("{} was asked for no {service}", self.name))?;
        found.saw_more(orders as u64);
        Ok(())
    }

    fn refuse(&mut self, kind: &str, service: Option<ServiceName>, (seen, offered): (u64, u64)) {
        self.refused.push(Refused {
            kind: kind.to_owned(),
            service,
            seen,
            offered,
        });
    }
}
