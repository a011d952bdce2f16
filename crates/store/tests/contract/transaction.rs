use store::{Error, Store};

use super::journal::{append_one, count};

pub(crate) async fn a_failed_write_leaves_nothing(store: Store) {
    let result: Result<(), Error> = store
        .write(|tx| {
            append_one(tx, 1)?;
            Err(Error::Conflict {
                what: "this on purpose".into(),
            })
        })
        .await;
    assert!(matches!(result, Err(Error::Conflict { .. })));
    assert_eq!(count(&store).await, 0);
}

pub(crate) async fn a_panic_undoes_only_its_own_write(store: Store) {
    let good = store.write(|tx| append_one(tx, 1));
    let bad = store.write(|tx| -> Result<(), Error> {
        append_one(tx, 2)?;
        panic!("on purpose");
    });
    let (good, bad) = tokio::join!(good, bad);
    good.unwrap();
    assert!(bad.is_err());
    store.write(|tx| append_one(tx, 3)).await.unwrap();
    assert_eq!(count(&store).await, 2);
}

pub(crate) async fn writers_that_come_together_all_commit(store: Store) {
    let writers: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.write(move |tx| append_one(tx, n)).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(count(&store).await, 200);
}

pub(crate) async fn a_counter_never_gives_a_number_twice(store: Store) {
    let failed: Result<(), Error> = store
        .write(|tx| {
            store::change::next_id(tx)?;
            Err(Error::Full)
        })
        .await;
    assert!(failed.is_err());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(store.write(store::change::next_id).await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

pub(crate) async fn a_failed_statement_ends_its_write_and_no_other(store: Store) {
    store.write(|tx| append_one(tx, 1)).await.unwrap();
    let stubborn = store.write(|tx| -> Result<(), Error> {
        append_one(tx, 2)?;
        assert!(append_one(tx, 1).is_err(), "it is there already");
        assert!(append_one(tx, 3).is_err(), "nothing follows a failure");
        Ok(())
    });
    let other = store.write(|tx| append_one(tx, 4));
    let (stubborn, other) = tokio::join!(stubborn, other);
    assert!(matches!(stubborn, Err(Error::Exists(_))), "{stubborn:?}");
    other.unwrap();
    assert_eq!(count(&store).await, 2);
}
