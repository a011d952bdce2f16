//! A store with hosts, releases and rollouts in it, and what the loops need beside it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Addresses, Context, Mandates};
use metrics::{Limits, Metrics};
use model::act::OutboxRow;
use model::deliver::{
    EnvironmentPlan, Host, Release, ReleaseNumber, Ring, RingHost, Rollout, RolloutState,
};
use model::judge::{Control, Evidence, Reason, Verdict, VerdictState};
use model::{ChangeId, Digest, Entry, EntryId, Fact, HostId, Kind, Labels, Subject, Timestamp};
use runtime::{Clock, Ids, Loop, Random, Turn, Wakes};
use store::{Durability, Error, Store, Tx};
use tempfile::TempDir;

/// When every world begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_323_045_000);

/// Returns a moment that many seconds after the beginning.
pub(crate) fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

pub(crate) struct World {
    pub(crate) context: Context,
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let random = Random::seeded(1);
        let context = Context {
            store: Store::open_sqlite(&folder.path().join("db"), Durability::Process).unwrap(),
            metrics: Metrics::memory(Limits::default()),
            clock: Clock::manual(START),
            ids: Ids::new(random.clone()),
            random,
            wakes: Wakes::default(),
            addresses: Addresses {
                public_url: "http://127.0.0.1:7700".into(),
                command: "sleepwell".into(),
            },
            owner: "this server".into(),
            mandates: Mandates::default(),
        };
        Self { context, folder }
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.context.store.write(work).await.unwrap()
    }

    /// Changes what is stored behind the program's back.
    pub(crate) fn damage(&self, sql: &str) {
        let file = rusqlite::Connection::open(self.folder.path().join("db")).unwrap();
        file.busy_timeout(Duration::from_secs(5)).unwrap();
        file.execute_batch(sql).unwrap();
    }

    /// Stores a host with the label `role=shop` that was heard of at the beginning.
    pub(crate) async fn host(&self, n: u128) -> HostId {
        self.host_seen_at(n, START).await
    }

    pub(crate) async fn host_seen_at(&self, n: u128, last_seen: Timestamp) -> HostId {
        let id = HostId::new(START, n);
        let host = Host {
            id,
            name: format!("web-{n}").parse().unwrap(),
            labels: Labels::new([("role", "shop")]).unwrap(),
            machine_id: format!("machine {n}"),
            boot_id: "boot".into(),
            agent_version: "1".into(),
            expected_since: START,
            retired_at: None,
            last_seen,
            silent_noted: false,
            speakers: Default::default(),
            clock_off: None,
            program: Default::default(),
            let_in_by: None,
        };
        self.write(move |tx| store::host::insert(tx, &host)).await;
        id
    }

    /// Stores the first release of a service and a rollout of it to the given hosts.
    pub(crate) async fn rollout(
        &self,
        (change, service): (u64, &str),
        hosts: &[u128],
        state: RolloutState,
    ) {
        let release = release(service);
        let mut rollout = rollout(change, &release, hosts);
        for host in rollout.rings.iter_mut().flat_map(|ring| &mut ring.hosts) {
            host.touched = state != RolloutState::Planned;
        }
        rollout.state = state;
        self.write(move |tx| {
            store::release::insert(tx, &release)?;
            store::rollout::insert(tx, &rollout)
        })
        .await;
    }

    pub(crate) async fn stored(&self, change: u64) -> Rollout {
        let stored = self.write(move |tx| store::rollout::get(tx, ChangeId(change)));
        stored.await.unwrap().rollout
    }

    /// Appends an entry about a change and seals it.
    pub(crate) async fn tell(&self, change: u64, body: serde_json::Value) {
        let entry = Entry {
            id: self.context.ids.entry(START),
            at: START,
            subject: Subject::Change(ChangeId(change)),
            kind: Kind::Outcome,
            actor: "test".into(),
            causes: vec![],
            body,
        };
        self.write(move |tx| {
            store::journal::append(tx, &entry)?;
            store::journal::seal(tx, 1)
        })
        .await;
    }

    /// Returns every fact of the journal, oldest first.
    pub(crate) async fn facts(&self) -> Vec<Fact> {
        let entries = self.write(|tx| {
            store::journal::seal(tx, 1_000)?;
            store::journal::since(tx, 0, 1_000)
        });
        let entries = entries.await.into_iter();
        entries
            .map(|(_, entry)| Fact::from_body(&entry.body).unwrap())
            .collect()
    }

    /// Returns the rows of the outbox, by the change they are about.
    pub(crate) async fn outbox(&self) -> Vec<OutboxRow> {
        let claim = |tx: &mut Tx<'_>| {
            let fence = store::lease::Fence(1);
            let room = store::outbox::Room {
                in_all: 1_000,
                via_each: 1_000,
                under_way: std::collections::BTreeMap::new(),
            };
            store::outbox::claim(tx, at(1_000), Duration::ZERO, fence, &room)
        };
        let rows = self.write(claim).await.into_iter();
        let mut rows: Vec<OutboxRow> = rows.map(|(_, row)| row.unwrap()).collect();
        rows.sort_by_key(|row| row.message.change);
        rows
    }
}

