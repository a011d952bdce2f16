use model::{ActionId, ChangeId, Digest, EntryId, Ulid, VerdictId};
use store::{Error, Store, Tx};

use super::{at, fleet, journal, outbox, rollout, token};

/// Does something with an id that is greater than all before; the number is its last bits.
type Step = fn(&mut Tx<'_>) -> Result<(), Error>;

pub(crate) async fn the_greatest_id_is_found_whatever_it_names(store: Store) {
    let greatest = || store.read(store::id::greatest);
    assert_eq!(greatest().await.unwrap(), None);
    let steps: [Step; 7] = [
        |tx| journal::append_one(tx, 0),
        |tx| store::host::insert(tx, &fleet::example(1, "web-1")),
        |tx| store::outbox::enqueue(tx, &outbox::row(2)),
        |tx| store::action::insert(tx, "undo", ActionId::new(at(0), 3), ChangeId(1), at(0)),
        |tx| store::token::insert(tx, &token::view(4), Digest::of(b"secret")),
        |tx| {
            let verdict = rollout::verdict(VerdictId::new(at(0), 5));
            store::judgement::insert(tx, &verdict, EntryId::new(at(0), 0))
        },
        |tx| store::host::insert(tx, &fleet::example(6, "web-2")),
    ];
    for (n, step) in (0..).zip(steps) {
        store.write(step).await.unwrap();
        assert_eq!(greatest().await.unwrap(), Some(Ulid::new(at(0), n)));
    }
}
