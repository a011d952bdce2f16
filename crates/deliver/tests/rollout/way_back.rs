//! How far services that were shipped as one go back when a schema keeps one of them.

use std::collections::{BTreeMap, BTreeSet};

use deliver::rollout::{PartBack, WayBack, no_way_back, way_back_together};
use model::ChangeId;
use model::deliver::{
    Api, Candidate, Compatibility, GateFacts, Migration, MigrationKind, Part, ReleaseNumber,
    ReleaseRef, Rollout, Running, Schema, SchemaNeeds, Surroundings, Together,
};

use crate::fleet::*;

const LEDGER: ChangeId = ChangeId(8);
const SHOP: ChangeId = ChangeId(9);

fn reference(number: u64, version: &str) -> ReleaseRef {
    ReleaseRef {
        number: ReleaseNumber(number),
        version: version.parse().unwrap(),
        digest: model::Digest::of(version.as_bytes()),
        redeploy: None,
    }
}

/// Returns a part whose hosts all have its release.
fn part(change: ChangeId, service: &str, from: &str, to: &str) -> Rollout {
    let mut part = Setup::default().rollout();
    part.change = change;
    part.service = service.parse().unwrap();
    part.previous = Some(reference(1, from));
    part.release = reference(2, to);
    for host in part.rings.iter_mut().flat_map(|ring| &mut ring.hosts) {
        host.touched = true;
    }
    let named = |change, service: &str, to: &str, needs: &[ChangeId]| Part {
        change,
        service: service.parse().unwrap(),
        version: to.parse().unwrap(),
        needs: needs.to_vec(),
    };
    part.together = Some(Together {
        parts: vec![
            named(LEDGER, "ledger", "2.1", &[]),
            named(SHOP, "shop", "1.1", &[LEDGER]),
        ],
        freed_at: None,
    });
    part
}

fn candidate(rollout: &Rollout, release: &ReleaseRef, said: Compatibility) -> Candidate {
    Candidate {
        service: rollout.service.clone(),
        environment: rollout.environment.clone(),
        release: release.clone(),
        compatibility: said,
    }
}

fn needs(range: &str) -> Compatibility {
    Compatibility {
        schema: Some(SchemaNeeds {
            needs: range.parse().unwrap(),
            provides: None,
            soak: std::time::Duration::ZERO,
        }),
        ..Compatibility::default()
    }
}

fn calls(version: &str) -> Compatibility {
    Compatibility {
        api: Some(Api {
            serves: None,
            calls: [("ledger".parse().unwrap(), [version.parse().unwrap()].into())].into(),
        }),
        ..Compatibility::default()
    }
}

fn serving(versions: &[&str], mut said: Compatibility) -> Compatibility {
    said.api = Some(Api {
        serves: Some(
            versions
                .iter()
                .map(|v| v.parse().unwrap())
                .collect::<BTreeSet<_>>(),
        ),
        calls: BTreeMap::new(),
    });
    said
}

/// Returns the ledger behind a contract: its way back is gone.
fn ledger() -> (Rollout, GateFacts) {
    let ledger = part(LEDGER, "ledger", "2.0", "2.1");
    let step = Migration {
        from: 13,
        to: 14,
        kind: MigrationKind::Contract,
        by: "mira".into(),
        at: t0(),
    };
    let facts = GateFacts {
        surroundings: Surroundings {
            schema: Some(Schema {
                service: ledger.service.clone(),
                environment: ledger.environment.clone(),
                version: 14,
                becoming: None,
                point_of_no_return: Some(step),
                by: "mira".into(),
                at: t0(),
                entry: model::EntryId::new(t0(), 1),
            }),
            ..Surroundings::default()
        },
        new: candidate(&ledger, &ledger.release, needs(">=13 <15")),
        previous: Some(candidate(&ledger, &reference(1, "2.0"), needs(">=12 <14"))),
        parts: vec![("shop".parse().unwrap(), "1.1".parse().unwrap())],
        live: Vec::new(),
    };
    (ledger, facts)
}

