use std::time::Duration;

use model::act::{Destination, Message, OutboxRow, OutboxState, Urgency};
use model::{EntryId, PageId, Timestamp};
use store::lease::Fence;
use store::{Error, Store, outbox};

use super::at;

const LEASE: Duration = Duration::from_secs(30);

pub(crate) fn row(n: u128) -> OutboxRow {
    let message = Message {
        urgency: Urgency::Low,
        title: "a title".into(),
        text: vec![],
        change: None,
        data: serde_json::Value::Null,
    };
    OutboxRow {
        id: PageId::new(at(0), n),
        destination: Destination::Mail("a@example.test".into()),
        message,
        state: OutboxState::Queued,
        attempt: 0,
        due_at: at(n as i64),
        created_at: at(0),
        cause: EntryId::new(at(0), n),
    }
}

async fn claim(store: &Store, now: Timestamp) -> Vec<OutboxRow> {
    let claimed = store.write(move |tx| outbox::claim(tx, now, LEASE, Fence(1), 10));
    let claimed = claimed.await.unwrap().into_iter();
    claimed.map(|(_, row)| row.unwrap()).collect()
}

pub(crate) async fn a_claimed_row_comes_back_when_its_lease_ends(store: Store) {
    for n in [2, 1] {
        store
            .write(move |tx| outbox::enqueue(tx, &row(n)))
            .await
            .unwrap();
    }
    assert_eq!(store.read(outbox::next_due).await.unwrap(), Some(at(1)));
    assert_eq!(claim(&store, at(0)).await, []);
    let claimed = claim(&store, at(2)).await;
    assert_eq!(
        claimed
            .iter()
            .map(|r| (r.id, r.attempt))
            .collect::<Vec<_>>(),
        [(row(1).id, 1), (row(2).id, 1)]
    );
    assert_eq!(claim(&store, at(31)).await, [], "both are leased until 32");
    let again = claim(&store, at(32)).await;
    assert_eq!(again.iter().map(|r| r.attempt).collect::<Vec<_>>(), [2, 2]);
}

pub(crate) async fn a_row_ends_once(store: Store) {
    store
        .write(|tx| outbox::enqueue(tx, &row(1)))
        .await
        .unwrap();
    let first = claim(&store, at(1)).await.remove(0);
    let second = claim(&store, at(40)).await.remove(0);
    let mut late = first;
    late.state = OutboxState::Failed {
        at: at(41),
        why: "timed out".into(),
    };
    let result = store.write(move |tx| outbox::settle(tx, &late)).await;
    assert!(
        matches!(result, Err(Error::Conflict { .. })),
        "the row was claimed anew: {result:?}"
    );
    let mut done = second;
    done.state = OutboxState::Accepted { at: at(42) };
    let settled = done.clone();
    store
        .write(move |tx| outbox::settle(tx, &settled))
        .await
        .unwrap();
    assert!(
        store
            .write(move |tx| outbox::settle(tx, &done))
            .await
            .is_err(),
        "it has ended"
    );
    assert_eq!(store.read(outbox::open_count).await.unwrap(), 0);
    assert_eq!(claim(&store, at(1_000)).await, []);
}
