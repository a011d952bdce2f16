//! Measures the noise between hosts while nothing changes, a quarter of an hour at a time, and keeps it for
//! longer than its samples: tests that start later know half a day instead of an hour.

use std::ops::Range;
use std::time::Duration;

use judge::Quarter;
use model::deliver::{ReleaseRef, Rollout, RolloutState};
use model::observe::{Signal, SignalKind};
use model::{EnvironmentName, ServiceName, Timestamp};
use runtime::{Loop, Turn};
use serde::{Deserialize, Serialize};
use store::{Error, Tx};

use super::counts::{HISTORY, Source};
use crate::Context;
use crate::attempts::Attempts;
use crate::context::Mandate;
use crate::deliver::host_facts;

const NAME: &str = "judge.dispersion";
/// How long a quarter is of use, from its end.
const KEPT: Duration = Duration::from_secs(12 * 3_600);
/// Agents send what they scraped within this time; a quarter is measured when it is all there.
const SETTLED: Duration = Duration::from_secs(15);

/// Is what one quarter said about one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    /// What was counted; a signal that means something else by now has no history.
    kind: SignalKind,
    /// Bad of all, or slower than each of these bounds.
    of: Said,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Counts(Box<Quarter>),
    Slower(Vec<(f64, Quarter)>),
}

#[derive(Debug)]
pub struct Dispersions {
    context: Context,
    /// The newest quarter there is nothing left to do for.
    measured: Option<u64>,
}

impl Dispersions {
    pub fn new(context: Context) -> Self {
        Self {
            context,
            measured: None,
        }
    }
}

impl Loop for Dispersions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn turn(&mut self, now: Timestamp) -> anyhow::Result<Turn> {
        let Some(quarter) = newest(now) else {
            return Ok(Turn::Idle);
        };
        if self.measured >= Some(quarter) {
            return Ok(Turn::Idle);
        }
        let Some(mandate) = self.context.mandate(NAME, now).await? else {
            return Ok(Turn::Idle);
        };
        let places = self.context.store.read(store::rollout::places).await?;
        let mut attempts = Attempts::default();
        for place in places {
            let of = format!("{} in {}", place.0, place.1);
            attempts.keep(of, self.measure(mandate, place, quarter, now).await);
        }
        self.context
            .store
            .write(move |tx| {
                mandate.check(tx)?;
                store::dispersion::forget_before(tx, kept(now).start)
            })
            .await?;
        attempts.end()?;
        self.measured = Some(quarter);
        Ok(Turn::Idle)
    }
}

impl Dispersions {
    /// Measures one quarter of what is live at one place.
    async fn measure(
        &self,
        mandate: Mandate,
        (service, environment): (ServiceName, EnvironmentName),
        quarter: u64,
        now: Timestamp,
    ) -> Result<(), Error> {
        let context = self.context.clone();
        let place = (service.clone(), environment.clone());
        let said = self
            .context
            .store
            .read(move |tx| said(tx, &context, &place, quarter, now))
            .await?;
        if said.is_empty() {
            return Ok(());
        }
        let keep = move |tx: &mut Tx<'_>| {
            mandate.check(tx)?;
            for (signal, measured) in &said {
                let of = store::dispersion::Of {
                    service: &service,
                    environment: &environment,
                    signal,
                };
                store::dispersion::keep(tx, of, quarter, measured)?;
            }
            Ok(())
        };
        self.context.store.write(keep).await
    }
}

/// Returns what a quarter said about each signal of what is live; nothing where no two hosts had traffic.
fn said(
    tx: &mut Tx<'_>,
    context: &Context,
    (service, environment): &(ServiceName, EnvironmentName),
    quarter: u64,
    now: Timestamp,
) -> Result<Vec<(String, Measured)>, Error> {
    let Some(newest) = store::rollout::newest_standing(tx, service, environment)? else {
        return Ok(vec![]);
    };
    let rollout = newest.rollout;
    let Some(live) = live(&rollout) else {
        return Ok(vec![]);
    };
    let Some(release) = store::release::get(tx, service, live.number)? else {
        return Ok(vec![]);
    };
    let hosts = host_facts(tx, &rollout, now)?;
    let source = Source::new(&context.metrics, &rollout, &hosts);
    let span = span(quarter);
    let measure = |signal: &Signal| {
        let of = match &signal.kind {
            SignalKind::Count { bad, total } => {
                let hosts = source.counted((bad, total), &live.version, span);
                Said::Counts(Box::new(Quarter::measure(&hosts, quarter)))
            }
            SignalKind::Latency { buckets, .. } => {
                let slower =
                    |(bound, hosts): (f64, Vec<_>)| (bound, Quarter::measure(&hosts, quarter));
                let bounds = source.slower_than_each(buckets, &live.version, span);
                Said::Slower(bounds.into_iter().map(slower).collect())
            }
            SignalKind::Mean { .. } => return None,
        };
        let kind = signal.kind.clone();
        (!of.is_empty()).then_some(Measured { kind, of })
    };
    let signals = release.definition.signals.iter();
    Ok(signals
        .filter_map(|(name, signal)| Some((name.clone(), measure(signal)?)))
        .collect())
}

