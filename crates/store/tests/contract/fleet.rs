use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use model::api::agent::{Event, EventKind};
use model::deliver::desired::DesiredRelease;
use model::deliver::{
    Ahead, ArtifactFormat, Desired, DesiredState, Host, Priority, ProgramOrder, ProgramOutcome,
    ProgramWish, Proof, ReleaseNumber, Reported, Run,
};
use model::{Digest, EntryId, EnvironmentName, HostId, HostName, Labels, ServiceName};
use store::{Error, Store, Tx, fleet, host};

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
        speakers: Default::default(),
        clock_off: None,
        program: Default::default(),
    }
}

pub(crate) fn desired(service: &str) -> Desired {
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
            redeploy: None,
        },
        run: Run {
            exec: vec!["./shop".into()],
            env: BTreeMap::new(),
            ports: vec![],
            stop_timeout: Duration::from_secs(10),
            hooks: Default::default(),
            drain: None,
        },
        health: None,
        metrics: None,
        keep: 3,
        slot: None,
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

pub(crate) fn reported(generation_seen: u64) -> Reported {
    Reported {
        service: "shop".parse().unwrap(),
        generation_seen,
        generation_applied: generation_seen,
        symlink_release: None,
        processes: vec![],
        port: None,
        healthy: None,
        proof: Proof::Pending,
        why: String::new(),
        since: at(0),
        started_at: None,
        unexpected_exits: 0,
        failed_checks: 0,
        observed: None,
        redeploy: None,
        slot: None,
    }
}

pub(crate) async fn an_order_is_counted_on_from_what_the_host_has_seen(store: Store) {
    let a = example(1, "web-1");
    let id = a.id;
    store.write(move |tx| host::insert(tx, &a)).await.unwrap();
    let ask = || store.write(move |tx| fleet::ask(tx, id, desired("shop")));
    let report = |seen| store.write(move |tx| fleet::report(tx, id, &reported(seen)));
    assert_eq!(ask().await.unwrap(), 1);
    report(7).await.unwrap();
    assert_eq!(ask().await.unwrap(), 8);
    report(3).await.unwrap();
    assert_eq!(ask().await.unwrap(), 9);
    report(u64::MAX / 4).await.unwrap();
    assert_eq!(ask().await.unwrap(), 10, "that is not believed");
}

pub(crate) async fn what_a_host_keeps_is_known_and_not_asked_until_it_is_asked_anew(store: Store) {
    let a = example(1, "web-1");
    let id = a.id;
    store.write(move |tx| host::insert(tx, &a)).await.unwrap();
    let ask = || store.write(move |tx| fleet::ask(tx, id, desired("shop")));
    ask().await.unwrap();
    let revision = || store.read(move |tx| host::revision(tx, id));
    let before = revision().await.unwrap();
    store
        .write(move |tx| fleet::hold(tx, id, desired("shop"), 7))
        .await
        .unwrap();
    assert_eq!(revision().await.unwrap(), before + 1);
    let asked = || store.read(move |tx| fleet::desired_of(tx, id));
    assert!(asked().await.unwrap().is_empty());
    let (shop, place) = ("shop".parse().unwrap(), "production".parse().unwrap());
    let (service, environment): (ServiceName, EnvironmentName) = (shop, place);
    let wanted = service.clone();
    let of_place = move |tx: &mut Tx<'_>| fleet::desired_for(tx, &wanted, &environment);
    assert!(store.read(of_place).await.unwrap().is_empty());
    let named = service.clone();
    let known = store.read(move |tx| fleet::asked_for(tx, &named)).await;
    assert!(known.unwrap().contains(&id), "it is owed nothing");
    assert_eq!(
        store.read(fleet::desired_all).await.unwrap()[0]
            .1
            .generation,
        7
    );
    let name = HostName::from_str("web-1").unwrap();
    let held = || {
        let name = name.clone();
        store.read(move |tx| fleet::wanted_of_page(tx, (&name, &name)))
    };
    assert_eq!(held().await.unwrap()[&id][0].desired.service, service);
    assert!(held().await.unwrap()[&id][0].held);
    assert_eq!(ask().await.unwrap(), 8);
    assert_eq!(asked().await.unwrap().len(), 1);
    assert!(!held().await.unwrap()[&id][0].held);
}

