use model::deliver::freeze::Window;
use model::deliver::{Freeze, FreezeRule};
use model::time::Zone;
use store::{Error, Store, Tx, freeze};

use super::at;

fn frozen(name: &str, to: &str, environment: Option<&str>, service: Option<&str>) -> Freeze {
    Freeze {
        rule: FreezeRule {
            name: name.parse().unwrap(),
            zone: Zone::utc(),
            window: Window::read("fri 16:00", to).unwrap(),
        },
        environment: environment.map(|name| name.parse().unwrap()),
        service: service.map(|name| name.parse().unwrap()),
        reason: "nobody is there".into(),
        by: "mira".into(),
        at: at(0),
    }
}

pub(crate) async fn a_freeze_is_kept_by_its_name_and_found_by_what_it_applies_to(store: Store) {
    let all = frozen("all", "mon 08:00", None, None);
    let later = frozen("all", "tue 08:00", None, None);
    let shop = frozen("shop", "mon 08:00", Some("production"), Some("shop"));
    for one in [all, shop.clone(), later.clone()] {
        let put = store.write(move |tx| freeze::put(tx, &one));
        put.await.unwrap();
    }
    let list = store.read(freeze::list).await.unwrap();
    assert_eq!(list, [later.clone(), shop.clone()], "one name, one freeze");
    let rules = |service: &str, environment: &str| {
        let (service, environment) = (service.parse().unwrap(), environment.parse().unwrap());
        store.read(move |tx: &mut Tx<'_>| freeze::rules_for(tx, &service, &environment))
    };
    let both = [later.rule.clone(), shop.rule];
    assert_eq!(rules("shop", "production").await.unwrap(), both);
    assert_eq!(rules("shop", "staging").await.unwrap(), both[..1]);
    assert_eq!(rules("till", "production").await.unwrap(), both[..1]);

    let name = later.rule.name;
    let remove = || {
        let name = name.clone();
        store.write(move |tx: &mut Tx<'_>| -> Result<bool, Error> { freeze::remove(tx, &name) })
    };
    assert!(remove().await.unwrap());
    assert!(!remove().await.unwrap(), "it was there a second time");
}
