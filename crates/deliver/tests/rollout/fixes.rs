//! What a host is asked to try again.

use std::time::Duration;

use deliver::fix::{FixRefusal, to_fix};
use model::deliver::desired::DesiredRelease;
use model::deliver::{
    ArtifactFormat, Desired, DesiredState, Priority, Proof, ReleaseNumber, Reported, Run,
};
use model::{Digest, ServiceName};

use crate::fleet::{reported, t0};

fn desired(service: &ServiceName, generation: u64) -> Desired {
    Desired {
        service: service.clone(),
        environment: "production".parse().unwrap(),
        ring: "staff".parse().unwrap(),
        generation,
        priority: Priority::Rollout,
        state: DesiredState::Running,
        release: DesiredRelease {
            number: ReleaseNumber(1),
            version: "1.0".parse().unwrap(),
            digest: Digest::of(b"shop"),
            size_bytes: 1,
            format: ArtifactFormat::File,
            file_name: "shop".to_owned(),
            config_digest: Digest::of(b"config"),
            redeploy: None,
        },
        run: Run {
            exec: vec!["./shop".to_owned()],
            env: Default::default(),
            ports: vec![],
            stop_timeout: Duration::from_secs(1),
            hooks: Default::default(),
            drain: None,
        },
        health: None,
        metrics: None,
        keep: 1,
        slot: None,
    }
}

/// Returns a wish of that service under a generation, and what is said of it.
fn pair(service: &str, generation: u64, seen: u64, proof: Proof) -> (Desired, Reported) {
    let name: ServiceName = service.parse().unwrap();
    let mut told = reported(proof, seen, t0());
    told.service.clone_from(&name);
    (desired(&name, generation), told)
}

fn fix(pairs: &[(Desired, Reported)], only: Option<&str>) -> Result<Vec<String>, FixRefusal> {
    let desired: Vec<Desired> = pairs.iter().map(|pair| pair.0.clone()).collect();
    let reported: Vec<Reported> = pairs.iter().map(|pair| pair.1.clone()).collect();
    let only = only.map(|name| name.parse().unwrap());
    let found = to_fix(&desired, &reported, only.as_ref())?;
    Ok(found
        .iter()
        .map(|(one, _)| one.service.to_string())
        .collect())
}

#[test]
fn what_waits_for_a_person_is_tried_again_and_nothing_else() {
    for (proof, waits) in [
        (Proof::Blocked, true),
        (Proof::Reverted, true),
        (Proof::Drifted, true),
        (Proof::Converged, false),
        (Proof::Pending, false),
        (Proof::Stopped, false),
        (Proof::Unknown, false),
    ] {
        let found = fix(&[pair("shop", 3, 3, proof)], None);
        match waits {
            true => assert_eq!(found.unwrap(), ["shop"], "{proof}"),
            false => assert_eq!(found.unwrap_err(), FixRefusal::NothingWrong, "{proof}"),
        }
    }
}

#[test]
fn only_the_services_that_need_it_are_tried_again() {
    let host = [
        pair("cart", 1, 1, Proof::Converged),
        pair("shop", 2, 2, Proof::Blocked),
        pair("stock", 3, 3, Proof::Reverted),
    ];
    assert_eq!(fix(&host, None).unwrap(), ["shop", "stock"]);
    assert_eq!(fix(&host, Some("stock")).unwrap(), ["stock"]);
    assert_eq!(
        fix(&host, Some("cart")).unwrap_err(),
        FixRefusal::NothingWrong
    );
    let unknown = fix(&host, Some("till")).unwrap_err();
    assert_eq!(unknown.to_string(), "it is not asked for `till`");
    assert_eq!(fix(&[], None).unwrap_err(), FixRefusal::AskedForNothing);
}

#[test]
fn what_a_host_said_of_an_order_before_is_no_reason() {
    let host = [pair("shop", 4, 3, Proof::Blocked)];
    let refusal = fix(&host, None).unwrap_err();
    assert_eq!(refusal, FixRefusal::NotHeard("shop".parse().unwrap()));
    assert!(!refusal.hint().is_empty());
}
