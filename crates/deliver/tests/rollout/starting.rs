//! Whether a rollout may begin, and who is in which ring.

use deliver::rollout::{Refusal, Start, start};
use model::deliver::{Host, Release, RingSize, RingSpec, Rollout, RolloutState};
use model::{ChangeId, Fact, Kind, Labels};

use crate::fleet::*;

fn begin(release: &Release, hosts: &[Host]) -> Result<Rollout, Refusal> {
    let new = Start {
        change: ChangeId(7),
        release,
        previous: None,
        brought_by: None,
        environment: "production".parse().unwrap(),
        hosts,
        redeploy: false,
        by: "jonas".into(),
        now: t0(),
    };
    start(new).map(|(rollout, facts)| {
        let planned = |(kind, fact): &(Kind, Fact)| {
            *kind == Kind::Change && matches!(fact, Fact::RolloutPlanned { .. })
        };
        assert!(facts.len() == 1 && planned(&facts[0]));
        rollout
    })
}

fn rings_of(specs: Vec<RingSpec>, hosts: usize) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    let setup = Setup {
        hosts,
        rings: specs,
        ..Setup::default()
    };
    let mut hosts: Vec<Host> = (1..=hosts).map(host).collect();
    hosts.reverse();
    let rollout = begin(&setup.release(), &hosts)?;
    assert_eq!(rollout.state, RolloutState::Planned);
    assert_eq!(rollout.plan.rings.len(), rollout.rings.len());
    let rings = rollout.rings.iter().zip(&rollout.plan.rings);
    Ok(rings
        .map(|(ring, spec)| {
            assert_eq!(ring.name, spec.name);
            let names = ring.hosts.iter().map(|h| h.name.to_string()).collect();
            (ring.name.to_string(), names)
        })
        .collect())
}

fn labelled(n: &str) -> RingSize {
    RingSize::Match(Labels::new([("n", n)]).unwrap())
}

#[test]
fn hosts_are_dealt_out_by_name_and_each_to_one_ring() {
    let rings = rings_of(
        vec![
            ring("staff", labelled("3")),
            ring("canary", RingSize::Count(2)),
            ring("tenth", RingSize::Percent(10)),
            ring("everyone", RingSize::Rest),
        ],
        6,
    );
    let expected = [
        ("staff", vec!["web-3"]),
        ("canary", vec!["web-1", "web-2"]),
        ("tenth", vec!["web-4"]),
        ("everyone", vec!["web-5", "web-6"]),
    ]
    .map(|(name, hosts)| {
        (
            name.to_owned(),
            hosts.into_iter().map(str::to_owned).collect(),
        )
    });
    assert_eq!(rings.unwrap(), expected);
}

#[test]
fn percentages_are_of_all_hosts_and_rounded_up() {
    for (percent, hosts, expected) in [(1, 8, 1), (25, 8, 2), (26, 8, 3), (100, 8, 8), (50, 1, 1)] {
        let specs = vec![
            ring("part", RingSize::Percent(percent)),
            ring("everyone", RingSize::Rest),
        ];
        assert_eq!(rings_of(specs, hosts).unwrap()[0].1.len(), expected);
    }
}

#[test]
fn rings_a_small_environment_cannot_fill_are_left_out_with_their_specification() {
    let rings = rings_of(Setup::default().rings, 1).unwrap();
    assert_eq!(rings, [("staff".to_owned(), vec!["web-1".to_owned()])]);
}

#[test]
fn ring_whose_labels_match_no_host_is_refused_rather_than_skipped() {
    let specs = vec![
        ring("staff", labelled("77")),
        ring("everyone", RingSize::Rest),
    ];
    let refusal = rings_of(specs, 3).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no host of environment `production` carries the labels {n=\"77\"} of ring `staff`"
    );
    assert!(refusal.hint().contains("correct `hosts` of the ring"));
}

#[test]
fn rings_without_any_host_are_refused() {
    let refusal = rings_of(vec![ring("none", RingSize::Count(0))], 3).unwrap_err();
    assert!(matches!(refusal, Refusal::NoRing { .. }));
}

#[test]
fn only_hosts_with_the_labels_of_the_environment_take_part() {
    let mut other = host(1);
    other.labels = Labels::new([("role", "db")]).unwrap();
    let mut retired = host(2);
    retired.retired_at = Some(t0());
    let release = Setup::default().release();
    let refusal = begin(&release, &[other.clone(), retired]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no enrolled host carries the labels {role=\"web\"} of environment `production`"
    );
    let rollout = begin(&release, &[other, host(3)]).unwrap();
    assert_eq!(rollout.hosts().count(), 1);
}

#[test]
fn a_host_that_two_environments_lay_claim_to_is_refused_by_name() {
    let mut release = Setup::default().release();
    let environments = &mut release.definition.environments;
    let production = environments.values().next().unwrap().clone();
    let mut staging = production.clone();
    staging.hosts = Labels::new([("stage", "staging")]).unwrap();
    environments.insert("staging".parse().unwrap(), staging);
    let (own, mut both) = (host(1), host(2));
    assert!(begin(&release, &[own.clone(), both.clone()]).is_ok());
    both.labels.insert("stage", "staging").unwrap();
    let refusal = begin(&release, &[own.clone(), both.clone()]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "`web-2` carries the labels of `production` and of `staging`; a host serves one environment of `shop`"
    );
    assert!(refusal.hint().contains("by a label"), "{}", refusal.hint());
    both.retired_at = Some(t0());
    assert!(begin(&release, &[own, both]).is_ok(), "it is there no more");
}

#[test]
fn fewer_hosts_than_expected_are_refused() {
    let mut release = Setup::default().release();
    let plans = release.definition.environments.values_mut();
    plans.for_each(|plan| plan.expected = Some(8));
    let refusal = begin(&release, &[host(1)]).unwrap_err();
    let text = "environment `production` expects 8 hosts, enrolled: 1";
    assert_eq!(refusal.to_string(), text);
}

#[test]
fn unknown_environment_is_refused_with_the_known_ones() {
    let release = Setup::default().release();
    let new = Start {
        change: ChangeId(7),
        release: &release,
        previous: None,
        brought_by: None,
        environment: "prd".parse().unwrap(),
        hosts: &[host(1)],
        redeploy: false,
        by: "jonas".into(),
        now: t0(),
    };
    let refusal = start(new).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "unknown environment `prd` of `shop`; known: `production`"
    );
    assert!(refusal.hint().starts_with("name a known environment"));
}

#[test]
fn signals_and_procedures_decide_who_judges_and_who_undoes() {
    let hosts = [host(1)];
    for (judged, auto_undo) in [(true, true), (false, true), (true, false)] {
        let setup = Setup {
            judged,
            auto_undo,
            ..Setup::default()
        };
        let rollout = begin(&setup.release(), &hosts).unwrap();
        assert_eq!((rollout.judged, rollout.auto_undo), (judged, auto_undo));
    }
}
