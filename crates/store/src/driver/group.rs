//! Group commit: writes that wait together share one transaction, each in a part of its own.
//!
//! Every write is a savepoint in a shared transaction: the writer takes what is queued, runs each part,
//! commits once and only then answers all of them. One writer at a time also means that every decision
//! is taken on what is true when it commits.

use std::panic::AssertUnwindSafe;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::{Error, Tx};

/// Writes that share one commit; more only make the first one wait.
const GROUP: usize = 256;
/// Between two attempts to queue a write while the queue is full.
const RETRY: Duration = Duration::from_millis(2);

/// Is one write waiting for its commit.
pub(crate) trait Job: Send {
    /// Runs the write; true keeps what it did.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller, after the commit or after its failure.
    fn finish(self: Box<Self>, commit: Result<(), Error>);
}

struct Write<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Write<T, E, F>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        // A panic in one write must not take the others of its group, nor the writer, with it.
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(tx)))
            .unwrap_or_else(|_| Err(Error::Unavailable("the write panicked".into()).into()));
        let result = match tx.failed() {
            Some(error) if result.is_ok() => Err(error.into()),
            _ => result,
        };
        self.result.insert(result).is_ok()
    }

    fn finish(self: Box<Self>, commit: Result<(), Error>) {
        let result = match (self.result, commit) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(_)) | None, Err(error)) => Err(error.into()),
            (Some(result), Ok(())) => result,
            (None, Ok(())) => Err(Error::Unavailable("the write did not run".into()).into()),
        };
        // The caller may have gone away; the write stands all the same.
        let _ = self.reply.send(result);
    }
}

/// Hands writes to the writer's thread.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::SyncSender<Box<dyn Job>>);

impl Writer {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Box<dyn Job>>) {
        let (sender, jobs) = mpsc::sync_channel(GROUP * 4);
        (Self(sender), jobs)
    }

    pub(crate) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let mut job: Box<dyn Job> = Box::new(Write {
            work: Some(work),
            result: None,
            reply,
        });
        loop {
            match self.0.try_send(job) {
                Ok(()) => break,
                Err(mpsc::TrySendError::Full(back)) => {
                    job = back;
                    tokio::time::sleep(RETRY).await;
                }
                Err(mpsc::TrySendError::Disconnected(_)) => return Err(gone().into()),
            }
        }
        answer.await.unwrap_or_else(|_| Err(gone().into()))
    }
}

fn gone() -> Error {
    Error::Unavailable("the writer has ended".into())
}

/// Takes what is queued, group by group, until the last [`Writer`] is gone; `write` runs and commits one.
pub(crate) fn write_groups(
    jobs: &mpsc::Receiver<Box<dyn Job>>,
    mut write: impl FnMut(&mut [Box<dyn Job>]) -> Result<(), Error>,
) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        let commit = write(&mut group);
        for job in group {
            job.finish(commit.clone());
        }
    }
}
