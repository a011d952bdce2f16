//! Where a part of the world may be stopped: before and after each step, commit and send, by name.
//!
//! The product knows nothing of it. The world's store and inbox are watched, its loops are turned and its
//! hosts speak through here; a part that is stopped never hears how what it did ended.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{SendMoment, SendWatch};
use store::{Moment, Watch};
use tokio::sync::watch;

/// Is who is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The server, taking its store over.
    Start,
    Verdicts,
    Dispersions,
    Procedures,
    Hosts,
    Redeploys,
    Rollouts,
    Alerts,
    Incidents,
    Sealer,
    Notices,
    Outbox,
    /// A call of the API that uploads, releases or ships.
    Ship,
    /// A person's order.
    Order,
    /// A post of alerts.
    Post,
    /// A host's report, as the server takes it.
    Sync,
    /// The agent of a host.
    Agent,
}

/// Is where in its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    BeforeStep,
    AfterStep,
    BeforeCommit,
    AfterCommit,
    BeforeSend,
    AfterSend,
}

/// Is one place to stop at: `act.outbox/after send`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failpoint(pub Part, pub At);

const STEP: [At; 2] = [At::BeforeStep, At::AfterStep];
const COMMIT: [At; 2] = [At::BeforeCommit, At::AfterCommit];
const SEND: [At; 2] = [At::BeforeSend, At::AfterSend];

impl Part {
    pub const ALL: [Part; 17] = [
        Part::Start,
        Part::Verdicts,
        Part::Dispersions,
        Part::Procedures,
        Part::Hosts,
        Part::Redeploys,
        Part::Rollouts,
        Part::Alerts,
        Part::Incidents,
        Part::Sealer,
        Part::Notices,
        Part::Outbox,
        Part::Ship,
        Part::Order,
        Part::Post,
        Part::Sync,
        Part::Agent,
    ];

    /// Returns where this part may be stopped.
    fn places(self) -> &'static [&'static [At; 2]] {
        match self {
            Part::Verdicts
            | Part::Dispersions
            | Part::Procedures
            | Part::Hosts
            | Part::Redeploys
            | Part::Rollouts
            | Part::Alerts
            | Part::Incidents
            | Part::Sealer
            | Part::Notices => &[&STEP, &COMMIT],
            Part::Outbox => &[&STEP, &COMMIT, &SEND],
            Part::Start | Part::Ship | Part::Order | Part::Post | Part::Sync => &[&COMMIT],
            // A step is one exchange with the server: its report, and the answer it records.
            Part::Agent => &[&STEP, &SEND],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Part::Start => "server.start",
            Part::Verdicts => "judge.verdicts",
            Part::Dispersions => "judge.dispersion",
            Part::Procedures => "act.procedures",
            Part::Hosts => "deliver.hosts",
            Part::Redeploys => "deliver.redeploys",
            Part::Rollouts => "deliver.rollouts",
            Part::Alerts => "judge.alerts",
            Part::Incidents => "act.incidents",
            Part::Sealer => "journal.sealer",
            Part::Notices => "act.notices",
            Part::Outbox => "act.outbox",
            Part::Ship => "api.ship",
            Part::Order => "api.order",
            Part::Post => "api.alerts",
            Part::Sync => "api.sync",
            Part::Agent => "agent",
        }
    }
}

impl Failpoint {
    /// Returns every one there is.
    pub fn all() -> Vec<Failpoint> {
        let of = |part: Part| {
            part.places()
                .iter()
                .flat_map(|at| at.iter())
                .map(move |at| Failpoint(part, *at))
        };
        Part::ALL.into_iter().flat_map(of).collect()
    }
}

impl fmt::Display for Failpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match self.1 {
            At::BeforeStep => "before step",
            At::AfterStep => "after step",
            At::BeforeCommit => "before commit",
            At::AfterCommit => "after commit",
            At::BeforeSend => "before send",
            At::AfterSend => "after send",
        };
        write!(f, "{}/{at}", self.0.name())
    }
}

impl FromStr for Failpoint {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let found = Failpoint::all()
            .into_iter()
            .find(|point| point.to_string() == s);
        found.ok_or_else(|| {
            let known: Vec<String> = Failpoint::all().iter().map(ToString::to_string).collect();
            format!("`{s}` is no failpoint; known: {}", known.join(", "))
        })
    }
}

/// Watches a world and stops a part of it where it was told to; a clone is the same.
#[derive(Clone)]
pub struct Failpoints(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// The server does no more.
    is_dead: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    at_work: Option<Part>,
    /// The next stop, and how often its place is passed before.
    armed: Option<(Failpoint, u32)>,
    stops: BTreeMap<Failpoint, u32>,
}