/// Returns the shop, whose release before says `said`, beside a ledger that serves `serves`.
fn shop(said: Compatibility, serves: &[&str]) -> (Rollout, GateFacts) {
    let shop = part(SHOP, "shop", "1.0", "1.1");
    let runs = Running {
        release: reference(2, "2.1"),
        compatibility: serving(serves, needs(">=13 <15")),
        hosts: vec![(host(1).id, host(1).name)],
    };
    let facts = GateFacts {
        surroundings: Surroundings {
            neighbours: [("ledger".parse().unwrap(), vec![runs])].into(),
            ..Surroundings::default()
        },
        new: candidate(&shop, &shop.release, calls("v1")),
        previous: Some(candidate(&shop, &reference(1, "1.0"), said)),
        parts: vec![("ledger".parse().unwrap(), "2.1".parse().unwrap())],
        live: Vec::new(),
    };
    (shop, facts)
}

/// Returns how far they go back because of `bad`.
fn goes(shop: &(Rollout, GateFacts), ledger: &(Rollout, GateFacts), bad: ChangeId) -> WayBack {
    let part = |one: &'_ (Rollout, GateFacts)| (one.0.clone(), one.1.clone());
    let parts = [part(shop), part(ledger)];
    let parts: Vec<PartBack<'_>> = parts
        .iter()
        .map(|(rollout, facts)| PartBack {
            rollout,
            facts: Some(facts),
        })
        .collect();
    way_back_together(&parts, bad)
}

fn why(way: WayBack) -> String {
    match way {
        WayBack::None { why } => why,
        WayBack::Begins { stays } => panic!("it begins without {stays:?}"),
    }
}

#[test]
fn a_caller_that_says_nothing_of_what_stays_stays_too_and_nothing_goes_back() {
    let why = why(goes(
        &shop(Compatibility::default(), &["v1"]),
        &ledger(),
        SHOP,
    ));
    assert_eq!(
        why,
        "nothing says that shop 1.0 works with ledger 2.1, and that one stays: there is no way back to 2.0: it needs schema >=12 <14, and the schema is 14 since the step from 13 to 14 (contract, by mira), a point of no return; no release that was live works with it"
    );
}

#[test]
fn a_caller_that_fits_what_stays_goes_back_alone() {
    let way = goes(&shop(calls("v1"), &["v1", "v2"]), &ledger(), SHOP);
    let WayBack::Begins { stays } = way else {
        panic!("{way:?}");
    };
    assert_eq!(stays.keys().collect::<Vec<_>>(), [&LEDGER]);
    let why = why(goes(&shop(calls("v1"), &["v2"]), &ledger(), SHOP));
    assert!(why.contains("shop 1.0 calls ledger with v1"), "{why}");
}

#[test]
fn where_the_bad_one_stays_nothing_goes_back() {
    let why = why(goes(&shop(calls("v1"), &["v1"]), &ledger(), LEDGER));
    assert!(why.starts_with("there is no way back to 2.0"), "{why}");
}

#[test]
fn where_nothing_stands_in_the_way_all_go_back() {
    let (rollout, mut facts) = ledger();
    facts.surroundings.schema = None;
    let free = (rollout, facts);
    let all = WayBack::Begins {
        stays: BTreeMap::new(),
    };
    assert_eq!(goes(&shop(Compatibility::default(), &[]), &free, SHOP), all);
}

#[test]
fn a_part_that_changed_no_host_has_nothing_to_take_back() {
    let (mut rollout, facts) = ledger();
    assert!(no_way_back(&rollout, Some(&facts)).is_some());
    for host in rollout.rings.iter_mut().flat_map(|ring| &mut ring.hosts) {
        host.touched = false;
    }
    assert_eq!(no_way_back(&rollout, Some(&facts)), None);
    let waiting = (rollout, facts);
    let all = WayBack::Begins {
        stays: BTreeMap::new(),
    };
    assert_eq!(
        goes(&shop(Compatibility::default(), &[]), &waiting, SHOP),
        all
    );
}