pub(crate) async fn signs_that_a_host_is_ahead_are_kept_and_replaced(store: Store) {
    let id = HostId::new(at(0), 1);
    let sign = |service: Option<&str>, seen| Ahead {
        service: service.map(|name| name.parse().unwrap()),
        seen,
        ours: 1,
    };
    let set = |signs: Vec<Ahead>| store.write(move |tx| fleet::set_ahead(tx, id, &signs));
    assert!(!store.read(fleet::is_behind).await.unwrap());
    set(vec![sign(None, 4), sign(Some("shop"), 9)])
        .await
        .unwrap();
    set(vec![sign(None, 5), sign(Some("ledger"), 2)])
        .await
        .unwrap();
    assert!(store.read(fleet::is_behind).await.unwrap());
    let signs = vec![sign(None, 5), sign(Some("ledger"), 2)];
    let of_host = store.read(move |tx| fleet::ahead_of(tx, id)).await.unwrap();
    assert_eq!(of_host, signs);
    let all: Vec<_> = signs.into_iter().map(|one| (id, one)).collect();
    assert_eq!(store.read(fleet::ahead).await.unwrap(), all);
    set(vec![]).await.unwrap();
    assert!(!store.read(fleet::is_behind).await.unwrap());
}

pub(crate) async fn the_epoch_is_lifted_and_never_falls(store: Store) {
    let next = || store.write(|tx| fleet::next_epoch(tx, "server"));
    let lift = |seen| store.write(move |tx| fleet::lift_epoch(tx, seen));
    next().await.unwrap();
    lift(7).await.unwrap();
    assert_eq!(store.read(fleet::epoch).await.unwrap(), 8);
    lift(3).await.unwrap();
    assert_eq!(next().await.unwrap(), 9);
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

pub(crate) async fn the_name_of_a_retired_host_is_free_and_both_are_kept(store: Store) {
    let retired = Host {
        retired_at: Some(at(1)),
        ..example(1, "web-1")
    };
    let young = Host {
        machine_id: retired.machine_id.clone(),
        ..example(2, "web-1")
    };
    let (old, new) = (retired.clone(), young.clone());
    store
        .write(move |tx| {
            host::insert(tx, &example(1, "web-1"))?;
            host::save(tx, &old)?;
            host::insert(tx, &new)
        })
        .await
        .unwrap();
    let name = young.name.clone();
    let by_name = store.read(move |tx| host::by_name(tx, &name)).await;
    assert_eq!(by_name.unwrap(), Some(young.clone()));
    let machine = young.machine_id.clone();
    let by_machine = store.read(move |tx| host::by_machine(tx, &machine)).await;
    assert_eq!(by_machine.unwrap(), Some(young.clone()));
    let expected = store.read(|tx| host::seen_before(tx, at(1))).await.unwrap();
    assert_eq!(expected.len(), 1, "nobody waits for the retired one");
    let all = store.read(host::list).await.unwrap();
    assert_eq!(all, [retired, young]);
    let third = store
        .write(|tx| host::insert(tx, &example(3, "web-1")))
        .await;
    assert!(matches!(third, Err(Error::Exists(_))), "{third:?}");
}

pub(crate) async fn a_host_is_found_by_the_machine_it_is_now(store: Store) {
    let moved = Host {
        machine_id: "another".to_owned(),
        ..example(1, "web-1")
    };
    let saved = moved.clone();
    store
        .write(move |tx| {
            host::insert(tx, &example(1, "web-1"))?;
            host::save(tx, &saved)
        })
        .await
        .unwrap();
    let find = |machine: &'static str| store.read(move |tx| host::by_machine(tx, machine));
    assert_eq!(find("another").await.unwrap(), Some(moved));
    assert_eq!(find("machine 1").await.unwrap(), None);
}

pub(crate) async fn hosts_are_paged_by_name_and_a_retired_one_is_in_no_page(store: Store) {
    let mut gone = example(9, "web-2");
    let hosts: Vec<Host> = (1..=5).map(|n| example(n, &format!("web-{n}"))).collect();
    let stored = hosts.clone();
    store
        .write(move |tx| stored.iter().try_for_each(|one| host::insert(tx, one)))
        .await
        .unwrap();
    gone.id = hosts[1].id;
    gone.retired_at = Some(at(3));
    store.write(move |tx| host::save(tx, &gone)).await.unwrap();

    let page = |after: Option<&str>, limit| {
        let after: Option<HostName> = after.map(|name| name.parse().unwrap());
        store.read(move |tx| host::page(tx, after.as_ref(), limit))
    };
    let names = |hosts: Vec<Host>| -> Vec<String> {
        hosts.iter().map(|host| host.name.to_string()).collect()
    };
    assert_eq!(names(page(None, 2).await.unwrap()), ["web-1", "web-3"]);
    assert_eq!(
        names(page(Some("web-3"), 9).await.unwrap()),
        ["web-4", "web-5"]
    );
    assert!(page(Some("web-5"), 9).await.unwrap().is_empty());
    assert_eq!(store.read(host::count_expected).await.unwrap(), 4);
    assert_eq!(store.read(host::expected).await.unwrap().len(), 4);
    assert_eq!(store.read(host::list).await.unwrap().len(), 5);

    // Who asks for them by their ids gets the retired one as well, and nobody else.
    let ids = [hosts[1].id, hosts[4].id, example(7, "nobody").id];
    let these = store
        .read(move |tx| host::these_each(tx, &ids.into()))
        .await
        .unwrap();
    let these = these.into_iter().map(|(_, host)| host.unwrap());
    assert_eq!(names(these.collect()), ["web-2", "web-5"]);
    let silent = store.read(|tx| host::seen_before(tx, at(9))).await.unwrap();
    assert_eq!(silent.len(), 4);
}

pub(crate) async fn what_the_hosts_of_a_page_run_is_read_for_them_alone(store: Store) {
    let hosts: Vec<Host> = (1..=4).map(|n| example(n, &format!("web-{n}"))).collect();
    let ids: Vec<HostId> = hosts.iter().map(|host| host.id).collect();
    let names: Vec<HostName> = hosts.iter().map(|host| host.name.clone()).collect();
    let all = ids.clone();
    store
        .write(move |tx| {
            for (one, id) in hosts.iter().zip(&all) {
                host::insert(tx, one)?;
                fleet::ask(tx, *id, desired("shop"))?;
                fleet::ask(tx, *id, desired("ledger"))?;
                fleet::report(tx, *id, &reported(1))?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let (first, last) = (names[1].clone(), names[2].clone());
    let (wanted, told) = store
        .read(move |tx| {
            let wanted = fleet::wanted_of_page(tx, (&first, &last))?;
            Ok::<_, Error>((wanted, fleet::reported_of_page(tx, (&first, &last))?))
        })
        .await
        .unwrap();
    let of_page: Vec<HostId> = wanted.keys().copied().collect();
    assert_eq!(of_page, ids[1..3]);
    let services: Vec<&str> = wanted[&ids[1]]
        .iter()
        .map(|one| one.desired.service.as_str())
        .collect();
    assert_eq!(services, ["ledger", "shop"]);
    let told: Vec<HostId> = told.keys().map(|(host, _)| *host).collect();
    assert_eq!(told, ids[1..3]);
}

pub(crate) async fn old_events_are_forgotten_but_not_where_a_boot_stands(store: Store) {
    let host = HostId::new(at(0), 1);
    let event = |(seq, when)| Event {
        seq,
        at: at(when),
        service: None,
        generation: 0,
        kind: EventKind::Log { text: "x".into() },
    };
    for (host, boot, told) in [
        (host, "before", vec![(1, 1), (2, 20)]),
        (host, "now", vec![(1, 2), (2, 3), (3, 4)]),
        (HostId::new(at(0), 2), "now", vec![(1, 1)]),
    ] {
        let events: Vec<Event> = told.into_iter().map(event).collect();
        let write = store.write(move |tx| store::event::store(tx, host, boot, &events));
        write.await.unwrap();
    }
    let forget = |limit| {
        store.write(move |tx| {
            store::event::forget(tx, (host, "now"), at(10), limit)?;
            let told = store::event::newest(tx, host, 9)?;
            Ok::<_, Error>(told.iter().map(|event| event.seq).collect::<Vec<u64>>())
        })
    };
    assert_eq!(forget(1).await.unwrap(), [2, 3, 2, 1], "the oldest first");
    assert_eq!(
        forget(9).await.unwrap(),
        [2, 3],
        "one that is young, and the newest of this boot"
    );
    let other = HostId::new(at(0), 2);
    let read = store.read(move |tx| store::event::newest(tx, other, 9));
    assert_eq!(read.await.unwrap().len(), 1);
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

pub(crate) async fn what_an_agent_is_to_become_is_kept_and_raises_the_hosts_revision(store: Store) {
    let mut wished = example(1, "web-1");
    let (id, other) = (wished.id, example(2, "web-2"));
    let other_id = other.id;
    let first = wished.clone();
    store
        .write(move |tx| host::insert(tx, &first).and_then(|()| host::insert(tx, &other)))
        .await
        .unwrap();
    let wish = ProgramWish {
        number: wished.program.next_number(),
        digest: Digest::of(b"new"),
        size_bytes: 3,
        version: "0.5.0".into(),
    };
    wished.program.order = Some(ProgramOrder {
        wish,
        asked_at: at(1),
        entry: EntryId::new(at(1), 1),
        outcome: ProgramOutcome::Pending,
    });
    let kept = wished.clone();
    store.write(move |tx| host::ask(tx, &kept)).await.unwrap();
    let revision = |id| store.read(move |tx| host::revision(tx, id));
    assert_eq!(
        (
            revision(id).await.unwrap(),
            revision(other_id).await.unwrap()
        ),
        (1, 0)
    );
    let found = store.read(move |tx| host::get(tx, id)).await.unwrap();
    assert_eq!(found, Some(wished));
}