impl Default for Failpoints {
    fn default() -> Self {
        let is_dead = watch::channel(false).0;
        let state = Mutex::default();
        Self(Arc::new(Shared { state, is_dead }))
    }
}

impl Failpoints {
    /// Stops at this place when it is reached for the `passes + 1`-th time from now.
    pub fn arm(&self, point: Failpoint, passes: u32) {
        self.lock().armed = Some((point, passes));
    }

    pub fn disarm(&self) {
        self.lock().armed = None;
    }

    /// Returns what it is told to stop at.
    pub fn armed(&self) -> Option<Failpoint> {
        self.lock().armed.map(|(point, _)| point)
    }

    /// Returns how often something was stopped at each place.
    pub fn stops(&self) -> BTreeMap<Failpoint, u32> {
        self.lock().stops.clone()
    }

    /// Tells whether the server was stopped and none was started since.
    pub fn is_dead(&self) -> bool {
        *self.0.is_dead.borrow()
    }

    pub(crate) fn revive(&self) {
        self.0.is_dead.send_replace(false);
    }

    /// Says who is at work from here on.
    pub(crate) fn enter(&self, part: Option<Part>) {
        self.lock().at_work = part;
    }

    /// Does one piece of the server's work; none when the server was stopped within.
    pub(crate) async fn work<T>(
        &self,
        part: Option<Part>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        if self.is_dead() {
            return None;
        }
        self.enter(part);
        let mut is_dead = self.0.is_dead.subscribe();
        let done = tokio::select! {
            biased;
            done = work => Some(done),
            _ = is_dead.wait_for(|dead| *dead) => None,
        };
        self.enter(None);
        done
    }

    /// Does one turn of a loop; none when the server was stopped at it.
    pub(crate) async fn step<T>(&self, part: Part, step: impl Future<Output = T>) -> Option<T> {
        if self.is_dead() || !self.passes(Failpoint(part, At::BeforeStep)) {
            return None;
        }
        let done = self.work(Some(part), step).await?;
        self.passes(Failpoint(part, At::AfterStep)).then_some(done)
    }

    /// Tells whether an agent lives on behind this place; the server does in any case.
    pub(crate) fn agent_lives(&self, at: At) -> bool {
        !self.is_stop(Failpoint(Part::Agent, at))
    }

    /// Tells whether the server lives on behind this place.
    fn passes(&self, point: Failpoint) -> bool {
        if self.is_dead() {
            return false;
        }
        let stops = self.is_stop(point);
        if stops {
            self.0.is_dead.send_replace(true);
        }
        !stops
    }

    fn is_stop(&self, point: Failpoint) -> bool {
        let mut state = self.lock();
        match &mut state.armed {
            Some((armed, 0)) if *armed == point => {
                state.armed = None;
                *state.stops.entry(point).or_default() += 1;
                true
            }
            Some((armed, passes)) if *armed == point => {
                *passes -= 1;
                false
            }
            _ => false,
        }
    }

    fn at_work_passes(&self, at: At) -> bool {
        let at_work = self.lock().at_work;
        match at_work {
            Some(part) => self.passes(Failpoint(part, at)),
            None => !self.is_dead(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Failpoints {
    fn goes_on(&self, moment: Moment) -> bool {
        self.at_work_passes(match moment {
            Moment::BeforeCommit => At::BeforeCommit,
            Moment::AfterCommit => At::AfterCommit,
        })
    }
}

impl SendWatch for Failpoints {
    fn goes_on(&self, moment: SendMoment) -> bool {
        self.at_work_passes(match moment {
            SendMoment::Before => At::BeforeSend,
            SendMoment::After => At::AfterSend,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failpoint_has_a_name_of_its_own_and_is_found_by_it() {
        let all = Failpoint::all();
        assert_eq!(all.len(), 60);
        for point in &all {
            assert_eq!(point.to_string().parse(), Ok(*point));
        }
        assert!("act.outbox/between".parse::<Failpoint>().is_err());
    }

    #[tokio::test]
    async fn what_is_stopped_never_ends_and_nothing_follows() {
        let points = Failpoints::default();
        let point = Failpoint(Part::Outbox, At::AfterCommit);
        points.arm(point, 1);
        let passes = points.clone();
        let commits = async move {
            let mut count = 0;
            while passes.at_work_passes(At::AfterCommit) {
                count += 1;
            }
            assert_eq!(count, 1);
            std::future::pending::<()>().await;
        };
        assert_eq!(points.step(Part::Outbox, commits).await, None);
        assert!(points.is_dead() && points.armed().is_none());
        assert_eq!(points.stops()[&point], 1);
        assert_eq!(points.step(Part::Sealer, async {}).await, None);
        points.revive();
        assert_eq!(points.step(Part::Sealer, async {}).await, Some(()));
    }
}
