//! Describes the file to editors. The doc comments here are the descriptions an editor shows; the types
//! are never built. A test holds these keys and the readers' keys together.
#![expect(
    dead_code,
    reason = "these types only describe the file; the other modules read it"
)]

use std::collections::BTreeMap;

use model::deliver::{ArtifactFormat, AtDeadline, IfRunning, JudgeIdle};
use model::limit;
use model::observe::{Level, Unit, Worse};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// Returns the JSON Schema (draft 2020-12) of `sleepwell.yaml`.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    settings
        .into_generator()
        .into_root_schema_for::<ServiceFile>()
        .to_value()
}

/// Takes back that an optional key may be null: it is left out, or it has a value.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(of)) = schema.get_mut("anyOf") {
        of.retain(|one| one["type"] != "null");
        if let [Value::Object(only)] = of.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            schema.ensure_object().extend(only);
        }
    }
    // `uint32` and its like are no formats an editor knows.
    schema.remove("format");
}

/// How one service is built into a release, run on hosts, brought to them ring by ring, and judged.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "sleepwell.yaml")]
struct ServiceFile {
    /// The service's name, in addresses, labels and on every page.
    service: Name,
    /// Services this one calls. Shipped together with it, they go first and back last.
    #[schemars(extend("maxItems" = limit::DEPENDS_ON, "uniqueItems" = true))]
    depends_on: Option<Vec<Name>>,
    /// Who is told and paged.
    owner: Option<Owner>,
    /// What is uploaded.
    artifact: Artifact,
    /// How its process is started and stopped.
    run: Run,
    /// How a host finds out whether the process works. Left out: a process that runs is healthy.
    health: Option<Health>,
    /// Where the service's own metrics are read; needed by `signals`.
    metrics: Option<Metrics>,
    /// The places releases go to, by name; at least one.
    #[schemars(extend("minProperties" = 1))]
    environments: BTreeMap<String, Environment>,
    /// What every change is judged on, by name.
    #[schemars(extend("maxProperties" = limit::SIGNALS))]
    signals: Option<BTreeMap<String, Signal>>,
    /// What follows a verdict. The built-in `undo` comes first unless one here has its name.
    #[schemars(length(max = limit::PROCEDURES))]
    procedures: Option<Vec<Procedure>>,
    /// Whether a bad change is undone by itself. Default: true.
    auto_undo: Option<bool>,
    /// What the release needs of the schema of its data; checked before each ring and each undo.
    schema: Option<SchemaNeeds>,
    /// The interface to other services; releases that cannot talk are not brought together.
    api: Option<Api>,
    /// Clients that are not shipped here and are served, each with a range of versions: `ios>=4.2`.
    #[schemars(length(max = limit::CLIENTS))]
    clients: Option<Vec<ClientRange>>,
    /// Clients that were served and are to be served no longer: `ios<4.2`.
    #[schemars(length(max = limit::CLIENTS))]
    drops_clients: Option<Vec<ClientRange>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SchemaNeeds {
    /// The schema versions it works with: `>=12 <15`.
    needs: Word,
    /// The schema version its migrations lead to.
    provides: Option<u64>,
    /// How long a release that does not need the old shape must have been live before a contract, at most 90d.
    /// Default: 7d.
    soak: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Api {
    /// The versions of its own interface.
    serves: Option<ApiVersions>,
    /// By service, the versions one of which it needs there.
    #[schemars(extend("maxProperties" = limit::CALLS))]
    calls: Option<BTreeMap<String, ApiVersions>>,
}

/// One version, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum ApiVersions {
    One(Word),
    Several(#[schemars(length(min = 1, max = limit::API_VERSIONS))] Vec<Word>),
}

/// A kind of client and a range of its versions.
#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9_-]* *(>=|<)"))]
struct ClientRange(String);

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Owner {
    /// The team's name.
    team: Option<String>,
    /// A mail address that is read.
    mail: Option<String>,
    /// A web address that takes a POST, such as a chat's incoming webhook.
    webhook: Option<WebAddress>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Artifact {
    /// One file, relative to this one.
    path: String,
    /// How it becomes a release folder. Default: by the file's ending.
    format: Option<ArtifactFormat>,
    /// How many earlier releases a host keeps on its disk, beside what runs and the last good one. Default: 3.
    #[schemars(range(max = limit::KEPT_RELEASES))]
    keep: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Run {
    /// The program and its arguments; `${PORT}` and `${RELEASE}` are filled in on the host.
    #[schemars(length(min = 1))]
    exec: Vec<Word>,
    /// Variables of the process's environment.
    env: Option<BTreeMap<String, Word>>,
    /// None, one (stop, then start) or two (start the new process, then stop the old one).
    #[schemars(length(max = 2), inner(range(min = 1)))]
    ports: Option<Vec<u16>>,
    /// How long a process may take to stop before it is killed. Default: 10s.
    stop_timeout: Option<Duration>,
    /// Commands beside the process, each run once per order and release.
    hooks: Option<Hooks>,
    /// Asked of a process before it is stopped.
    drain: Option<Drain>,
}

/// One of `http` and `exec`: asked until it says yes or the time is up, then the process stops.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{"required": ["http"]}, {"required": ["exec"]}])
)]
struct Drain {
    /// A path on the service's own port; a 2xx answer says that it may stop.
    http: Option<Path>,
    /// A command in the release folder; status 0 says that it may stop.
    #[schemars(length(min = 1))]
    exec: Option<Vec<Word>>,
    /// Default: 10s, most 1h. An undo waits 1 s at most.
    timeout: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Hooks {
    /// Before the new process starts, while the old one still runs. A failure goes back.
    pre_start: Option<Hook>,
    /// When the new process is healthy, before the release is proved. A failure goes back.
    post_start: Option<Hook>,
    /// Before a running process is asked to stop. A failure is noted, and the process stops.
    pre_stop: Option<Hook>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Hook {
    /// A program, or a program and its arguments as a list; `${PORT}` and `${RELEASE}` are filled in on
    /// the host. No shell is between.
    run: Command,
    /// When it is over, the hook and everything it started are killed. Default: 1m, most 1h.
    timeout: Option<Duration>,
    /// Whether it may run again when the host does not know how it ended. Default: false.
    idempotent: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Command {
    Program(Word),
    Words(#[schemars(length(min = 1))] Vec<Word>),
}

/// One of `http`, `tcp` and `exec`, and how often.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{"required": ["http"]}, {"required": ["tcp"]}, {"required": ["exec"]}])
)]
struct Health {
    /// A path on the service's own port; a 2xx answer is healthy.
    http: Option<Path>,
    /// The service's own port accepts a connection.
    tcp: Option<OwnPort>,
    /// A command in the release folder; status 0 is healthy.
    #[schemars(length(min = 1))]
    exec: Option<Vec<Word>>,
    /// Between two checks in quiet times. Default: 1s, least 100ms.
    interval: Option<Duration>,
    /// Successes in a row that make a new process healthy. Default: 3.
    #[schemars(range(min = 1))]
    ok_after: Option<u32>,
    /// Failures in a row that make a running process unhealthy. Default: 3.
    #[schemars(range(min = 1))]
    unhealthy_after: Option<u32>,
    /// How long a new process may take to become healthy. Default: 30s.
    deadline: Option<Duration>,
    /// How long one check may take. Default: 1s.
    timeout: Option<Duration>,
}

#[derive(JsonSchema)]
enum OwnPort {
    #[schemars(rename = "PORT")]
    Word,
    #[schemars(rename = "${PORT}")]
    Placeholder,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Metrics {
    /// A Prometheus exposition, as the host reaches it: `http://127.0.0.1:${PORT}/metrics`.
    scrape: WebAddress,
    /// Between two readings. Default: 1s, least 100ms.
    interval: Option<Duration>,
}

/// How a release gets to one place: one of five strategies.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Environment {
    Rings(InRings),
    Canary(WithCanary),
    Rolling(Rolling),
    All(AllAtOnce),
    BlueGreen(Box<TwoSlots>),
}

/// Ring by ring, in the order of `rings`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct InRings {
    /// Ring by ring, in the order of `rings`.
    #[schemars(extend("const" = "rings"))]
    strategy: String,
    /// Labels; a host takes part when it carries all of them.
    hosts: Labels,
    /// Fewer enrolled hosts than this refuse the rollout.
    #[schemars(range(min = 1))]
    expected: Option<u32>,
    /// Hosts that may be updating or unknown at once. Default: 1.
    #[schemars(range(min = 1))]
    max_unavailable: Option<u32>,
    /// After a host's process was started, how long its counts are left out. Default: 10s.
    warmup: Option<Duration>,
    /// How long a release that is live stays watched, at most 7d; 0s is not at all. Default: 1h.
    watch: Option<Duration>,
    /// When no host is asked for anything new; such a rollout waits and goes on by itself.
    #[schemars(length(max = limit::FREEZES))]
    freeze: Option<Vec<Freeze>>,
    /// What a release does that comes while another one is on its way. Default: supersede.
    if_running: Option<IfRunning>,
    /// Has every host set up anew with what it runs, from time to time. Default: never.
    redeploy: Option<Redeploy>,
    /// The rings in order; each is judged before the next begins.
    #[schemars(length(min = 1, max = limit::RINGS))]
    rings: Vec<Ring>,
}

/// A few hosts first, then the rest.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WithCanary {
    /// A few hosts first, then the rest.
    #[schemars(extend("const" = "canary"))]
    strategy: String,
    /// Labels; a host takes part when it carries all of them.
    hosts: Labels,
    /// Fewer enrolled hosts than this refuse the rollout.
    #[schemars(range(min = 1))]
    expected: Option<u32>,
    /// Hosts that may be updating or unknown at once. Default: 1.
    #[schemars(range(min = 1))]
    max_unavailable: Option<u32>,
    /// After a host's process was started, how long its counts are left out. Default: 10s.
    warmup: Option<Duration>,
    /// How long a release that is live stays watched, at most 7d; 0s is not at all. Default: 1h.
    watch: Option<Duration>,
    /// When no host is asked for anything new; such a rollout waits and goes on by itself.
    #[schemars(length(max = limit::FREEZES))]
    freeze: Option<Vec<Freeze>>,
    /// What a release does that comes while another one is on its way. Default: supersede.
    if_running: Option<IfRunning>,
    /// Has every host set up anew with what it runs, from time to time. Default: never.
    redeploy: Option<Redeploy>,
    /// The hosts that get it first: a number, a share such as `10%`, or labels.
    canary: CanaryHosts,
    /// The least time the canary, and then the rest, are watched. Default: 5m.
    bake: Option<Duration>,
    /// The most time the canary, and then the rest, are watched, counted from the same start. Default: 60m.
    deadline: Option<Duration>,
    /// What happens then if harm could not be excluded and there is no sign of it. Default: go.
    at_deadline: Option<AtDeadline>,
}

/// Everybody, a few at a time.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Rolling {
    /// Everybody, a few at a time.
    #[schemars(extend("const" = "rolling"))]
    strategy: String,
    /// Labels; a host takes part when it carries all of them.
    hosts: Labels,
    /// Fewer enrolled hosts than this refuse the rollout.
    #[schemars(range(min = 1))]
    expected: Option<u32>,
    /// Hosts that may be updating or unknown at once. Default: 1.
    #[schemars(range(min = 1))]
    max_unavailable: Option<u32>,
    /// After a host's process was started, how long its counts are left out. Default: 10s.
    warmup: Option<Duration>,
    /// How long a release that is live stays watched, at most 7d; 0s is not at all. Default: 1h.
    watch: Option<Duration>,
    /// When no host is asked for anything new; such a rollout waits and goes on by itself.
    #[schemars(length(max = limit::FREEZES))]
    freeze: Option<Vec<Freeze>>,
    /// What a release does that comes while another one is on its way. Default: supersede.
    if_running: Option<IfRunning>,
    /// Has every host set up anew with what it runs, from time to time. Default: never.
    redeploy: Option<Redeploy>,
    /// The least time the hosts are watched. Default: 5m.
    bake: Option<Duration>,
    /// The most time the hosts are watched, counted from the same start. Default: 60m.
    deadline: Option<Duration>,
    /// What happens then if harm could not be excluded and there is no sign of it. Default: go.
    at_deadline: Option<AtDeadline>,
}

/// Everybody at once. Nothing is left to compare with, so only proof, health and time are judged.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AllAtOnce {
    /// Everybody at once. Nothing is left to compare with, so only proof, health and time are judged.
    #[schemars(extend("const" = "all"))]
    strategy: String,
    /// Labels; a host takes part when it carries all of them.
    hosts: Labels,
    /// Fewer enrolled hosts than this refuse the rollout.
    #[schemars(range(min = 1))]
    expected: Option<u32>,
    /// Hosts that may be updating or unknown at once. Default: all of them.
    #[schemars(range(min = 1))]
    max_unavailable: Option<u32>,
    /// After a host's process was started, how long its counts are left out. Default: 10s.
    warmup: Option<Duration>,
    /// How long a release that is live stays watched, at most 7d; 0s is not at all. Default: 1h.
    watch: Option<Duration>,
    /// When no host is asked for anything new; such a rollout waits and goes on by itself.
    #[schemars(length(max = limit::FREEZES))]
    freeze: Option<Vec<Freeze>>,
    /// What a release does that comes while another one is on its way. Default: supersede.
    if_running: Option<IfRunning>,
    /// Has every host set up anew with what it runs, from time to time. Default: never.
    redeploy: Option<Redeploy>,
    /// The least time the hosts are watched. Default: 5m.
    bake: Option<Duration>,
    /// The most time the hosts are watched, counted from the same start. Default: 60m.
    deadline: Option<Duration>,
    /// What happens then if harm could not be excluded and there is no sign of it. Default: go.
    at_deadline: Option<AtDeadline>,
}

