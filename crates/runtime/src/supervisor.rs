//! Loops, and the one way they are run.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Timestamp;
use tokio::task::JoinSet;

use crate::{Clock, Listener, Random, Shutdown, Wake};

/// Looks at the world, moves it one step closer, says what it did.
///
/// A turn takes no input but the time, so a restart, a nudge and a tick are the same path.
pub trait Loop: Send + 'static {
    /// Is `<stage>.<noun>`, such as `judge.verdicts`.
    fn name(&self) -> &'static str;
    /// Is the longest time between two turns when nobody nudges.
    fn period(&self) -> Duration;
    /// Does one idempotent step.
    fn turn(&mut self, now: Timestamp) -> impl Future<Output = anyhow::Result<Turn>> + Send;
    /// Waits for what a turn left under way, once no other turn follows.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Is what a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing to do until the next period or nudge.
    Idle,
    /// Something was done and more may follow at once.
    Again,
    /// Nothing to do before this instant.
    Until(Timestamp),
}

/// Is how a turn ended that went through several items of which some failed and some did not.
///
/// It counts as a failure, and it is taken again after the usual time: broken items must not slow down the
/// others.
#[derive(Debug)]
pub struct FailedInPart(pub anyhow::Error);

impl fmt::Display for FailedInPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for FailedInPart {}

/// Is what is known of a loop, for readiness and `doctor`.
#[derive(Clone, Debug, Default)]
pub struct LoopStatus {
    pub last_turn_at: Option<Timestamp>,
    pub last_turn_ms: u64,
    pub turns: u64,
    /// The error of the last turn, if it failed; failures in a row are counted.
    pub error: Option<String>,
    pub failures: u32,
}

/// Runs loops, each in its own task, one turn at a time; a panic counts as an error of that turn.
#[derive(Clone)]
pub struct Supervisor {
    clock: Clock,
    random: Random,
    shutdown: Shutdown,
    tasks: Arc<Mutex<JoinSet<()>>>,
    status: Arc<Mutex<BTreeMap<&'static str, LoopStatus>>>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// The longest wait after failures in a row.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The shortest wait after a failure, and the pause between turns that ask for another one.
const BACKOFF_MIN: Duration = Duration::from_millis(200);

impl Supervisor {
    pub fn new(clock: Clock, random: Random, shutdown: Shutdown) -> Self {
        Self {
            clock,
            random,
            shutdown,
            tasks: Arc::default(),
            status: Arc::default(),
        }
    }

    /// Starts a loop; `wake` nudges it.
    pub fn spawn<L: Loop>(&self, looping: L, wake: &Wake) {
        let supervisor = self.clone();
        let listener = wake.listener();
        self.lock_status()
            .insert(looping.name(), LoopStatus::default());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(async move { supervisor.run(looping, listener).await });
    }

    pub fn status(&self) -> BTreeMap<&'static str, LoopStatus> {
        self.lock_status().clone()
    }

