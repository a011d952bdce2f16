use std::collections::BTreeSet;

use model::deliver::{Compatibility, Process, Proof, Release, ReleaseNumber, Reported, Schema};
use model::{EntryId, HostId, Timestamp};
use store::{Error, Store, Tx, fleet, host, schema, surroundings};

use super::at;
use super::fleet::{desired, example, reported};
use super::token::release;

fn known(service: &str, environment: &str, version: u64) -> Schema {
    Schema {
        service: service.parse().unwrap(),
        environment: environment.parse().unwrap(),
        version,
        becoming: None,
        point_of_no_return: None,
        by: "mira".into(),
        at: at(0),
        entry: EntryId::new(at(0), 1),
    }
}

pub(crate) async fn a_schema_is_kept_for_a_service_in_an_environment(store: Store) {
    let said = [
        known("shop", "staging", 12),
        known("shop", "production", 12),
        known("ledger", "production", 3),
        known("shop", "production", 13),
    ];
    for one in said.clone() {
        store.write(move |tx| schema::put(tx, &one)).await.unwrap();
    }
    let list = store.read(schema::list).await.unwrap();
    let [staging, _, ledger, production] = said;
    assert_eq!(list, [ledger, production.clone(), staging]);
    let get = |environment: &str| {
        let (service, environment) = ("shop".parse().unwrap(), environment.parse().unwrap());
        store.read(move |tx| schema::get(tx, &service, &environment))
    };
    assert_eq!(get("production").await.unwrap(), Some(production));
    assert_eq!(get("test").await.unwrap(), None);
}

fn says(number: u64, json: serde_json::Value) -> Release {
    let mut made = release(number, &format!("1.{number}"));
    made.definition.compatibility = serde_json::from_value::<Compatibility>(json).unwrap();
    made.digest = model::Digest::of(made.version.as_str().as_bytes());
    made
}

/// Makes a host that is asked for one release and runs another, or the same.
fn add(
    tx: &mut Tx<'_>,
    n: u128,
    (asked, runs): (&Release, &Release),
    retired: Option<Timestamp>,
) -> Result<HostId, Error> {
    let mut one = example(n, &format!("web-{n}"));
    one.retired_at = retired;
    host::insert(tx, &one)?;
    let mut wish = desired("shop");
    wish.release.number = asked.number;
    let generation = fleet::ask(tx, one.id, wish)?;
    let process = Process {
        pid: 7,
        starttime: 1,
        exe_sha256: None,
        exe_deleted: false,
        release_from_exe: None,
        release_from_cwd: Some(format!(
            "{}-{}",
            runs.digest.short(),
            runs.config_digest.short()
        )),
        release_from_env: None,
    };
    let is_there = asked.number == runs.number;
    let said = Reported {
        generation_applied: if is_there { generation } else { 0 },
        proof: Proof::Converged,
        processes: vec![process],
        ..reported(generation)
    };
    fleet::report(tx, one.id, &said)?;
    Ok(one.id)
}

pub(crate) async fn what_runs_is_what_hosts_are_asked_for_and_what_they_proved(store: Store) {
    let needs = |number: u64| {
        let schema = serde_json::json!({ "needs": ">=12 <14", "soak_ms": 1 });
        says(number, serde_json::json!({ "schema": schema }))
    };
    let fill = move |tx: &mut Tx<'_>| -> Result<(), Error> {
        let releases = [needs(1), needs(2), needs(3)];
        for one in &releases {
            store::release::insert(tx, one)?;
        }
        let [first, second, third] = &releases;
        add(tx, 1, (second, second), None)?;
        add(tx, 2, (second, first), None)?;
        add(tx, 3, (third, third), Some(at(1)))?;
        // It keeps what it runs and is asked for nothing.
        let kept = add(tx, 4, (second, first), None)?;
        let mut wish = desired("shop");
        wish.release.number = second.number;
        fleet::hold(tx, kept, wish, 1)
    };
    store.write(fill).await.unwrap();
    let read = |environment: &str| {
        let (service, environment) = ("shop".parse().unwrap(), environment.parse().unwrap());
        store.read(move |tx| surroundings::read(tx, &service, &environment, &BTreeSet::new()))
    };
    let found = read("production").await.unwrap();
    let runs: Vec<(u64, Vec<&str>)> = found
        .runs
        .iter()
        .map(|one| {
            let hosts = one.hosts.iter().map(|(_, name)| name.as_str());
            (one.release.number.0, hosts.collect())
        })
        .collect();
    assert_eq!(
        runs,
        [(1, vec!["web-2", "web-4"]), (2, vec!["web-1", "web-2"])]
    );
    assert!(
        found
            .runs
            .iter()
            .all(|one| one.compatibility.schema.is_some())
    );
    assert_eq!(read("staging").await.unwrap().runs, []);
}

pub(crate) async fn a_service_nobody_says_anything_of_is_compared_with_nothing(store: Store) {
    let facts = || store.read(|tx| surroundings::gate_facts(tx, &rollout_of(1), None));
    let plain = release(1, "1.1");
    let insert = move |tx: &mut Tx<'_>| store::release::insert(tx, &plain);
    store.write(insert).await.unwrap();
    assert_eq!(facts().await.unwrap(), None);
    // Another service says that it calls this one.
    let calls = serde_json::json!({ "api": { "calls": { "shop": ["v1"] } } });
    let mut caller = says(1, calls);
    caller.service = "till".parse().unwrap();
    let insert = move |tx: &mut Tx<'_>| store::release::insert(tx, &caller);
    store.write(insert).await.unwrap();
    let found = facts().await.unwrap().unwrap();
    let neighbours: Vec<_> = found
        .surroundings
        .neighbours
        .keys()
        .map(|n| n.as_str())
        .collect();
    assert_eq!(neighbours, ["till"]);
    assert_eq!(found.new.release.number, ReleaseNumber(1));
    assert_eq!(found.previous, None);
}

fn rollout_of(number: u64) -> model::deliver::Rollout {
    let mut made = super::rollout::example(number);
    made.release = release(number, &format!("1.{number}")).to_ref();
    made
}
