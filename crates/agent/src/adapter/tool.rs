//! The tool of the user, whichever way it is called.

use std::time::Duration;

use client::Client;
use serde::de::DeserializeOwned;

use super::config::{Adapter, Call, Timeouts};
use super::contract::{Accepted, FailedTarget, Observed, Planned, Request, Verb};
use super::exec::{self, Exec};
use super::webhook::Webhook;
use crate::Stop;
use crate::clock::Clock;

/// Is why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The tool says no, or what it says makes no sense.
    #[error("{0}")]
    Failed(String),
    /// Something is in the way that may go away by itself.
    #[error("{0}")]
    Again(String),
    /// It was ended by us, because of something more urgent.
    #[error("cut short by something more urgent")]
    CutShort,
}

pub(super) struct Tool {
    way: Way,
    timeouts: Timeouts,
}

enum Way {
    Exec(Exec),
    Webhook(Webhook),
}

/// Is what a call needs besides its question.
pub(super) struct Watch<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) stop: &'a Stop,
    /// Says that something more urgent came up.
    pub(super) is_overtaken: &'a dyn Fn() -> bool,
}

impl Tool {
    pub(super) fn new(adapter: &Adapter) -> Self {
        let way = match &adapter.call {
            Call::Exec(command) => Way::Exec(Exec::new(command.clone())),
            Call::Webhook { url, secret } => {
                Way::Webhook(Webhook::new(Client::new(url, None), secret.clone()))
            }
        };
        Self {
            way,
            timeouts: adapter.timeouts,
        }
    }

    /// Tells whether the artifact has to lie on this machine.
    pub(super) fn wants_file(&self) -> bool {
        matches!(self.way, Way::Exec(_))
    }

    pub(super) fn plan(&self, request: &Request, watch: &Watch<'_>) -> Result<Planned, Fault> {
        self.call(request, watch)
    }

    /// Has the tool carry out a wish, and returns the targets it did not change.
    pub(super) fn change(
        &self,
        request: &Request,
        watch: &Watch<'_>,
    ) -> Result<Vec<FailedTarget>, Fault> {
        let answer: Accepted = self.call(request, watch)?;
        if !answer.accepted {
            let why = if answer.text.is_empty() {
                format!("{} was not accepted", request.verb)
            } else {
                answer.text
            };
            return Err(Fault::Failed(why));
        }
        if let (Way::Webhook(webhook), Some(reference)) = (&self.way, answer.reference) {
            webhook.remember(&request.service, reference);
        }
        Ok(answer.failed)
    }

    pub(super) fn observe(&self, request: &Request, watch: &Watch<'_>) -> Result<Observed, Fault> {
        self.call(request, watch)
    }

    fn call<T: DeserializeOwned>(&self, request: &Request, watch: &Watch<'_>) -> Result<T, Fault> {
        let limit = self.limit(request.verb);
        let bytes = match &self.way {
            Way::Exec(exec) => exec.call(request, limit, watch)?,
            Way::Webhook(webhook) => webhook.call(request, limit)?,
        };
        serde_json::from_slice(&bytes).map_err(|e| {
            let begin = exec::tail(&bytes[..bytes.len().min(200)]);
            Fault::Failed(format!(
                "its answer to {} is not what the contract says: {e}: {begin}",
                request.verb
            ))
        })
    }

    fn limit(&self, verb: Verb) -> Duration {
        match verb {
            Verb::Plan => self.timeouts.plan,
            Verb::Apply => self.timeouts.apply,
            Verb::Observe => self.timeouts.observe,
            Verb::Rollback => self.timeouts.rollback,
        }
    }
}
