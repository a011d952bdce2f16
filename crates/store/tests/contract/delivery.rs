use model::deliver::{Delivery, DeliveryOutcome, GitHost, Origin};
use model::{EntryId, Timestamp};
use store::{Error, Store, delivery};

use super::at;

fn delivered(origin: Origin, sender: &str, key: &str, second: i64) -> Delivery {
    Delivery {
        origin,
        sender: sender.to_owned(),
        key: key.to_owned(),
        at: at(second),
        outcome: DeliveryOutcome::Recorded,
        entry: EntryId::new(at(second), 1),
        body: serde_json::json!({ "n": second }),
    }
}

async fn insert(store: &Store, delivery: Delivery, since: Timestamp) -> Result<(), Error> {
    let write = store.write(move |tx| delivery::insert(tx, &delivery, since));
    write.await
}

const HOOK: Origin = Origin::Hook(GitHost::Github);

pub(crate) async fn a_delivery_is_found_by_its_key_while_it_is_remembered(store: Store) {
    let first = delivered(HOOK, "", "1", 10);
    insert(&store, first.clone(), at(0)).await.unwrap();
    let find = |origin, sender, key, since| {
        store.read(move |tx| delivery::find(tx, origin, sender, key, at(since)))
    };
    assert_eq!(find(HOOK, "", "1", 9).await.unwrap(), Some(first));
    for (origin, sender, key, since) in [
        (HOOK, "", "1", 10),
        (HOOK, "", "2", 9),
        (HOOK, "/ci", "1", 9),
        (Origin::Hook(GitHost::Gitea), "", "1", 9),
        (Origin::Cdevents, "", "1", 9),
    ] {
        assert_eq!(find(origin, sender, key, since).await.unwrap(), None);
    }
}

pub(crate) async fn a_key_is_taken_once_until_it_is_forgotten(store: Store) {
    let of = |second| delivered(HOOK, "", "1", second);
    insert(&store, of(10), at(0)).await.unwrap();
    let again = insert(&store, of(20), at(9)).await;
    assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
    insert(&store, of(20), at(10)).await.unwrap();
    let found = store
        .read(|tx| delivery::find(tx, HOOK, "", "1", at(0)))
        .await;
    assert_eq!(found.unwrap(), Some(of(20)));
}

pub(crate) async fn old_deliveries_are_forgotten_a_few_at_a_time(store: Store) {
    for second in 1..=5 {
        let key = second.to_string();
        let delivery = delivered(HOOK, "", &key, second);
        insert(&store, delivery, at(0)).await.unwrap();
    }
    let other = delivered(Origin::Cdevents, "", "1", 1);
    insert(&store, other, at(0)).await.unwrap();
    let forget = |limit| store.write(move |tx| delivery::forget(tx, HOOK, at(3), limit));
    assert_eq!(forget(2).await.unwrap(), 2);
    // The oldest went first.
    let third = store.read(|tx| delivery::find(tx, HOOK, "", "3", at(0)));
    assert!(third.await.unwrap().is_some());
    assert_eq!(forget(2).await.unwrap(), 1);
    assert_eq!(forget(2).await.unwrap(), 0);
    for (origin, key, there) in [
        (HOOK, "3", false),
        (HOOK, "4", true),
        (Origin::Cdevents, "1", true),
    ] {
        let found = store.read(move |tx| delivery::find(tx, origin, "", key, at(0)));
        assert_eq!(found.await.unwrap().is_some(), there, "{origin} {key}");
    }
}
