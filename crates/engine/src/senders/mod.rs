//! Ways out: one file per way, each turning a [`model::act::Message`] into its own form.

mod guard;
mod inbox;
mod mail;
mod webhook;

use act::outbox::Failure;
use model::act::{Destination, OutboxRow};

pub use guard::Guard;
pub use inbox::{Inbox, SendMoment, SendWatch};
pub use mail::{Mail, SmtpServer};
pub use webhook::Webhook;

/// Is why an attempt did not succeed: the class that decides what follows, and the words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct SendError {
    pub(crate) failure: Failure,
    pub(crate) why: String,
}

impl SendError {
    pub(crate) fn new(failure: Failure, why: impl Into<String>) -> Self {
        Self {
            failure,
            why: why.into(),
        }
    }
}

/// Is every way out this server has.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one per server, and it is nearly always the large one"
)]
pub enum Senders {
    /// Over the network, to people and programs.
    Network {
        /// None while no mail server is configured.
        mail: Option<Mail>,
        webhook: Webhook,
    },
    /// Into memory: nothing leaves the process. For worlds that are turned by hand.
    Inbox(Inbox),
}

impl Senders {
    /// Makes one attempt; it ends within the senders' time-outs.
    ///
    /// # Errors
    /// Why it was not accepted, which decides what follows.
    pub(crate) async fn send(&self, row: &OutboxRow) -> Result<(), SendError> {
        let (mail, webhook) = match self {
            Senders::Network { mail, webhook } => (mail, webhook.clone()),
            Senders::Inbox(inbox) => return inbox.take(row).await,
        };
        let row = row.clone();
        match row.destination.clone() {
            Destination::Mail(to) => match mail {
                Some(mail) => mail.clone().send_in_time(to, row).await,
                None => Err(SendError::new(
                    Failure::Forbidden,
                    "no mail server is configured; set `smtp: {url, from}` in server.yaml",
                )),
            },
            Destination::Webhook(url) => blocking(move || webhook.send(&url, &row)).await,
            Destination::Cdevents(url) => blocking(move || webhook.send_event(&url, &row)).await,
        }
    }

    /// Tells whether every attempt ends at once, so that it can always be waited for.
    pub(crate) fn are_immediate(&self) -> bool {
        match self {
            Senders::Network { .. } => false,
            Senders::Inbox(_) => true,
        }
    }
}

async fn blocking(
    send: impl FnOnce() -> Result<(), SendError> + Send + 'static,
) -> Result<(), SendError> {
    let sent = tokio::task::spawn_blocking(send).await;
    sent.unwrap_or_else(|e| {
        let why = format!("the sender broke: {e}");
        Err(SendError::new(Failure::Unreachable, why))
    })
}
