//! The contract suite on PostgreSQL, and what only this driver can show.

mod contract;

use std::collections::BTreeSet;

use store::journal::Check;
use store::{Durability, Error, Store, Tx};

/// Returns a store on a new database; none where PostgreSQL is not installed.
fn open() -> Option<((), Store)> {
    let url = testdb::database()?;
    let store = Store::open_postgres(&url, Durability::Process);
    Some(((), store.expect("a fresh database")))
}

contract::suite!(open);

/// Returns two servers' stores on one database.
fn open_two() -> Option<[Store; 2]> {
    let url = testdb::database()?;
    let open = || Store::open_postgres(&url, Durability::Process).expect("a database");
    Some([open(), open()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_write_at_once_follow_each_other() {
    let Some(stores) = open_two() else { return };
    let writers: Vec<_> = (0..200)
        .map(|n: usize| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move {
                let append = move |tx: &mut Tx<'_>| {
                    contract::journal::append_one(tx, n as i64)?;
                    store::change::next_id(tx)
                };
                store.write(append).await.unwrap()
            })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for writer in writers {
        assert!(ids.insert(writer.await.unwrap()), "given twice");
    }
    assert_eq!(contract::journal::count(&stores[0]).await, 200);
    contract::journal::seal_all(&stores[1]).await;
    let check = stores[0].read(store::journal::check).await.unwrap();
    assert!(matches!(check, Check::Whole { .. }), "{check:?}");
}

/// Opens a store on a server that takes encrypted connections only.
fn open_encrypted(server: &testdb::Encrypted, query: &str) -> Result<Store, String> {
    let address = format!("postgres://sleepwell@{}/postgres?{query}", server.address);
    Store::open_postgres(&address, Durability::Process).map_err(|e| e.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_encrypted_and_with_verify_full_proved() {
    let Some(server) = testdb::encrypted() else {
        return;
    };
    let root =
        |path: &std::path::Path| format!("sslmode=verify-full&sslrootcert={}", path.display());
    let store = open_encrypted(&server, &root(&server.root)).unwrap();
    contract::journal::append_some(&store, 1).await;
    assert_eq!(contract::journal::count(&store).await, 1);
    open_encrypted(&server, "sslmode=require").unwrap();

    let unproved = open_encrypted(&server, &root(&server.other_root)).unwrap_err();
    assert!(unproved.contains("certificate"), "{unproved}");
    let public = open_encrypted(&server, "sslmode=verify-full").unwrap_err();
    assert!(public.contains("certificate"), "{public}");
    let plain = open_encrypted(&server, "sslmode=disable").unwrap_err();
    assert!(plain.contains("no encryption"), "{plain}");
}

/// Each server writes only when nothing is there. The first one gives the other time to read the same
/// nothing, which it may not before the first has committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_of_two_servers_decides_on_what_it_read() {
    let Some(stores) = open_two() else { return };
    let (said, hears) = std::sync::mpsc::channel::<()>();
    let write_once = |n: i64, hears: Option<std::sync::mpsc::Receiver<()>>| {
        let said = said.clone();
        stores[n as usize].write(move |tx: &mut Tx<'_>| {
            let is_first = store::journal::about(tx, &contract::journal::entry(n).subject, 1)?;
            let is_first = is_first.is_empty();
            match hears {
                Some(other) => drop(other.recv_timeout(std::time::Duration::from_millis(500))),
                None => drop(said.send(())),
            }
            if is_first {
                contract::journal::append_one(tx, n)?;
            }
            Ok::<_, Error>(is_first)
        })
    };
    let (one, other) = tokio::join!(write_once(0, Some(hears)), write_once(1, None));
    assert!(one.unwrap() ^ other.unwrap(), "exactly one was first");
    assert_eq!(contract::journal::count(&stores[0]).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_made_anew() {
    let Some(url) = testdb::database() else {
        return;
    };
    let store = Store::open_postgres(&url, Durability::Process).unwrap();
    contract::journal::append_some(&store, 3).await;
    assert_eq!(contract::journal::count(&store).await, 3);
    testdb::cut_connections(&url);
    let again = store.write(|tx| contract::journal::append_one(tx, 7)).await;
    again.unwrap();
    assert_eq!(contract::journal::count(&store).await, 4);
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let error = Store::open_postgres("postgres://nobody@127.0.0.1:1/none", Durability::Full);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    let error = Store::open_postgres("postgres://[", Durability::Full).unwrap_err();
    assert!(error.to_string().contains("address"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_reaches_the_others_and_not_its_sender() {
    let Some(stores) = open_two() else { return };
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let hear = |who: &'static str| {
        let heard = heard.clone();
        move |what: &str| drop(heard.send(format!("{who} heard {what}")))
    };
    let one = stores[0].hints("one", hear("one")).unwrap().unwrap();
    let _other = stores[1].hints("other", hear("other")).unwrap().unwrap();
    // Until the other listens, what is said is lost.
    let patience = std::time::Duration::from_secs(20);
    let first = tokio::time::timeout(patience, async {
        loop {
            one.tell("outbox");
            let soon = std::time::Duration::from_millis(50);
            if let Ok(first) = tokio::time::timeout(soon, hears.recv()).await {
                return first.unwrap();
            }
        }
    });
    assert_eq!(first.await.unwrap(), "other heard outbox");
}
