use std::collections::BTreeMap;
use std::time::Duration;

use model::api::agent::{Event, EventKind};
use model::deliver::desired::DesiredRelease;
use model::deliver::{ArtifactFormat, Desired, DesiredState, Host, Priority, ReleaseNumber, Run};
use model::{Digest, HostId, Labels};
use store::{Error, Store, fleet, host};

use super::at;

pub(crate) fn example(n: u128, name: &str) -> Host {
    Host {
        id: HostId::new(at(0), n),
        name: name.parse().unwrap(),
        labels: Labels::default(),
        machine_id: format!("machine {n}"),
        boot_id: "boot".into(),
        agent_version: "1".into(),
        expected_since: at(0),
        retired_at: None,
        let_in_by: None,
        last_seen: at(0),
        silent_noted: false,
    }
}

fn desired(service: &str) -> Desired {
    Desired {
        service: service.parse().unwrap(),
        environment: "production".parse().unwrap(),
        ring: "staff".parse().unwrap(),
        generation: 0,
        priority: Priority::Rollout,
        state: DesiredState::Running,
        release: DesiredRelease {
            number: ReleaseNumber(1),
            version: "1.0".parse().unwrap(),
            digest: Digest::of(b""),
            size_bytes: 0,
            format: ArtifactFormat::File,
            file_name: "shop".into(),
            config_digest: Digest::of(b""),
        },
        run: Run {
            exec: vec!["./shop".into()],
            env: BTreeMap::new(),
            ports: vec![],
            stop_timeout: Duration::from_secs(10),
            hooks: Default::default(),
        },
        health: None,
        metrics: None,
        keep: 3,
    }
}

pub(crate) async fn a_generation_counts_up_per_host_and_service(store: Store) {
    let (a, b) = (example(1, "web-1"), example(2, "web-2"));
    let ids = [a.id, b.id];
    store
        .write(move |tx| host::insert(tx, &a).and_then(|()| host::insert(tx, &b)))
        .await
        .unwrap();
    let ask = |id, service| store.write(move |tx| fleet::ask(tx, id, desired(service)));
    assert_eq!(ask(ids[0], "shop").await.unwrap(), 1);
    assert_eq!(ask(ids[0], "shop").await.unwrap(), 2);
    assert_eq!(ask(ids[0], "ledger").await.unwrap(), 1);
    assert_eq!(ask(ids[1], "shop").await.unwrap(), 1);
    let revision = |id| store.read(move |tx| host::revision(tx, id));
    assert_eq!(
        (
            revision(ids[0]).await.unwrap(),
            revision(ids[1]).await.unwrap()
        ),
        (3, 1)
    );
    let wish = store
        .read(move |tx| fleet::desired_of(tx, ids[0]))
        .await
        .unwrap();
    let wish: Vec<_> = wish
        .iter()
        .map(|d| (d.service.as_str(), d.generation))
        .collect();
    assert_eq!(wish, [("ledger", 1), ("shop", 2)]);
}

pub(crate) async fn a_host_name_is_taken_once(store: Store) {
    store
        .write(|tx| host::insert(tx, &example(1, "web-1")))
        .await
        .unwrap();
    let again = store
        .write(|tx| host::insert(tx, &example(2, "web-1")))
        .await;
    assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
    assert_eq!(store.read(host::list).await.unwrap().len(), 1);
    assert_eq!(
        store
            .read(|tx| host::seen_before(tx, at(1)))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        store
            .read(|tx| host::seen_before(tx, at(0)))
            .await
            .unwrap()
            .len(),
        0
    );
}

pub(crate) async fn repeated_events_are_stored_once(store: Store) {
    let host = HostId::new(at(0), 1);
    let event = |seq| Event {
        seq,
        at: at(1),
        service: None,
        generation: 0,
        kind: EventKind::Log { text: "x".into() },
    };
    let send = |boot: &'static str, seqs: Vec<u64>| {
        let events: Vec<_> = seqs.into_iter().map(event).collect();
        store.write(move |tx| store::event::store(tx, host, boot, &events))
    };
    assert_eq!(send("a", vec![1, 2]).await.unwrap().len(), 2);
    assert_eq!(send("a", vec![2, 3]).await.unwrap().len(), 1);
    assert_eq!(
        send("b", vec![1]).await.unwrap().len(),
        1,
        "another boot counts anew"
    );
    let highest = store
        .read(move |tx| store::event::highest(tx, host, "a"))
        .await
        .unwrap();
    assert_eq!(highest, 3);
}
