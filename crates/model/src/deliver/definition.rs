//! What a release says about its service: `sleepwell.yaml` after it was read and checked.
//!
//! The file's own shape (text, durations as `15m`, errors with line and remedy) is read in
//! `deliver::definition`; this is the checked result, stored with each release.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ArtifactFormat, BlueGreen, Compatibility, FreezeRule};
use crate::act::Procedure;
use crate::observe::Signal;
use crate::time::{WeekTime, Zone, millis};
use crate::{EnvironmentName, Labels, RingName, ServiceName};

/// Is a service as one release describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Definition {
    pub service: ServiceName,
    /// Services this one calls: shipped together, they go first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ServiceName>,
    pub owner: Owner,
    pub artifact: ArtifactSpec,
    pub run: Run,
    pub health: Option<Health>,
    pub metrics: Option<Scrape>,
    /// At least one.
    pub environments: BTreeMap<EnvironmentName, EnvironmentPlan>,
    /// By name; what every change of the service is judged on.
    pub signals: BTreeMap<String, Signal>,
    /// In the order of the file. The built-in undo is among them unless `auto_undo: false`.
    pub procedures: Vec<Procedure>,
    /// What it can live with; checked before each ring.
    #[serde(default, skip_serializing_if = "Compatibility::is_empty")]
    pub compatibility: Compatibility,
}

/// Is who is told while no schedule exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Owner {
    pub team: Option<String>,
    pub mail: Option<String>,
    pub webhook: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ArtifactSpec {
    /// Relative to the definition file, or absolute.
    pub path: String,
    pub format: ArtifactFormat,
    /// Earlier releases a host keeps on its disk, beside what runs there and the last good one.
    #[serde(default = "kept")]
    pub keep: u32,
}

/// What releases of an earlier program kept.
fn kept() -> u32 {
    ArtifactSpec::KEPT
}

impl ArtifactSpec {
    /// Where the file says nothing.
    pub const KEPT: u32 = 3;

    /// Returns the file's own name, which is what a `file` artifact is called in the release folder.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Is how the service's process is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Run {
    /// Program and arguments, at least one; `${PORT}` and `${RELEASE}` are filled in on the host.
    pub exec: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// One: stop, then start. Two: the new process starts on the other one before the old one stops.
    pub ports: Vec<u16>,
    #[serde(rename = "stop_timeout_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub stop_timeout: Duration,
    /// Left out of what is stored when there are none, so that older releases keep their digest.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// Asked of a process before it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
}

/// Is what a host runs beside the service's own process, each once per order and release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hooks {
    /// Before the new process is started, while the old one still runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_start: Option<Hook>,
    /// When the new process is healthy; until it is done the release is not proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_start: Option<Hook>,
    /// Before a running process is asked to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_stop: Option<Hook>,
}

impl Hooks {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Is how a process that is to stop gets rid of its work: asked again and again until it says that it has
/// none, or the time is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Drain {
    pub ask: DrainAsk,
    #[serde(rename = "timeout_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DrainAsk {
    /// A path on the service's own port; 2xx says that it may stop.
    Http(String),
    /// A command in the release folder; status 0 says so.
    Exec(Vec<String>),
}

/// Is one command in the release folder; status 0 is success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hook {
    /// Program and arguments, at least one; filled in like `exec`.
    pub run: Vec<String>,
    /// When it is over, everything the hook started is killed.
    #[serde(rename = "timeout_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
    /// Whether it may be run again when nobody knows how it ended.
    pub idempotent: bool,
}

/// Is how a host finds out whether the process works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Health {
    pub check: Check,
    /// Between two checks in quiet times; while a release or an undo is under way it is 100 ms.
    #[serde(rename = "interval_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub interval: Duration,
    /// Successes in a row that make a new process healthy.
    pub ok_after: u32,
    /// Failures in a row that make a running process unhealthy.
    pub unhealthy_after: u32,
    /// How long a new process may take to become healthy.
    #[serde(rename = "deadline_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub deadline: Duration,
    /// How long one check may take.
    #[serde(rename = "timeout_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A path on the service's own port; 2xx is healthy.
    Http(String),
    /// The service's own port accepts a connection.
    Tcp,
    /// A command in the release folder; status 0 is healthy.
    Exec(Vec<String>),
}

/// Is where a Prometheus exposition of the service is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Scrape {
    /// Holds `${PORT}`, filled in on the host.
    pub url: String,
    #[serde(rename = "interval_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub interval: Duration,
}

/// Is how the service reaches one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EnvironmentPlan {
    /// A host takes part when it carries all of these.
    pub hosts: Labels,
    /// Fewer enrolled hosts than this refuse the rollout.
    pub expected: Option<u32>,
    /// Hosts that may be updating or unknown at once, at least 1; none: everybody at once.
    pub max_unavailable: Option<u32>,
    /// In order, at least one; the last may be `rest`. Every strategy of the file is resolved into them.
    pub rings: Vec<RingSpec>,
    /// After a restart of a host's process, how long its counts belong to neither arm.
    #[serde(rename = "warmup_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub warmup: Duration,
    /// How long a rollout that is done stays watched; zero: not at all.
    #[serde(rename = "watch_ms", with = "millis", default = "an_hour")]
    #[schemars(with = "u64")]
    pub watch: Duration,
    /// When no host is asked for anything new; the service's own rules beside those of the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<FreezeRule>,
    /// What a release does that comes while another one is on its way.
    #[serde(default)]
    pub if_running: IfRunning,
    /// How often every host is set up anew with what it runs; none: only when somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeploy: Option<RedeployRule>,
    /// Two slots and their routers; then `rings` holds the slot a release goes to, and the routers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<BlueGreen>,
}

/// Is how often every host is set up anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RedeployRule {
    /// From the last time every host was deployed to, by whatever rollout.
    #[serde(rename = "every_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub every: Duration,
    /// Redeploys begin only within it; none: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
}

/// Is a time of every week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Within {
    #[schemars(with = "String")]
    pub from: WeekTime,
    #[schemars(with = "String")]
    pub to: WeekTime,
    #[serde(default = "Zone::utc")]
    pub zone: Zone,
}

/// Is what a later rollout does about an earlier one of its service and environment.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IfRunning {
    /// Take over: the earlier one ends where it is.
    #[default]
    Supersede,
    /// Wait for its end.
    Queue,
}

/// What a release from before there was a watch is given.
fn an_hour() -> Duration {
    Duration::from_secs(3_600)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RingSpec {
    pub name: RingName,
    pub hosts: RingSize,
    /// The least time a ring is watched; it never passes sooner.
    #[serde(rename = "bake_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub bake: Duration,
    /// The most time a ring is watched, counted from the same start.
    #[serde(rename = "deadline_ms", with = "millis")]
    #[schemars(with = "u64")]
    pub deadline: Duration,
    pub at_deadline: AtDeadline,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RingSize {
    Count(u32),
    /// Of all hosts of the environment, rounded up; 1 to 100.
    Percent(u8),
    Match(Labels),
    /// Every host that is in no earlier ring.
    Rest,
}

/// Is what happens when a ring's deadline comes before harm could be excluded.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AtDeadline {
    /// Go on, marked with what was not excluded, if there was traffic and no sign of harm.
    #[default]
    Go,
    /// Ask a person.
    Hold,
}
