//! The fleet: hosts that speak the agents' protocol and model what runs on them.
//!
//! A host keeps what a real agent keeps (the newest order it recorded, the last good release), starts a
//! new process beside the old one, waits for its health, takes it over, or goes back. Its processes
//! serve a number of customers a second, drawn from the world's seed, and count them. The times are
//! those of a small service on a quick machine; what goes wrong is set from outside, per host
//! ([`Trouble`]) or per release ([`Behaviour`]).

mod customers;
mod host;
mod program;
mod service;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use model::api::agent::Enrol;
use model::deliver::Slot;
use model::{HostName, Labels, ServiceName, Timestamp, Version};
use runtime::Random;

pub use customers::Traffic;
pub use host::{Host, Trouble};

/// Is what is special about a release; the default is a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// The share of requests it fails, instead of the usual one.
    pub failing: Option<f64>,
    /// How long each of its processes is as good as any before that.
    pub good_for: Option<Duration>,
    /// How many times as long its requests take.
    pub slower: Option<f64>,
    /// How many times as much its payments are worth.
    pub earning: Option<f64>,
    /// What the bounds of its histogram are multiplied by.
    pub bounds_times: Option<f64>,
    /// Each of its processes ends this long after its start.
    pub exits_after: Option<Duration>,
    pub never_healthy: bool,
    pub shows_no_metrics: bool,
}

/// Is every host there is, in the order they joined.
pub struct Fleet {
    hosts: Vec<Host>,
    behaviours: BTreeMap<Version, Behaviour>,
    traffic: Traffic,
    random: Random,
}

impl Fleet {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            hosts: vec![],
            behaviours: BTreeMap::new(),
            traffic: Traffic::default(),
            random,
        }
    }

    /// Returns what a host says of itself when it joins.
    pub(crate) fn enrolment(name: &HostName, labels: Labels) -> Enrol {
        Enrol {
            hostname: name.clone(),
            labels,
            boot_id: format!("{name}-boot-1"),
            machine_id: format!("{name}-machine"),
            agent_version: "lab".into(),
        }
    }

    pub(crate) fn add(&mut self, enrol: Enrol, token: String) {
        self.hosts
            .push(Host::new(enrol.hostname, enrol.labels, token));
    }

    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter()
    }

    pub(crate) fn host_mut(&mut self, index: usize) -> &mut Host {
        &mut self.hosts[index]
    }

    /// Finds a host.
    ///
    /// # Errors
    /// An unknown name, with those that are known.
    pub fn find(&mut self, name: &HostName) -> Result<&mut Host> {
        let known: Vec<String> = self
            .hosts
            .iter()
            .map(|host| format!("`{}`", host.name()))
            .collect();
        let found = self.hosts.iter_mut().find(|host| host.name() == name);
        found.with_context(|| format!("no host is called `{name}`; known: {}", known.join(", ")))
    }

    pub fn set_traffic(&mut self, traffic: Traffic) {
        let mirrored = self.traffic.mirrored;
        self.traffic = Traffic {
            mirrored,
            ..traffic
        };
    }

    pub fn set_mirrored(&mut self, mirrored: f64) {
        self.traffic.mirrored = mirrored;
    }

    pub fn behaviour_mut(&mut self, version: &Version) -> &mut Behaviour {
        self.behaviours.entry(version.clone()).or_default()
    }

    /// Breaks every call that was held open: all hosts call again at once.
    pub(crate) fn reconnect(&mut self) {
        self.hosts.iter_mut().for_each(Host::reconnect);
    }

    /// Lets every host live until `now`: processes serve, start, fail and end.
    pub(crate) fn live(&mut self, now: Timestamp) {
        let behaviours = &self.behaviours;
        let of = |version: &Version| behaviours.get(version).copied().unwrap_or_default();
        let routes = self.hosts.iter().flat_map(Host::routes);
        let routes: BTreeMap<ServiceName, Slot> =
            routes.map(|(s, slot)| (s.clone(), slot)).collect();
        for host in &mut self.hosts {
            host.live(&of, (&self.traffic, &routes), &self.random, now);
        }
    }
}