/// Turns a loop that has nothing to complain of.
pub(crate) async fn turns(one: &mut impl Loop, seconds: u64) -> Turn {
    one.turn(at(seconds)).await.unwrap()
}

/// Turns a loop that is to fail and returns what it says.
pub(crate) async fn fails(one: &mut impl Loop, seconds: u64) -> String {
    format!("{:#}", one.turn(at(seconds)).await.unwrap_err())
}

fn release(service: &str) -> Release {
    release_with(service, 1, "")
}

/// Makes a release with more in its definition.
pub(crate) fn release_with(service: &str, number: u64, more: &str) -> Release {
    let definition = deliver::definition::parse(&format!(
        "service: {service}\n\
         owner: {{ team: web, mail: owner@example.test }}\n\
         artifact: {{ path: app }}\n\
         run: {{ exec: [./app] }}\n\
         environments:\n  production:\n    hosts: {{ role: shop }}\n    strategy: rings\n    \
         rings: [{{ name: everyone, hosts: rest }}]\n{more}"
    ));
    let definition = definition.unwrap();
    Release {
        service: service.parse().unwrap(),
        number: ReleaseNumber(number),
        version: format!("{number}.0").parse().unwrap(),
        digest: Digest::of(b"app"),
        size_bytes: 3,
        config_digest: deliver::definition::config_digest(&definition),
        definition,
        created_at: START,
        created_by: "test".into(),
    }
}

/// Makes a planned rollout of a release to the given hosts.
pub(crate) fn rollout(change: u64, release: &Release, hosts: &[u128]) -> Rollout {
    let environments = &release.definition.environments;
    let (environment, plan): (_, &EnvironmentPlan) = environments.iter().next().unwrap();
    let member = |n: &u128| RingHost {
        id: HostId::new(START, *n),
        name: format!("web-{n}").parse().unwrap(),
        touched: false,
        excluded: None,
        left_by_another: false,
    };
    Rollout {
        change: ChangeId(change),
        service: release.service.clone(),
        environment: environment.clone(),
        release: release.to_ref(),
        previous: None,
        plan: plan.clone(),
        rings: vec![Ring {
            name: "everyone".parse().unwrap(),
            hosts: hosts.iter().map(member).collect(),
            proved_at: None,
            passed_at: None,
            passed_how: None,
        }],
        state: RolloutState::Planned,
        started_at: START,
        started_by: "test".into(),
        order: None,
        auto_undo: true,
        judged: false,
        failed: None,
        no_way_back: None,
        overruled: None,
        freeze_override: None,
        last_entry: None,
        queued: None,
        together: None,
        watch: None,
        swap: None,
    }
}

/// Makes a verdict that calls for an undo, with the entry that told it.
pub(crate) fn failed(change: u64) -> (Verdict, EntryId) {
    let n = u128::from(change);
    let verdict = Verdict {
        id: model::VerdictId::new(START, n),
        change: ChangeId(change),
        ring: 0,
        state: VerdictState::Fail,
        reason: Reason::Harm,
        at: START,
        evidence: Evidence {
            started: START,
            looks: 1,
            alpha: 0.01,
            rule: "global".into(),
            log_e: 5.0,
            beside: None,
            needed: 4.6,
            metrics: vec![],
            control: Control::Hosts { hosts: 7 },
            excluded: vec![],
            unattributed: 0,
            definition: Digest::of(b""),
            judge_version: "1".into(),
            inputs_digest: Digest::of(b""),
        },
    };
    (verdict, EntryId::new(START, n))
}

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                line += &format!(" {field}={value:?}");
            },
        );
        self.0.lock().unwrap().push(line);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