/// To the slot that serves nobody; then routers send everything there.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TwoSlots {
    /// To the slot that serves nobody; then routers send everything there.
    #[schemars(extend("const" = "blue_green"))]
    strategy: String,
    /// Labels; a host takes part when it carries all of them. Routers need not.
    hosts: Labels,
    /// Fewer enrolled hosts than this, in both slots, refuse the rollout.
    #[schemars(range(min = 1))]
    expected: Option<u32>,
    /// Hosts of the idle slot that may be updating or unknown at once. Default: all of them.
    #[schemars(range(min = 1))]
    max_unavailable: Option<u32>,
    /// After a host's process was started, how long its counts are left out. Default: 10s.
    warmup: Option<Duration>,
    /// How long a release that is live stays watched, at most 7d; 0s is not at all. Default: 1h.
    watch: Option<Duration>,
    /// When no host is asked for anything new; such a rollout waits and goes on by itself.
    #[schemars(length(max = limit::FREEZES))]
    freeze: Option<Vec<Freeze>>,
    /// What a release does that comes while another one is on its way. Default: supersede.
    if_running: Option<IfRunning>,
    /// Has every host set up anew with what it runs, from time to time. Default: never.
    redeploy: Option<Redeploy>,
    /// The labels that tell the slots apart. Default: `slot: blue` and `slot: green`.
    slots: Option<Slots>,
    /// Labels of the hosts that send traffic to a slot: those of an adapter's targets.
    router: Labels,
    /// What the idle slot passes on: traffic that reaches it, or proof, health and time. Default: traffic.
    judge: Option<JudgeIdle>,
    /// How long the slot before keeps running behind a swap, at most 30d; 0s is not at all. Default: 1h.
    keep_warm: Option<Duration>,
    /// The least time the idle slot is watched. Default: 5m.
    bake: Option<Duration>,
    /// The most time the idle slot is watched, counted from the same start. Default: 60m.
    deadline: Option<Duration>,
    /// What happens then if harm could not be excluded and there is no sign of it. Default: go.
    at_deadline: Option<AtDeadline>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Slots {
    /// A host of the environment is in the slot when it carries these as well.
    blue: Labels,
    green: Labels,
}