impl Said {
    fn is_empty(&self) -> bool {
        match self {
            Said::Counts(quarter) => quarter.is_empty(),
            Said::Slower(bounds) => bounds.iter().all(|(_, quarter)| quarter.is_empty()),
        }
    }
}

/// Returns the release whose hosts differ by nothing but chance and noise: the one before, until a rollout
/// is done.
fn live(rollout: &Rollout) -> Option<&ReleaseRef> {
    match rollout.state {
        RolloutState::Done { .. } => Some(&rollout.release),
        _ => rollout.previous.as_ref(),
    }
}

/// Is what a signal's kept quarters say, up to the hour whose samples are still there.
pub(super) struct Kept(Vec<Measured>);

impl Kept {
    pub(super) fn read(
        tx: &mut Tx<'_>,
        rollout: &Rollout,
        (name, signal): (&str, &Signal),
        now: Timestamp,
    ) -> Result<Self, Error> {
        let of = store::dispersion::Of {
            service: &rollout.service,
            environment: &rollout.environment,
            signal: name,
        };
        let mut said: Vec<Measured> = store::dispersion::of(tx, of, kept(now))?;
        said.retain(|measured| measured.kind == signal.kind);
        Ok(Self(said))
    }

    pub(super) fn counts(&self) -> Vec<Quarter> {
        let counts = |measured: &Measured| match &measured.of {
            Said::Counts(quarter) => Some(Quarter::clone(quarter)),
            Said::Slower(_) => None,
        };
        self.0.iter().filter_map(counts).collect()
    }

    pub(super) fn slower_than(&self, bound: f64) -> Vec<Quarter> {
        let slower = |measured: &Measured| match &measured.of {
            Said::Counts(_) => None,
            Said::Slower(bounds) => {
                let found = bounds.iter().find(|(at, _)| *at == bound);
                found.map(|(_, quarter)| quarter.clone())
            }
        };
        self.0.iter().filter_map(slower).collect()
    }
}

/// Returns the newest quarter whose samples have all come.
fn newest(now: Timestamp) -> Option<u64> {
    number(now - SETTLED).checked_sub(1)
}

/// Returns the quarters a test that starts now is told of: none of them reaches into the hour of which it
/// reads the samples.
fn kept(now: Timestamp) -> Range<u64> {
    number(now - HISTORY - KEPT)..number(now - HISTORY)
}

/// Returns the number of the quarter this instant is in.
fn number(at: Timestamp) -> u64 {
    at.since(Timestamp::UNIX_EPOCH).as_secs() / Quarter::LASTS.as_secs()
}

fn span(quarter: u64) -> (Timestamp, Timestamp) {
    let seconds = quarter.saturating_mul(Quarter::LASTS.as_secs());
    let start = Timestamp::UNIX_EPOCH + Duration::from_secs(seconds);
    (start, start + Quarter::LASTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_quarter_is_measured_when_its_last_samples_have_come() {
        assert_eq!(newest(at(900)), None);
        assert_eq!(newest(at(914)), None);
        assert_eq!(newest(at(915)), Some(0));
        assert_eq!(newest(at(1_815)), Some(1));
        assert_eq!(span(1), (at(900), at(1_800)));
    }

    #[test]
    fn quarters_told_of_end_before_the_hour_of_samples() {
        let now = at(20 * 3_600 + 10);
        let quarters = kept(now);
        assert_eq!(quarters.end - quarters.start, 48);
        assert_eq!(span(quarters.end - 1).1, at(19 * 3_600));
        assert!(kept(at(100)).is_empty(), "nothing was before the epoch");
    }
}
