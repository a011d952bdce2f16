use model::api::token::TokenView;
use model::{Digest, HostId, Role, TokenId};
use store::{Store, token};

use super::at;

pub(crate) fn view(n: u128) -> TokenView {
    TokenView {
        id: TokenId::new(at(0), n),
        name: "ci".into(),
        role: Role::Operator,
        host: None,
        created_at: at(0),
        expires_at: Some(at(60)),
        used_at: None,
        revoked_at: None,
        for_host: None,
    }
}

pub(crate) async fn a_token_is_found_by_its_hash_and_revoked_once(store: Store) {
    let view = view(1);
    let (stored, hash) = (view.clone(), Digest::of(b"secret"));
    store
        .write(move |tx| token::insert(tx, &stored, hash))
        .await
        .unwrap();
    let find = |hash| store.read(move |tx| token::by_hash(tx, hash));
    assert_eq!(find(hash).await.unwrap(), Some(view.clone()));
    assert_eq!(find(Digest::of(b"another")).await.unwrap(), None);
    let revoke = || store.write(move |tx| token::revoke(tx, view.id, at(5)));
    assert!(revoke().await.unwrap());
    assert!(!revoke().await.unwrap());
    assert_eq!(find(hash).await.unwrap().unwrap().revoked_at, Some(at(5)));
}

pub(crate) async fn a_host_with_no_token_left_is_locked_out(store: Store) {
    let of = |n: u128, host: u128, revoked: Option<i64>| TokenView {
        id: TokenId::new(at(0), n),
        host: Some(HostId::new(at(0), host)),
        revoked_at: revoked.map(at),
        ..view(n)
    };
    let tokens = [
        of(1, 1, Some(3)),
        of(2, 1, Some(7)),
        of(3, 2, Some(3)),
        of(4, 2, None),
        view(5),
    ];
    store
        .write(move |tx| {
            for (n, token) in (0u8..).zip(&tokens) {
                token::insert(tx, token, Digest::of(&[n]))?;
            }
            Ok::<_, store::Error>(())
        })
        .await
        .unwrap();
    let found = store.read(token::locked_out).await.unwrap();
    assert_eq!(found, [(HostId::new(at(0), 1), at(7))]);
}

pub(crate) async fn a_join_token_keeps_whom_it_was_made_for(store: Store) {
    let made = TokenView {
        role: Role::Join,
        for_host: Some("web-1".parse().unwrap()),
        ..view(1)
    };
    let (stored, hash) = (made.clone(), Digest::of(b"join"));
    store
        .write(move |tx| token::insert(tx, &stored, hash))
        .await
        .unwrap();
    let found = store.read(move |tx| token::by_hash(tx, hash)).await;
    assert_eq!(found.unwrap(), Some(made));
}

pub(crate) async fn a_join_token_is_used_once_unless_it_is_revoked(store: Store) {
    let (join, revoked) = (view(1), view(2));
    let (id, other, hash) = (join.id, revoked.id, Digest::of(b"join"));
    store
        .write(move |tx| {
            token::insert(tx, &join, hash)?;
            token::insert(tx, &revoked, Digest::of(b"revoked"))?;
            token::revoke(tx, other, at(1))
        })
        .await
        .unwrap();
    let mark = |id| store.write(move |tx| token::mark_used(tx, id, at(5)));
    assert!(mark(id).await.unwrap());
    assert!(!mark(id).await.unwrap());
    assert!(!mark(other).await.unwrap());
    let found = store.read(move |tx| token::by_hash(tx, hash)).await;
    let used = found.unwrap().unwrap();
    assert_eq!((used.used_at, used.revoked_at), (Some(at(5)), None));
}

pub(crate) async fn the_tokens_of_one_host_are_revoked_together(store: Store) {
    let (mine, another) = (HostId::new(at(0), 1), HostId::new(at(0), 2));
    let of = |n, host| TokenView {
        role: Role::Agent,
        host: Some(host),
        ..view(n)
    };
    let tokens = [of(1, mine), of(2, mine), of(3, another), view(4)];
    store
        .write(move |tx| {
            for (n, token) in (0u8..).zip(&tokens) {
                token::insert(tx, token, Digest::of(&[n]))?;
            }
            token::revoke_of_host(tx, mine, at(5))
        })
        .await
        .unwrap();
    let all = store.read(|tx| token::list(tx, None, 10)).await.unwrap();
    let revoked: Vec<_> = all.iter().map(|token| token.revoked_at).collect();
    assert_eq!(revoked, [Some(at(5)), Some(at(5)), None, None]);
}

pub(crate) fn release(number: u64, version: &str) -> model::deliver::Release {
    use model::deliver::{ArtifactFormat, Definition, Owner, Release, ReleaseNumber, Run};
    Release {
        service: "shop".parse().unwrap(),
        number: ReleaseNumber(number),
        version: version.parse().unwrap(),
        digest: Digest::of(b"shop"),
        size_bytes: 4,
        config_digest: Digest::of(b""),
        definition: Definition {
            service: "shop".parse().unwrap(),
            depends_on: vec![],
            owner: Owner::default(),
            artifact: model::deliver::definition::ArtifactSpec {
                keep: 3,
                path: "shop".into(),
                format: ArtifactFormat::File,
            },
            run: Run {
                exec: vec!["./shop".into()],
                env: std::collections::BTreeMap::new(),
                ports: vec![],
                stop_timeout: std::time::Duration::from_secs(10),
                hooks: Default::default(),
                drain: None,
            },
            health: None,
            metrics: None,
            environments: std::collections::BTreeMap::new(),
            signals: std::collections::BTreeMap::new(),
            procedures: vec![],
            compatibility: Default::default(),
        },
        created_at: at(0),
        created_by: "test".into(),
    }
}

pub(crate) async fn a_version_is_not_used_twice(store: Store) {
    store
        .write(move |tx| store::release::insert(tx, &release(1, "1.0")))
        .await
        .unwrap();
    let again = store
        .write(move |tx| store::release::insert(tx, &release(2, "1.0")))
        .await;
    assert!(matches!(again, Err(store::Error::Exists(_))), "{again:?}");
}
