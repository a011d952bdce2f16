//! Random walks: chance ships, undoes, breaks hosts and kills the server; what must always hold is
//! checked after every step.
//!
//! - Two rollouts never own a ring: of one service, at most one rollout has begun and is not over.
//! - A bad release never reaches the ring behind the one that judged it, unless a person went past it.
//! - A slot everything goes to is not told to stop.
//! - No message comes twice.
//! - Every host ends on what it is asked for; on the way there, one that is not is named.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use model::act::OutboxRow;
use model::api::change::ChangeView;
use model::api::deliver::HostView;
use model::deliver::{Command, Proof};
use model::judge::VerdictState;
use model::observe::ChangeState;
use model::{ChangeId, HostName, Labels, Version};
use runtime::Random;

use crate::fleet::Behaviour;
use crate::run::timeline;
use crate::world::{OpenStore, RingWish, ServiceSpec, StrategyWish, World};

const HOSTS: usize = 6;
/// Long enough for every deadline of a ring, of an undo, and of the silence of metrics.
const SETTLED: Duration = Duration::from_secs(240);
/// Keeps the walk's choices apart from the world's.
const CHOICES: u64 = 0x7761_6c6b;

/// Is a walk on which everything held.
#[derive(Debug)]
pub struct Walked {
    seed: u64,
    steps: u64,
    shipped: u32,
    undone: usize,
    took: Duration,
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
        write!(
            f,
            "seed {}: {} steps, {} shipped, {} undone, {} of its time",
            self.seed,
            self.steps,
            self.shipped,
            self.undone,
            model::time::short(self.took)
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
            "\nreplay it: cargo run -p lab -- walk --seed {seed} --steps {steps}"
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
        Box::new(Stumbled {
            seed,
            steps,
            why: format!("{why:#}"),
            story,
        })
    };
    let mut walker = match Walker::new(seed, open).await {
        Ok(walker) => walker,
        Err(why) => return Err(stumbled(&why, vec![])),
    };
    match walker.go(steps, open).await {
        Ok(undone) => Ok(Walked {
            seed,
            steps,
            shipped: walker.shipped,
            undone,
            took: walker.world.age(),
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
    shipped: u32,
    /// Changes a person went past a verdict of.
    overruled: BTreeSet<ChangeId>,
    story: Vec<String>,
}

impl Walker {
    async fn new(seed: u64, open: &OpenStore) -> Result<Self> {
        let mut world = World::new(seed, open).await?;
        let has_slots = seed % 4 == 3;
        for n in 1..=HOSTS {
            let name = format!("web-{n}").parse().map_err(anyhow::Error::msg)?;
            let labels = if has_slots { slotted(n) } else { vec![SHOP] };
            world.join(name, labels_of(labels)?).await?;
        }
        world.set_service(service(has_slots)?);
        Ok(Self {
            world,
            random: Random::seeded(seed ^ CHOICES),
            shipped: 0,
            overruled: BTreeSet::new(),
            story: vec![],
        })
    }

    /// Returns how many changes were undone.
    async fn go(&mut self, steps: u64, open: &OpenStore) -> Result<usize> {
        for _ in 0..steps {
            self.step(open).await?;
            self.check().await?;
        }
        self.settle().await?;
        self.check().await?;
        let changes = self.world.changes().await?;
        let undone = changes.iter().filter(|c| c.state == ChangeState::Undone);
        Ok(undone.count())
    }

    async fn step(&mut self, open: &OpenStore) -> Result<()> {
        match self.below(40) {
            0..8 => self.ship().await,
            8 => self.order(Command::Undo).await,
            9 => self.order(Command::Hold).await,
            10..14 => self.order(Command::Go).await,
            14..20 => self.host_changes(),
            20..22 => {
                self.tell("the server restarts");
                self.world.restart(open).await
            }
            22 => {
                let down = self.below(2) == 0;
                self.tell(if down {
                    "the mail server is down"
                } else {
                    "the mail server answers again"
                });
                self.world.inbox().set_unreachable(down);
                Ok(())
            }
            23 => {
                let still = self.below(2) == 0;
                self.tell(if still {
                    "the judge stands still"
                } else {
                    "the judge goes on"
                });
                self.world.still_judge(still);
                Ok(())
            }
            _ => {
                let span = Duration::from_secs(1 + self.below(40));
                self.tell(&format!("{} pass", model::time::short(span)));
                self.world.pass(span).await
            }
        }
    }

    async fn ship(&mut self) -> Result<()> {
        let version: Version = format!("1.{}", self.shipped)
            .parse()
            .map_err(anyhow::Error::msg)?;
        let behaviour = match self.below(10) {
            0 => Behaviour {
                failing: Some(0.1),
                ..Behaviour::default()
            },
            1 => Behaviour {
                exits_after: Some(Duration::from_secs(3)),
                ..Behaviour::default()
            },
            2 => Behaviour {
                never_healthy: true,
                ..Behaviour::default()
            },
            3 => Behaviour {
                shows_no_metrics: true,
                ..Behaviour::default()
            },
            _ => Behaviour::default(),
        };
        *self.world.behaviour_mut(&version) = behaviour;
        match self.world.ship(&[version.clone().into()], None).await {
            Ok(_) => {
                self.shipped += 1;
                self.tell(&format!("{version} is shipped: {behaviour:?}"));
                Ok(())
            }
            Err(problem) => bail!("{version} was refused: {problem}"),
        }
    }

    async fn order(&mut self, order: Command) -> Result<()> {
        let Some(newest) = self.world.changes().await?.into_iter().next() else {
            return Ok(());
        };
        self.tell(&format!("mira says {} to {}", order.word(), newest.title));
        match self.world.order("mira", newest.id, order).await {
            Ok(()) if order == Command::Go => {
                self.overruled.insert(newest.id);
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(problem) if problem.status == 409 => Ok(()),
            Err(problem) => bail!("the order was refused: {problem}"),
        }
    }

    fn host_changes(&mut self) -> Result<()> {
        let (index, what, on) = (self.below(HOSTS as u64), self.below(6), self.below(3) == 0);
        let host = self.world.fleet_mut().host_mut(usize::try_from(index)?);
        let name = host.name().clone();
        let trouble = host.trouble_mut();
        match what {
            0 if !on => host.come_back(),
            0 => trouble.is_unreachable = true,
            1 => trouble.has_full_disk = on,
            2 => trouble.reverts = on,
            3 => trouble.runs_something_else = on,
            4 => trouble.is_late_by = Duration::from_secs(if on { 7 } else { 0 }),
            _ => host.come_back(),
        }
        let trouble = format!("{name}: {:?}", host.trouble());
        self.tell(&trouble);
        Ok(())
    }

    /// Ends all trouble; whoever is not where it should be then is named, and one word brings it there.
    async fn settle(&mut self) -> Result<()> {
        self.tell("all trouble ends");
        self.world.inbox().set_unreachable(false);
        self.world.still_judge(false);
        for index in 0..HOSTS {
            let host = self.world.fleet_mut().host_mut(index);
            host.come_back();
            *host.trouble_mut() = crate::fleet::Trouble::default();
        }
        self.world.pass(SETTLED).await?;
        let Some(newest) = self.world.changes().await?.into_iter().next() else {
            return Ok(());
        };
        let view = self.world.change(newest.id).await?;
        for lost in astray(&self.world).await? {
            ensure!(
                names(&view, &lost),
                "{lost} is not where it should be, and nobody says so: {}",
                view.sentence
            );
        }
        if !is_over(view.change.state) {
            self.order(Command::Undo).await?;
            self.world.pass(SETTLED).await?;
        }
        let view = self.world.change(newest.id).await?;
        ensure!(
            is_over(view.change.state),
            "it never ends: {}",
            view.sentence
        );
        let lost = astray(&self.world).await?;
        ensure!(
            lost.is_empty(),
            "{lost:?} never get where they should be: {}",
            view.sentence
        );
        Ok(())
    }

    async fn check(&mut self) -> Result<()> {
        let changes = self.world.changes().await?;
        let mut under_way = Vec::new();
        for change in changes.iter().filter(|change| !is_over(change.state)) {
            if self.world.rollout(change.id).await?.queued.is_none() {
                under_way.push(change.title.as_str());
            }
        }
        ensure!(
            under_way.len() <= 1,
            "two rollouts own the same rings: {under_way:?}"
        );
        if let Some(newest) = changes.first()
            && !self.overruled.contains(&newest.id)
        {
            check_rings(&self.world, newest.id).await?;
        }
        self.check_routes()?;
        self.check_messages()
    }

    /// Checks that no router sends anything to a slot that was told to stop.
    fn check_routes(&self) -> Result<()> {
        let hosts = || self.world.fleet().hosts();
        for (router, (service, slot)) in hosts().flat_map(|r| r.routes().map(move |to| (r, to))) {
            let stopped = hosts().find(|host| host.is_told_to_stop(service, slot));
            ensure!(
                stopped.is_none(),
                "{} sends everything to {slot}, and {} was told to stop",
                router.name(),
                stopped.map_or("nobody", |host| host.name().as_str())
            );
        }
        Ok(())
    }

    /// Checks that nobody is told the same twice. What is told again after a while is news again: a
    /// person let the change go on, and it was held by the same thing.
    fn check_messages(&self) -> Result<()> {
        let messages = self.world.messages();
        let ids: BTreeSet<_> = messages.iter().map(|row| row.id).collect();
        ensure!(
            ids.len() == messages.len(),
            "a message came twice: {messages:?}"
        );
        for (index, one) in messages.iter().enumerate() {
            // Retries may bring them in another order than they were written.
            let apart = |a: &OutboxRow, b: &OutboxRow| {
                let (a, b) = (a.created_at, b.created_at);
                a.since(b).max(b.since(a))
            };
            let again = messages[..index].iter().any(|other| {
                (other.message.change, &other.message.title)
                    == (one.message.change, &one.message.title)
                    && apart(one, other) <= Duration::from_secs(1)
            });
            ensure!(!again, "`{}` was told twice at once", one.message.title);
        }
        Ok(())
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

/// Returns the hosts that do not prove what they are asked for.
pub(crate) async fn astray(world: &World) -> Result<Vec<HostName>> {
    let is_there = |host: &HostView| {
        host.unknown_since.is_none()
            && host.services.iter().all(|one| {
                one.proof == Proof::Stopped
                    || (one.proof == Proof::Converged && one.running.as_ref() == Some(&one.wanted))
            })
    };
    let hosts = world.hosts().await?.into_iter();
    Ok(hosts
        .filter(|host| !is_there(host))
        .map(|host| host.name)
        .collect())
}

/// Checks that no host behind a ring with a bad verdict ran the release.
pub(crate) async fn check_rings(world: &World, change: ChangeId) -> Result<()> {
    let verdicts = world.verdicts(change).await?;
    let failed = verdicts
        .iter()
        .filter(|verdict| verdict.state == VerdictState::Fail);
    let Some(ring) = failed.map(|verdict| verdict.ring).min() else {
        return Ok(());
    };
    let view = world.change(change).await?;
    let behind = view
        .rings
        .iter()
        .skip(ring + 1)
        .flat_map(|ring| &ring.hosts);
    let behind: BTreeSet<&HostName> = behind.map(|line| &line.host).collect();
    for host in world.fleet().hosts() {
        ensure!(
            !(behind.contains(host.name()) && host.ran().contains(&view.release)),
            "{} ran {}, which ring {ring} had judged bad",
            host.name(),
            view.change.title
        );
    }
    Ok(())
}

pub(crate) fn is_over(state: ChangeState) -> bool {
    match state {
        ChangeState::Done | ChangeState::Undone | ChangeState::Superseded => true,
        ChangeState::Planned
        | ChangeState::Running
        | ChangeState::Held
        | ChangeState::Undoing
        | ChangeState::Stuck => false,
    }
}

/// Tells whether a change's page names a host that is not where it should be.
pub(crate) fn names(view: &ChangeView, host: &HostName) -> bool {
    let in_rings = view.rings.iter().flat_map(|ring| &ring.hosts);
    let off = |line: &model::api::change::HostLine| {
        line.host == *host && line.proof != Proof::Converged && line.proof != Proof::Stopped
    };
    view.sentence.contains(host.as_str()) || in_rings.chain(&view.drifted).any(off)
}

const SHOP: (&str, &str) = ("role", "shop");
const ROUTER: (&str, &str) = ("role", "router");

/// Two hosts are blue, three are green, and the last one is their router.
fn slotted(n: usize) -> Vec<(&'static str, &'static str)> {
    match n {
        1 | 2 => vec![SHOP, ("slot", "blue")],
        HOSTS => vec![ROUTER],
        _ => vec![SHOP, ("slot", "green")],
    }
}

fn labels_of(pairs: Vec<(&str, &str)>) -> Result<Labels> {
    Labels::new(pairs).map_err(anyhow::Error::msg)
}

fn service(has_slots: bool) -> Result<ServiceSpec> {
    let ring = |name: &str, size: &str| {
        let name = name.parse().map_err(anyhow::Error::msg)?;
        let size = size.to_owned();
        anyhow::Ok(RingWish { name, size })
    };
    let strategy = if has_slots {
        StrategyWish::BlueGreen(labels_of(vec![ROUTER])?)
    } else {
        StrategyWish::Rings(vec![
            ring("staff", "1")?,
            ring("canary", "2")?,
            ring("everyone", "rest")?,
        ])
    };
    Ok(ServiceSpec {
        hosts: labels_of(vec![SHOP])?,
        strategy,
        is_proof_enough: has_slots,
        keep_warm: Duration::from_secs(45),
        max_unavailable: 2,
        bake: Duration::from_secs(3),
        deadline: Duration::from_secs(30),
        ..ServiceSpec::default()
    })
}
