//! The service of a world, as its `sleepwell.yaml`.

use std::fmt::Write;
use std::str::FromStr;
use std::time::Duration;

use model::{Labels, RingName, ServiceName, Version};

/// Is a release as a story names it: `1.1` of the service described last, or `ledger=1.1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Which {
    pub service: Option<ServiceName>,
    pub version: Version,
}

impl From<Version> for Which {
    fn from(version: Version) -> Self {
        Self {
            service: None,
            version,
        }
    }
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, version) = match text.split_once('=') {
            Some((service, version)) => (Some(service.parse()?), version),
            None => (None, text),
        };
        Ok(Self {
            service,
            version: version.parse()?,
        })
    }
}

/// Is what a story says about its service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSpec {
    pub name: ServiceName,
    /// Services it calls.
    pub depends_on: Vec<ServiceName>,
    /// The hosts that take part.
    pub hosts: Labels,
    pub strategy: StrategyWish,
    pub max_unavailable: u32,
    pub bake: Duration,
    pub deadline: Duration,
    pub warmup: Duration,
    /// When a rollout is done.
    pub watch: Duration,
    /// As they stand in the file: how often, and from when to when in the week.
    pub redeploy: Option<(String, Option<(String, String)>)>,
    /// How long the slot before keeps running behind a swap.
    pub keep_warm: Duration,
    /// An idle slot passes on its proof alone.
    pub is_proof_enough: bool,
    /// A ring that could not be cleared asks a person at its deadline.
    pub holds_at_deadline: bool,
    /// Without it, no signal is named.
    pub is_judged: bool,
    /// Payments are judged by how long they take as well.
    pub has_latency: bool,
    /// And by what they are worth.
    pub has_earnings: bool,
}

/// Is how its releases go through the environment.
#[derive(Clone, Debug, PartialEq)]
pub enum StrategyWish {
    Rings(Vec<RingWish>),
    /// Of this size, as it stands in the file.
    Canary(String),
    Rolling,
    /// Everybody at once, whatever may be unavailable.
    All,
    /// Two slots; these hosts send everything to one of them.
    BlueGreen(Labels),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RingWish {
    pub name: RingName,
    /// As it stands in the file: `2`, `25%`, `rest`.
    pub size: String,
}

impl Default for ServiceSpec {
    fn default() -> Self {
        let everyone = RingWish {
            name: "everyone".parse().expect("a ring's name"),
            size: "rest".into(),
        };
        Self {
            name: "shop".parse().expect("a service's name"),
            depends_on: vec![],
            hosts: Labels::default(),
            strategy: StrategyWish::Rings(vec![everyone]),
            max_unavailable: 1,
            bake: Duration::from_secs(5),
            deadline: Duration::from_secs(600),
            warmup: Duration::from_secs(2),
            watch: Duration::from_secs(3_600),
            redeploy: None,
            keep_warm: Duration::from_secs(3_600),
            is_proof_enough: false,
            holds_at_deadline: false,
            is_judged: true,
            has_latency: false,
            has_earnings: false,
        }
    }
}

impl ServiceSpec {
    /// Returns the bytes of a version's artifact.
    pub fn artifact(&self, version: &Version) -> Vec<u8> {
        format!("{} {version}", self.name).into_bytes()
    }

    /// Writes the file.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("writing to a string");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let name = &self.name;
        writeln!(text, "service: {name}")?;
        writeln!(
            text,
            "owner: {{ team: team-{name}, mail: {name}-team@example.test }}"
        )?;
        writeln!(text, "artifact: {{ path: {name}, format: file }}")?;
        writeln!(text, "run: {{ exec: [\"./{name}\"], ports: [8101, 8102] }}")?;
        writeln!(
            text,
            "health: {{ http: /healthz, interval: 1s, ok_after: 3, deadline: 10s }}"
        )?;
        writeln!(
            text,
            "metrics: {{ scrape: \"http://127.0.0.1:${{PORT}}/metrics\", interval: 1s }}"
        )?;
        if !self.depends_on.is_empty() {
            let names: Vec<&str> = self.depends_on.iter().map(ServiceName::as_str).collect();
            writeln!(text, "depends_on: [{}]", names.join(", "))?;
        }
        self.write_environment(text)?;
        if self.is_judged {
            text.push_str(SIGNALS);
            if self.has_latency {
                text.push_str(LATENCY);
            }
            if self.has_earnings {
                text.push_str(EARNINGS);
            }
        }
        text.push_str(PROCEDURES);
        Ok(())
    }

