use std::time::Duration;

use model::Timestamp;
use store::lease::{self, Fence};
use store::{Error, Store};

use super::at;

const TTL: Duration = Duration::from_secs(10);

async fn acquire(store: &Store, owner: &'static str, now: Timestamp) -> Option<Fence> {
    store
        .write(move |tx| lease::acquire(tx, "work", owner, TTL, now))
        .await
        .unwrap()
}

pub(crate) async fn only_one_owner_at_a_time(store: Store) {
    let first = acquire(&store, "a", at(0)).await.expect("free");
    assert_eq!(acquire(&store, "b", at(9)).await, None);
    assert_eq!(
        acquire(&store, "a", at(9)).await,
        Some(first),
        "renewing keeps the fence"
    );
    assert_eq!(
        acquire(&store, "b", at(15)).await,
        None,
        "it was renewed until 19"
    );
}

pub(crate) async fn a_lapsed_lease_gets_a_greater_fence(store: Store) {
    let first = acquire(&store, "a", at(0)).await.expect("free");
    let second = acquire(&store, "b", at(10)).await.expect("lapsed");
    assert!(second > first);
    let third = acquire(&store, "b", at(30))
        .await
        .expect("its own, but it lapsed meanwhile");
    assert!(third > second);
    store
        .write(move |tx| lease::release(tx, "work", third))
        .await
        .unwrap();
    assert!(acquire(&store, "a", at(31)).await.expect("given back") > third);
}

pub(crate) async fn a_stale_fence_is_refused(store: Store) {
    let first = acquire(&store, "a", at(0)).await.expect("free");
    store
        .write(move |tx| lease::check(tx, "work", first))
        .await
        .unwrap();
    acquire(&store, "b", at(10)).await.expect("lapsed");
    let late = store.write(move |tx| lease::check(tx, "work", first)).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
}

pub(crate) async fn a_server_frees_the_leases_of_its_dead_processes_alone(store: Store) {
    let first = acquire(&store, "one/1", at(0)).await.expect("free");
    store
        .write(|tx| lease::free_those_of(tx, "other"))
        .await
        .unwrap();
    assert_eq!(acquire(&store, "one/2", at(1)).await, None);
    store
        .write(|tx| lease::free_those_of(tx, "one"))
        .await
        .unwrap();
    let second = acquire(&store, "one/2", at(1)).await.expect("freed");
    assert!(second > first);
}
