//! Several services that were shipped as one share one budget, and their evidence is one sum.

use super::*;

fn one_of(parts: usize) -> Test {
    let signals = BTreeMap::from([("errors".to_owned(), signal())]);
    Test::start_one_of(parts, &signals, 1, &BTreeMap::new(), at(0))
}

/// A second in which the canary has this many errors of 10 requests, the control one of 90.
fn with_errors(seconds: i64, bad: u64, beside: Vec<f64>) -> Look {
    Look {
        metrics: counted("errors", (bad, 10), (1, 90)),
        beside,
        ..quiet(seconds)
    }
}

/// Looks until the change fails and returns the second; `beside` is the other part, with as many errors.
fn seconds_to_fail(test: &mut Test, mut beside: Vec<Test>, bad: u64) -> i64 {
    let fails = |&s: &i64| {
        let others = beside.iter_mut().map(|other| {
            other.look(&with_errors(s, bad, vec![]));
            other.log_evidence().unwrap()
        });
        test.look(&with_errors(s, bad, others.collect())).state == Fail
    };
    (1..600).find(fails).expect("it fails some day")
}

#[test]
fn a_part_needs_as_many_times_the_evidence_as_there_are_parts() {
    let mut tests = [one_of(1), one_of(4)];
    for second in 1..=30 {
        let [alone, part] = tests
            .each_mut()
            .map(|test| test.look(&with_errors(second, 1, vec![])).evidence.log_e);
        assert!((alone - 4f64.ln() - part).abs() < 1e-9, "{alone}, {part}");
    }
}

#[test]
fn harm_in_two_parts_is_found_sooner_together_than_in_one_of_them() {
    let alone = seconds_to_fail(&mut one_of(1), vec![], 1);
    let one = seconds_to_fail(&mut one_of(2), vec![], 1);
    let both = seconds_to_fail(&mut one_of(2), vec![one_of(2)], 1);
    assert!(alone < one, "sharing the budget costs: {alone} s, {one} s");
    assert_eq!(both, alone, "and what both show is added up");
}

#[test]
fn what_another_part_shows_alone_fails_the_change_and_is_named() {
    let mut test = one_of(2);
    let judgement = test.look(&Look {
        beside: vec![101f64.ln()],
        ..quiet(1)
    });
    assert_state(&judgement, Fail, "harm");
    assert_eq!(judgement.evidence.beside, Some(101f64.ln()));
}

#[test]
fn the_evidence_of_other_parts_is_among_the_inputs_and_none_leaves_the_bits_as_they_were() {
    let digest = |beside| {
        let mut test = one_of(1);
        test.look(&Look { beside, ..quiet(1) })
            .evidence
            .inputs_digest
    };
    let alone = errors_only().look(&quiet(1)).evidence.inputs_digest;
    assert_eq!(digest(vec![]), alone);
    assert_ne!(digest(vec![0.0]), alone);
    assert_ne!(digest(vec![0.0]), digest(vec![1.0]));
}

#[test]
fn a_part_without_signals_adds_nothing() {
    assert_eq!(start(&[], 1).log_evidence(), None);
    let started = one_of(2).log_evidence().unwrap();
    assert!((started - 0.5f64.ln()).abs() < 1e-12);
}
