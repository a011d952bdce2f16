//! Random walks on which any part is stopped at any [failpoint](crate::failpoint) and started again.
//!
//! What must hold whatever was stopped is checked after every step, and more of it in the end.
//!
//! The walks are cheap, so that there can be many: three hosts without metrics, ticks of a second, and a store
//! that does not press its commits onto the disk. That survives the end of a process, which is all that is
//! stopped here: a stop before a commit leaves nothing of it, one after leaves all of it.

mod invariant;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use model::deliver::Command;
use model::observe::ChangeState;
use model::{ChangeId, Labels, Version};
use runtime::Random;
use store::journal::Check;

use crate::failpoint::{Failpoint, Part};
use crate::fleet::{Behaviour, Trouble};
use crate::run::timeline;
use crate::walk::{astray, check_rings, is_over, names};
use crate::world::{NO_ANSWER, OpenStore, PostedAlert, RingWish, ServiceSpec, StrategyWish, World};
use invariant::Seen;

const HOSTS: usize = 3;
/// Steps after which another place to stop at is chosen, when one was not reached.
const PATIENCE: u64 = 6;
const TICK: Duration = Duration::from_secs(1);
/// Long enough for every deadline of a ring and of an undo.
const SETTLED: Duration = Duration::from_secs(120);
/// Long enough for every message that keeps its pace, and for an alert nobody sends again.
const TOLD: Duration = Duration::from_secs(620);
/// Keeps the walk's choices apart from the world's.
const CHOICES: u64 = 0x7374_6f70;

/// Is a walk on which everything held.
#[derive(Debug)]
pub struct Walked {
    pub seed: u64,
    pub steps: u64,
    /// How often something was stopped at each place.
    pub stops: BTreeMap<Failpoint, u32>,
    pub alerts: usize,
}

/// Is a walk on which something did not.
#[derive(Debug)]
pub struct Stumbled {
    seed: u64,
    steps: u64,
    why: String,
    story: Vec<String>,
}

impl fmt::Display for Walked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, steps, alerts) = (self.seed, self.steps, self.alerts);
        let stops: u32 = self.stops.values().sum();
        write!(
            f,
            "seed {seed}: {steps} steps, {stops} stops, {alerts} alerts accepted"
        )
    }
}

impl fmt::Display for Stumbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)?;
        for line in &self.story {
            write!(f, "\n  | {line}")?;
        }
        let Self { seed, steps, .. } = self;
        write!(
            f,
            "\nreplay it: cargo run -p lab -- stops --seed {seed} --steps {steps}"
        )
    }
}

impl std::error::Error for Stumbled {}

/// Walks through a world of its own.
///
/// # Errors
/// What did not hold, every step that led there, and the command that replays it.
pub async fn walk(seed: u64, steps: u64, open: &OpenStore) -> Result<Walked, Box<Stumbled>> {
    let stumbled = |why: &anyhow::Error, story| {
        let why = format!("{why:#}");
        Box::new(Stumbled {
            seed,
            steps,
            why,
            story,
        })
    };
    let mut walker = match Walker::new(seed, open).await {
        Ok(walker) => walker,
        Err(why) => return Err(stumbled(&why, vec![])),
    };
    match walker.go(steps, open).await {
        Ok(()) => Ok(Walked {
            seed,
            steps,
            stops: walker.world.failpoints().stops(),
            alerts: walker.accepted_alerts.len(),
        }),
        Err(why) => {
            let mut story = walker.story;
            story.extend(timeline(&walker.world).await);
            Err(stumbled(&why, story))
        }
    }
}

struct Walker {
    world: World,
    random: Random,
    points: Vec<Failpoint>,
    next_point: usize,
    armed_for: u64,
    versions: u32,
    posted: u32,
    accepted_alerts: BTreeSet<String>,
    accepted_changes: BTreeSet<ChangeId>,
    /// Changes a person went past a verdict of.
    overruled: BTreeSet<ChangeId>,
    stops: usize,
    story: Vec<String>,
}

impl Walker {
    async fn new(seed: u64, open: &OpenStore) -> Result<Self> {
        let mut world = World::new(seed, open).await?;
        let labels = Labels::new([("role", "shop")]).map_err(anyhow::Error::msg)?;
        for n in 1..=HOSTS {
            let name = format!("web-{n}").parse().map_err(anyhow::Error::msg)?;
            world.join(name, labels.clone()).await?;
        }
        world.set_service(service(labels)?);
        let points = Failpoint::all();
        // Each seed begins elsewhere, so that a few hundred of them come to every place many times; the factor
        // must have none in common with the number of places.
        let next_point = usize::try_from(seed.wrapping_mul(37) % points.len() as u64)?;
        Ok(Self {
            world,
            random: Random::seeded(seed ^ CHOICES),
            points,
            next_point,
            armed_for: 0,
            versions: 0,
            posted: 0,
            accepted_alerts: BTreeSet::new(),
            accepted_changes: BTreeSet::new(),
            overruled: BTreeSet::new(),
            stops: 0,
            story: vec![],
        })
    }

