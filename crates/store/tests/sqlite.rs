//! The contract suite on SQLite, and what only this driver can show.

mod contract;

use store::{Durability, Store};

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open_sqlite(&folder.path().join("sleepwell.db"), Durability::Full);
    (folder, store.expect("a fresh database"))
}

fn open_some() -> Option<(tempfile::TempDir, Store)> {
    Some(open())
}

contract::suite!(open_some);

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let (folder, store) = open();
    contract::journal::append_some(&store, 5).await;
    drop(store);
    let store = Store::open_sqlite(&folder.path().join("sleepwell.db"), Durability::Full).unwrap();
    assert_eq!(contract::journal::count(&store).await, 5);
}

#[tokio::test]
async fn an_edited_entry_is_found() {
    let (folder, store) = open();
    contract::journal::append_some(&store, 5).await;
    contract::journal::seal_all(&store).await;
    let file = rusqlite::Connection::open(folder.path().join("sleepwell.db")).unwrap();
    file.execute(
        "UPDATE journal_entry SET actor = 'nobody' WHERE seq = 3",
        [],
    )
    .unwrap();
    let check = store.read(store::journal::check).await.unwrap();
    assert!(
        matches!(check, store::journal::Check::Broken { seq: 3, .. }),
        "{check:?}"
    );
}

#[tokio::test]
async fn a_removed_entry_is_found() {
    let (folder, store) = open();
    contract::journal::append_some(&store, 5).await;
    contract::journal::seal_all(&store).await;
    let file = rusqlite::Connection::open(folder.path().join("sleepwell.db")).unwrap();
    file.execute("DELETE FROM journal_entry WHERE seq = 2", [])
        .unwrap();
    let check = store.read(store::journal::check).await.unwrap();
    assert!(
        matches!(check, store::journal::Check::Broken { seq: 3, .. }),
        "{check:?}"
    );
}

/// A store of the first schema keeps what it holds: its unsealed entries are sealed first.
#[tokio::test]
async fn entries_of_a_database_of_the_first_schema_are_sealed_before_later_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sleepwell.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(include_str!("../src/migrations/0001_thread.sql"))
        .unwrap();
    file.execute_batch(
        "CREATE TABLE schema_version (version BIGINT NOT NULL);
         INSERT INTO schema_version (version) VALUES (1);",
    )
    .unwrap();
    for n in [8, 7] {
        let entry = contract::journal::entry(n);
        let params = [
            entry.id.to_string(),
            entry.at.as_micros().to_string(),
            entry.body.to_string(),
            entry.hash().to_string(),
        ];
        let sql = "INSERT INTO journal_entry (id, at_us, subject, kind, actor, causes, body, hash)
                   VALUES (?1, ?2, 'server', 'Action', 'test', '[]', ?3, ?4)";
        file.execute(sql, params).unwrap();
    }
    let store = Store::open_sqlite(&path, Durability::Full).unwrap();
    contract::journal::append_some(&store, 1).await;
    contract::journal::seal_all(&store).await;
    let read = |tx: &mut store::Tx<'_>| store::journal::since(tx, 0, 10);
    let sealed = store.read(read).await.unwrap();
    let order: Vec<_> = sealed.iter().map(|(_, entry)| entry.at).collect();
    assert_eq!(order, [7, 8, 0].map(contract::at));
    let check = store.read(store::journal::check).await.unwrap();
    assert!(
        matches!(check, store::journal::Check::Whole { sealed: 3, .. }),
        "{check:?}"
    );
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let (folder, store) = open();
    drop(store);
    let path = folder.path().join("sleepwell.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("INSERT INTO schema_version (version) VALUES (99)", [])
        .unwrap();
    let error = Store::open_sqlite(&path, Durability::Full).unwrap_err();
    assert!(error.to_string().contains("schema 99"), "{error}");
}

/// In earlier schemas the name of a retired host was taken for good.
#[tokio::test]
async fn hosts_of_a_database_of_an_earlier_schema_are_expected_or_retired_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sleepwell.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    for sql in [
        include_str!("../src/migrations/0001_thread.sql"),
        include_str!("../src/migrations/0002_commit_order.sql"),
        include_str!("../src/migrations/0003_delivery.sql"),
        include_str!("../src/migrations/0004_journal_written.sql"),
        include_str!("../src/migrations/0005_alerts.sql"),
        include_str!("../src/migrations/0006_watch.sql"),
        include_str!("../src/migrations/0007_ahead.sql"),
        include_str!("../src/migrations/0008_freeze.sql"),
        include_str!("../src/migrations/0009_queue.sql"),
        "CREATE TABLE schema_version (version BIGINT NOT NULL);
         INSERT INTO schema_version (version) VALUES (9);",
    ] {
        file.execute_batch(sql).unwrap();
    }
    let expected = contract::fleet::example(1, "web-1");
    let mut retired = contract::fleet::example(2, "web-2");
    retired.retired_at = Some(contract::at(5));
    // A label is a host's own word and says nothing of whether it is retired.
    retired
        .labels
        .insert("note", "\"retired_at\":null")
        .unwrap();
    for host in [&expected, &retired] {
        let sql = "INSERT INTO deliver_host (id, name, machine_id, revision, last_seen_us, body)
                   VALUES (?1, ?2, ?3, 4, 0, ?4)";
        let body = serde_json::to_string(host).unwrap();
        let (id, name) = (host.id.to_string(), host.name.to_string());
        file.execute(sql, [id, name, host.machine_id.clone(), body])
            .unwrap();
    }
    let store = Store::open_sqlite(&path, Durability::Full).unwrap();
    let all = store.read(store::host::list).await.unwrap();
    assert_eq!(all, [expected.clone(), retired]);
    let id = expected.id;
    let revision = store.read(move |tx| store::host::revision(tx, id)).await;
    assert_eq!(revision.unwrap(), 4);
    let insert = |n, name: &'static str| {
        store.write(move |tx| store::host::insert(tx, &contract::fleet::example(n, name)))
    };
    insert(3, "web-2").await.unwrap();
    insert(4, "web-1").await.unwrap_err();
}