/// Every week, or once.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Freeze {
    /// Unique in the environment.
    name: Name,
    /// The time zone of both times, such as `Europe/Berlin`. Default: UTC.
    zone: Option<String>,
    /// `fri 16:00` for every week, or `2026-12-23 12:00` for once.
    from: FreezeTime,
    /// A time of the same kind.
    to: FreezeTime,
}

/// From time to time every host unpacks what it runs anew, ring by ring, and starts a fresh process.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Redeploy {
    /// 1d to 366d, from the last time every host was deployed to.
    every: Duration,
    /// When in the week it may begin. Default: at any time.
    within: Option<Within>,
}

/// A time of every week.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Within {
    /// `tue 09:00`.
    from: WeekTime,
    /// `tue 16:00`.
    to: WeekTime,
    /// The time zone of both times, such as `Europe/Berlin`. Default: UTC.
    zone: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^(mon|tue|wed|thu|fri|sat|sun) [0-9]{2}:[0-9]{2}$"))]
struct WeekTime(String);

#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^((mon|tue|wed|thu|fri|sat|sun)|[0-9]{4}-[0-9]{2}-[0-9]{2}) [0-9]{2}:[0-9]{2}$"))]
struct FreezeTime(String);

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Ring {
    name: Name,
    /// A number, a share such as `25%`, labels, or `rest`.
    hosts: RingHosts,
    /// The least time the ring is watched. Default: 5m.
    bake: Option<Duration>,
    /// The most time the ring is watched, counted from the same start. Default: 60m.
    deadline: Option<Duration>,
    /// What happens then if harm could not be excluded and there is no sign of it. Default: go.
    at_deadline: Option<AtDeadline>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum RingHosts {
    Count(#[schemars(range(min = 1))] u32),
    ShareOrRest(#[schemars(regex(pattern = r"^(rest|[1-9][0-9]?%|100%)$"))] String),
    Labels(Labels),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum CanaryHosts {
    Count(#[schemars(range(min = 1))] u32),
    Share(#[schemars(regex(pattern = r"^[1-9][0-9]?%$"))] String),
    Labels(Labels),
}

/// One of three kinds.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Signal {
    Count(CountSignal),
    Latency(LatencySignal),
    Mean(MeanSignal),
}

/// Bad events of all events.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CountSignal {
    /// Bad events of all events.
    #[schemars(extend("const" = "count"))]
    kind: String,
    /// Whose trouble it shows.
    level: Level,
    /// The counter of bad events, with labels: `pay_total{result="failed"}`.
    bad: String,
    /// The counter of all events.
    total: String,
    /// Gets more of the error budget and a tighter margin. Default: false.
    critical: Option<bool>,
    /// Is shown and undoes nothing. Default: false.
    advisory: Option<bool>,
    /// A ring passes when odds `1 + margin` times worse are excluded. Default: 0.5 if critical, else 1.0.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0))]
    margin: Option<f64>,
    /// The share of bad events that is fine in absolute terms; 0 switches this off. Default: 0.005.
    #[schemars(range(min = 0.0, max = 0.5))]
    tolerated: Option<f64>,
    /// Requests on each side before a ring may pass. Default: 500.
    #[schemars(range(min = 1))]
    min_requests: Option<u64>,
    /// Whom it concerns, if not the service's owner.
    owner: Option<String>,
}

/// How long requests take: how many are slower than a few thresholds, which are chosen from what they
/// took before the change.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LatencySignal {
    /// How long requests take.
    #[schemars(extend("const" = "latency"))]
    kind: String,
    /// Whose trouble it shows.
    level: Level,
    /// The bucket counter of a Prometheus histogram, without `le`:
    /// `http_request_duration_seconds_bucket{path="/pay"}`.
    buckets: String,
    /// What its bounds are measured in.
    unit: Unit,
    /// Gets more of the error budget. Default: false.
    critical: Option<bool>,
    /// Is shown and undoes nothing. Default: false.
    advisory: Option<bool>,
    /// A ring passes when odds of a slow request `1 + margin` times worse are excluded at p50, p90 and p95. Default: 0.25.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0))]
    margin: Option<f64>,
    /// The share of requests slower than a threshold that is fine in absolute terms, for a service faster than its lowest bound; 0 switches this off. Default: 0.005.
    #[schemars(range(min = 0.0, max = 0.5))]
    tolerated: Option<f64>,
    /// Requests on each side before a ring may pass. Default: 500.
    #[schemars(range(min = 1))]
    min_requests: Option<u64>,
    /// Whom it concerns, if not the service's owner.
    owner: Option<String>,
}

/// A value per event, such as money per order. It is compared minute by minute and decides nothing in
/// the first twenty.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MeanSignal {
    /// A value per event.
    #[schemars(extend("const" = "mean"))]
    kind: String,
    /// Whose trouble it shows.
    level: Level,
    /// The counter that adds up the values, none of them negative, as every Prometheus histogram and
    /// summary has it: `order_value_sum`.
    sum: String,
    /// The counter of the events that had a value: `order_value_count`.
    count: String,
    /// The direction in which it gets worse: queries per request `higher`, money per order `lower`.
    worse: Worse,
    /// Gets more of the error budget. Default: false.
    critical: Option<bool>,
    /// Is shown and undoes nothing. Default: false.
    advisory: Option<bool>,
    /// A ring passes when a mean worse than the control's by this share is excluded; below 1 if lower is worse. Default: 0.25.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0))]
    margin: Option<f64>,
    /// Events on each side before a ring may pass. Default: 500.
    #[schemars(range(min = 1))]
    min_requests: Option<u64>,
    /// Whom it concerns, if not the service's owner.
    owner: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Procedure {
    /// Unique in the file.
    name: Name,
    /// What it answers to.
    when: When,
    /// What is done, in order.
    #[schemars(rename = "do", length(min = 1))]
    actions: Vec<Action>,
    /// What follows at once when one of them fails.
    #[schemars(rename = "else")]
    otherwise: Option<Action>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct When {
    /// What the judge said of the change.
    verdict: VerdictWord,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum VerdictWord {
    Pass,
    Marginal,
    Fail,
    Undecided,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Action {
    /// Undo the change the verdict is about.
    Undo,
    /// Hold it.
    Hold,
    /// Page the owner: by every contact, marked urgent.
    Page,
    /// Tell them; nobody is woken.
    Notify(Told),
    /// POST the verdict there.
    Webhook(WebAddress),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Told {
    Owner,
}

/// Starts with a letter or digit; holds letters, digits, `-` and `_`.
#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9_-]*$", "maxLength" = limit::NAME_BYTES))]
struct Name(String);

/// A number and a unit: `250ms`, `10s`, `15m`, `2h`, `7d`.
#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^[0-9]+(ms|s|m|h|d)$"))]
struct Duration(String);

#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^https?://"))]
struct WebAddress(String);

#[derive(JsonSchema)]
#[schemars(extend("pattern" = "^/"))]
struct Path(String);

/// Text, or a number or truth value taken as it is written.
#[derive(JsonSchema)]
#[schemars(extend("type" = ["string", "number", "boolean"]))]
struct Word(String);

/// Names and values as hosts carry them.
#[derive(JsonSchema)]
struct Labels(BTreeMap<String, Word>);
