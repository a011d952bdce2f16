use model::act::{Incident, IncidentState, Urgency};
use model::{EntryId, IncidentId, ServiceName};
use store::{Error, Store, incident};

use super::at;

fn opened(id: u64, group: &str) -> Incident {
    Incident {
        id: IncidentId(id),
        service: "shop".parse().unwrap(),
        group: group.to_owned(),
        state: IncidentState::Triggered,
        urgency: Urgency::High,
        opened_at: at(0),
        alerts: 1,
        firing: 1,
        told: None,
        due_at: None,
        last_entry: EntryId::new(at(0), 1),
    }
}

async fn put(store: &Store, incident: Incident) -> Result<(), Error> {
    store.write(move |tx| incident::put(tx, &incident)).await
}

pub(crate) async fn one_incident_of_a_kind_is_open_at_a_time(store: Store) {
    let shop: ServiceName = "shop".parse().unwrap();
    put(&store, opened(1, "Down")).await.unwrap();
    put(&store, opened(2, "Slow")).await.unwrap();
    let second = put(&store, opened(3, "Down")).await;
    assert!(matches!(second, Err(Error::Exists(_))), "{second:?}");
    let over = Incident {
        state: IncidentState::Resolved { at: at(5) },
        ..opened(1, "Down")
    };
    put(&store, over.clone()).await.unwrap();
    let newest = |group: &'static str| {
        let shop = shop.clone();
        store.read(move |tx| incident::newest(tx, &shop, group))
    };
    assert_eq!(newest("Down").await.unwrap(), Some(over.clone()));
    put(&store, opened(3, "Down")).await.unwrap();
    assert_eq!(newest("Down").await.unwrap(), Some(opened(3, "Down")));
    assert_eq!(newest("Gone").await.unwrap(), None);
    let named = shop.clone();
    let count = store.read(move |tx| incident::open_count(tx, &named)).await;
    assert_eq!(count.unwrap(), 2);
    let list = |open, service: Option<ServiceName>| {
        store.read(move |tx| incident::list(tx, open, service.as_ref(), 9))
    };
    let ids = |found: Vec<Incident>| -> Vec<u64> { found.iter().map(|one| one.id.0).collect() };
    assert_eq!(ids(list(false, None).await.unwrap()), [3, 2, 1]);
    assert_eq!(ids(list(true, Some(shop)).await.unwrap()), [3, 2]);
    let cart = Some("cart".parse().unwrap());
    assert_eq!(ids(list(false, cart).await.unwrap()), [0; 0]);
    let first = store.read(|tx| incident::get(tx, IncidentId(1))).await;
    assert_eq!(first.unwrap(), Some(over));
}

pub(crate) async fn what_is_due_is_found(store: Store) {
    for (id, due) in [(1, Some(20)), (2, None), (3, Some(10))] {
        let incident = Incident {
            due_at: due.map(at),
            ..opened(id, &id.to_string())
        };
        put(&store, incident).await.unwrap();
    }
    let due = |second, limit| store.read(move |tx| incident::due(tx, at(second), limit));
    let ids = |found: Result<store::Each<IncidentId, Incident>, Error>| -> Vec<u64> {
        found.unwrap().into_iter().map(|(id, _)| id.0).collect()
    };
    assert_eq!(ids(due(9, 9).await), [0; 0]);
    assert_eq!(ids(due(20, 9).await), [3, 1]);
    assert_eq!(ids(due(20, 1).await), [3]);
    assert_eq!(store.read(incident::next_due).await.unwrap(), Some(at(10)));
    put(&store, opened(3, "3")).await.unwrap();
    assert_eq!(store.read(incident::next_due).await.unwrap(), Some(at(20)));
}
