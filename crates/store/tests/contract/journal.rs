use model::{Entry, EntryId, Fact, Kind, Subject};
use store::journal::{self, Check};
use store::{Error, Store, Tx};

use super::at;

pub(crate) fn entry(n: i64) -> Entry {
    Entry {
        id: EntryId::new(at(n), n as u128),
        at: at(n),
        subject: Subject::Server,
        kind: Kind::Action,
        actor: "test".into(),
        causes: vec![],
        body: Fact::ServerStarted {
            version: n.to_string(),
        }
        .to_body(),
    }
}

pub(crate) fn append_one(tx: &mut Tx<'_>, n: i64) -> Result<(), Error> {
    journal::append(tx, &entry(n))
}

pub(crate) async fn append_some(store: &Store, n: i64) {
    for i in 0..n {
        store.write(move |tx| append_one(tx, i)).await.unwrap();
    }
}

pub(crate) async fn seal_all(store: &Store) {
    store.write(|tx| journal::seal(tx, 1_000)).await.unwrap();
}

pub(crate) async fn count(store: &Store) -> usize {
    store
        .read(|tx| journal::about(tx, &Subject::Server, 10_000))
        .await
        .unwrap()
        .len()
}

pub(crate) async fn entries_are_sealed_in_the_order_of_their_commits(store: Store) {
    for n in [3, 1, 2] {
        store.write(move |tx| append_one(tx, n)).await.unwrap();
    }
    seal_all(&store).await;
    let sealed = store.read(|tx| journal::since(tx, 0, 10)).await.unwrap();
    let order: Vec<_> = sealed.iter().map(|(seq, entry)| (*seq, entry.at)).collect();
    assert_eq!(order, [(1, at(3)), (2, at(1)), (3, at(2))]);
    let after = store.read(|tx| journal::since(tx, 2, 10)).await.unwrap();
    assert_eq!(after.len(), 1);
}

pub(crate) async fn a_long_tail_is_sealed_in_parts(store: Store) {
    append_some(&store, 125).await;
    for sealed in [112, 13, 0] {
        let now = store.write(|tx| journal::seal(tx, 112)).await.unwrap();
        assert_eq!(now, sealed);
    }
    let check = store.read(journal::check).await.unwrap();
    assert_eq!(
        check,
        Check::Whole {
            sealed: 125,
            unsealed: 0
        }
    );
}

pub(crate) async fn an_unsealed_tail_is_counted(store: Store) {
    append_some(&store, 2).await;
    seal_all(&store).await;
    store.write(|tx| append_one(tx, 9)).await.unwrap();
    let check = store.read(journal::check).await.unwrap();
    assert_eq!(
        check,
        Check::Whole {
            sealed: 2,
            unsealed: 1
        }
    );
}

pub(crate) async fn numbers_of_any_length_keep_their_hash(store: Store) {
    for n in 0..200 {
        let number = f64::from(n).exp().sin() * 1e-3 * f64::from(n);
        let write = move |tx: &mut Tx<'_>| {
            let entry = Entry {
                body: serde_json::json!({ "fact": "a number", "number": number }),
                id: EntryId::new(at(i64::from(n)), 1),
                at: at(i64::from(n)),
                subject: Subject::Server,
                kind: Kind::Verdict,
                actor: "test".into(),
                causes: vec![],
            };
            journal::append(tx, &entry)
        };
        store.write(write).await.unwrap();
    }
    seal_all(&store).await;
    let check = store.read(journal::check).await.unwrap();
    assert_eq!(
        check,
        Check::Whole {
            sealed: 200,
            unsealed: 0
        }
    );
}
