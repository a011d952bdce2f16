//! Mail by SMTP: plain text and HTML, one Message-ID per message whatever the attempt.

use std::sync::Arc;
use std::time::Duration;

use act::outbox::Failure;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::SmtpTransport;
use lettre::{Message, Transport};
use maud::{DOCTYPE, html};
use model::act::{OutboxRow, Urgency};
use model::{Secret, limit};

use super::{Guard, SendError};
use tokio::sync::Semaphore;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Is where mail is handed over: `smtp://host:port` (in the clear, for a server on this machine),
/// `smtp://user:password@host:587?tls=required` or `smtps://…`.
#[derive(Clone, Debug)]
pub struct SmtpServer {
    pub url: Secret,
    /// `Sleepwell <sleepwell@example.com>`.
    pub from: String,
}

/// Sends mail through one server.
#[derive(Clone, Debug)]
pub struct Mail {
    transport: SmtpTransport,
    from: Mailbox,
    server: String,
    guard: Guard,
    /// One permit for each session with the server. An attempt that was given up keeps its own until the
    /// server lets it go, so that one that hangs gets no more of them.
    sessions: Arc<Semaphore>,
}

impl Mail {
    /// Reads the configuration; nothing is connected yet.
    ///
    /// # Errors
    /// A URL or sender that cannot be used, in a sentence.
    pub fn new(server: &SmtpServer, guard: Guard) -> Result<Self, String> {
        let transport = SmtpTransport::from_url(server.url.reveal())
            .map_err(|e| format!("`smtp.url` cannot be used: {e}"))?
            .timeout(Some(TIMEOUT))
            .build();
        let from = server
            .from
            .parse()
            .map_err(|e| format!("`smtp.from` is not an address: {e}"))?;
        let address = host_and_port(server.url.reveal());
        Ok(Self {
            transport,
            from,
            server: address,
            guard,
            sessions: Arc::new(Semaphore::new(limit::SENDS_VIA_ONE)),
        })
    }

    /// Makes one attempt that ends within [`limit::MAIL_TIME`], however slowly the server answers: the time-out
    /// of a session only counts the wait for its next byte.
    pub(crate) async fn send_in_time(self, to: String, row: OutboxRow) -> Result<(), SendError> {
        let attempt = async {
            let session = Arc::clone(&self.sessions).acquire_owned().await;
            super::blocking(move || {
                let _session = session;
                self.send(&to, &row)
            })
            .await
        };
        let sent = tokio::time::timeout(limit::MAIL_TIME, attempt).await;
        sent.unwrap_or_else(|_| {
            let why = format!("not done within {} s", limit::MAIL_TIME.as_secs());
            Err(SendError::new(Failure::Unreachable, why))
        })
    }

    /// Makes one attempt; only the server's 250 after the data is success.
    fn send(&self, to: &str, row: &OutboxRow) -> Result<(), SendError> {
        self.check_server()?;
        let message = self.compose(to, row)?;
        self.transport.send(&message).map(drop).map_err(|error| {
            let failure = match error.status() {
                Some(code) => Failure::Smtp { code: code.into() },
                None => Failure::Unreachable,
            };
            SendError::new(failure, error.to_string())
        })
    }

    /// An administrator names the mail server, so one inside is what they meant; the guard still wants
    /// a loopback one to be let through, like every other loopback address.
    fn check_server(&self) -> Result<(), SendError> {
        use std::net::ToSocketAddrs;
        let addresses: Vec<_> = self
            .server
            .to_socket_addrs()
            .map_err(|e| SendError::new(Failure::Unreachable, format!("{}: {e}", self.server)))?
            .filter(|address| address.ip().is_loopback())
            .collect();
        if addresses.is_empty() {
            return Ok(());
        }
        let checked = self.guard.check(&self.server, &addresses);
        checked.map_err(|why| SendError::new(Failure::Forbidden, why))
    }

    fn compose(&self, to: &str, row: &OutboxRow) -> Result<Message, SendError> {
        let bad = |why: String| SendError::new(Failure::Forbidden, why);
        let to: Mailbox = to
            .parse()
            .map_err(|e| bad(format!("`{to}` is not a mail address: {e}")))?;
        let host = self.from.email.domain();
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(row.message.title.clone())
            .message_id(Some(format!("<{}@{host}>", row.id)))
            .header(Raw::<AutoSubmitted>::new("auto-generated"))
            .header(Raw::<PageHeader>::new(&row.id.to_string()));
        if row.message.urgency == Urgency::High {
            builder = builder
                .header(Raw::<Priority>::new("1"))
                .header(Raw::<Importance>::new("high"));
        }
        let parts = MultiPart::alternative_plain_html(text(row), page(row));
        builder.multipart(parts).map_err(|e| bad(e.to_string()))
    }
}

fn host_and_port(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    {
        return host.to_owned();
    }
    format!("{host}:{}", if url.starts_with("smtps") { 465 } else { 25 })
}

fn text(row: &OutboxRow) -> String {
    let repeat = (row.attempt > 1).then(|| "(This may be a repeat.)".to_owned());
    let paragraphs: Vec<String> = row.message.text.iter().cloned().chain(repeat).collect();
    paragraphs.join("\n\n") + "\n"
}

fn page(row: &OutboxRow) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            body style="font:14px/1.5 system-ui,sans-serif;max-width:640px" {
                h1 style="font-size:18px" { (row.message.title) }
                @for paragraph in &row.message.text {
                    p style="white-space:pre-line" { (paragraph) }
                }
                @if row.attempt > 1 { p { "(This may be a repeat.)" } }
            }
        }
    }
    .into_string()
}

/// Is a header lettre has no type for.
#[derive(Clone, Debug)]
struct Raw<N>(String, std::marker::PhantomData<N>);

trait Name: Clone {
    const NAME: &'static str;
}

impl<N> Raw<N> {
    fn new(value: &str) -> Self {
        Self(value.to_owned(), std::marker::PhantomData)
    }
}

impl<N: Name> Header for Raw<N> {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str(N::NAME)
    }

    fn parse(value: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self::new(value))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

macro_rules! header_names {
    ($($name:ident = $text:literal;)*) => {$(
        #[derive(Clone, Debug)]
        struct $name;
        impl Name for $name {
            const NAME: &'static str = $text;
        }
    )*};
}

header_names! {
    AutoSubmitted = "Auto-Submitted";
    PageHeader = "X-Sleepwell-Page";
    Priority = "X-Priority";
    Importance = "Importance";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_a_url_is_found_with_and_without_a_port() {
        for (url, server) in [
            ("smtp://127.0.0.1:2525", "127.0.0.1:2525"),
            (
                "smtp://user:p%40ss@mail.example.test:587?tls=required",
                "mail.example.test:587",
            ),
            ("smtps://mail.example.test", "mail.example.test:465"),
            ("smtp://mail.example.test/x", "mail.example.test:25"),
        ] {
            assert_eq!(host_and_port(url), server);
        }
    }

    #[test]
    fn a_bad_sender_is_refused_before_anything_is_sent() {
        let server = SmtpServer {
            url: Secret::new("smtp://127.0.0.1:1"),
            from: "nobody".into(),
        };
        let error = Mail::new(&server, Guard::default()).unwrap_err();
        assert!(error.contains("`smtp.from` is not an address"), "{error}");
    }
}