    async fn go(&mut self, steps: u64, open: &OpenStore) -> Result<()> {
        for _ in 0..steps {
            self.arm();
            let stepped = self.step(open).await;
            if self.world.failpoints().is_dead() {
                self.restart(open).await?;
            } else {
                stepped?;
            }
            let seen = self.look().await?;
            invariant::always(&seen).map_err(anyhow::Error::msg)?;
            self.check_rings(&seen).await?;
        }
        self.world.failpoints().disarm();
        self.settle().await?;
        let seen = self.look().await?;
        invariant::in_the_end(&seen).map_err(anyhow::Error::msg)?;
        self.check_rings(&seen).await?;
        let journal = self.world.check_journal().await?;
        let is_whole = matches!(journal, Check::Whole { unsealed: 0, .. });
        ensure!(is_whole, "the journal is not whole: {journal:?}");
        Ok(())
    }

    /// Chooses the next place to stop at, when the last was reached or is not reached.
    fn arm(&mut self) {
        self.armed_for += 1;
        let points = self.world.failpoints();
        if points.armed().is_some() && self.armed_for <= PATIENCE {
            return;
        }
        let point = self.points[self.next_point % self.points.len()];
        self.next_point += 1;
        self.armed_for = 0;
        // A walk starts few servers and gives few orders.
        let passes = match point.0 {
            Part::Start | Part::Order => 0,
            _ => u32::try_from(self.below(3)).unwrap_or(0),
        };
        self.world.failpoints().arm(point, passes);
        self.tell(&format!("next stop: {point}, after {passes}"));
    }

    /// Starts servers until one lives: one may be stopped while it starts.
    async fn restart(&mut self, open: &OpenStore) -> Result<()> {
        let away = Duration::from_secs(self.below(8));
        self.tell(&format!(
            "the server is stopped, for {}",
            model::time::short(away)
        ));
        self.world.pass_by(away, TICK).await?;
        loop {
            self.stops += 1;
            match self.world.restart(open).await {
                Ok(()) => return Ok(()),
                Err(_) if self.world.failpoints().is_dead() => {
                    self.tell("and again, while it starts");
                }
                Err(why) => return Err(why),
            }
        }
    }

    async fn step(&mut self, open: &OpenStore) -> Result<()> {
        let armed = self.world.failpoints().armed();
        match armed.map(|point| point.0) {
            Some(Part::Start) => {
                self.tell("the server restarts");
                self.stops += 1;
                return self.world.restart(open).await;
            }
            Some(Part::Order) if self.below(2) == 0 => return self.order(Command::Hold).await,
            _ => {}
        }
        match self.below(20) {
            0..4 => self.ship().await,
            4 => self.order(Command::Undo).await,
            5 => self.order(Command::Go).await,
            6..11 => self.post().await,
            11..13 => self.host_changes(),
            13 => {
                let down = self.below(2) == 0;
                self.tell(if down {
                    "no mail is taken"
                } else {
                    "mail is taken"
                });
                self.world.inbox().set_unreachable(down);
                Ok(())
            }
            _ => {
                let span = Duration::from_secs(1 + self.below(8));
                self.tell(&format!("{} pass", model::time::short(span)));
                self.world.pass_by(span, TICK).await
            }
        }
    }

    async fn ship(&mut self) -> Result<()> {
        self.versions += 1;
        let version: Version = format!("1.{}", self.versions)
            .parse()
            .map_err(anyhow::Error::msg)?;
        let bad = self.below(4);
        *self.world.behaviour_mut(&version) = Behaviour {
            shows_no_metrics: true,
            exits_after: (bad == 0).then_some(Duration::from_secs(3)),
            never_healthy: bad == 1,
            ..Behaviour::default()
        };
        let answer = self.world.ship(&[version.clone().into()], None).await;
        self.tell(&format!("{version} is shipped: {answer:?}"));
        match answer {
            Ok(shipped) => {
                self.accepted_changes.insert(shipped.change);
                Ok(())
            }
            Err(problem) if problem.code == NO_ANSWER => Ok(()),
            Err(problem) => bail!("{version} was refused: {problem}"),
        }
    }

    async fn order(&mut self, order: Command) -> Result<()> {
        let Some(newest) = self.world.changes().await?.into_iter().next() else {
            return Ok(());
        };
        if order == Command::Go {
            // Also when the answer is lost: the order may stand.
            self.overruled.insert(newest.id);
        }
        let answer = self.world.order("mira", newest.id, order).await;
        self.tell(&format!(
            "mira says {} to {}: {answer:?}",
            order.word(),
            newest.title
        ));
        match answer {
            Ok(()) => Ok(()),
            Err(problem) if problem.status == 409 || problem.code == NO_ANSWER => Ok(()),
            Err(problem) => bail!("the order was refused: {problem}"),
        }
    }

