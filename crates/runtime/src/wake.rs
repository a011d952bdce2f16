//! Nudges: "something changed, look again". They carry no data, so the rare path is the common one.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

/// Passes the name of a bell on to other servers; a hint, which may be lost.
type Pass = Box<dyn Fn(&'static str) + Send + Sync>;

/// Wakes whoever listens; a nudge while the listener is busy is kept, several count as one.
#[derive(Clone, Debug)]
pub struct Wake {
    name: &'static str,
    bell: watch::Sender<u64>,
    others: Arc<Others>,
}

#[derive(Default)]
struct Others(OnceLock<Pass>);

/// Hears the nudges that came since it last listened.
#[derive(Clone, Debug)]
pub struct Listener(watch::Receiver<u64>);

/// Is one bell per kind of row: whoever writes one rings it, whoever acts on it listens.
#[derive(Clone, Debug)]
pub struct Wakes {
    /// Entries were appended to the journal.
    pub journal: Wake,
    /// Entries got their numbers, and can be read in order.
    pub sealed: Wake,
    /// A rollout was started or ordered about, or a host reported something new.
    pub rollouts: Wake,
    /// A host is asked for something new.
    pub desired: Wake,
    /// A verdict was given, or a rollout moved on.
    pub verdicts: Wake,
    /// An alert fired or ended.
    pub alerts: Wake,
    /// A message was queued.
    pub outbox: Wake,
}

impl Default for Wake {
    /// Makes a bell by itself, which nobody else hears.
    fn default() -> Self {
        Self::new("", Arc::default())
    }
}

impl Default for Wakes {
    fn default() -> Self {
        let others = Arc::default();
        let wake = |name| Wake::new(name, Arc::clone(&others));
        Self {
            journal: wake("journal"),
            sealed: wake("sealed"),
            rollouts: wake("rollouts"),
            desired: wake("desired"),
            verdicts: wake("verdicts"),
            alerts: wake("alerts"),
            outbox: wake("outbox"),
        }
    }
}

impl Wakes {
    /// Has every nudge from now on passed on to the servers that share the store, by the bell's name.
    /// The first one who asks for it stays.
    pub fn tell_others(&self, pass: impl Fn(&'static str) + Send + Sync + 'static) {
        let _ = self.journal.others.0.set(Box::new(pass));
    }

    /// Rings the bell another server named, here alone; a name of a newer program is nobody's.
    pub fn ring(&self, name: &str) {
        let all = [
            &self.journal,
            &self.sealed,
            &self.rollouts,
            &self.desired,
            &self.verdicts,
            &self.alerts,
            &self.outbox,
        ];
        if let Some(wake) = all.into_iter().find(|wake| wake.name == name) {
            wake.ring();
        }
    }
}

impl Wake {
    fn new(name: &'static str, others: Arc<Others>) -> Self {
        Self {
            name,
            bell: watch::channel(0).0,
            others,
        }
    }

    pub fn nudge(&self) {
        self.ring();
        if let Some(pass) = self.others.0.get() {
            pass(self.name);
        }
    }

    fn ring(&self) {
        self.bell
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    pub fn listener(&self) -> Listener {
        Listener(self.bell.subscribe())
    }
}

impl Listener {
    /// Waits for a nudge; returns at once when one came since the last call.
    pub async fn nudged(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could nudge.
            std::future::pending::<()>().await;
        }
    }
}

impl std::fmt::Debug for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.get().is_some() {
            "Others"
        } else {
            "Nobody"
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_nudge_is_passed_on_and_what_is_passed_on_is_not_passed_back() {
        let (here, there) = (Wakes::default(), Wakes::default());
        let passed = Arc::new(Mutex::new(Vec::new()));
        let (ring, seen) = (there.clone(), Arc::clone(&passed));
        here.tell_others(move |name| {
            seen.lock().unwrap().push(name);
            ring.ring(name);
        });
        there.tell_others(|name| panic!("`{name}` came back"));
        let mut listener = there.outbox.listener();
        here.outbox.nudge();
        listener.nudged().await;
        assert_eq!(*passed.lock().unwrap(), ["outbox"]);
        there.ring("a bell of a newer program");
    }
}
