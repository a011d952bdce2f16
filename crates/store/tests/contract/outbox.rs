use std::collections::BTreeMap;
use std::time::Duration;

use model::act::{Destination, Message, OutboxRow, OutboxState, Urgency};
use model::{ChangeId, EntryId, IncidentId, PageId, Subject, Timestamp};
use store::lease::Fence;
use store::outbox::Room;
use store::{Error, Store, outbox};

use super::at;

const LEASE: Duration = Duration::from_secs(30);

pub(crate) fn row(n: u128) -> OutboxRow {
    let message = Message {
        urgency: Urgency::Low,
        title: "a title".into(),
        text: vec![],
        change: None,
        incident: None,
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

fn room(in_all: usize, via_each: usize) -> Room {
    Room {
        in_all,
        via_each,
        under_way: BTreeMap::new(),
    }
}

async fn claim(store: &Store, now: Timestamp) -> Vec<OutboxRow> {
    let claimed = store.write(move |tx| outbox::claim(tx, now, LEASE, Fence(1), &room(10, 10)));
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

pub(crate) async fn messages_that_ended_long_ago_are_forgotten(store: Store) {
    let written = |n: u128, seconds: i64, is_over: bool| OutboxRow {
        id: PageId::new(at(seconds), n),
        state: match is_over {
            true => OutboxState::Accepted { at: at(seconds) },
            false => OutboxState::Queued,
        },
        ..row(n)
    };
    let rows = vec![
        written(1, 10, true),
        written(2, 20, false),
        written(3, 30, true),
        written(4, 40, true),
    ];
    let ids: Vec<PageId> = rows.iter().map(|row| row.id).collect();
    enqueue(&store, rows).await;
    let left = |limit| {
        store.write(move |tx| {
            outbox::forget(tx, at(40), limit)?;
            let left = outbox::list(tx, None, 9)?;
            Ok::<_, Error>(left.iter().map(|row| row.id).collect::<Vec<_>>())
        })
    };
    assert_eq!(left(1).await.unwrap(), [ids[3], ids[2], ids[1]]);
    assert_eq!(left(9).await.unwrap(), [ids[3], ids[1]], "one is not over");
}

async fn enqueue(store: &Store, rows: Vec<OutboxRow>) {
    let enqueue = store.write(move |tx| rows.iter().try_for_each(|row| outbox::enqueue(tx, row)));
    enqueue.await.unwrap();
}

async fn claimed(store: &Store, room: Room) -> Vec<u128> {
    let claimed = store.write(move |tx| outbox::claim(tx, at(100), LEASE, Fence(1), &room));
    let ids = claimed.await.unwrap().into_iter().map(|(id, _)| id);
    let number = |id: PageId| (1..).find(|n| row(*n).id == id).unwrap();
    ids.map(number).collect()
}

pub(crate) async fn the_urgent_is_claimed_first_and_then_what_waits_longest(store: Store) {
    let mut rows = [4, 3, 2, 1].map(row);
    rows[0].message.urgency = Urgency::High;
    rows[1].message.urgency = Urgency::High;
    enqueue(&store, rows.to_vec()).await;
    assert_eq!(claimed(&store, room(3, 9)).await, [3, 4, 1]);
    assert_eq!(claimed(&store, room(3, 9)).await, [2]);
}

pub(crate) async fn no_receiver_gets_more_than_its_share(store: Store) {
    let to = |n: u128, host: &str| OutboxRow {
        destination: Destination::Webhook(format!("https://{host}/hook")),
        ..row(n)
    };
    let mut rows: Vec<OutboxRow> = (1..=30).map(|n| to(n, "slow.example.test")).collect();
    rows.push(to(31, "other.example.test"));
    rows.push(row(32));
    enqueue(&store, rows).await;
    let mut with_one = room(10, 2);
    let slow = || "slow.example.test".to_owned();
    with_one.under_way.insert(slow(), 1);
    assert_eq!(claimed(&store, with_one).await, [1, 31, 32]);
    let mut full = room(10, 2);
    full.under_way.insert(slow(), 2);
    assert_eq!(claimed(&store, full).await, [0; 0]);
    assert_eq!(claimed(&store, room(10, 2)).await, [2, 3]);
}

pub(crate) async fn messages_are_found_by_what_they_are_about(store: Store) {
    let mut rows = [1, 2, 3, 4].map(row);
    rows[0].message.incident = Some(IncidentId(7));
    rows[1].message.change = Some(ChangeId(7));
    rows[3].message.incident = Some(IncidentId(7));
    enqueue(&store, rows.to_vec()).await;
    let about = |subject: Option<Subject>, limit| {
        store.read(move |tx| outbox::list(tx, subject.as_ref(), limit))
    };
    let incident = || Some(Subject::Incident(IncidentId(7)));
    let [first, _, _, last] = rows.clone();
    assert_eq!(about(incident(), 9).await.unwrap(), [last.clone(), first]);
    assert_eq!(about(incident(), 1).await.unwrap(), [last]);
    let change = Some(Subject::Change(ChangeId(7)));
    assert_eq!(about(change, 9).await.unwrap(), [rows[1].clone()]);
    assert_eq!(about(None, 9).await.unwrap().len(), 4);
}

pub(crate) async fn what_a_dead_server_was_sending_is_due_at_once(store: Store) {
    let mut waits = row(2);
    waits.attempt = 3;
    waits.due_at = at(300);
    enqueue(&store, vec![row(1), waits]).await;
    assert_eq!(claimed(&store, room(9, 9)).await, [1]);
    assert_eq!(claimed(&store, room(9, 9)).await, [0; 0], "it is leased");
    let free = store.write(|tx| outbox::free_all(tx, at(100)));
    free.await.unwrap();
    assert_eq!(
        claimed(&store, room(9, 9)).await,
        [1],
        "a pause is no lease"
    );
    let again = store.read(|tx| outbox::get(tx, row(1).id)).await.unwrap();
    assert_eq!(again.unwrap().attempt, 2);
}