    /// Posts a new alert, or one that was posted before, as firing or as over.
    async fn post(&mut self) -> Result<()> {
        let again = self.posted > 0 && self.below(3) == 0;
        let n = if again {
            1 + self.below(u64::from(self.posted))
        } else {
            self.posted += 1;
            self.posted.into()
        };
        let service = if n.is_multiple_of(2) { "shop" } else { "queue" };
        let name = format!("Rule{n}");
        let labels = Labels::new([("alertname", name.as_str()), ("service", service)]);
        let alert = PostedAlert {
            labels: labels.map_err(anyhow::Error::msg)?,
            is_over: again && self.below(2) == 0,
        };
        let answer = self.world.post_alert(&alert).await;
        let what = if alert.is_over { "over" } else { "firing" };
        self.tell(&format!("{name} is posted as {what}: {answer:?}"));
        match answer {
            Ok(()) if alert.is_over => Ok(()),
            Ok(()) => {
                self.accepted_alerts.insert(name);
                Ok(())
            }
            Err(_) if self.world.failpoints().is_dead() => Ok(()),
            Err(why) => Err(why),
        }
    }

    fn host_changes(&mut self) -> Result<()> {
        let (index, what, on) = (self.below(HOSTS as u64), self.below(4), self.below(3) == 0);
        let host = self.world.fleet_mut().host_mut(usize::try_from(index)?);
        let trouble = host.trouble_mut();
        match what {
            0 if on => trouble.is_unreachable = true,
            1 => trouble.has_full_disk = on,
            2 => trouble.is_late_by = Duration::from_secs(if on { 7 } else { 0 }),
            _ => host.come_back(),
        }
        let trouble = format!("{}: {:?}", host.name(), host.trouble());
        self.tell(&trouble);
        Ok(())
    }

    /// Ends all trouble; whoever is not where it should be then is named, and one word brings it there.
    async fn settle(&mut self) -> Result<()> {
        self.tell("all trouble ends");
        self.world.inbox().set_unreachable(false);
        for index in 0..HOSTS {
            let host = self.world.fleet_mut().host_mut(index);
            host.come_back();
            *host.trouble_mut() = Trouble::default();
        }
        self.world.pass_by(SETTLED, 2 * TICK).await?;
        if let Some(newest) = self.world.changes().await?.into_iter().next() {
            self.end(newest.id).await?;
        }
        self.world.pass_by(TOLD, 10 * TICK).await
    }

    async fn end(&mut self, change: ChangeId) -> Result<()> {
        let view = self.world.change(change).await?;
        for lost in astray(&self.world).await? {
            let is_named = names(&view, &lost);
            ensure!(
                is_named,
                "{lost} is astray, and nobody says so: {}",
                view.sentence
            );
        }
        if !is_over(view.change.state) {
            self.order(Command::Undo).await?;
            self.world.pass_by(SETTLED, 2 * TICK).await?;
        }
        let view = self.world.change(change).await?;
        let is_over = is_over(view.change.state);
        ensure!(is_over, "it never ends: {}", view.sentence);
        let lost = astray(&self.world).await?;
        ensure!(
            lost.is_empty(),
            "{lost:?} never get where they should be: {}",
            view.sentence
        );
        Ok(())
    }

    async fn look(&self) -> Result<Seen> {
        let (changes, mut waiting) = (self.world.changes().await?, BTreeSet::new());
        for change in changes.iter().filter(|change| !is_over(change.state)) {
            if self.world.rollout(change.id).await?.queued.is_some() {
                waiting.insert(change.id);
            }
        }
        Ok(Seen {
            waiting,
            changes,
            alerts: self.world.alerts().await?,
            incidents: self.world.incidents().await?,
            messages: self.world.messages(),
            accepted_alerts: self.accepted_alerts.clone(),
            accepted_changes: self.accepted_changes.clone(),
            stops: self.stops,
        })
    }

    async fn check_rings(&self, seen: &Seen) -> Result<()> {
        match seen.changes.first() {
            Some(newest) if newest.state == ChangeState::Superseded => Ok(()),
            Some(newest) if !self.overruled.contains(&newest.id) => {
                check_rings(&self.world, newest.id).await
            }
            _ => Ok(()),
        }
    }

    fn tell(&mut self, what: &str) {
        let at = self.world.now().time_of_day();
        self.story.push(format!("{at} {what}"));
    }

    fn below(&self, bound: u64) -> u64 {
        let drawn = self.random.u128() % u128::from(bound);
        u64::try_from(drawn).unwrap_or(0)
    }
}

fn service(hosts: Labels) -> Result<ServiceSpec> {
    let ring = |name: &str, size: &str| {
        let name = name.parse().map_err(|why: String| anyhow!(why))?;
        let size = size.to_owned();
        anyhow::Ok(RingWish { name, size })
    };
    Ok(ServiceSpec {
        hosts,
        strategy: StrategyWish::Rings(vec![ring("canary", "1")?, ring("everyone", "rest")?]),
        bake: Duration::from_secs(3),
        deadline: Duration::from_secs(30),
        is_judged: false,
        ..ServiceSpec::default()
    })
}
