use model::{EnvironmentName, ServiceName};
use store::dispersion::{self, Of};
use store::{Store, Tx};

const QUARTERS: std::ops::Range<u64> = 10..13;

async fn said(store: &Store, service: &str, signal: &'static str) -> Vec<String> {
    let service: ServiceName = service.parse().unwrap();
    let environment: EnvironmentName = "production".parse().unwrap();
    let read = move |tx: &mut Tx<'_>| {
        let of = Of {
            service: &service,
            environment: &environment,
            signal,
        };
        dispersion::of(tx, of, QUARTERS)
    };
    store.read(read).await.unwrap()
}

async fn keep(
    store: &Store,
    service: &str,
    (signal, quarter): (&'static str, u64),
    text: &'static str,
) {
    let service: ServiceName = service.parse().unwrap();
    let environment: EnvironmentName = "production".parse().unwrap();
    let write = move |tx: &mut Tx<'_>| {
        let of = Of {
            service: &service,
            environment: &environment,
            signal,
        };
        dispersion::keep(tx, of, quarter, &text)
    };
    store.write(write).await.unwrap();
}

pub(crate) async fn quarters_are_kept_once_and_found_in_order(store: Store) {
    for quarter in [12, 10, 9, 13] {
        let text = if quarter == 12 { "later" } else { "earlier" };
        keep(&store, "shop", ("errors", quarter), text).await;
    }
    keep(&store, "shop", ("errors", 12), "again").await;
    keep(&store, "shop", ("time", 11), "of time").await;
    keep(&store, "till", ("errors", 11), "of another").await;
    assert_eq!(said(&store, "shop", "errors").await, ["earlier", "later"]);
    assert_eq!(said(&store, "shop", "time").await, ["of time"]);
    assert_eq!(said(&store, "shop", "money").await, [""; 0]);

    let forget = |tx: &mut Tx<'_>| dispersion::forget_before(tx, 12);
    store.write(forget).await.unwrap();
    assert_eq!(said(&store, "shop", "errors").await, ["later"]);
    assert_eq!(said(&store, "till", "errors").await, [""; 0]);
}
