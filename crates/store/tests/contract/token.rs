use model::api::token::TokenView;
use model::{Digest, Role, TokenId};
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
        revoked_at: None,
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

pub(crate) async fn a_version_is_not_used_twice(store: Store) {
    use model::deliver::{ArtifactFormat, Definition, Owner, Release, ReleaseNumber, Run};
    let release = |number| Release {
        service: "shop".parse().unwrap(),
        number: ReleaseNumber(number),
        version: "1.0".parse().unwrap(),
        digest: Digest::of(b"shop"),
        size_bytes: 4,
        config_digest: Digest::of(b""),
        definition: Definition {
            service: "shop".parse().unwrap(),
            owner: Owner::default(),
            artifact: model::deliver::definition::ArtifactSpec {
                path: "shop".into(),
                format: ArtifactFormat::File,
            },
            run: Run {
                exec: vec!["./shop".into()],
                env: std::collections::BTreeMap::new(),
                ports: vec![],
                stop_timeout: std::time::Duration::from_secs(10),
            },
            health: None,
            metrics: None,
            environments: std::collections::BTreeMap::new(),
            signals: std::collections::BTreeMap::new(),
            procedures: vec![],
        },
        created_at: at(0),
        created_by: "test".into(),
    };
    store
        .write(move |tx| store::release::insert(tx, &release(1)))
        .await
        .unwrap();
    let again = store
        .write(move |tx| store::release::insert(tx, &release(2)))
        .await;
    assert!(matches!(again, Err(store::Error::Exists(_))), "{again:?}");
}
