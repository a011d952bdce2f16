//! Hints between servers: `NOTIFY` for those that share the database, `LISTEN` for what they say.
//!
//! Nothing depends on a hint; whoever acts on one would look again by itself a little later.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak, mpsc};
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;

use super::Source;
use super::session::Session;
use crate::{Error, Value};

const CHANNEL: &str = "sleepwell";
/// Between two looks whether anybody still wants to hear, and before a lost connection is made anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the others; ends its threads when it is dropped.
pub struct Hints {
    said: mpsc::Sender<String>,
    _wanted: Arc<()>,
}

impl Hints {
    /// Starts to listen; `hear` gets what other owners said.
    pub(super) fn start(
        source: &Source,
        owner: &str,
        hear: impl Fn(&str) + Send + 'static,
    ) -> Result<Self, Error> {
        let (said, saying) = mpsc::channel();
        let wanted = Arc::new(());
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.into()).spawn(work);
            thread.map_err(|e| Error::Unavailable(e.to_string()))
        };
        let (of_speaker, speaker) = (source.clone(), owner.to_owned());
        spawn(
            "store-notify",
            Box::new(move || speak(&of_speaker, &speaker, &saying)),
        )?;
        let (of_listener, listener, wanted_by) =
            (source.clone(), owner.to_owned(), Arc::downgrade(&wanted));
        spawn(
            "store-listen",
            Box::new(move || listen(&of_listener, &listener, &wanted_by, &hear)),
        )?;
        Ok(Self {
            said,
            _wanted: wanted,
        })
    }

    /// Tells every other server; lost when the database is away.
    pub fn tell(&self, what: &str) {
        let _ = self.said.send(what.to_owned());
    }
}

impl std::fmt::Debug for Hints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hints")
    }
}

/// Says what is to be said, once each where much came together.
fn speak(source: &Source, owner: &str, saying: &mpsc::Receiver<String>) {
    let mut session = None;
    while let Ok(first) = saying.recv() {
        let all: BTreeSet<String> = std::iter::once(first).chain(saying.try_iter()).collect();
        for what in all {
            let said = match &mut session {
                Some(session) => notify(session, owner, &what),
                None => source
                    .connect()
                    .and_then(|new| notify(session.insert(new), owner, &what)),
            };
            if said.is_err() {
                session = None;
            }
        }
    }
}

fn notify(session: &mut Session, owner: &str, what: &str) -> Result<(), Error> {
    let payload = Value::Text(format!("{owner} {what}"));
    let channel = Value::Text(CHANNEL.to_owned());
    session.query(
        "hint",
        "SELECT pg_notify($1, $2)::text",
        &[channel, payload],
    )?;
    Ok(())
}

fn listen(source: &Source, owner: &str, wanted: &Weak<()>, hear: &dyn Fn(&str)) {
    // Only waited on: nobody holds the other end for long.
    let (_open, pause) = mpsc::channel::<()>();
    while wanted.strong_count() > 0 {
        if let Err(error) = listen_once(source, owner, wanted, hear) {
            tracing::debug!(error = %error, "hints of other servers are not heard");
            let _ = pause.recv_timeout(PAUSE);
        }
    }
}

/// Listens until the connection breaks or nobody wants to hear any more.
fn listen_once(
    source: &Source,
    owner: &str,
    wanted: &Weak<()>,
    hear: &dyn Fn(&str),
) -> Result<(), Error> {
    let mut session = source.connect()?;
    session.batch(&format!("LISTEN {CHANNEL}"))?;
    while wanted.strong_count() > 0 {
        hear_what_is_said(&mut session, owner, hear)?;
        session.batch("")?; // a connection that is gone is noticed
    }
    Ok(())
}

/// Hears until nothing is said for a while.
fn hear_what_is_said(session: &mut Session, owner: &str, hear: &dyn Fn(&str)) -> Result<(), Error> {
    let mut notifications = session.client().notifications();
    let mut heard = notifications.timeout_iter(PAUSE);
    while let Some(notification) = heard.next()? {
        match notification.payload().split_once(' ') {
            Some((by, what)) if by != owner => hear(what),
            _ => {}
        }
    }
    Ok(())
}
