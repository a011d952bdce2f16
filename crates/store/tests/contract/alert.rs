use std::collections::BTreeMap;

use model::judge::{Alert, AlertState, Resolution};
use model::{AlertId, EntryId, IncidentId, Labels, ServiceName};
use store::alert::Filter;
use store::{Error, Store, alert};

use super::at;

pub(crate) fn fires(id: u64, service: &str, key: &str) -> Alert {
    Alert {
        id: AlertId(id),
        service: service.parse().unwrap(),
        dedup_key: key.to_owned(),
        labels: Labels::new([("alertname", "Down")]).unwrap(),
        annotations: BTreeMap::from([("summary".to_owned(), "it is down".to_owned())]),
        generator_url: None,
        starts_at: at(0),
        ends_at: at(10 * id as i64),
        state: AlertState::Firing,
        received_at: at(0),
        sender: "prometheus".to_owned(),
        changes: vec![],
        incident: None,
        last_entry: EntryId::new(at(0), 1),
    }
}

fn over(mut alert: Alert) -> Alert {
    let how = Resolution::Told;
    alert.state = AlertState::Resolved { at: at(1), how };
    alert
}

async fn insert(store: &Store, alert: Alert) -> Result<(), Error> {
    store.write(move |tx| alert::insert(tx, &alert)).await
}

async fn save(store: &Store, alert: Alert, is_news: bool) {
    let save = store.write(move |tx| alert::save(tx, &alert, is_news));
    save.await.unwrap();
}

pub(crate) async fn one_alert_of_a_key_is_open_at_a_time(store: Store) {
    let shop: ServiceName = "shop".parse().unwrap();
    insert(&store, fires(1, "shop", "a")).await.unwrap();
    insert(&store, fires(2, "shop", "b")).await.unwrap();
    insert(&store, fires(3, "cart", "a")).await.unwrap();
    let second = insert(&store, fires(4, "shop", "a")).await;
    assert!(matches!(second, Err(Error::Exists(_))), "{second:?}");
    let named = shop.clone();
    let open = store.read(move |tx| alert::open(tx, &named, "a")).await;
    assert_eq!(open.unwrap(), Some(fires(1, "shop", "a")));
    save(&store, over(fires(1, "shop", "a")), true).await;
    let named = shop.clone();
    let open = store.read(move |tx| alert::open(tx, &named, "a")).await;
    assert_eq!(open.unwrap(), None);
    insert(&store, fires(4, "shop", "a")).await.unwrap();
    let count = store.read(move |tx| alert::open_count(tx, &shop)).await;
    assert_eq!(count.unwrap(), 2);
    let first = store.read(|tx| alert::get(tx, AlertId(1))).await;
    assert_eq!(first.unwrap(), Some(over(fires(1, "shop", "a"))));
}

async fn news(store: &Store) -> Vec<u64> {
    let news = store.read(|tx| alert::news(tx, 9)).await.unwrap();
    news.into_iter().map(|(id, _)| id.0).collect()
}

pub(crate) async fn news_is_looked_at_once(store: Store) {
    for id in [2, 1] {
        insert(&store, fires(id, "shop", &id.to_string()))
            .await
            .unwrap();
    }
    assert_eq!(news(&store).await, [1, 2]);
    store
        .write(|tx| alert::mark_seen(tx, AlertId(1)))
        .await
        .unwrap();
    assert_eq!(news(&store).await, [2]);
    // Sent again, it is no news, and what is news stays so.
    for id in [1, 2] {
        save(&store, fires(id, "shop", &id.to_string()), false).await;
    }
    assert_eq!(news(&store).await, [2]);
    save(&store, over(fires(1, "shop", "1")), true).await;
    assert_eq!(news(&store).await, [1, 2]);
}

pub(crate) async fn those_that_ran_out_are_found(store: Store) {
    for id in [3, 1, 2] {
        insert(&store, fires(id, "shop", &id.to_string()))
            .await
            .unwrap();
    }
    let lapsed = |second, limit| store.read(move |tx| alert::lapsed(tx, at(second), limit));
    let ids = |found: Result<store::Each<AlertId, Alert>, Error>| -> Vec<u64> {
        found.unwrap().into_iter().map(|(id, _)| id.0).collect()
    };
    assert_eq!(ids(lapsed(9, 9).await), [0; 0]);
    assert_eq!(ids(lapsed(20, 9).await), [1, 2]);
    assert_eq!(ids(lapsed(20, 1).await), [1]);
    assert_eq!(store.read(alert::next_end).await.unwrap(), Some(at(10)));
    for id in [1, 2, 3] {
        save(&store, over(fires(id, "shop", &id.to_string())), true).await;
    }
    assert_eq!(ids(lapsed(99, 9).await), [0; 0]);
    assert_eq!(store.read(alert::next_end).await.unwrap(), None);
}

pub(crate) async fn a_list_is_narrowed_and_paged(store: Store) {
    for (id, service) in [(1, "shop"), (2, "cart"), (3, "shop"), (4, "shop")] {
        let mut alert = fires(id, service, &id.to_string());
        alert.incident = (id != 4).then_some(IncidentId(7));
        insert(&store, alert).await.unwrap();
    }
    let mut third = over(fires(3, "shop", "3"));
    third.incident = Some(IncidentId(7));
    save(&store, third, true).await;
    let list = |filter: Filter, limit| {
        let store = store.clone();
        async move {
            let found = store.read(move |tx| alert::list(tx, &filter, limit)).await;
            let ids: Vec<u64> = found.unwrap().iter().map(|alert| alert.id.0).collect();
            ids
        }
    };
    assert_eq!(list(Filter::default(), 9).await, [4, 3, 2, 1]);
    assert_eq!(list(Filter::default(), 2).await, [4, 3]);
    let before = Some(AlertId(3));
    assert_eq!(
        list(
            Filter {
                before,
                ..Filter::default()
            },
            9
        )
        .await,
        [2, 1]
    );
    let (only_open, service) = (true, Some("shop".parse().unwrap()));
    let narrow = Filter {
        only_open,
        service,
        before: None,
    };
    assert_eq!(list(narrow, 9).await, [4, 1]);
    let counts = store.read(|tx| alert::counts(tx, IncidentId(7))).await;
    assert_eq!(counts.unwrap(), (3, 2));
    let none = store.read(|tx| alert::counts(tx, IncidentId(8))).await;
    assert_eq!(none.unwrap(), (0, 0));
    let of = |only_open| store.read(move |tx| alert::of_incident(tx, IncidentId(7), only_open, 2));
    let ids = |found: Vec<Alert>| -> Vec<u64> { found.iter().map(|alert| alert.id.0).collect() };
    assert_eq!(ids(of(false).await.unwrap()), [3, 2]);
    assert_eq!(ids(of(true).await.unwrap()), [2, 1]);
}
