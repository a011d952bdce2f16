//! What a server does with a store before anything else: it takes it over from the one before, or joins
//! those that share it.

use std::sync::Arc;

use model::api::token::TokenView;
use model::{Entry, Fact, Kind, Role, Subject, Timestamp, TokenId};
use runtime::{Ids, Random};
use store::{Error, Store, Tx};

/// Is what a server begins with.
#[derive(Debug)]
pub struct TakenOver {
    /// Names this server as the holder of its leases.
    pub owner: Arc<str>,
    /// Go on after the greatest id in the store, so that they rise over restarts though clocks are set.
    pub ids: Ids,
    /// The secret of a new admin token, when `admin` was none: shown here and never again.
    pub new_admin: Option<String>,
}

/// Takes a store over: begins the next epoch, and makes an admin token unless `admin`, the secret that was
/// kept, is a good one.
///
/// The server before on the same data folder is dead, as the caller knows by the folder's lock, and its
/// leases are freed, those of messages on their way too; it is known by the admin token both kept there. Those of other servers that share the
/// store run out by themselves; where nobody can share it, all are freed.
///
/// # Errors
/// The store's, in which case nothing changed.
pub async fn take_over(
    store: &Store,
    random: &Random,
    admin: &str,
    now: Timestamp,
) -> Result<TakenOver, Error> {
    let (random, admin) = (random.clone(), store::token::hash(admin));
    let is_alone = !store.is_shared();
    store
        .write(move |tx| {
            let ids = Ids::after(random.clone(), store::id::greatest(tx)?);
            let (server, new_admin) = match store::token::by_hash(tx, admin)? {
                Some(token) if token.revoked_at.is_none() => (token.id, None),
                _ => {
                    let (id, secret) = make_admin(tx, &ids, &random, now)?;
                    (id, Some(secret))
                }
            };
            if is_alone {
                store::lease::free_all(tx)?;
                store::outbox::free_all(tx, now)?;
            } else {
                store::lease::free_those_of(tx, &server.to_string())?;
            }
            // A name of its own for each process: a data folder that was copied makes no two of them one.
            let owner: Arc<str> = format!("{server}/{}", ids.token(now)).into();
            store::fleet::next_epoch(tx, &owner)?;
            Ok(TakenOver {
                owner,
                ids,
                new_admin,
            })
        })
        .await
}

/// Makes an admin token and returns its id and its secret.
fn make_admin(
    tx: &mut Tx<'_>,
    ids: &Ids,
    random: &Random,
    now: Timestamp,
) -> Result<(TokenId, String), Error> {
    let (id, secret) = (ids.token(now), random.secret("swt_"));
    let token = TokenView {
        id,
        name: "admin".to_owned(),
        role: Role::Admin,
        host: None,
        created_at: now,
        expires_at: None,
        used_at: None,
        revoked_at: None,
        for_host: None,
    };
    let fact = Fact::TokenCreated {
        name: token.name.clone(),
        role: token.role,
        expires_at: None,
    };
    store::token::insert(tx, &token, store::token::hash(&secret))?;
    store::journal::append(
        tx,
        &Entry {
            id: ids.entry(now),
            at: now,
            subject: Subject::Token(token.name),
            kind: Kind::Action,
            actor: "sleepwell".to_owned(),
            causes: vec![],
            body: fact.to_body(),
        },
    )?;
    Ok((id, secret))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use store::Durability;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_767_690_000_000);

    fn open() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sleepwell.db");
        (
            folder,
            Store::open_sqlite(&path, Durability::Process).unwrap(),
        )
    }

    async fn over(store: &Store, admin: &str, now: Timestamp) -> TakenOver {
        take_over(store, &Random::System, admin, now).await.unwrap()
    }

    #[tokio::test]
    async fn an_admin_token_is_made_once_and_anew_when_it_was_lost() {
        let (_folder, store) = open();
        let first = over(&store, "", START).await.new_admin.unwrap();
        assert_eq!(over(&store, &first, START).await.new_admin, None);
        let second = over(&store, "lost", START).await.new_admin.unwrap();
        assert_eq!(over(&store, &second, START).await.new_admin, None);
        let tokens = store
            .read(|tx| store::token::list(tx, None, 10))
            .await
            .unwrap();
        assert_eq!(tokens.len(), 2);

        let id = tokens[1].id;
        let revoke = move |tx: &mut Tx<'_>| store::token::revoke(tx, id, START);
        assert!(store.write(revoke).await.unwrap());
        assert!(over(&store, &second, START).await.new_admin.is_some());
    }

    #[tokio::test]
    async fn epoch_and_ids_rise_though_the_clock_was_set_back() {
        let (_folder, store) = open();
        over(&store, "", START).await;
        for hours_back in 1..4 {
            let now = START - Duration::from_secs(3_600 * hours_back);
            let before = store.read(store::id::greatest).await.unwrap();
            let next = over(&store, "", now).await;
            let epoch = store.read(store::fleet::epoch).await.unwrap();
            assert_eq!(epoch, hours_back + 1);
            assert!(Some(next.ids.entry(now).ulid()) > before);
        }
    }

    #[tokio::test]
    async fn the_leases_of_the_server_before_are_free() {
        let (_folder, store) = open();
        let take = |owner: &'static str| {
            let hour = Duration::from_secs(3_600);
            store.write(move |tx| store::lease::acquire(tx, "a loop", owner, hour, START))
        };
        assert!(take("before").await.unwrap().is_some());
        assert_eq!(take("after").await.unwrap(), None);
        over(&store, "", START).await;
        assert!(take("after").await.unwrap().is_some());
    }
}