    fn write_environment(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "environments:\n  production:")?;
        writeln!(text, "    hosts: {{ {} }}", pairs(&self.hosts))?;
        writeln!(text, "    warmup: {}ms", self.warmup.as_millis())?;
        writeln!(text, "    watch: {}ms", self.watch.as_millis())?;
        match &self.redeploy {
            None => {}
            Some((every, None)) => writeln!(text, "    redeploy: {{ every: {every} }}")?,
            Some((every, Some((from, to)))) => writeln!(
                text,
                "    redeploy: {{ every: {every}, within: {{ from: {from}, to: {to} }} }}"
            )?,
        }
        let at_once = matches!(
            self.strategy,
            StrategyWish::All | StrategyWish::BlueGreen(_)
        );
        if !at_once {
            writeln!(text, "    max_unavailable: {}", self.max_unavailable)?;
        }
        self.write_strategy(text)
    }

    fn write_slots(&self, text: &mut String, router: &Labels) -> std::fmt::Result {
        let judge = if self.is_proof_enough {
            "proof"
        } else {
            "traffic"
        };
        writeln!(text, "    router: {{ {} }}", pairs(router))?;
        writeln!(text, "    keep_warm: {}ms", self.keep_warm.as_millis())?;
        writeln!(text, "    judge: {judge}")
    }

    fn write_strategy(&self, text: &mut String) -> std::fmt::Result {
        let at_deadline = if self.holds_at_deadline { "hold" } else { "go" };
        let (bake, deadline) = (self.bake.as_millis(), self.deadline.as_millis());
        let (word, canary) = match &self.strategy {
            StrategyWish::Rings(rings) => {
                writeln!(text, "    strategy: rings\n    rings:")?;
                for RingWish { name, size } in rings {
                    writeln!(
                        text,
                        "      - {{ name: {name}, hosts: {size}, bake: {bake}ms, deadline: {deadline}ms, at_deadline: {at_deadline} }}",
                    )?;
                }
                return Ok(());
            }
            StrategyWish::Canary(size) => ("canary", Some(size)),
            StrategyWish::Rolling => ("rolling", None),
            StrategyWish::All => ("all", None),
            StrategyWish::BlueGreen(router) => {
                self.write_slots(text, router)?;
                ("blue_green", None)
            }
        };
        writeln!(text, "    strategy: {word}")?;
        if let Some(size) = canary {
            writeln!(text, "    canary: {size}")?;
        }
        writeln!(text, "    bake: {bake}ms")?;
        writeln!(text, "    deadline: {deadline}ms")?;
        writeln!(text, "    at_deadline: {at_deadline}")
    }
}

fn pairs(labels: &Labels) -> String {
    let pairs = labels
        .iter()
        .map(|(name, value)| format!("{name}: \"{value}\""));
    pairs.collect::<Vec<_>>().join(", ")
}

const SIGNALS: &str = "\
signals:
  payment_errors:
    level: business
    kind: count
    bad: 'pay_total{result=\"failed\"}'
    total: pay_total
    critical: true
    margin: 0.5
    min_requests: 200
";

const LATENCY: &str = "  payment_time:
    level: service
    kind: latency
    buckets: pay_duration_seconds_bucket
    unit: s
    critical: true
    min_requests: 200
";

const EARNINGS: &str = "  payment_value:
    level: business
    kind: mean
    sum: pay_amount_sum
    count: pay_amount_count
    worse: lower
    critical: true
    min_requests: 200
";

const PROCEDURES: &str = "\
procedures:
  - { name: undo, when: { verdict: fail }, do: [undo, { notify: owner }], else: page }
";