    /// Waits until every loop has ended; call it after shutdown was requested.
    pub async fn join(&self) {
        let mut tasks = {
            let mut held = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *held)
        };
        while tasks.join_next().await.is_some() {}
    }

    async fn run<L: Loop>(&self, looping: L, mut listener: Listener) {
        let (name, period) = (looping.name(), looping.period());
        // An async mutex is not poisoned by a panic, and a loop keeps nothing a panic could spoil.
        let looping = Arc::new(tokio::sync::Mutex::new(looping));
        while !self.shutdown.is_requested() {
            let began = self.clock.now();
            let result = self.turn(Arc::clone(&looping), began).await;
            let wait = self.wait_after(name, period, began, result);
            tokio::select! {
                () = self.shutdown.requested() => {}
                () = listener.nudged() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        looping.lock().await.finish().await;
    }

    /// Runs one turn in a task of its own, so that a panic ends the turn and not the loop.
    async fn turn<L: Loop>(
        &self,
        looping: Arc<tokio::sync::Mutex<L>>,
        now: Timestamp,
    ) -> anyhow::Result<Turn> {
        let task = tokio::spawn(async move { looping.lock().await.turn(now).await });
        task.await
            .unwrap_or_else(|e| Err(anyhow::anyhow!("the turn panicked: {e}")))
    }

    fn wait_after(
        &self,
        name: &'static str,
        period: Duration,
        began: Timestamp,
        result: anyhow::Result<Turn>,
    ) -> Duration {
        let now = self.clock.now();
        let mut status = self.lock_status();
        let status = status.entry(name).or_default();
        status.turns += 1;
        status.last_turn_at = Some(now);
        status.last_turn_ms = u64::try_from(now.since(began).as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok(turn) => {
                status.error = None;
                status.failures = 0;
                match turn {
                    Turn::Idle => period,
                    Turn::Again => Duration::ZERO,
                    Turn::Until(at) => at.since(now).min(period),
                }
            }
            Err(error) => {
                let text = format!("{error:#}");
                status.failures += 1;
                let is_news = status.error.as_ref() != Some(&text);
                // What stays broken is told again, more and more seldom.
                if is_news || status.failures.is_power_of_two() {
                    tracing::warn!(loop.name = name, failures = status.failures, error = %text, "a turn of {name} failed and is tried again");
                }
                status.error = Some(text);
                if error.is::<FailedInPart>() {
                    return period;
                }
                let doubled = BACKOFF_MIN * 2u32.pow(status.failures.min(10) - 1);
                doubled
                    .min(BACKOFF_MAX)
                    .mul_f64(0.5 + 0.5 * self.random.unit())
            }
        }
    }

    fn lock_status(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, LoopStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Counting {
        turns: Arc<AtomicU32>,
        panic_on: u32,
    }

    impl Loop for Counting {
        fn name(&self) -> &'static str {
            "test.counting"
        }
        fn period(&self) -> Duration {
            Duration::from_secs(3_600)
        }
        async fn turn(&mut self, _now: Timestamp) -> anyhow::Result<Turn> {
            let turn = self.turns.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(turn != self.panic_on, "turn {turn} breaks on purpose");
            Ok(Turn::Idle)
        }
    }

    /// Fails at every turn, as a loop does whose row cannot be read.
    struct Failing {
        turns: Arc<AtomicU32>,
        in_part: bool,
    }

    impl Loop for Failing {
        fn name(&self) -> &'static str {
            "test.failing"
        }
        fn period(&self) -> Duration {
            Duration::from_secs(1)
        }
        async fn turn(&mut self, _now: Timestamp) -> anyhow::Result<Turn> {
            self.turns.fetch_add(1, Ordering::SeqCst);
            let error = anyhow::anyhow!("chg-1: a stored row cannot be read");
            Err(if self.in_part {
                FailedInPart(error).into()
            } else {
                error
            })
        }
    }

    /// Counts the turns such a loop takes in five minutes.
    async fn turns_in_five_minutes(in_part: bool) -> u32 {
        let (trigger, shutdown) = Shutdown::new();
        let supervisor = Supervisor::new(Clock::System, Random::seeded(1), shutdown);
        let turns = Arc::new(AtomicU32::new(0));
        let looping = Failing {
            turns: turns.clone(),
            in_part,
        };
        supervisor.spawn(looping, &Wake::default());
        tokio::time::sleep(Duration::from_secs(300)).await;
        trigger.request();
        supervisor.join().await;
        let status = &supervisor.status()["test.failing"];
        let turns = turns.load(Ordering::SeqCst);
        assert_eq!(status.failures, turns, "each is a failure");
        let error = status.error.as_deref();
        assert_eq!(error, Some("chg-1: a stored row cannot be read"));
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_failed_in_part_is_taken_again_as_soon_as_any_other() {
        let turns = turns_in_five_minutes(true).await;
        assert!((299..=301).contains(&turns), "{turns}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_failed_is_taken_again_later_and_later() {
        let turns = turns_in_five_minutes(false).await;
        assert!((15..=30).contains(&turns), "{turns}");
    }

    async fn wait_for(turns: &AtomicU32, at_least: u32) {
        while turns.load(Ordering::SeqCst) < at_least {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_turn_is_an_error_and_the_loop_goes_on() {
        let (trigger, shutdown) = Shutdown::new();
        let supervisor = Supervisor::new(Clock::System, Random::seeded(1), shutdown);
        let turns = Arc::new(AtomicU32::new(0));
        supervisor.spawn(
            Counting {
                turns: turns.clone(),
                panic_on: 1,
            },
            &Wake::default(),
        );
        tokio::time::timeout(Duration::from_secs(60), async {
            while turns.load(Ordering::SeqCst) < 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .expect("the second turn comes after the back-off");
        trigger.request();
        supervisor.join().await;
        assert_eq!(supervisor.status()["test.counting"].turns, 2);
    }

    #[tokio::test]
    async fn a_nudge_is_a_turn_and_shutdown_ends_the_loop() {
        let (trigger, shutdown) = Shutdown::new();
        let supervisor = Supervisor::new(Clock::System, Random::seeded(1), shutdown);
        let (turns, wake) = (Arc::new(AtomicU32::new(0)), Wake::default());
        supervisor.spawn(
            Counting {
                turns: turns.clone(),
                panic_on: 0,
            },
            &wake,
        );
        wait_for(&turns, 1).await;
        wake.nudge();
        wait_for(&turns, 2).await;
        trigger.request();
        supervisor.join().await;
    }
}
