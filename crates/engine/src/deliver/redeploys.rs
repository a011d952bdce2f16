//! Begins redeploys that are due by the rule of an environment.

use std::collections::BTreeMap;
use std::time::Duration;

use deliver::redeploy::{Due, Redeploy, begin, due};
use deliver::rollout::change_of;
use model::deliver::{Release, Rollout};
use model::{ChangeId, EnvironmentName, Fact, Kind, ServiceName, Subject, Timestamp, limit};
use runtime::{Loop, Turn};
use store::rollout::Versioned;
use store::{Error, Tx};

use super::queue::end_watches;
use crate::Context;
use crate::attempts::Attempts;
use crate::context::Mandate;

const NAME: &str = "deliver.redeploys";

/// What has no number yet.
const NO_CHANGE: ChangeId = ChangeId(0);

/// Who asks for what is due by a rule.
const BY: &str = "schedule";

#[derive(Debug)]
pub struct Redeploys {
    context: Context,
    /// Why one that is due does not begin, as it was told last.
    told: BTreeMap<Place, String>,
}

impl Redeploys {
    pub fn new(context: Context) -> Self {
        let told = BTreeMap::new();
        Self { context, told }
    }
}

impl Loop for Redeploys {
    fn name(&self) -> &'static str {
        NAME
    }

    /// A rule counts in days.
    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn turn(&mut self, now: Timestamp) -> anyhow::Result<Turn> {
        let Some(mandate) = self.context.mandate(NAME, now).await? else {
            return Ok(Turn::Idle);
        };
        let places = self.context.store.read(store::rollout::places).await?;
        let (mut next, mut attempts) = (None, Attempts::default());
        for place in places {
            let name = format!("{} in {}", place.0, place.1);
            let at = place.clone();
            let look =
                move |tx: &mut Tx<'_>| Ok::<_, Error>(there(tx, &at, now)?.map(|there| there.due));
            // Almost never is one due, and looking keeps no writer waiting.
            let looked = self.context.store.read(look).await;
            match attempts.keep(&name, looked).flatten() {
                None | Some(Due::No) => {}
                Some(Due::Later(at)) => next = [next, Some(at)].into_iter().flatten().min(),
                Some(Due::Now(_)) => {
                    let begun = self.begin(mandate, place, now).await;
                    attempts.keep(name, begun);
                }
            }
        }
        attempts.end()?;
        Ok(next.map_or(Turn::Idle, Turn::Until))
    }
}

impl Redeploys {
    async fn begin(&mut self, mandate: Mandate, place: Place, now: Timestamp) -> Result<(), Error> {
        let (context, at) = (self.context.clone(), place.clone());
        let told = self.told.get(&place).cloned();
        let write = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            begin_one(tx, &context, &at, told, now)
        };
        match self.context.store.write(write).await? {
            None => self.told.remove(&place),
            Some(why) => self.told.insert(place, why),
        };
        self.context.wakes.journal.nudge();
        self.context.wakes.rollouts.nudge();
        Ok(())
    }
}

/// Is a service in one of its environments.
type Place = (ServiceName, EnvironmentName);

/// Is what a rule finds in an environment.
struct There {
    due: Due,
    history: Vec<Versioned>,
    under_way: Option<ChangeId>,
}

/// Looks whether a redeploy is due; none where no rollout ever was.
fn there(
    tx: &mut Tx<'_>,
    (service, environment): &Place,
    now: Timestamp,
) -> Result<Option<There>, Error> {
    // A history is long and a rule is rare: what stands there says whether there can be one.
    let Some(newest) = store::rollout::newest_standing(tx, service, environment)? else {
        return Ok(None);
    };
    if newest.rollout.plan.redeploy.is_none() {
        return Ok(None);
    }
    let history = store::rollout::history(tx, service, environment, limit::LIST_ITEMS)?;
    let under_way = store::rollout::under_way(tx, &history)?;
    let under_way = under_way.first().map(|one| one.rollout.change);
    let freezes = store::freeze::rules_for(tx, service, environment)?;
    let due = due(&rollouts(&history), under_way.is_some(), &freezes, now);
    Ok(Some(There {
        due,
        history,
        under_way,
    }))
}

fn rollouts(history: &[Versioned]) -> Vec<&Rollout> {
    history.iter().map(|one| &one.rollout).collect()
}

/// Begins the redeploy that is due in an environment, unless something came in between. Returns why it cannot
/// begin; `told` is what was told of that last.
fn begin_one(
    tx: &mut Tx<'_>,
    context: &Context,
    place: &Place,
    told: Option<String>,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    // What it would ask was asked otherwise since; a person says first how to go on.
    if store::fleet::is_behind(tx)? {
        return Ok(told);
    }
    let Some(there) = there(tx, place, now)? else {
        return Ok(None);
    };
    let Due::Now(overdue) = there.due else {
        return Ok(None);
    };
    let Some(release) = running(tx, &there.history)? else {
        return Ok(None);
    };
    let hosts = store::host::expected(tx)?;
    let plan = |change: ChangeId| {
        begin(Redeploy {
            change,
            release: &release,
            history: &rollouts(&there.history),
            under_way: there.under_way,
            hosts: &hosts,
            overdue: Some(overdue),
            by: BY.to_owned(),
            now,
        })
    };
    // Only what begins takes a number.
    let refused = match plan(NO_CHANGE) {
        Ok(_) => match plan(store::change::next_id(tx)?) {
            Ok((rollout, facts)) => return save(tx, context, rollout, &facts, now).map(|()| None),
            Err(refused) => refused,
        },
        Err(refused) => refused,
    };
    let why = refused.to_string();
    if told.as_ref() != Some(&why) {
        tell_not_begun(tx, context, place, why.clone(), now)?;
    }
    Ok(Some(why))
}

/// Returns the release that runs there: the newest that is done.
fn running(tx: &mut Tx<'_>, history: &[Versioned]) -> Result<Option<Release>, Error> {
    let live = deliver::redeploy::live(&rollouts(history));
    let Some(live) = live.map(|live| (live.service.clone(), live.release.number)) else {
        return Ok(None);
    };
    store::release::get(tx, &live.0, live.1)
}

fn save(
    tx: &mut Tx<'_>,
    context: &Context,
    mut rollout: Rollout,
    facts: &[(Kind, Fact)],
    now: Timestamp,
) -> Result<(), Error> {
    for (kind, fact) in facts {
        let causes = rollout.last_entry.into_iter().collect();
        let entry = context.entry(now, rollout.change, (*kind, fact), BY, causes);
        store::journal::append(tx, &entry)?;
        rollout.last_entry = Some(entry.id);
    }
    end_watches(tx, context, &rollout, now)?;
    store::rollout::insert(tx, &rollout)?;
    store::change::put(tx, &change_of(&rollout))
}

fn tell_not_begun(
    tx: &mut Tx<'_>,
    context: &Context,
    (service, environment): &Place,
    why: String,
    now: Timestamp,
) -> Result<(), Error> {
    let fact = Fact::RedeployNotBegun {
        service: service.clone(),
        environment: environment.clone(),
        why,
    };
    let about = Subject::Service(service.clone());
    let entry = context.entry_about(now, about, (Kind::Outcome, &fact), BY, Vec::new());
    store::journal::append(tx, &entry)
}
